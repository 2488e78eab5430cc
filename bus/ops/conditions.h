// What rules are made of: lists, ranges and globs, and whether one rule takes all that another one would.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"

namespace pawl::ops {

// Both ends belong to it.
struct Span {
  int64_t least = std::numeric_limits<int64_t>::min();
  int64_t most = std::numeric_limits<int64_t>::max();

  bool any() const { return *this == Span{}; }
  bool holds(int64_t value) const { return least <= value && value <= most; }
  bool empty() const { return least > most; }
  bool operator==(const Span&) const = default;
};

// "64" or "64-78"; "at least 64", "at most 78", "anything".
std::string span_text(const Span& span);
std::string spans_text(const std::vector<Span>& spans);
// "64" or "64-78", of numbers that are not negative. BADARG says what is wrong.
Result<Span> span_from(std::string_view text);

// * any run, ? any one character; everything else is itself. Takes at most pattern × text steps.
bool glob_matches(std::string_view glob, std::string_view text);

// The whole of `b` is in `a`; sound, and for globs it finds every such pair.
bool glob_covers(std::string_view a, std::string_view b);
// An empty list is no condition.
bool spans_cover(const std::vector<Span>& a, const std::vector<Span>& b);
bool spans_hold(const std::vector<Span>& spans, int64_t value);

template <typename T>
bool list_holds(const std::vector<T>& list, const T& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}
template <typename T>
bool list_covers(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.empty()) return true;
  return !b.empty() && std::all_of(b.begin(), b.end(), [&](const T& one) { return list_holds(a, one); });
}

// "a", "a or b", "a, b or c"
std::string or_list(const std::vector<std::string>& words);

}  // namespace pawl::ops
