// What decoders share: checks of single words, and the reader of options.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "bus/base/parse.h"
#include "bus/protocol/command_table.h"
#include "bus/protocol/decode.h"

namespace pawl::protocol {

// A client's word for an error text: quoted, at most 64 bytes, printable.
std::string quoted(std::string_view word);
// The candidate that `word` is most likely a slip of: one letter off, two in long words, or letters swapped.
template <typename Range>
std::string_view likely(std::string_view word, const Range& candidates);
bool likely_slip(std::string_view word, std::string_view candidate);

Error badarg(std::string text);
Error toobig(std::string text);
Error wrong_arity(const Command& command);

// Each gives the error, or nothing when the word is fine.
std::optional<Error> bad_role(std::string_view word);
std::optional<Error> bad_daemon(std::string_view word);  // name or name@boot
std::optional<Error> bad_name(std::string_view what, std::string_view word);
std::optional<Error> bad_id(std::string_view word);
std::optional<Error> bad_claim(std::string_view id, std::string_view token);
std::optional<Error> bad_length(std::string_view what, std::string_view word, size_t min, size_t max);
std::optional<Error> bad_class(std::string_view word, core::ErrorClass& out);
std::optional<Error> bad_number(std::string_view what, std::string_view word, int64_t min, int64_t max,
                                std::string_view unit, int64_t& out);
std::optional<Error> too_many_items(std::string_view what, size_t count);

// COUNT, WAIT, LEASE and NEXT end a list of roles.
bool ends_roles(std::string_view word);

struct Option {
  std::string_view word;  // upper case
  uint8_t values = 1;     // words behind it
  bool repeats = false;
};

// Walks options: each known, at most once, with its values. The first fault ends the walk.
class OptionReader {
 public:
  OptionReader(const Command& command, Args words, std::span<const Option> options)
      : command_(command), words_(words), options_(options) {}

  // Index of the next option in the list given, nothing at the end or after a fault.
  std::optional<size_t> next();
  std::string_view value(size_t index = 0) const { return words_[values_at_ + index]; }

  // The value as a number; nothing, and a fault, when it is none or out of range.
  std::optional<int64_t> number(int64_t min, int64_t max, std::string_view unit = "a whole number");
  std::optional<int64_t> duration(int64_t min, int64_t max) { return number(min, max, "milliseconds"); }
  std::optional<size_t> count(int64_t max);
  // Records the fault of a check, if it has one. True: the value is fine.
  bool check(std::optional<Error> fault);

  bool failed() const { return fault_.has_value(); }
  Error take_error() { return std::move(*fault_); }

 private:
  const Command& command_;
  Args words_;
  std::span<const Option> options_;
  size_t at_ = 0;
  size_t values_at_ = 0;
  size_t current_ = 0;
  uint32_t seen_ = 0;
  std::optional<Error> fault_;
};

Error unknown_option(const Command& command, std::string_view word, std::span<const Option> options);

template <typename T>
Decoded operation(T&& decoded) {
  return Decoded(std::in_place_type<core::Operation>, std::forward<T>(decoded));
}

// One of a closed list of words, or the error that names them.
template <typename Words, typename Value>
std::optional<Error> one_of(std::string_view what, std::string_view word, const Words& words, Value& out) {
  std::string list;
  for (size_t i = 0; i < words.size(); ++i) {
    if (same_word(word, words[i])) {
      out = static_cast<Value>(i);
      return std::nullopt;
    }
    (list += ' ') += words[i];
  }
  return badarg(std::string(what) + ' ' + quoted(word) + " is none of:" + list);
}

template <typename Range>
std::string_view likely(std::string_view word, const Range& candidates) {
  for (const auto& candidate : candidates) {
    if (likely_slip(word, candidate)) return candidate;
  }
  return {};
}

}  // namespace pawl::protocol
