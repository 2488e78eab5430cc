#include "bus/protocol/decode_support.h"

#include <algorithm>
#include <array>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "bus/base/parse.h"

namespace pawl::protocol {
namespace {

constexpr size_t quoted_bytes_max = 64;
// Longer words are no slips; it also bounds the work of comparing.
constexpr size_t slip_bytes_max = 24;

constexpr std::array<std::string_view, 4> role_list_ends = {"COUNT", "WAIT", "LEASE", "NEXT"};

char upper(char c) { return (c >= 'a' && c <= 'z') ? static_cast<char>(c - 32) : c; }

std::string sorted_letters(std::string_view word) {
  std::string letters;
  for (const char c : word) letters += upper(c);
  std::sort(letters.begin(), letters.end());
  return letters;
}

}  // namespace

std::string quoted(std::string_view word) {
  std::string text = "'";
  for (const char c : word.substr(0, quoted_bytes_max)) text += (c >= ' ' && c < 0x7f) ? c : '?';
  if (word.size() > quoted_bytes_max) text += "...";
  return text + '\'';
}

bool likely_slip(std::string_view word, std::string_view candidate) {
  if (word.size() < 2 || word.size() > slip_bytes_max) return false;
  const int near = word.size() < 6 ? 1 : 2;
  return edit_distance(word, candidate) <= near || sorted_letters(word) == sorted_letters(candidate);
}

Error badarg(std::string text) { return make_error(Code::badarg, std::move(text)); }
Error toobig(std::string text) { return make_error(Code::toobig, std::move(text)); }

Error wrong_arity(const Command& command) {
  std::string name = command.name();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return (c >= 'A' && c <= 'Z') ? static_cast<char>(c + 32) : c; });
  return make_error(Code::err,
                    "wrong number of arguments for '" + name + "'; usage: " + std::string(command.usage));
}

std::optional<Error> bad_name(std::string_view what, std::string_view word) {
  if (well_formed_name(word)) return std::nullopt;
  return badarg(std::string(what) + " is 1 to 128 of A-Z a-z 0-9 . _ : -, not " + quoted(word));
}

bool ends_roles(std::string_view word) {
  if (word.size() < 4 || word.size() > 5) return false;
  return std::any_of(role_list_ends.begin(), role_list_ends.end(),
                     [&](std::string_view end) { return same_word(end, word); });
}

std::optional<Error> bad_role(std::string_view word) {
  if (ends_roles(word)) return badarg(quoted(word) + " is an option word and no name of a role");
  return bad_name("a role", word);
}

std::optional<Error> bad_daemon(std::string_view word) {
  const size_t at = word.find('@');
  const bool fine = at == std::string_view::npos
                        ? well_formed_name(word)
                        : well_formed_name(word.substr(0, at)) && well_formed_name(word.substr(at + 1));
  if (fine) return std::nullopt;
  return badarg("a daemon is name or name@boot, each 1 to 128 of A-Z a-z 0-9 . _ : -, not " + quoted(word));
}

std::optional<Error> bad_id(std::string_view word) {
  if (well_formed_id(word)) return std::nullopt;
  return badarg("an id is 1 to 32 of 0-9 a-z, not " + quoted(word));
}

std::optional<Error> bad_claim(std::string_view id, std::string_view token) {
  if (!well_formed_id(id)) return bad_id(id);
  if (well_formed_id(token)) return std::nullopt;
  return badarg("a token is 1 to 32 of 0-9 a-z, not " + quoted(token));
}

std::optional<Error> bad_length(std::string_view what, std::string_view word, size_t min, size_t max) {
  if (word.size() < min) {
    return badarg(std::string(what) + " has " + std::to_string(min) + " to " + std::to_string(max) +
                  " bytes; it is empty");
  }
  if (word.size() <= max) return std::nullopt;
  return toobig(std::string(what) + " has at most " + std::to_string(max) + " bytes, not " +
                std::to_string(word.size()));
}

std::optional<Error> bad_class(std::string_view word, core::ErrorClass& out) {
  if (const auto found = core::class_from(word)) {
    out = *found;
    return std::nullopt;
  }
  std::string text = "unknown error class " + quoted(word) + "; use one of";
  for (const std::string_view name : core::class_names) (text += ' ') += name;
  return badarg(std::move(text));
}

std::optional<Error> bad_number(std::string_view what, std::string_view word, int64_t min, int64_t max,
                                std::string_view unit, int64_t& out) {
  const auto parsed = parse_int(word);
  if (parsed && *parsed >= min && *parsed <= max) {
    out = *parsed;
    return std::nullopt;
  }
  return badarg(std::string(what) + " is " + std::string(unit) + " from " + std::to_string(min) + " to " +
                std::to_string(max) + ", not " + quoted(word));
}

std::optional<Error> too_many_items(std::string_view what, size_t count) {
  if (count <= limits::items_per_command_max) return std::nullopt;
  return toobig("one command carries at most " + std::to_string(limits::items_per_command_max) + ' ' +
                std::string(what) + ", not " + std::to_string(count) + "; send several commands");
}

Error unknown_option(const Command& command, std::string_view word, std::span<const Option> options) {
  std::string text = "unknown option " + quoted(word) + "; " + command.name();
  if (options.empty()) return badarg(text + " takes none");
  text += " takes";
  std::string_view near;
  for (size_t i = 0; i < options.size(); ++i) {
    text += i == 0 ? " " : ", ";
    text += options[i].word;
    if (near.empty() && likely_slip(word, options[i].word)) near = options[i].word;
  }
  if (!near.empty()) text += "; did you mean " + std::string(near) + '?';
  return badarg(std::move(text));
}

std::optional<size_t> OptionReader::next() {
  if (fault_ || at_ == words_.size()) return std::nullopt;
  const std::string_view word = words_[at_];
  const auto found = std::find_if(options_.begin(), options_.end(),
                                  [&](const Option& o) { return same_word(o.word, word); });
  if (found == options_.end()) {
    fault_ = unknown_option(command_, word, options_);
    return std::nullopt;
  }
  current_ = static_cast<size_t>(found - options_.begin());
  const uint32_t bit = uint32_t{1} << current_;
  if ((seen_ & bit) != 0 && !found->repeats) {
    fault_ = badarg(std::string(found->word) + " is given twice");
    return std::nullopt;
  }
  seen_ |= bit;
  if (words_.size() - at_ - 1 < found->values) {
    const std::string needs = found->values == 1 ? "a value" : std::to_string(found->values) + " values";
    fault_ = badarg(std::string(found->word) + " needs " + needs + "; usage: " + std::string(command_.usage));
    return std::nullopt;
  }
  values_at_ = at_ + 1;
  at_ = values_at_ + found->values;
  return current_;
}

std::optional<int64_t> OptionReader::number(int64_t min, int64_t max, std::string_view unit) {
  int64_t parsed = 0;
  fault_ = bad_number(options_[current_].word, value(), min, max, unit, parsed);
  if (fault_) return std::nullopt;
  return parsed;
}

std::optional<size_t> OptionReader::count(int64_t max) {
  const auto parsed = number(1, max);
  if (!parsed) return std::nullopt;
  return static_cast<size_t>(*parsed);
}

bool OptionReader::check(std::optional<Error> fault) {
  fault_ = std::move(fault);
  return !fault_;
}

}  // namespace pawl::protocol
