// CRON …, INCIDENT …: what the bus does by itself, and what people should look at.
#include <array>

#include "bus/base/limits.h"
#include "bus/protocol/decode_support.h"
#include "bus/protocol/decoders.h"

namespace pawl::protocol {
namespace {

namespace op = core::op;

// A name of a role, or a prefix of names that ends with '*'.
std::optional<Error> bad_role_pattern(std::string_view word) {
  return bad_role(word.size() > 1 && word.ends_with('*') ? word.substr(0, word.size() - 1) : word);
}

std::optional<Error> bad_owner(std::string_view word) {
  return bad_length("OWNER", word, 1, limits::name_bytes_max);
}

}  // namespace

Decoded decode_cron_set(const Command& command, Args args) {
  static constexpr std::array<Option, 2> known = {{{"TZ"}, {"CATCHUP"}}};
  op::CronSet set;
  set.name = args[2];
  set.expression = args[3];
  set.role = args[4];
  set.payload = args[5];
  if (auto error = bad_name("a schedule", set.name)) return *std::move(error);
  if (auto error = bad_role(set.role)) return *std::move(error);
  OptionReader options(command, args.subspan(6), known);
  while (const auto option = options.next()) {
    if (*option == 0) {
      set.zone = options.value();
      options.check(bad_length("TZ", set.zone, 1, limits::name_bytes_max));
    } else {
      options.check(one_of("CATCHUP", options.value(), core::catch_up_names, set.catch_up));
    }
  }
  if (options.failed()) return options.take_error();
  return operation(set);
}

Decoded decode_cron_list(const Command& /*command*/, Args /*args*/) { return operation(op::CronList{}); }

Decoded decode_cron_drop(const Command& /*command*/, Args args) {
  if (auto error = bad_name("a schedule", args[2])) return *std::move(error);
  return operation(op::CronDrop{args[2]});
}

Decoded decode_incident_open(const Command& command, Args args) {
  static constexpr std::array<Option, 5> known = {
      {{"FINGERPRINT"}, {"ROLE", 1, true}, {"DAEMON", 1, true}, {"OWNER"}, {"NOTE"}}};
  op::IncidentOpen wanted;
  if (auto error = one_of("the tier", args[2], core::tier_names, wanted.tier)) return *std::move(error);
  wanted.title = args[3];
  if (auto error = bad_length("the title", wanted.title, 1, limits::incident_title_bytes_max)) {
    return *std::move(error);
  }
  OptionReader options(command, args.subspan(4), known);
  while (const auto option = options.next()) {
    const std::string_view value = options.value();
    if (*option == 0) {
      wanted.fingerprint = value;
      options.check(bad_length("FINGERPRINT", value, 1, limits::incident_fingerprint_bytes_max));
    } else if (*option == 1) {
      wanted.roles.push_back(value);
      options.check(bad_role_pattern(value));
    } else if (*option == 2) {
      wanted.daemons.push_back(value);
      options.check(bad_name("a daemon", value));
    } else if (*option == 3) {
      wanted.owner = value;
      options.check(bad_owner(value));
    } else {
      wanted.note = value;
      options.check(bad_length("NOTE", value, 1, limits::incident_note_bytes_max));
    }
  }
  if (options.failed()) return options.take_error();
  if (wanted.roles.size() > limits::incident_subjects_max ||
      wanted.daemons.size() > limits::incident_subjects_max) {
    return badarg("an incident names at most " + std::to_string(limits::incident_subjects_max) +
                  " roles and as many daemons; use a prefix, as in proj.*");
  }
  return operation(std::move(wanted));
}

Decoded decode_incident_list(const Command& command, Args args) {
  static constexpr std::array<Option, 5> known = {{{"STATE"}, {"TIER"}, {"ROLE"}, {"CURSOR"}, {"COUNT"}}};
  static constexpr std::array<std::string_view, 2> states = {"open", "closed"};
  op::IncidentList list;
  OptionReader options(command, args.subspan(2), known);
  while (const auto option = options.next()) {
    if (*option == 0) {
      int state = 0;
      options.check(one_of("STATE", options.value(), states, state));
      list.closed = state == 1;
    } else if (*option == 1) {
      core::Tier tier = core::Tier::concern;
      options.check(one_of("TIER", options.value(), core::tier_names, tier));
      list.tier = tier;
    } else if (*option == 2) {
      list.role = options.value();
      options.check(bad_role(list.role));
    } else if (*option == 3) {
      const auto cursor = options.number(0, INT64_MAX);
      if (cursor) list.cursor = static_cast<uint64_t>(*cursor);
    } else {
      const auto count = options.count(limits::items_per_command_max);
      if (count) list.count = *count;
    }
  }
  if (options.failed()) return options.take_error();
  return operation(list);
}

Decoded decode_incident_get(const Command& /*command*/, Args args) {
  if (auto error = bad_id(args[2])) return *std::move(error);
  return operation(op::IncidentGet{args[2]});
}

Decoded decode_incident_ack(const Command& command, Args args) {
  static constexpr std::array<Option, 1> known = {{{"OWNER"}}};
  op::IncidentAck ack;
  ack.id = args[2];
  if (auto error = bad_id(ack.id)) return *std::move(error);
  OptionReader options(command, args.subspan(3), known);
  while (options.next()) {
    ack.owner = options.value();
    options.check(bad_owner(ack.owner));
  }
  if (options.failed()) return options.take_error();
  return operation(ack);
}

Decoded decode_incident_note(const Command& /*command*/, Args args) {
  if (auto error = bad_id(args[2])) return *std::move(error);
  if (auto error = bad_length("the note", args[3], 1, limits::incident_note_bytes_max)) {
    return *std::move(error);
  }
  return operation(op::IncidentNote{args[2], args[3]});
}

Decoded decode_incident_close(const Command& /*command*/, Args args) {
  op::IncidentClose close{args[2]};
  if (auto error = bad_id(close.id)) return *std::move(error);
  if (args.size() > 3) {
    close.reason = args[3];
    if (auto error = bad_length("the reason", close.reason, 1, limits::reason_bytes_max)) {
      return *std::move(error);
    }
  }
  return operation(close);
}

namespace {

Decoded decode_study(const Command& command, Args args, op::Study what) {
  static constexpr std::array<Option, 1> known = {{{"COUNT"}}};
  op::IncidentStudy study{what};
  OptionReader options(command, args.subspan(2), known);
  while (options.next()) {
    const auto count = options.count(limits::items_per_command_max);
    if (count) study.count = *count;
  }
  if (options.failed()) return options.take_error();
  return operation(study);
}

}  // namespace

Decoded decode_incident_insights(const Command& command, Args args) {
  return decode_study(command, args, op::Study::insights);
}

Decoded decode_incident_unknown(const Command& command, Args args) {
  return decode_study(command, args, op::Study::unknown);
}

Decoded decode_incident_graph(const Command& /*command*/, Args args) {
  op::IncidentStudy study{op::Study::graph};
  if (args.size() > 2) {
    study.fingerprint = args[2];
    if (auto error = bad_length("the fingerprint", args[2], 1, limits::incident_title_bytes_max)) {
      return *std::move(error);
    }
  }
  return operation(study);
}

Decoded decode_incident_notices(const Command& /*command*/, Args /*args*/) {
  return operation(op::IncidentStudy{op::Study::notices});
}

Decoded decode_sweep(const Command& command, Args args) {
  static constexpr std::array<Option, 1> known = {{{"SINCE"}}};
  op::Sweep sweep;
  OptionReader options(command, args.subspan(1), known);
  while (options.next()) sweep.since_ms = options.number(0, INT64_MAX);
  if (options.failed()) return options.take_error();
  return operation(sweep);
}

}  // namespace pawl::protocol
