// One command's words, owned, and what the decoder makes of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bus/protocol/decode.h"

namespace pawl::protocol {

class Words {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {
    views_.assign(words_.begin(), words_.end());
    decoded_.emplace(decode(views_));
  }
  // Words parted by single blanks.
  explicit Words(const std::string& line) : Words(split(line)) {}
  explicit Words(const char* line) : Words(std::string(line)) {}
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;

  Args args() const { return views_; }
  // The error line, or an empty text.
  std::string error() const {
    const auto* fault = std::get_if<Error>(&*decoded_);
    return fault == nullptr ? "" : error_line(*fault);
  }
  // Null when it is another operation, or none.
  template <typename T>
  const T* operation() const {
    const auto* operation = std::get_if<core::Operation>(&*decoded_);
    return operation == nullptr ? nullptr : std::get_if<T>(operation);
  }
  const SessionCommand* session() const { return std::get_if<SessionCommand>(&*decoded_); }

 private:
  static std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> words(1);
    for (const char c : line) {
      if (c == ' ') {
        words.emplace_back();
      } else {
        words.back() += c;
      }
    }
    return words;
  }

  std::vector<std::string> words_;
  std::vector<std::string_view> views_;
  std::optional<Decoded> decoded_;
};

}  // namespace pawl::protocol
