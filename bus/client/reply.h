// One answer of the bus as a tree of values (RESP2: maps arrive as flat arrays of
// name, value). Plain data; copy and move it freely.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"

namespace pawl::client {

class Reply {
 public:
  enum class Kind : uint8_t { nil, integer, text, simple, error, array };

  Kind kind = Kind::nil;
  int64_t number = 0;        // integer
  std::string bytes;         // text, simple, error (the whole line, without '-')
  std::vector<Reply> items;  // array

  static Reply make_nil() { return {}; }
  static Reply make_integer(int64_t value);
  static Reply make_text(std::string bytes);
  static Reply make_simple(std::string bytes);
  static Reply make_error(std::string line);
  static Reply make_array(std::vector<Reply> items);

  bool is_nil() const { return kind == Kind::nil; }
  bool is_error() const { return kind == Kind::error; }
  bool is_array() const { return kind == Kind::array; }
  bool is_textual() const { return kind == Kind::text || kind == Kind::simple; }

  // The error of an error reply; meaningless for other kinds.
  Error error() const { return parse_error_line(bytes); }

  // As a flat map: the value of `name`, or null. The pointer lives as long as this.
  const Reply* field(std::string_view name) const;
  // Fields with a default for what is missing or of another kind. An integer is
  // also read out of digits, and digits out of an integer.
  std::string text_of(std::string_view name, std::string_view missing = "") const;
  std::optional<int64_t> int_of(std::string_view name) const;

  std::string as_text(std::string_view missing = "") const;
  std::optional<int64_t> as_int() const;

  // "CODE text [retry-after-ms=N]" taken apart; an unknown code keeps its word in the text.
  static Error parse_error_line(std::string_view line);
};

}  // namespace pawl::client
