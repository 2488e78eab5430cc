#include "cli/completion.h"

#include <algorithm>
#include <vector>

#include "bus/base/text.h"
#include "cli/commands.h"
#include "cli/option_values.h"

namespace pawl::cli {
namespace {

std::vector<std::string> first_words() {
  std::vector<std::string> words;
  for (const CommandSpec& command : command_table()) {
    const std::string word(command.name.substr(0, command.name.find(' ')));
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  return words;
}

std::vector<std::string> members(std::string_view group) {
  std::vector<std::string> words;
  const std::string prefix = std::string(group) + " ";
  for (const CommandSpec& command : command_table()) {
    if (command.name.substr(0, prefix.size()) == prefix)
      words.emplace_back(command.name.substr(prefix.size()));
  }
  return words;
}

std::string option_words(const CommandSpec* command) {
  std::vector<std::string> words;
  if (command) {
    for (const OptionSpec& option : command->options) words.push_back("--" + std::string(option.name));
  }
  for (const OptionSpec& option : global_options()) {
    const std::string word = "--" + std::string(option.name);
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  words.emplace_back("--help");
  return joined(words, " ");
}

// The words that may stand in an option's place; empty: anything.
std::string value_words(ValueKind kind) {
  if (kind == ValueKind::error_class) return error_class_list();
  if (kind == ValueKind::state) return state_list();
  if (kind == ValueKind::freeze_scope) return freeze_scope_list();
  if (kind == ValueKind::on_freeze) return on_freeze_list();
  if (kind == ValueKind::priority) return "0 1 2 3 4 5 6 7 8 9";
  return "";
}

std::string positional_words(const CommandSpec& command) {
  if (!command.choices.empty()) return std::string(command.choices);
  if (command.name == "list") return state_list();
  if (command.name == "help") return joined(first_words(), " ");
  return "";
}

// One function for bash; zsh runs it through its bashcompinit.
std::string bash_function() {
  std::string text =
      "_pawl() {\n"
      "  local word=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" command=\"\" i\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"${COMP_WORDS[i]}\" in\n"
      "      --) return 0 ;;\n"
      "      --url|--timeout) ((i++)) ;;\n"
      "      -*) ;;\n"
      "      *) if [[ -z $command ]]; then command=\"${COMP_WORDS[i]}\"\n";
  for (const std::string& word : first_words()) {
    if (is_command_group(word)) {
      text +=
          "         elif [[ $command == " + word + " ]]; then command=\"" + word + " ${COMP_WORDS[i]}\"\n";
    }
  }
  text +=
      "         fi ;;\n"
      "    esac\n"
      "  done\n"
      "  local options=\"" +
      option_words(nullptr) + "\" words=\"\"\n  case \"$command\" in\n    \"\") words=\"" +
      joined(first_words(), " ") + "\" ;;\n";
  for (const std::string& word : first_words()) {
    if (is_command_group(word)) text += "    " + word + ") words=\"" + joined(members(word), " ") + "\" ;;\n";
  }
  for (const CommandSpec& command : command_table()) {
    text += "    \"" + std::string(command.name) + "\") options=\"" + option_words(&command) + "\"";
    if (const std::string words = positional_words(command); !words.empty())
      text += " words=\"" + words + "\"";
    text += " ;;\n";
  }
  text += "  esac\n  case \"$command $previous\" in\n";
  for (const CommandSpec& command : command_table()) {
    for (const OptionSpec& option : command.options) {
      const std::string label =
          "    \"" + std::string(command.name) + " --" + std::string(option.name) + "\") ";
      const std::string words = value_words(option.kind);
      if (!words.empty()) {
        text += label + "COMPREPLY=($(compgen -W \"" + words + "\" -- \"$word\")); return 0 ;;\n";
      } else if (option.kind == ValueKind::file) {
        text += label + "COMPREPLY=($(compgen -f -- \"$word\")); return 0 ;;\n";
      } else if (option.kind == ValueKind::folder) {
        text += label + "COMPREPLY=($(compgen -d -- \"$word\")); return 0 ;;\n";
      }
    }
  }
  text +=
      "  esac\n"
      "  if [[ $word == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
      "  elif [[ $word == @* ]]; then\n"
      "    COMPREPLY=($(compgen -f -P @ -- \"${word#@}\"))\n"
      "  elif [[ -n $words ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "  fi\n"
      "}\n";
  return text;
}

std::string_view group_help(std::string_view group) {
  if (group == "quota") return "caps on tokens, cost and calls";
  if (group == "cron") return "pushes on a schedule";
  if (group == "incident") return "what somebody should look at";
  if (group == "notify") return "who was told";
  if (group == "policy") return "what was done about incidents";
  return "dead letters";
}

std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_option(const std::string& condition, const OptionSpec& option) {
  std::string line = "complete -c pawl -n " + fish_quoted(condition) + " -l " + std::string(option.name);
  if (option.letter) line += std::string(" -s ") + option.letter;
  if (option.kind != ValueKind::flag && option.kind != ValueKind::optional_duration) {
    const bool path = option.kind == ValueKind::file || option.kind == ValueKind::folder;
    line += path ? " -r -F" : " -x";
    if (const std::string words = value_words(option.kind); !words.empty())
      line += " -a " + fish_quoted(words);
  }
  return line + " -d " + fish_quoted(option.help) + "\n";
}

std::string fish_script() {
  std::string text = "complete -c pawl -f\n";
  for (const OptionSpec& option : global_options()) text += fish_option("true", option);
  for (const std::string& word : first_words()) {
    const CommandSpec* command = find_command(word);
    text += "complete -c pawl -n __fish_use_subcommand -a " + word + " -d " +
            fish_quoted(command ? command->help : group_help(word)) + "\n";
  }
  for (const CommandSpec& command : command_table()) {
    const size_t space = command.name.find(' ');
    std::string condition = "__fish_seen_subcommand_from " + std::string(command.name.substr(0, space));
    if (space != std::string_view::npos) {
      const std::string member(command.name.substr(space + 1));
      text += "complete -c pawl -n " +
              fish_quoted(condition + "; and not __fish_seen_subcommand_from " +
                          joined(members(command.name.substr(0, space)), " ")) +
              " -a " + member + " -d " + fish_quoted(command.help) + "\n";
      condition += "; and __fish_seen_subcommand_from " + member;
    }
    for (const OptionSpec& option : command.options) text += fish_option(condition, option);
    if (const std::string words = positional_words(command); !words.empty()) {
      text += "complete -c pawl -n " + fish_quoted(condition) + " -a " + fish_quoted(words) + "\n";
    }
  }
  return text;
}

}  // namespace

std::optional<std::string> completion_script(std::string_view shell) {
  if (shell == "bash") return bash_function() + "complete -o default -F _pawl pawl\n";
  if (shell == "zsh") {
    return "#compdef pawl\nautoload -U +X bashcompinit && bashcompinit\n" + bash_function() +
           "complete -o default -F _pawl pawl\n";
  }
  if (shell == "fish") return fish_script();
  return std::nullopt;
}

}  // namespace pawl::cli
