// DEAD …: inspection and replay of dead letters.
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
constexpr size_t match_bytes_max = limits::reason_bytes_max;

// The filters come first in every list of options that has them.
constexpr Option filter_role{"ROLE"};
constexpr Option filter_class{"CLASS"};
constexpr Option filter_fingerprint{"FINGERPRINT"};
constexpr Option filter_since{"SINCE"};
constexpr Option filter_match{"MATCH"};
constexpr size_t filter_count = 5;
constexpr std::array<Option, filter_count> filter_options = {
    {filter_role, filter_class, filter_fingerprint, filter_since, filter_match}};

void read_filter(size_t option, op::DeadFilter& filter, OptionReader& options) {
  switch (option) {
    case 0:
      filter.role = options.value();
      options.check(bad_role(*filter.role));
      break;
    case 1:
      options.check(bad_class(options.value(), filter.error_class.emplace()));
      break;
    case 2:
      filter.fingerprint = options.value();
      options.check(bad_name("a FINGERPRINT", *filter.fingerprint));
      break;
    case 3:
      filter.since_ms = options.number(0, limits::wall_ms_max, "Unix milliseconds");
      break;
    default:
      filter.match = options.value();
      options.check(bad_length("the text of MATCH", *filter.match, 1, match_bytes_max));
  }
}

// DEAD COUNT, GROUPS: filters and nothing else.
template <typename Operation>
Decoded decode_filtered(const Command& command, Args words) {
  Operation decoded;
  OptionReader options(command, words, filter_options);
  while (const auto option = options.next()) read_filter(*option, decoded.filter, options);
  if (options.failed()) return options.take_error();
  return operation(std::move(decoded));
}

// Takes ids from words[at] up to the first word that `ends` says ends them.
template <typename Ends>
std::optional<Error> read_ids(Args words, size_t& at, const Ends& ends, std::vector<op::Text>& ids) {
  const size_t from = at;
  while (at < words.size() && !ends(words[at])) ++at;
  if (auto fault = too_many_items("ids", at - from)) return fault;
  ids.reserve(at - from);
  for (size_t i = from; i < at; ++i) {
    if (auto fault = bad_id(words[i])) return fault;
    ids.push_back(words[i]);
  }
  return std::nullopt;
}

constexpr std::array<Option, filter_count + 4> replay_filter_options = {{filter_role,
                                                                         filter_class,
                                                                         filter_fingerprint,
                                                                         filter_since,
                                                                         filter_match,
                                                                         {"LIMIT"},
                                                                         {"TO"},
                                                                         {"RESET", 0},
                                                                         {"DRYRUN", 0}}};
constexpr std::array<Option, 3> replay_id_options = {{{"TO"}, {"RESET", 0}, {"DRYRUN", 0}}};

// RATE and CANARY end the ids too, so that they are named as unknown options, not as bad ids.
constexpr std::array<std::string_view, 6> replay_words = {"TO", "RATE", "CANARY", "RESET", "DRYRUN", "LIMIT"};

void read_replay_option(std::string_view word, op::DeadReplay& replay, OptionReader& options) {
  if (word == "LIMIT") {
    replay.limit = options.count(limits::duration_ms_max);
  } else if (word == "TO") {
    replay.to_role = options.value();
    options.check(bad_role(*replay.to_role));
  } else if (word == "RESET") {
    replay.reset = true;
  } else {
    replay.dry_run = true;
  }
}

}  // namespace

Decoded decode_dead_list(const Command& command, Args args) {
  static constexpr std::array<Option, filter_count + 2> list_options = {
      {filter_role, filter_class, filter_fingerprint, filter_since, filter_match, {"CURSOR"}, {"COUNT"}}};
  op::DeadList list;
  OptionReader options(command, args.subspan(2), list_options);
  while (const auto option = options.next()) {
    if (*option < filter_count) {
      read_filter(*option, list.filter, options);
    } else if (*option == filter_count) {
      list.cursor = options.value();
      options.check(bad_length("a CURSOR", list.cursor, 1, limits::name_bytes_max));
    } else if (const auto n = options.count(items_max)) {
      list.count = *n;
    }
  }
  if (options.failed()) return options.take_error();
  return operation(std::move(list));
}

Decoded decode_dead_get(const Command&, Args args) {
  if (auto fault = bad_id(args[2])) return *std::move(fault);
  return operation(op::DeadGet{args[2]});
}

Decoded decode_dead_count(const Command& command, Args args) {
  return decode_filtered<op::DeadCount>(command, args.subspan(2));
}

Decoded decode_dead_groups(const Command& command, Args args) {
  return decode_filtered<op::DeadGroups>(command, args.subspan(2));
}

Decoded decode_dead_replay(const Command& command, Args args) {
  op::DeadReplay replay;
  size_t at = 2;
  std::span<const Option> allowed = replay_filter_options;
  if (same_word(args[at], "FILTER")) {
    ++at;
  } else {
    allowed = replay_id_options;
    if (same_word(args[at], "STOP")) return unknown_option(command, args[at], allowed);
    const auto ends = [](std::string_view word) {
      return std::any_of(replay_words.begin(), replay_words.end(),
                         [&](std::string_view end) { return same_word(end, word); });
    };
    if (auto fault = read_ids(args, at, ends, replay.ids)) return *std::move(fault);
    if (replay.ids.empty()) {
      return badarg("DEAD REPLAY needs ids or FILTER first; usage: " + std::string(command.usage));
    }
  }
  OptionReader options(command, args.subspan(at), allowed);
  while (const auto option = options.next()) {
    if (allowed.size() == replay_filter_options.size() && *option < filter_count) {
      read_filter(*option, replay.filter, options);
    } else {
      read_replay_option(allowed[*option].word, replay, options);
    }
  }
  if (options.failed()) return options.take_error();
  return operation(std::move(replay));
}

Decoded decode_dead_edit(const Command&, Args args) {
  if (auto fault = bad_id(args[2])) return *std::move(fault);
  return operation(op::DeadEdit{args[2], args[3]});
}

Decoded decode_dead_drop(const Command& command, Args args) {
  if (same_word(args[2], "FILTER")) return decode_filtered<op::DeadDrop>(command, args.subspan(3));
  op::DeadDrop drop;
  size_t at = 2;
  const auto never = [](std::string_view) { return false; };
  if (auto fault = read_ids(args, at, never, drop.ids)) return *std::move(fault);
  return operation(std::move(drop));
}

}  // namespace pawl::protocol
