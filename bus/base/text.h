// Small things done to text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pawl {

// Two digits a byte, lower case.
std::string hex_text(std::string_view bytes);
// Nothing for what hex_text() does not write.
std::optional<std::string> bytes_from_hex(std::string_view hex);

template <typename Words>
std::string joined(const Words& words, std::string_view between) {
  std::string text;
  for (const std::string_view word : words) {
    if (!text.empty()) text += between;
    text += word;
  }
  return text;
}

}  // namespace pawl
