// Hashes in hex, lower case.
#pragma once

#include <string>
#include <string_view>

namespace pawl::runner {

std::string sha256_hex(std::string_view bytes);
// HMAC-SHA256 (RFC 2104, 4231); a key of any length.
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);

}  // namespace pawl::runner
