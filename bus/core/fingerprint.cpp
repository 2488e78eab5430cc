#include "bus/core/fingerprint.h"

#include <xxhash.h>

#include <algorithm>

namespace pawl::core {
namespace {

constexpr size_t normalised_bytes_max = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The length of a run at `at` that identifies one case: a hex number of 8 or more with a digit in it
// (ids, hashes, addresses), or a plain number.
size_t variable_run(std::string_view text, size_t at) {
  size_t hex = at;
  bool digit = false;
  while (hex < text.size() && (is_hex(text[hex]) || text[hex] == '-')) {
    digit = digit || is_digit(text[hex]);
    ++hex;
  }
  const bool ends = hex == text.size() || !is_word(text[hex]);
  if (hex - at >= 8 && digit && ends) return hex - at;
  size_t decimal = at;
  while (decimal < text.size() && is_digit(text[decimal])) ++decimal;
  return decimal - at;
}

}  // namespace

std::string normalised_text(std::string_view text) {
  text = text.substr(0, std::min(text.find('\n'), text.size()));
  std::string out;
  for (size_t at = 0; at < text.size() && out.size() < normalised_bytes_max;) {
    const char c = text[at];
    const bool word_start = at == 0 || !is_word(text[at - 1]);
    if (c == '"' || (c == '\'' && word_start)) {
      const size_t close = text.find(c, at + 1);
      if (close != std::string_view::npos) {
        out += c;
        out += '?';
        out += c;
        at = close + 1;
        continue;
      }
    }
    const size_t run = (word_start || is_digit(c)) ? variable_run(text, at) : 0;
    if (run > 0) {
      out += '#';
      at += run;
      continue;
    }
    const bool space = c == ' ' || c == '\t' || c == '\r';
    if (!space || (!out.empty() && out.back() != ' ')) out += space ? ' ' : c;
    ++at;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

uint64_t fingerprint(ErrorClass error_class, std::string_view text) {
  const std::string whole = std::string(class_name(error_class)) + '\n' + normalised_text(text);
  const uint64_t hash = XXH3_64bits(whole.data(), whole.size());
  return hash == 0 ? 1 : hash;
}

uint64_t exact_fingerprint(std::string_view text) {
  const uint64_t hash = XXH3_64bits(text.data(), text.size());
  return hash == 0 ? 1 : hash;
}

std::string fingerprint_text(uint64_t fingerprint) {
  std::string out(16, '0');
  for (size_t i = 0; i < 16; ++i) out[15 - i] = "0123456789abcdef"[(fingerprint >> (4 * i)) & 15];
  return out;
}

}  // namespace pawl::core
