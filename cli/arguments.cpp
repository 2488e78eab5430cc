#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "bus/base/parse.h"
#include "cli/exit_codes.h"
#include "cli/option_values.h"

namespace pawl::cli {
namespace {

// CLI11 takes "[a,b]" apart, mistakes values for options and words for commands. So it
// never sees a value: each one is replaced by a mark and put back afterwards.
class Marks {
 public:
  std::string hide(std::string value) {
    values_.push_back(std::move(value));
    return std::string(1, '\x01') + std::to_string(values_.size() - 1);
  }
  std::string show(const std::string& mark) const {
    if (mark.empty() || mark[0] != '\x01') return mark;
    const auto index = parse_int(std::string_view(mark).substr(1));
    return index && static_cast<size_t>(*index) < values_.size() ? values_[static_cast<size_t>(*index)]
                                                                 : mark;
  }

 private:
  std::vector<std::string> values_;
};

ParseOutcome usage_error(const std::string& text, const CommandSpec* command) {
  ParseOutcome outcome;
  outcome.exit_code = exit_usage;
  const std::string more = command ? "pawl " + std::string(command->name) + " --help" : "pawl --help";
  outcome.text = text + "\nSee: " + more + "\n";
  return outcome;
}

ParseOutcome shown(std::string text) {
  ParseOutcome outcome;
  outcome.text = std::move(text);
  return outcome;
}

bool looks_like_option(const std::string& token) {
  return token.size() > 1 && token[0] == '-' && !(token[1] >= '0' && token[1] <= '9');
}

// The options that may stand at one place, a command's own first.
std::vector<const OptionSpec*> options_for(const CommandSpec* command) {
  std::vector<const OptionSpec*> found;
  if (command) {
    for (const OptionSpec& option : command->options) found.push_back(&option);
  }
  for (const OptionSpec& option : global_options()) {
    const bool hidden = std::any_of(found.begin(), found.end(),
                                    [&](const OptionSpec* own) { return own->name == option.name; });
    if (!hidden) found.push_back(&option);
  }
  return found;
}

// The option that `token` (without "=…") names, or null.
const OptionSpec* option_named(const std::vector<const OptionSpec*>& options, std::string_view token) {
  for (const OptionSpec* option : options) {
    const bool long_form = token.substr(0, 2) == "--" && token.substr(2) == option->name;
    const bool short_form = option->letter && token.size() == 2 && token[1] == option->letter;
    if (long_form || short_form) return option;
  }
  return nullptr;
}

// Rewrites tokens[*at] (an option, with its value in the next token or behind '=').
void hide_option(const std::vector<std::string>& tokens, size_t* at,
                 const std::vector<const OptionSpec*>& options, Marks* marks, std::vector<std::string>* out) {
  const std::string& token = tokens[*at];
  const size_t equals = token.find('=');
  if (token.substr(0, 2) == "--" && equals != std::string::npos) {
    out->push_back(token.substr(0, equals + 1) + marks->hide(token.substr(equals + 1)));
    return;
  }
  const OptionSpec* option = option_named(options, token);
  if (!option || option->kind == ValueKind::flag) {
    out->push_back(token);
    return;
  }
  const bool has_next = *at + 1 < tokens.size();
  if (option->kind == ValueKind::optional_duration) {
    // A bare number is taken too, to be refused with a hint at the unit.
    const bool takes_next = has_next && (parse_duration_ms(tokens[*at + 1]).has_value() ||
                                         parse_int(tokens[*at + 1]).has_value());
    out->push_back("--" + std::string(option->name) + "=" + marks->hide(takes_next ? tokens[++*at] : ""));
    return;
  }
  out->push_back(token);
  if (has_next) out->push_back(marks->hide(tokens[++*at]));
}

struct Split {
  std::vector<std::string> before;  // global options in front of the command
  std::vector<std::string> after;
  std::vector<std::string> rest;  // behind "--"
  bool has_rest = false;
  std::string word;  // "push", "dead list", "dead"
};

Split split(const std::vector<std::string>& argv, Marks* marks) {
  Split parts;
  const auto dashes = std::find(argv.begin(), argv.end(), "--");
  const std::vector<std::string> tokens(argv.begin(), dashes);
  if (dashes != argv.end()) {
    parts.has_rest = true;
    parts.rest.assign(dashes + 1, argv.end());
  }
  std::vector<const OptionSpec*> options = options_for(nullptr);
  bool complete = false;  // the command's name is
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::vector<std::string>* out = parts.word.empty() ? &parts.before : &parts.after;
    if (looks_like_option(tokens[i])) {
      hide_option(tokens, &i, options, marks, out);
    } else if (!complete) {
      parts.word += (parts.word.empty() ? "" : " ") + tokens[i];
      complete = !is_command_group(parts.word);
      if (const CommandSpec* command = find_command(parts.word)) options = options_for(command);
    } else {
      out->push_back(marks->hide(tokens[i]));
    }
  }
  return parts;
}

ParseOutcome unknown_command(const std::string& word) {
  std::vector<std::string> names;
  const size_t space = word.find(' ');
  const std::string group = space == std::string::npos ? "" : word.substr(0, space + 1);
  for (const CommandSpec& command : command_table()) {
    const std::string name(command.name);
    if (!group.empty() && name.rfind(group, 0) == 0) names.push_back(name);
    if (group.empty()) names.push_back(name.substr(0, name.find(' ')));
  }
  const std::string near = nearest_word(word, names);
  std::string text = "unknown command '" + word + "'";
  if (!near.empty()) text += "; did you mean '" + near + "'?";
  return usage_error(text, nullptr);
}

std::string unexpected_option(const CLI::ExtrasError& failure,
                              const std::vector<const OptionSpec*>& options) {
  std::string what = failure.what();
  const size_t at = what.find(": ");
  std::string token = at == std::string::npos ? what : what.substr(at + 2);
  token = token.substr(0, token.find_first_of(" ="));
  std::vector<std::string> names;
  for (const OptionSpec* option : options) names.push_back("--" + std::string(option->name));
  const std::string near = nearest_word(token, names);
  return "unknown option '" + token + "'" + (near.empty() ? "" : "; did you mean '" + near + "'?");
}

// One pass of CLI11 over one command (or the global options in front of it). Values go
// into `found`; false: *failure says what is wrong or holds the help.
bool parse_tokens(const CommandSpec* command, std::vector<std::string> tokens, const Marks& marks,
                  std::map<std::string, std::vector<std::string>, std::less<>>* found,
                  std::vector<std::string>* words, bool* wants_help, ParseOutcome* failure) {
  const std::vector<const OptionSpec*> options = options_for(command);
  CLI::App app;
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::map<std::string, bool, std::less<>> flags;
  app.set_help_flag();
  app.add_flag("-h,--help", *wants_help);
  for (const OptionSpec* option : options) {
    const std::string name(option->name);
    std::string names = "--" + name;
    if (option->letter) names = std::string("-") + option->letter + "," + names;
    if (option->kind == ValueKind::flag) {
      app.add_flag(names, flags[name])->disable_flag_override();
    } else {
      app.add_option(names, values[name])->allow_extra_args(false);
    }
  }
  std::vector<std::string> marked_words;
  if (command) app.add_option("words", marked_words)->expected(0, 1 << 20);
  try {
    std::reverse(tokens.begin(), tokens.end());  // CLI11 wants the last one first
    app.parse(std::move(tokens));
  } catch (const CLI::ExtrasError& extras) {
    if (!*wants_help) *failure = usage_error(unexpected_option(extras, options), command);
    return *wants_help;
  } catch (const CLI::ParseError& other) {
    std::string what = other.what();
    if (const size_t at = what.find(" was given a disallowed flag override"); at != std::string::npos) {
      what = "--" + what.substr(0, at) + " takes no value";
    }
    if (!*wants_help) *failure = usage_error(what, command);
    return *wants_help;
  }
  for (const std::string& mark : marked_words) words->push_back(marks.show(mark));
  for (const auto& [name, set] : flags) {
    if (set) (*found)[name];
  }
  for (const auto& [name, marked] : values) {
    if (marked.empty()) continue;
    const OptionSpec* option = option_named(options, "--" + name);
    if (marked.size() > 1 && !option->repeats) {
      *failure = usage_error("--" + name + " is given twice", command);
      return false;
    }
    for (const std::string& mark : marked) (*found)[name].push_back(marks.show(mark));
  }
  return true;
}

// Moves the global options out of `found` into their fields.
void take_globals(const CommandSpec* command, Arguments* arguments,
                  std::map<std::string, std::vector<std::string>, std::less<>>* found) {
  for (const OptionSpec& option : global_options()) {
    const auto at = found->find(option.name);
    if (at == found->end()) continue;
    const bool own = command && std::any_of(command->options.begin(), command->options.end(),
                                            [&](const OptionSpec& o) { return o.name == option.name; });
    if (own) continue;
    if (option.name == "url") arguments->url = at->second.back();
    if (option.name == "json") arguments->json = true;
    if (option.name == "quiet") arguments->quiet = true;
    if (option.name == "no-color") arguments->no_color = true;
    if (option.name == "timeout") arguments->timeout_ms = parse_duration_ms(at->second.back());
    found->erase(at);
  }
}

// Checks every value against its kind and keeps the numbers.
std::optional<std::string> check_values(
    const CommandSpec* command, Arguments* arguments,
    const std::map<std::string, std::vector<std::string>, std::less<>>& found) {
  const auto options = options_for(command);
  for (const auto& [name, values] : found) {
    const OptionSpec* option = option_named(options, "--" + name);
    for (const std::string& value : values) {
      auto checked = check_option_value(*option, value);
      if (!checked) return checked.error().text;
      if (checked->has_value()) arguments->numbers[name] = **checked;
    }
  }
  return std::nullopt;
}

std::optional<std::string> check_words(const CommandSpec& command, const Arguments& arguments) {
  const size_t count = arguments.words.size();
  const std::string usage = "pawl " + std::string(command.name) + " " + std::string(command.words) +
                            (!command.runs_command      ? ""
                             : command.command_optional ? " [-- CMD…]"
                                                        : " -- CMD…");
  if (count < command.words_min) return "too few arguments; usage: " + usage;
  if (count > command.words_max) {
    return "too many arguments from '" + arguments.words[command.words_max] + "' on; usage: " + usage;
  }
  const bool missing = command.runs_command && !command.command_optional && arguments.rest.empty();
  if (missing) return "the command is missing; usage: " + usage;
  return std::nullopt;
}

ParseOutcome help_for(const std::string& word) {
  if (word.empty()) return shown(help_text());
  if (const CommandSpec* command = find_command(word)) return shown(help_text(*command));
  if (is_command_group(word)) return shown(group_help_text(word));
  return unknown_command(word);
}

}  // namespace

std::optional<std::string> Arguments::text(std::string_view option) const {
  const auto at = given.find(option);
  return at == given.end() || at->second.empty() ? std::nullopt : std::optional(at->second.back());
}

std::vector<std::string> Arguments::all(std::string_view option) const {
  const auto at = given.find(option);
  return at == given.end() ? std::vector<std::string>() : at->second;
}

std::optional<int64_t> Arguments::number(std::string_view option) const {
  const auto at = numbers.find(option);
  return at == numbers.end() ? std::nullopt : std::optional(at->second);
}

namespace {

ParseOutcome parse(Split parts, const Marks& marks) {
  const CommandSpec* command = find_command(parts.word);
  ParseOutcome failure;
  Arguments arguments;
  arguments.command = command;
  std::map<std::string, std::vector<std::string>, std::less<>> early;
  bool wants_help = false;
  if (!parse_tokens(nullptr, parts.before, marks, &early, nullptr, &wants_help, &failure)) return failure;
  if (!command) {
    for (const std::string& token : parts.after)
      wants_help = wants_help || token == "--help" || token == "-h";
    if (wants_help) return help_for(parts.word);
    if (parts.word.empty()) return usage_error("a command is missing", nullptr);
    if (is_command_group(parts.word)) {
      ParseOutcome outcome = shown(group_help_text(parts.word));
      outcome.exit_code = exit_usage;
      return outcome;
    }
    return unknown_command(parts.word);
  }
  std::map<std::string, std::vector<std::string>, std::less<>> late;
  if (!parse_tokens(command, parts.after, marks, &late, &arguments.words, &wants_help, &failure))
    return failure;
  if (wants_help) return shown(help_text(*command));
  if (auto wrong = check_values(nullptr, &arguments, early)) return usage_error(*wrong, command);
  arguments.numbers.clear();
  if (auto wrong = check_values(command, &arguments, late)) return usage_error(*wrong, command);
  take_globals(nullptr, &arguments, &early);
  take_globals(command, &arguments, &late);
  arguments.given = std::move(late);
  if (command->runs_command) {
    arguments.rest = std::move(parts.rest);
  } else {
    for (std::string& word : parts.rest) arguments.words.push_back(std::move(word));
  }
  if (command->name == "help") {
    std::string word = arguments.words.empty() ? "" : arguments.words[0];
    if (arguments.words.size() > 1) word += " " + arguments.words[1];
    return help_for(word);
  }
  if (auto wrong = check_words(*command, arguments)) return usage_error(*wrong, command);
  ParseOutcome outcome;
  outcome.arguments = std::move(arguments);
  return outcome;
}

}  // namespace

ParseOutcome parse_arguments(const std::vector<std::string>& argv) {
  if (argv.size() == 1 && argv[0] == "--version") return parse_arguments({"version"});
  Marks marks;
  Split parts = split(argv, &marks);
  const bool sweeps = parts.word == "sweep";
  ParseOutcome outcome = parse(std::move(parts), marks);
  // To whoever calls it, 2 says that the fleet is in trouble, not that the call is wrong.
  if (sweeps && outcome.exit_code == exit_usage) outcome.exit_code = exit_cannot_tell;
  return outcome;
}

}  // namespace pawl::cli
