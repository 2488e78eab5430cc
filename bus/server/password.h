// Passwords and their hashes: argon2id as libsodium writes it, "$argon2id$v=19$m=…". The one file that knows
// the library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/base/result.h"

namespace pawl::server {

// What one check costs. The defaults take some fifty milliseconds.
struct HashCost {
  uint64_t passes = 2;
  size_t bytes = size_t{64} << 20;
};

// Takes as long as a check does. BADARG for a password that is empty or longer than
// limits::password_bytes_max, ERR where there is not memory enough.
Result<std::string> hash_password(std::string_view password, HashCost cost = {});

// Takes tens of milliseconds and megabytes: not for the loop's thread.
bool matches_hash(const std::string& hash, std::string_view password);

// Nothing, or why this text cannot stand where a hash is wanted. Never shows the text: it may be a password.
std::string fault_of_hash(const std::string& hash);

// Takes as long whatever the first different byte is.
bool same_secret(std::string_view given, std::string_view secret);

// A short word for a password that matched a hash, of no use outside this process.
std::string fingerprint_of(const std::string& hash, std::string_view password);

// Overwrites it in a way that no compiler leaves out.
void forget_secret(std::string& secret);

}  // namespace pawl::server
