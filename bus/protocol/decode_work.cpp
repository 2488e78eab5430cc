// PUSH to MOVE: the commands that change messages.
#include <algorithm>
#include <array>

#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "bus/protocol/decode_support.h"
#include "bus/protocol/decoders.h"

namespace pawl::protocol {
namespace {

namespace op = core::op;

constexpr auto items_max = static_cast<int64_t>(limits::items_per_command_max);

enum class PushOption : uint8_t {
  priority,
  delay,
  at,
  unique,
  unique_for,
  group,
  max_attempts,
  lease,
  expire,
  header
};
constexpr std::array<Option, 10> push_options = {{{"PRIORITY"},
                                                  {"DELAY"},
                                                  {"AT"},
                                                  {"UNIQUE"},
                                                  {"UNIQUEFOR"},
                                                  {"GROUP"},
                                                  {"MAXATTEMPTS"},
                                                  {"LEASE"},
                                                  {"EXPIRE"},
                                                  {"HEADER", 2, true}}};

void add_header(op::Push& push, OptionReader& options) {
  const std::string_view name = options.value(0);
  if (!options.check(bad_name("a header's name", name))) return;
  if (push.headers.size() == limits::headers_per_message_max) {
    options.check(
        toobig("a message has at most " + std::to_string(limits::headers_per_message_max) + " headers"));
    return;
  }
  for (const auto& [other, value] : push.headers) {
    if (other != name) continue;
    options.check(badarg("header " + quoted(name) + " is given twice"));
    return;
  }
  push.headers.emplace_back(name, options.value(1));
}

void read_push_option(PushOption option, op::Push& push, OptionReader& options) {
  switch (option) {
    case PushOption::priority:
      if (const auto n = options.number(0, limits::priority_max)) push.priority = static_cast<int>(*n);
      break;
    case PushOption::delay:
      push.delay_ms = options.duration(0, limits::duration_ms_max);
      break;
    case PushOption::at:
      push.at_ms = options.number(0, limits::wall_ms_max, "Unix milliseconds");
      break;
    case PushOption::unique:
      push.unique = options.value();
      options.check(bad_length("a UNIQUE key", *push.unique, 1, limits::key_bytes_max));
      break;
    case PushOption::unique_for:
      push.unique_for_ms = options.duration(1, limits::duration_ms_max);
      break;
    case PushOption::group:
      push.group = options.value();
      options.check(bad_length("a GROUP key", *push.group, 1, limits::key_bytes_max));
      break;
    case PushOption::max_attempts:
      if (const auto n = options.number(1, limits::attempts_max))
        push.max_attempts = static_cast<uint32_t>(*n);
      break;
    case PushOption::lease:
      push.lease_ms = options.duration(limits::lease_ms_min, limits::lease_ms_max);
      break;
    case PushOption::expire:
      push.expire_ms = options.duration(1, limits::duration_ms_max);
      break;
    case PushOption::header:
      add_header(push, options);
      break;
  }
}

void read_tokens(op::Usage& usage, OptionReader& options) {
  usage.tokens = options.number(0, limits::usage_max);
}
void read_version(op::Text& version, OptionReader& options) {
  version = options.value();
  options.check(bad_name("a version", version));
}
void read_cost(op::Usage& usage, OptionReader& options) {
  usage.cost = options.number(0, limits::usage_max, "micro-dollars");
}

// Takes role names from words[at] up to an option word.
std::optional<Error> read_roles(Args words, size_t& at, std::vector<op::Text>& roles) {
  const size_t from = at;
  while (at < words.size() && !ends_roles(words[at])) ++at;
  if (auto fault = too_many_items("roles", at - from)) return fault;
  roles.reserve(at - from);
  for (size_t i = from; i < at; ++i) {
    if (auto fault = bad_name("a role", words[i])) return fault;
    roles.push_back(words[i]);
  }
  return std::nullopt;
}

constexpr std::array<Option, 2> next_options = {{{"COUNT"}, {"LEASE"}}};

// What stands behind NEXT: options and the roles, the options on either side of them.
std::optional<Error> read_next(const Command& command, Args words, op::Next& next) {
  const auto is_option = [](std::string_view word) {
    return same_word(word, "COUNT") || same_word(word, "LEASE");
  };
  size_t at = 0;
  while (at < words.size() && is_option(words[at])) at = std::min(at + 2, words.size());
  const size_t roles_at = at;
  if (auto fault = read_roles(words, at, next.roles)) return fault;
  if (next.roles.empty() && at == words.size()) {
    return badarg("NEXT needs at least one role; usage: " + std::string(command.usage));
  }
  bool count_seen = false;
  for (const Args part : {words.first(roles_at), words.subspan(at)}) {
    OptionReader options(command, part, next_options);
    while (const auto option = options.next()) {
      const bool is_count = *option == 0;
      if (is_count ? count_seen : next.lease_ms.has_value()) {
        return badarg(std::string(next_options[*option].word) + " is given twice");
      }
      if (is_count) {
        count_seen = true;
        if (const auto n = options.count(items_max)) next.count = *n;
      } else {
        next.lease_ms = options.duration(limits::lease_ms_min, limits::lease_ms_max);
      }
    }
    if (options.failed()) return options.take_error();
  }
  if (next.roles.empty()) return badarg("NEXT needs at least one role; usage: " + std::string(command.usage));
  return std::nullopt;
}

}  // namespace

Decoded decode_push(const Command& command, Args args) {
  op::Push push;
  push.role = args[1];
  push.payload = args[2];
  if (auto fault = bad_role(push.role)) return *std::move(fault);
  OptionReader options(command, args.subspan(3), push_options);
  while (const auto option = options.next()) {
    read_push_option(static_cast<PushOption>(*option), push, options);
  }
  if (options.failed()) return options.take_error();
  if (push.delay_ms && push.at_ms) return badarg("DELAY and AT exclude each other; give one of them");
  if (push.unique_for_ms && !push.unique) return badarg("UNIQUEFOR needs UNIQUE key");
  return operation(std::move(push));
}

Decoded decode_mpush(const Command&, Args args) {
  op::MultiPush push;
  push.role = args[1];
  if (auto fault = bad_role(push.role)) return *std::move(fault);
  if (auto fault = too_many_items("payloads", args.size() - 2)) return *std::move(fault);
  push.payloads.assign(args.begin() + 2, args.end());
  return operation(std::move(push));
}

Decoded decode_claim(const Command& command, Args args) {
  static constexpr std::array<Option, 4> claim_options = {{{"COUNT"}, {"WAIT"}, {"LEASE"}, {"VERSION"}}};
  op::Claim claim;
  claim.daemon = args[1];
  if (auto fault = bad_daemon(claim.daemon)) return *std::move(fault);
  size_t at = 2;
  if (auto fault = read_roles(args, at, claim.roles)) return *std::move(fault);
  if (claim.roles.empty()) {
    return badarg("CLAIM needs at least one role, and " + quoted(args[2]) +
                  " is an option word; usage: " + std::string(command.usage));
  }
  OptionReader options(command, args.subspan(at), claim_options);
  while (const auto option = options.next()) {
    switch (*option) {
      case 0:
        if (const auto n = options.count(items_max)) claim.count = *n;
        break;
      case 1:
        claim.wait_ms = options.duration(0, limits::wait_ms_max);
        break;
      case 3:
        read_version(claim.version, options);
        break;
      default:
        claim.lease_ms = options.duration(limits::lease_ms_min, limits::lease_ms_max);
    }
  }
  if (options.failed()) return options.take_error();
  return operation(std::move(claim));
}

Decoded decode_ack(const Command& command, Args args) {
  // NEXT stands here for the list in errors; the words behind it are read on their own.
  static constexpr std::array<Option, 5> ack_options = {
      {{"RESULT"}, {"TOKENS"}, {"COST"}, {"VERSION"}, {"NEXT", 0}}};
  op::Ack ack;
  ack.id = args[1];
  ack.token = args[2];
  if (auto fault = bad_claim(ack.id, ack.token)) return *std::move(fault);
  // The first NEXT that stands where an option is due.
  size_t next_at = 3;
  while (next_at < args.size() && !same_word(args[next_at], "NEXT")) next_at += 2;
  next_at = std::min(next_at, args.size());
  OptionReader options(command, args.subspan(3, next_at - 3), ack_options);
  while (const auto option = options.next()) {
    switch (*option) {
      case 0:
        ack.result = options.value();
        break;
      case 1:
        read_tokens(ack.usage, options);
        break;
      case 3:
        read_version(ack.version, options);
        break;
      default:
        read_cost(ack.usage, options);
    }
  }
  if (options.failed()) return options.take_error();
  if (next_at < args.size()) {
    if (auto fault = read_next(command, args.subspan(next_at + 1), ack.next.emplace()))
      return *std::move(fault);
  }
  return operation(std::move(ack));
}

Decoded decode_mack(const Command& command, Args args) {
  if (args.size() % 2 == 0) return wrong_arity(command);
  const size_t count = (args.size() - 1) / 2;
  if (auto fault = too_many_items("acknowledgements", count)) return *std::move(fault);
  op::MultiAck ack;
  ack.items.reserve(count);
  for (size_t i = 1; i < args.size(); i += 2) {
    if (auto fault = bad_claim(args[i], args[i + 1])) return *std::move(fault);
    ack.items.emplace_back(args[i], args[i + 1]);
  }
  return operation(std::move(ack));
}

Decoded decode_fail(const Command& command, Args args) {
  static constexpr std::array<Option, 5> fail_options = {
      {{"RETRYIN"}, {"DEAD", 0}, {"TOKENS"}, {"COST"}, {"VERSION"}}};
  op::Fail fail;
  fail.id = args[1];
  fail.token = args[2];
  fail.text = args[4];
  if (auto fault = bad_claim(fail.id, fail.token)) return *std::move(fault);
  if (auto fault = bad_class(args[3], fail.error_class)) return *std::move(fault);
  OptionReader options(command, args.subspan(5), fail_options);
  while (const auto option = options.next()) {
    switch (*option) {
      case 0:
        fail.retry_in_ms = options.duration(0, limits::duration_ms_max);
        break;
      case 1:
        fail.dead = true;
        break;
      case 2:
        read_tokens(fail.usage, options);
        break;
      case 4:
        read_version(fail.version, options);
        break;
      default:
        read_cost(fail.usage, options);
    }
  }
  if (options.failed()) return options.take_error();
  return operation(std::move(fail));
}

Decoded decode_extend(const Command& command, Args args) {
  static constexpr std::array<Option, 5> extend_options = {
      {{"LEASE"}, {"PROGRESS", 2}, {"TOKENS"}, {"COST"}, {"VERSION"}}};
  op::Extend extend;
  extend.id = args[1];
  extend.token = args[2];
  if (auto fault = bad_claim(extend.id, extend.token)) return *std::move(fault);
  OptionReader options(command, args.subspan(3), extend_options);
  while (const auto option = options.next()) {
    switch (*option) {
      case 0:
        extend.lease_ms = options.duration(limits::lease_ms_min, limits::lease_ms_max);
        break;
      case 1:
        if (const auto percent = options.number(0, 100, "percent")) {
          // A long note is cut by the core: a sign of life must not fail for it.
          extend.progress.emplace(*percent, options.value(1));
        }
        break;
      case 2:
        read_tokens(extend.usage, options);
        break;
      case 4:
        read_version(extend.version, options);
        break;
      default:
        read_cost(extend.usage, options);
    }
  }
  if (options.failed()) return options.take_error();
  return operation(std::move(extend));
}

Decoded decode_release(const Command& command, Args args) {
  static constexpr std::array<Option, 1> release_options = {{{"DELAY"}}};
  op::Release release{args[1], args[2], std::nullopt};
  if (auto fault = bad_claim(release.id, release.token)) return *std::move(fault);
  OptionReader options(command, args.subspan(3), release_options);
  while (options.next()) release.delay_ms = options.duration(0, limits::duration_ms_max);
  if (options.failed()) return options.take_error();
  return operation(release);
}

Decoded decode_cancel(const Command&, Args args) {
  op::Cancel cancel{args[1], args.size() > 2 ? args[2] : op::Text()};
  if (auto fault = bad_id(cancel.id)) return *std::move(fault);
  if (auto fault = bad_length("a reason", cancel.reason, 0, limits::reason_bytes_max))
    return *std::move(fault);
  return operation(cancel);
}

Decoded decode_cancel_filter(const Command& command, Args args) {
  static constexpr std::array<Option, 1> cancel_options = {{{"LIMIT"}}};
  op::CancelFilter cancel;
  cancel.role = args[2];
  if (auto fault = bad_role(cancel.role)) return *std::move(fault);
  size_t at = 3;
  if (at < args.size() && !same_word(args[at], "LIMIT")) {
    cancel.state = core::state_from(args[at]);
    if (!cancel.state || *cancel.state > core::MessageState::claimed) {
      return badarg("CANCEL FILTER takes the state scheduled, ready or claimed, not " + quoted(args[at]));
    }
    ++at;
  }
  OptionReader options(command, args.subspan(at), cancel_options);
  while (options.next()) cancel.limit = options.count(limits::duration_ms_max);
  if (options.failed()) return options.take_error();
  return operation(cancel);
}

Decoded decode_move(const Command& command, Args args) {
  static constexpr std::array<Option, 2> move_options = {{{"PRIORITY"}, {"TO"}}};
  op::Move move;
  move.id = args[1];
  if (auto fault = bad_id(move.id)) return *std::move(fault);
  OptionReader options(command, args.subspan(2), move_options);
  while (const auto option = options.next()) {
    if (*option == 0) {
      if (const auto n = options.number(0, limits::priority_max)) move.priority = static_cast<int>(*n);
    } else {
      move.to_role = options.value();
      options.check(bad_role(*move.to_role));
    }
  }
  if (options.failed()) return options.take_error();
  return operation(move);
}

}  // namespace pawl::protocol
