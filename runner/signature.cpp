#include "runner/signature.h"

#include <sodium.h>

#include <array>

#include "bus/base/result.h"

namespace pawl::runner {
namespace {

// Before anything else of the library; again it does nothing.
void start_library() { PAWL_CHECK(sodium_init() >= 0); }

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

template <size_t size>
std::string hex(const std::array<unsigned char, size>& bytes) {
  std::array<char, size * 2 + 1> text{};
  sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
  return text.data();
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  start_library();
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256(hash.data(), bytes_of(bytes), bytes.size());
  return hex(hash);
}

std::string hmac_sha256_hex(std::string_view key, std::string_view bytes) {
  start_library();
  crypto_auth_hmacsha256_state state{};
  crypto_auth_hmacsha256_init(&state, bytes_of(key), key.size());
  crypto_auth_hmacsha256_update(&state, bytes_of(bytes), bytes.size());
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> hash{};
  crypto_auth_hmacsha256_final(&state, hash.data());
  return hex(hash);
}

}  // namespace pawl::runner
