#include "bus/pattern/pattern.h"

#include <re2/re2.h>

namespace pawl {
namespace {

constexpr int64_t compiled_bytes_max = int64_t{1} << 20;
constexpr std::string_view special = R"(\.+*?()|[]{}^$)";

// The length of the UTF-8 character at `at`; 0: none begins there.
size_t character_length(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t length = lead < 0x80   ? 1
                        : lead < 0xc2 ? 0
                        : lead < 0xe0 ? 2
                        : lead < 0xf0 ? 3
                        : lead < 0xf5 ? 4
                                      : 0;
  if (at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xc0) != 0x80) return 0;
  }
  return length;
}

// Empty when all of it is UTF-8 already; else with '?' for each byte that is not.
std::string mended(std::string_view text) {
  std::string out;
  bool broken = false;
  for (size_t at = 0; at < text.size();) {
    const size_t length = character_length(text, at);
    if (length == 0 && !broken) {
      broken = true;
      out.reserve(text.size());
      out.append(text.substr(0, at));
    }
    if (broken) out.append(length == 0 ? std::string_view("?") : text.substr(at, length));
    at += length == 0 ? 1 : length;
  }
  return out;
}

}  // namespace

Result<Pattern> Pattern::compile(std::string_view text) {
  if (text.empty() || text.size() > bytes_max) {
    return make_error(Code::badarg, "a pattern is a regular expression of 1 to " + std::to_string(bytes_max) +
                                        " bytes, not " + std::to_string(text.size()));
  }
  RE2::Options options;
  options.set_case_sensitive(false);
  options.set_log_errors(false);
  options.set_never_capture(true);
  options.set_max_mem(compiled_bytes_max);
  auto compiled = std::make_shared<const RE2>("(?m)" + std::string(text), options);
  if (!compiled->ok()) {
    return make_error(Code::badarg, "\"" + std::string(text) +
                                        "\" is no regular expression: " + compiled->error() +
                                        "; a character that stands for itself is written with \\ before it");
  }
  return Pattern(std::string(text), std::move(compiled));
}

bool Pattern::found_in(std::string_view text) const {
  text = text.substr(0, text_bytes_max);
  const std::string whole = mended(text);
  if (!whole.empty()) text = whole;
  return compiled_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), RE2::UNANCHORED,
                          nullptr, 0);
}

bool Pattern::literal() const { return text_.find_first_of(special) == std::string::npos; }

bool Pattern::anchored() const {
  // Generous: a bracket or an escaped one counts too, which only makes callers more careful.
  return text_.find_first_of("^$") != std::string::npos || text_.find("\\b") != std::string::npos ||
         text_.find("\\B") != std::string::npos || text_.find("\\A") != std::string::npos ||
         text_.find("\\z") != std::string::npos || text_.find("(?") != std::string::npos;
}

bool Pattern::minds_case() const { return text_.find("(?") != std::string::npos; }

std::string quoted_pattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace pawl
