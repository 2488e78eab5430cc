#include "bus/base/ids.h"

#include <algorithm>
#include <array>

#include "bus/base/limits.h"

namespace pawl {
namespace {

constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'v') return c - 'a' + 10;
  return -1;
}

constexpr size_t id_length = 16;

__extension__ typedef unsigned __int128 Wide;  // NOLINT: `using` cannot carry __extension__

}  // namespace

std::string encode_id(const BirthKey& key) {
  // 80 bits, most significant first: sequence (51), role (24), lane (5).
  const Wide bits = (static_cast<Wide>(key.sequence) << 29) | (static_cast<Wide>(key.role) << 5) | key.lane;
  std::string id(id_length, '0');
  for (size_t i = 0; i < id_length; ++i) {
    id[i] = digits[static_cast<size_t>((bits >> (5 * (id_length - 1 - i))) & 31)];
  }
  return id;
}

std::optional<BirthKey> decode_id(std::string_view id) {
  if (id.size() != id_length) return std::nullopt;
  Wide bits = 0;
  for (const char c : id) {
    const int value = digit_value(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 5) | static_cast<unsigned>(value);
  }
  BirthKey key;
  key.lane = static_cast<uint8_t>(bits & 31);
  key.role = static_cast<uint32_t>((bits >> 5) & limits::role_number_max);
  key.sequence = static_cast<uint64_t>(bits >> 29);
  if (key.lane > lane_of(0, true) || key.role == 0 || key.sequence == 0) return std::nullopt;
  return key;
}

std::string encode_token(uint64_t token) {
  std::array<char, 13> buffer{};
  size_t at = buffer.size();
  do {
    buffer[--at] = digits[token & 31];
    token >>= 5;
  } while (token != 0);
  return std::string(buffer.data() + at, buffer.size() - at);
}

std::optional<uint64_t> decode_token(std::string_view text) {
  if (text.empty() || text.size() > 13 || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  Wide token = 0;
  for (const char c : text) {
    const int value = digit_value(c);
    if (value < 0) return std::nullopt;
    token = (token << 5) | static_cast<unsigned>(value);
  }
  if (token > UINT64_MAX) return std::nullopt;
  return static_cast<uint64_t>(token);
}

bool well_formed_id(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
  });
}

bool well_formed_name(std::string_view text) {
  return !text.empty() && text.size() <= limits::name_bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                  c == '_' || c == ':' || c == '-';
         });
}

bool well_formed_daemon(std::string_view text) {
  const size_t at = text.find('@');
  if (at == std::string_view::npos) return well_formed_name(text);
  return text.size() <= limits::name_bytes_max && well_formed_name(text.substr(0, at)) &&
         well_formed_name(text.substr(at + 1));
}

}  // namespace pawl
