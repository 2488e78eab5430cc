#include "bus/ops/dot_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace pawl::ops {
namespace {

bool continues(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

// Of the well-formed sequence that the text begins with; 0: there is none.
size_t sequence_length(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length < 2) return length;
  if (text.size() < length || !std::all_of(text.begin() + 1, text.begin() + length, continues)) return 0;
  const auto second = static_cast<uint8_t>(text[1]);
  // Overlong ones, surrogates, and what lies beyond the last code point.
  const bool wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
                     (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
  return wrong ? 0 : length;
}

}  // namespace

std::string dot_quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    const char c = text[0];
    if (length == 0) {
      out += '?';
    } else if (c == '&') {
      out += "&amp;";  // labels know the entities of HTML
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += static_cast<uint8_t>(c) < 0x20 || c == 0x7f ? " " : text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return out + "\"";
}

}  // namespace pawl::ops
