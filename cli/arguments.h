// argv, taken apart and checked against the command table.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"

namespace pawl::cli {

struct Arguments {
  const CommandSpec* command = nullptr;
  std::vector<std::string> words;  // positional ones, exactly as given
  std::vector<std::string> rest;   // what stands after "--", for a command that runs one

  bool has(std::string_view option) const { return given.find(option) != given.end(); }
  // Text of an option; the last one where it repeats.
  std::optional<std::string> text(std::string_view option) const;
  std::vector<std::string> all(std::string_view option) const;
  // Numbers, priorities, percents; durations and times in milliseconds; micro-dollars.
  std::optional<int64_t> number(std::string_view option) const;

  // The global options; a command's own option of the same name hides one given after it.
  std::optional<std::string> url;
  bool json = false;
  bool quiet = false;
  bool no_color = false;
  std::optional<int64_t> timeout_ms;

  std::map<std::string, std::vector<std::string>, std::less<>> given;
  std::map<std::string, int64_t, std::less<>> numbers;
};

struct ParseOutcome {
  std::optional<Arguments> arguments;  // else say `text` and exit with `exit_code`
  int exit_code = 0;
  std::string text;  // help (exit_code 0, to stdout) or what is wrong (to stderr)
};

// `argv` without the program's name. Never exits, never throws.
ParseOutcome parse_arguments(const std::vector<std::string>& argv);

// Help for everything, or for one command; a group ("dead") shows its members.
std::string help_text();
std::string help_text(const CommandSpec& command);
std::string group_help_text(std::string_view group);

}  // namespace pawl::cli
