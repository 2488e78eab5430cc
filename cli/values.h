// What people type and read: durations, times, money, and the other way round.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/base/result.h"

namespace pawl::cli {

// Unix milliseconds out of plain digits, or out of ISO 8601: 2025-03-01T12:00:00Z, with
// +01:00, or without a zone (then local time); seconds and fractions may be missing.
std::optional<int64_t> parse_time_ms(std::string_view text);
// Micro-dollars out of "0.0125" or "3"; nothing for a sign, an exponent or more than six decimals.
std::optional<int64_t> parse_cost_micro(std::string_view text);

// "2025-03-01T12:00:00.123Z".
std::string format_time(int64_t unix_ms);
// "3d 4h", "12m 5s", "1.5s", "40ms": two units, for reading.
std::string format_span(int64_t ms);
// "$0.0125".
std::string format_cost(int64_t micro);
// 1234567 → "1,234,567".
std::string format_count(int64_t count);

int64_t wall_now_ms();
int64_t steady_now_ms();

// Text that can go to a terminal: control characters, bytes that are no UTF-8 and the
// marks that reorder text become \n, \t, \xNN or \u{NNNN}.
std::string printable(std::string_view bytes);
// The same, but line ends and tabs stay.
std::string printable_lines(std::string_view bytes);
// Columns that a text takes on a terminal, near enough: code points.
size_t width_of(std::string_view text);

}  // namespace pawl::cli
