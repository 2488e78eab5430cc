// Configured patterns: RE2's regular expressions, which take time linear in the text whatever they say.
// RE2 stays behind this header.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "bus/base/result.h"

namespace re2 {
class RE2;
}

namespace pawl {

// A compiled pattern. A value: copies share the compiled form, which is read-only and safe in any thread.
// Upper and lower case are the same unless the pattern says (?-i); ^ and $ also match at line ends.
class Pattern {
 public:
  static constexpr size_t bytes_max = 1024;         // of a pattern
  static constexpr size_t text_bytes_max = 16'384;  // of a text; what is behind is not looked at

  // BADARG with what is wrong with it: empty, too long, no regular expression, or too large once compiled.
  static Result<Pattern> compile(std::string_view text);

  // Whether it matches anywhere in `text`. Bytes that are no UTF-8 count as '?'.
  bool found_in(std::string_view text) const;
  const std::string& text() const { return text_; }
  // It stands for itself: no character of it means anything else.
  bool literal() const;
  // What stands before or behind a match may decide it: ^ $ \b and the like.
  bool anchored() const;
  // It minds upper and lower case somewhere: (?-i).
  bool minds_case() const;

  bool operator==(const Pattern& other) const { return text_ == other.text_; }

 private:
  Pattern(std::string text, std::shared_ptr<const re2::RE2> compiled)
      : text_(std::move(text)), compiled_(std::move(compiled)) {}

  std::string text_;
  std::shared_ptr<const re2::RE2> compiled_;
};

// `text` as a pattern that stands for itself.
std::string quoted_pattern(std::string_view text);

}  // namespace pawl
