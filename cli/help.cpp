#include <algorithm>
#include <string>

#include "cli/arguments.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

std::string left_column(const OptionSpec& option) {
  std::string text = "  ";
  text += option.letter ? std::string("-") + option.letter + ", " : std::string("    ");
  text += "--" + std::string(option.name);
  if (!option.value.empty()) text += " " + std::string(option.value);
  return text;
}

std::string padded(std::string text, size_t width) {
  const size_t have = width_of(text);
  text.append(have < width ? width - have : 1, ' ');
  return text;
}

std::string option_lines(std::span<const OptionSpec> options) {
  size_t width = 0;
  for (const OptionSpec& option : options) width = std::max(width, width_of(left_column(option)) + 2);
  std::string text;
  for (const OptionSpec& option : options) {
    text += padded(left_column(option), width) + std::string(option.help) + "\n";
  }
  return text;
}

std::string command_lines(std::string_view group) {
  std::string text;
  for (const CommandSpec& command : command_table()) {
    if (!group.empty() && command.name.substr(0, group.size() + 1) != std::string(group) + " ") continue;
    const std::string usage = "  " + std::string(command.name) + " " + std::string(command.words);
    text += padded(usage, 36) + std::string(command.help) + "\n";
  }
  return text;
}

constexpr std::string_view exit_code_lines =
    "Exit codes: 0 ok · 1 failed · 2 usage · 3 frozen · 4 nothing there · 5 refused by a guard ·\n"
    "            6 claim lost · 7 cannot reach the bus · 8 not allowed\n";

}  // namespace

std::string help_text() {
  return "pawl: a durable bus for jobs and messages\n\nusage: pawl COMMAND [options]\n\nCommands:\n" +
         command_lines("") + "\nOptions of every command:\n" + option_lines(global_options()) + "\n" +
         std::string(exit_code_lines) + "\nMore about one: pawl COMMAND --help\n";
}

std::string group_help_text(std::string_view group) {
  return "usage: pawl " + std::string(group) + " COMMAND [options]\n\nCommands:\n" + command_lines(group);
}

std::string help_text(const CommandSpec& command) {
  std::string text = "usage: pawl " + std::string(command.name);
  if (!command.words.empty()) text += " " + std::string(command.words);
  text += " [options]";
  if (command.runs_command) text += command.command_optional ? " [-- CMD…]" : " -- CMD…";
  text += "\n\n" + std::string(command.help) + "\n";
  if (!command.options.empty()) text += "\nOptions:\n" + option_lines(command.options);
  text += "\nOptions of every command:\n" + option_lines(global_options());
  if (!command.runs_command && command.words_max > 0) {
    text += "\nAn argument that begins with '-' stands after '--'.\n";
  }
  return text;
}

}  // namespace pawl::cli
