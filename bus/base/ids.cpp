#include "bus/base/ids.h"

#include <algorithm>
#include <array>

#include "bus/base/limits.h"

namespace pawl {
namespace {

constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";

constexpr uint8_t no_digit = 0xff;

constexpr std::array<uint8_t, 256> digit_values = [] {
  std::array<uint8_t, 256> values{};
  values.fill(no_digit);
  for (size_t i = 0; i < digits.size(); ++i)
    values[static_cast<uint8_t>(digits[i])] = static_cast<uint8_t>(i);
  return values;
}();

uint8_t digit_value(char c) { return digit_values[static_cast<uint8_t>(c)]; }

// An id is two halves of 40 bits, eight digits each.
constexpr size_t half_length = id_bytes / 2;
constexpr int half_bits = 40;

void write_half(char* to, uint64_t bits) {
  for (size_t i = half_length; i-- > 0; bits >>= 5) to[i] = digits[bits & 31];
}

// At least 2^40 where a character is no digit.
uint64_t read_half(const char* from) {
  uint64_t bits = 0;
  uint8_t bad = 0;
  for (size_t i = 0; i < half_length; ++i) {
    const uint8_t value = digit_value(from[i]);
    bad |= value;
    bits = (bits << 5) | (value & 31);
  }
  return bad > 31 ? uint64_t{1} << half_bits : bits;
}

__extension__ typedef unsigned __int128 Wide;  // NOLINT: `using` cannot carry __extension__

}  // namespace

void write_id(const BirthKey& key, char* to) {
  // 80 bits, most significant first: sequence (51), role (24), lane (5).
  write_half(to, key.sequence >> 11);
  constexpr uint64_t low_sequence = (uint64_t{1} << 11) - 1;
  write_half(to + half_length, ((key.sequence & low_sequence) << 29) | (uint64_t{key.role} << 5) | key.lane);
}

std::string encode_id(const BirthKey& key) {
  std::string id(id_bytes, '0');
  write_id(key, id.data());
  return id;
}

std::optional<BirthKey> decode_id(std::string_view id) {
  if (id.size() != id_bytes) return std::nullopt;
  const uint64_t high = read_half(id.data());
  const uint64_t low = read_half(id.data() + half_length);
  if (((high | low) >> half_bits) != 0) return std::nullopt;
  BirthKey key;
  key.lane = static_cast<uint8_t>(low & 31);
  key.role = static_cast<uint32_t>((low >> 5) & limits::role_number_max);
  key.sequence = (high << 11) | (low >> 29);
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
    const uint8_t value = digit_value(c);
    if (value == no_digit) return std::nullopt;
    token = (token << 5) | value;
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
