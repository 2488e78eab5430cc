#include "bus/base/parse.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace pawl {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};

std::optional<int64_t> parse_with_units(std::string_view text, const Unit* units, size_t count) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const auto number = parse_int(text.substr(0, digits));
  if (!number) return std::nullopt;
  const std::string_view name = text.substr(digits);
  for (size_t i = 0; i < count; ++i) {
    if (units[i].name != name) continue;
    int64_t product = 0;
    if (__builtin_mul_overflow(*number, units[i].factor, &product)) return std::nullopt;
    return product;
  }
  if (name.empty() && *number == 0) return 0;
  return std::nullopt;
}

constexpr std::array<Unit, 5> duration_units = {
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<Unit, 5> byte_units = {
    {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}}};

char lower(char c) { return (c >= 'A' && c <= 'Z') ? static_cast<char>(c + 32) : c; }

}  // namespace

std::optional<int64_t> parse_int(std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, failure] = std::from_chars(text.data(), end, value);
  if (text.empty() || failure != std::errc() || at != end) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_duration_ms(std::string_view text) {
  return parse_with_units(text, duration_units.data(), duration_units.size());
}

std::optional<int64_t> parse_bytes(std::string_view text) {
  return parse_with_units(text, byte_units.data(), byte_units.size());
}

std::string format_duration(int64_t ms) {
  for (size_t i = duration_units.size(); i-- > 1;) {
    if (ms != 0 && ms % duration_units[i].factor == 0) {
      return std::to_string(ms / duration_units[i].factor) + std::string(duration_units[i].name);
    }
  }
  return std::to_string(ms) + "ms";
}

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int above = row[j];
      const int replace = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      row[j] = std::min({above + 1, row[j - 1] + 1, replace});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace pawl
