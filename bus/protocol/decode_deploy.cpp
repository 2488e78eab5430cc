// DEPLOY …: versions of what a role runs.
#include <array>

#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "bus/protocol/decode_support.h"
#include "bus/protocol/decoders.h"

namespace pawl::protocol {
namespace {

namespace op = core::op;

// COMMAND is read on its own; it stands here for the list in errors.
constexpr std::array<Option, 3> set_options = {{{"COMMAND"}, {"PROMPT"}, {"REASON"}}};

std::optional<Error> bad_version(std::string_view word, int64_t min, std::optional<uint64_t>& out) {
  int64_t number = 0;
  auto error = bad_number("a version", word, min, limits::usage_max, "a whole number", number);
  out = static_cast<uint64_t>(number);
  return error;
}

std::optional<Error> bad_reason(std::string_view word) {
  return bad_length("the reason", word, 0, limits::reason_bytes_max);
}

// COMMAND n word…, from args[at] on; `at` is behind it afterwards.
std::optional<Error> read_command(const Command& command, Args args, size_t& at, op::DeploySet& set) {
  if (!set.command.empty()) return badarg("COMMAND is given twice");
  if (at + 1 >= args.size()) return wrong_arity(command);
  int64_t count = 0;
  constexpr auto most = static_cast<int64_t>(limits::deploy_words_max);
  if (auto error = bad_number("COMMAND", args[at + 1], 1, most, "a number of words", count)) return error;
  at += 2;
  if (args.size() - at < static_cast<size_t>(count)) {
    return badarg("COMMAND " + std::to_string(count) + " takes " + std::to_string(count) +
                  " words; there are only " + std::to_string(args.size() - at));
  }
  size_t bytes = 0;
  for (int64_t i = 0; i < count; ++i, ++at) {
    if (args[at].find('\0') != std::string_view::npos) {
      return badarg("a word of a COMMAND cannot have a zero byte in it");
    }
    bytes += args[at].size();
    set.command.push_back(args[at]);
  }
  if (set.command[0].empty()) return badarg("the first word of a COMMAND is a program; it is empty");
  if (bytes <= limits::deploy_command_bytes_max) return std::nullopt;
  return toobig("a COMMAND has at most " + std::to_string(limits::deploy_command_bytes_max) + " bytes, not " +
                std::to_string(bytes));
}

}  // namespace

Decoded decode_deploy_set(const Command& command, Args args) {
  op::DeploySet set;
  set.role = args[2];
  if (auto error = bad_role(set.role)) return *std::move(error);
  std::optional<op::Text> reason;
  for (size_t at = 3; at < args.size();) {
    if (same_word(args[at], "COMMAND")) {
      if (auto error = read_command(command, args, at, set)) return *std::move(error);
      continue;
    }
    const bool is_prompt = same_word(args[at], "PROMPT");
    if (!is_prompt && !same_word(args[at], "REASON")) return unknown_option(command, args[at], set_options);
    std::optional<op::Text>& value = is_prompt ? set.prompt : reason;
    if (value) return badarg(std::string(is_prompt ? "PROMPT" : "REASON") + " is given twice");
    if (at + 1 == args.size()) return wrong_arity(command);
    value = args[at + 1];
    at += 2;
  }
  if (set.command.empty() && !set.prompt) {
    return badarg("DEPLOY SET needs COMMAND, PROMPT or both; usage: " + std::string(command.usage));
  }
  if (set.prompt && set.prompt->empty()) {
    return badarg("the PROMPT is empty; DEPLOY DROP goes back to what the file says");
  }
  set.reason = reason.value_or("");
  if (auto error = bad_reason(set.reason)) return *std::move(error);
  return operation(std::move(set));
}

Decoded decode_deploy_rollback(const Command& command, Args args) {
  static constexpr std::array<Option, 2> known = {{{"TO"}, {"REASON"}}};
  op::DeployRollback rollback;
  rollback.role = args[2];
  if (auto error = bad_role(rollback.role)) return *std::move(error);
  OptionReader options(command, args.subspan(3), known);
  while (const auto option = options.next()) {
    if (*option == 0) {
      options.check(bad_version(options.value(), 0, rollback.to));
    } else {
      rollback.reason = options.value();
      options.check(bad_reason(rollback.reason));
    }
  }
  if (options.failed()) return options.take_error();
  return operation(rollback);
}

Decoded decode_deploy_drop(const Command& command, Args args) {
  static constexpr std::array<Option, 1> known = {{{"REASON"}}};
  op::DeployRollback rollback;
  rollback.role = args[2];
  rollback.to = 0;
  if (auto error = bad_role(rollback.role)) return *std::move(error);
  OptionReader options(command, args.subspan(3), known);
  while (options.next()) {
    rollback.reason = options.value();
    options.check(bad_reason(rollback.reason));
  }
  if (options.failed()) return options.take_error();
  return operation(rollback);
}

Decoded decode_deploy_list(const Command& /*command*/, Args args) {
  if (auto error = bad_role(args[2])) return *std::move(error);
  return operation(op::DeployList{args[2]});
}

Decoded decode_deploy_get(const Command& /*command*/, Args args) {
  op::DeployGet get;
  get.role = args[2];
  if (auto error = bad_role(get.role)) return *std::move(error);
  if (args.size() == 4) {
    if (auto error = bad_version(args[3], 1, get.version)) return *std::move(error);
  }
  return operation(get);
}

}  // namespace pawl::protocol
