// Errors that mean the same get the same fingerprint: the class and the text
// without what differs from case to case (numbers, hex runs, quoted parts).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/core/words.h"

namespace pawl::core {

// "open '/tmp/a17': timed out after 30s" → "open '?': timed out after #s". Only the first line, at most 200
// bytes.
std::string normalised_text(std::string_view text);
// XXH3-64 over class and normalised text; never 0.
uint64_t fingerprint(ErrorClass error_class, std::string_view text);
// XXH3-64 of this very text; never 0.
uint64_t exact_fingerprint(std::string_view text);
// 16 hex digits.
std::string fingerprint_text(uint64_t fingerprint);

}  // namespace pawl::core
