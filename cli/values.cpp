#include "cli/values.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

#include "bus/base/limits.h"
#include "bus/base/parse.h"

namespace pawl::cli {
namespace {

// Takes exactly `digits` digits off the front.
std::optional<int> take_number(std::string_view* text, size_t digits) {
  if (text->size() < digits) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text->remove_prefix(digits);
  return value;
}

bool take(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

std::optional<int> take_fraction_ms(std::string_view* text) {
  int value = 0;
  int digits = 0;
  while (!text->empty() && text->front() >= '0' && text->front() <= '9') {
    if (digits < 3) value = value * 10 + (text->front() - '0');
    ++digits;
    text->remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 3; ++digits) value *= 10;
  return value;
}

// Seconds east of Greenwich; nothing inside: local time. Outer nothing: no zone.
std::optional<std::optional<int>> take_zone(std::string_view text) {
  if (text.empty()) return std::optional<int>();
  if (text == "Z" || text == "z") return std::optional<int>(0);
  const int sign = text[0] == '-' ? -1 : 1;
  if (!take(&text, '+') && !take(&text, '-')) return std::nullopt;
  const auto hours = take_number(&text, 2);
  take(&text, ':');
  const auto minutes = text.empty() ? std::optional<int>(0) : take_number(&text, 2);
  if (!hours || !minutes || !text.empty() || *hours > 14 || *minutes > 59) return std::nullopt;
  return std::optional<int>(sign * (*hours * 3600 + *minutes * 60));
}

std::optional<int64_t> parse_iso_ms(std::string_view text) {
  const auto year = take_number(&text, 4);
  if (!year || !take(&text, '-')) return std::nullopt;
  const auto month = take_number(&text, 2);
  if (!month || !take(&text, '-')) return std::nullopt;
  const auto day = take_number(&text, 2);
  if (!day) return std::nullopt;
  std::optional<int> hour = 0;
  std::optional<int> minute = 0;
  std::optional<int> second = 0;
  std::optional<int> milli = 0;
  if (!text.empty()) {
    if (!take(&text, 'T') && !take(&text, 't') && !take(&text, ' ')) return std::nullopt;
    hour = take_number(&text, 2);
    if (!take(&text, ':')) return std::nullopt;
    minute = take_number(&text, 2);
    if (take(&text, ':')) second = take_number(&text, 2);
    if (take(&text, '.')) milli = take_fraction_ms(&text);
  }
  const auto zone = take_zone(text);
  if (!hour || !minute || !second || !milli || !zone) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  std::tm parts{};
  parts.tm_year = *year - 1900;
  parts.tm_mon = *month - 1;
  parts.tm_mday = *day;
  parts.tm_hour = *hour;
  parts.tm_min = *minute;
  parts.tm_sec = *second;
  parts.tm_isdst = -1;
  const time_t seconds = zone->has_value() ? timegm(&parts) - **zone : mktime(&parts);
  const int64_t ms = int64_t{seconds} * 1000 + *milli;
  return ms < 0 ? std::nullopt : std::optional(ms);
}

// Length of the well-formed UTF-8 sequence at the front, 0 for none; its code point.
size_t sequence_at(std::string_view text, uint32_t* point) {
  const auto lead = static_cast<unsigned char>(text[0]);
  *point = lead;
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  *point = lead & (0xffU >> (length + 1));
  for (size_t k = 1; k < length; ++k) {
    const auto byte = static_cast<unsigned char>(text[k]);
    if ((byte & 0xc0) != 0x80) return 0;
    *point = (*point << 6) | (byte & 0x3fU);
  }
  constexpr std::array<uint32_t, 5> smallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = *point >= 0xd800 && *point <= 0xdfff;
  return *point < smallest[length] || *point > 0x10ffff || surrogate ? 0 : length;
}

bool disturbs_a_terminal(uint32_t point) {
  const bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
  const bool reorders = (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) ||
                        point == 0x200e || point == 0x200f || point == 0x061c;
  const bool line_end = point == 0x2028 || point == 0x2029;
  return control || reorders || line_end;
}

std::string escape(std::string_view bytes, bool keep_lines) {
  std::string out;
  out.reserve(bytes.size());
  std::array<char, 16> buffer{};
  while (!bytes.empty()) {
    uint32_t point = 0;
    const size_t length = sequence_at(bytes, &point);
    if (length == 0 || (disturbs_a_terminal(point) && point < 0x80)) {
      const char c = bytes[0];
      if (c == '\n' || c == '\t') {
        if (keep_lines) {
          out += c;
        } else {
          out += c == '\n' ? "\\n" : "\\t";
        }
      } else {
        std::snprintf(buffer.data(), buffer.size(), "\\x%02x", static_cast<unsigned char>(c));
        out += buffer.data();
      }
      bytes.remove_prefix(1);
      continue;
    }
    if (disturbs_a_terminal(point)) {
      std::snprintf(buffer.data(), buffer.size(), "\\u{%04x}", point);
      out += buffer.data();
    } else {
      out += bytes.substr(0, length);
    }
    bytes.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::optional<int64_t> parse_time_ms(std::string_view text) {
  if (const auto ms = parse_int(text)) {
    return *ms >= 0 && *ms <= limits::wall_ms_max ? ms : std::nullopt;
  }
  return parse_iso_ms(text);
}

std::optional<int64_t> parse_cost_micro(std::string_view text) {
  const size_t dot = text.find('.');
  std::string digits(text.substr(0, dot));
  std::string decimals(dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1));
  if (digits.empty() || decimals.size() > 6 || (dot != std::string_view::npos && decimals.empty())) {
    return std::nullopt;
  }
  decimals.resize(6, '0');
  digits += decimals;
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  const auto micro = parse_int(digits);
  return micro && *micro <= limits::usage_max ? micro : std::nullopt;
}

std::string format_time(int64_t unix_ms) {
  const time_t seconds = static_cast<time_t>(unix_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>(unix_ms % 1000));
  return buffer.data();
}

std::string format_span(int64_t ms) {
  if (ms < 0) return "-" + format_span(-ms);
  if (ms < 1000) return std::to_string(ms) + "ms";
  if (ms < 10'000) return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + "s";
  struct Unit {
    int64_t ms;
    const char* name;
  };
  constexpr std::array<Unit, 4> units = {{{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}}};
  for (size_t i = 0; i < units.size(); ++i) {
    if (ms < units[i].ms) continue;
    std::string text = std::to_string(ms / units[i].ms) + units[i].name;
    if (i + 1 < units.size()) {
      const int64_t rest = ms % units[i].ms / units[i + 1].ms;
      if (rest > 0) text += " " + std::to_string(rest) + units[i + 1].name;
    }
    return text;
  }
  return std::to_string(ms) + "ms";
}

std::string format_cost(int64_t micro) {
  std::string decimals = std::to_string(micro % 1'000'000);
  decimals.insert(0, 6 - decimals.size(), '0');
  while (decimals.size() > 2 && decimals.back() == '0') decimals.pop_back();
  return "$" + std::to_string(micro / 1'000'000) + "." + decimals;
}

std::string format_count(int64_t count) {
  std::string digits = std::to_string(count);
  const size_t sign = digits[0] == '-' ? 1 : 0;
  for (size_t at = digits.size(); at > sign + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

int64_t wall_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

int64_t steady_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string printable(std::string_view bytes) { return escape(bytes, false); }

std::string printable_lines(std::string_view bytes) { return escape(bytes, true); }

size_t width_of(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return width;
}

}  // namespace pawl::cli
