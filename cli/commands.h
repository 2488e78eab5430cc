// The command line as data: parsing, help and completion are made from this table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace pawl::cli {

enum class ValueKind : uint8_t {
  flag,               // takes no value
  text,               // any bytes
  file,               // a path
  folder,             // a path
  number,             // a whole number, 0 or more
  positive,           // a whole number, 1 or more
  priority,           // 0 to 9
  percent,            // 0 to 100
  duration,           // "500ms" "30s" "15m" "2h" "7d"; milliseconds
  optional_duration,  // may stand alone
  time,               // ISO 8601 or Unix milliseconds
  since,              // a time, or a duration back from now; becomes Unix milliseconds
  cost,               // dollars; becomes micro-dollars
  header,             // name=value
  error_class,        // a word of contract section 1
  state,              // likewise
  freeze_scope,       // all, claims or intake
  on_freeze,          // pause, terminate or finish
};

struct OptionSpec {
  std::string_view name;  // without dashes
  ValueKind kind = ValueKind::flag;
  std::string_view value;  // how help calls the value
  std::string_view help;
  char letter = '\0';
  bool repeats = false;
};

constexpr size_t any_number = SIZE_MAX;

struct CommandSpec {
  std::string_view name;   // "push", "dead list"
  std::string_view words;  // positional arguments, as help shows them
  size_t words_min = 0;
  size_t words_max = 0;
  std::string_view help;
  std::span<const OptionSpec> options;
  bool runs_command = false;      // "-- CMD…" at the end
  std::string_view choices = {};  // of the first word, space separated, for completion
  bool command_optional = false;  // with runs_command: "-- CMD…" may be missing
};

std::span<const CommandSpec> command_table();
std::span<const OptionSpec> global_options();
const CommandSpec* find_command(std::string_view name);
// Whether `word` is the first of two, as in "dead list".
bool is_command_group(std::string_view word);

}  // namespace pawl::cli
