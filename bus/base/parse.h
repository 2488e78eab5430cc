// Numbers, durations and sizes out of text; every failure is nothing, never a guess.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pawl {

// A whole decimal number: optional '-', digits, no spaces, no overflow.
std::optional<int64_t> parse_int(std::string_view text);
// "500ms" "30s" "15m" "2h" "7d": milliseconds, not negative. "0" alone is zero.
std::optional<int64_t> parse_duration_ms(std::string_view text);
// "64KiB" "1MiB" "2GiB" "512B" or plain digits: bytes.
std::optional<int64_t> parse_bytes(std::string_view text);
// Milliseconds in the largest unit that divides them: 900000 → "15m".
std::string format_duration(int64_t ms);

// ASCII case-insensitive equality, for verbs and option words.
bool same_word(std::string_view a, std::string_view b);

// The candidate nearest to `word` by edit distance, if it is near enough to be a
// likely slip; otherwise empty.
template <typename Range>
std::string nearest_word(std::string_view word, const Range& candidates);
int edit_distance(std::string_view a, std::string_view b);

template <typename Range>
std::string nearest_word(std::string_view word, const Range& candidates) {
  std::string best;
  int best_distance = static_cast<int>(word.size()) / 2 + 1;
  for (const auto& candidate : candidates) {
    const int distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = std::string(candidate);
    }
  }
  return best;
}

}  // namespace pawl
