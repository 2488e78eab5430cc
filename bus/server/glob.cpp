#include "bus/server/glob.h"

#include <algorithm>

namespace pawl::server {
namespace {

// Matches one character against the element at the front of `pattern`, which is no '*', and takes the
// element.
bool match_one(std::string_view& pattern, char c) {
  const char first = pattern.front();
  if (first == '?') {
    pattern.remove_prefix(1);
    return true;
  }
  if (first == '\\' && pattern.size() > 1) {
    const char literal = pattern[1];
    pattern.remove_prefix(2);
    return literal == c;
  }
  if (first != '[') {
    pattern.remove_prefix(1);
    return first == c;
  }
  pattern.remove_prefix(1);
  const bool negated = !pattern.empty() && pattern.front() == '^';
  if (negated) pattern.remove_prefix(1);
  bool found = false;
  while (!pattern.empty() && pattern.front() != ']') {
    if (pattern.front() == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
    char low = pattern.front();
    pattern.remove_prefix(1);
    char high = low;
    if (pattern.size() > 1 && pattern[0] == '-' && pattern[1] != ']') {
      high = pattern[1];
      pattern.remove_prefix(2);
      if (low > high) std::swap(low, high);
    }
    found = found || (low <= c && c <= high);
  }
  if (!pattern.empty()) pattern.remove_prefix(1);
  return found != negated;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  // Only the last '*' ever needs to be tried again: what an earlier one took is as good as any.
  std::string_view after_star;
  std::string_view star_text;
  bool star = false;
  while (true) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      if (pattern.empty()) return true;
      star = true;
      after_star = pattern;
      star_text = text;
      continue;
    }
    if (text.empty() && pattern.empty()) return true;
    if (!text.empty() && !pattern.empty() && match_one(pattern, text.front())) {
      text.remove_prefix(1);
      continue;
    }
    if (!star || star_text.empty()) return false;
    star_text.remove_prefix(1);
    pattern = after_star;
    text = star_text;
  }
}

}  // namespace pawl::server
