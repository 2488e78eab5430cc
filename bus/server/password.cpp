#include "bus/server/password.h"

#include <sodium.h>

#include <array>

#include "bus/base/limits.h"
#include "bus/base/parse.h"

namespace pawl::server {
namespace {

// Before anything else of the library; again and from other threads it does nothing.
void start_library() { PAWL_CHECK(sodium_init() >= 0); }

// The key dies with the process.
const std::array<unsigned char, crypto_generichash_KEYBYTES>& process_key() {
  static const auto key = [] {
    std::array<unsigned char, crypto_generichash_KEYBYTES> bytes{};
    randombytes_buf(bytes.data(), bytes.size());
    return bytes;
  }();
  return key;
}

// The memory that a check of this hash takes, "…$m=65536,t=2,p=1$…"; nothing: it does not say.
std::optional<int64_t> kibibytes_of(std::string_view hash) {
  constexpr std::string_view mark = "$m=";
  const size_t at = hash.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = hash.substr(at + mark.size());
  return parse_int(rest.substr(0, rest.find(',')));
}

}  // namespace

Result<std::string> hash_password(std::string_view password, HashCost cost) {
  if (password.empty()) return make_error(Code::badarg, "the password is empty");
  if (password.size() > limits::password_bytes_max) {
    return make_error(Code::badarg,
                      "a password has at most " + std::to_string(limits::password_bytes_max) + " bytes");
  }
  start_library();
  std::array<char, crypto_pwhash_STRBYTES> hash{};
  if (crypto_pwhash_str(hash.data(), password.data(), password.size(), cost.passes, cost.bytes) != 0) {
    return make_error(Code::err, "hashing takes " + std::to_string(cost.bytes >> 20) +
                                     " MiB of memory, and there is not so much");
  }
  return std::string(hash.data());
}

bool matches_hash(const std::string& hash, std::string_view password) {
  start_library();
  return crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

std::string fault_of_hash(const std::string& hash) {
  constexpr int64_t most_kibibytes = int64_t{1} << 20;
  constexpr size_t tail_bytes = 44;  // "$" and 32 bytes in base64; what was cut short would decode as well
  start_library();
  const bool whole = hash.size() < crypto_pwhash_STRBYTES && hash.find('\0') == std::string::npos &&
                     hash.rfind('$') == hash.size() - tail_bytes &&
                     crypto_pwhash_str_needs_rehash(hash.c_str(), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                                    crypto_pwhash_MEMLIMIT_INTERACTIVE) >= 0;
  const auto kibibytes = kibibytes_of(hash);
  if (!whole || !kibibytes) return "holds no hash of a password";
  if (*kibibytes > most_kibibytes) return "holds a hash that takes more than 1 GiB of memory to check";
  return "";
}

bool same_secret(std::string_view given, std::string_view secret) {
  auto difference = static_cast<unsigned>(given.size() != secret.size());
  for (size_t i = 0; i < given.size() && !secret.empty(); ++i) {
    difference |=
        static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(secret[i % secret.size()]);
  }
  return difference == 0;
}

std::string fingerprint_of(const std::string& hash, std::string_view password) {
  start_library();
  const auto& key = process_key();
  crypto_generichash_state state;
  std::array<unsigned char, crypto_generichash_BYTES> digest{};
  crypto_generichash_init(&state, key.data(), key.size(), digest.size());
  // The terminator keeps the two apart: a hash holds none.
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(hash.c_str()), hash.size() + 1);
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(password.data()), password.size());
  crypto_generichash_final(&state, digest.data(), digest.size());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void forget_secret(std::string& secret) {
  sodium_memzero(secret.data(), secret.size());
  secret.clear();
}

}  // namespace pawl::server
