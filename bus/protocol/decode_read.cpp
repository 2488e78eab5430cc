// GET to EVENTS, and the roles.
#include <array>
#include <limits>

#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "bus/protocol/decode_support.h"
#include "bus/protocol/decoders.h"

namespace pawl::protocol {
namespace {

namespace op = core::op;

constexpr auto items_max = static_cast<int64_t>(limits::items_per_command_max);

}  // namespace

Decoded decode_get(const Command&, Args args) {
  if (auto fault = bad_id(args[1])) return *std::move(fault);
  return operation(op::Get{args[1]});
}

Decoded decode_result(const Command& command, Args args) {
  static constexpr std::array<Option, 1> result_options = {{{"WAIT"}}};
  op::GetResult result{args[1], std::nullopt};
  if (auto fault = bad_id(result.id)) return *std::move(fault);
  OptionReader options(command, args.subspan(2), result_options);
  while (options.next()) result.wait_ms = options.duration(0, limits::wait_ms_max);
  if (options.failed()) return options.take_error();
  return operation(result);
}

Decoded decode_explain(const Command&, Args args) {
  if (auto fault = bad_id(args[1])) return *std::move(fault);
  return operation(op::Explain{args[1]});
}

Decoded decode_list(const Command& command, Args args) {
  static constexpr std::array<Option, 2> list_options = {{{"CURSOR"}, {"COUNT"}}};
  op::List list;
  list.role = args[1];
  list.cursor = "0";
  if (auto fault = bad_role(list.role)) return *std::move(fault);
  const auto state = core::state_from(args[2]);
  if (!state) {
    std::string text = "unknown state " + quoted(args[2]) + "; use one of";
    for (const std::string_view name : core::state_names) (text += ' ') += name;
    return badarg(std::move(text));
  }
  list.state = *state;
  OptionReader options(command, args.subspan(3), list_options);
  while (const auto option = options.next()) {
    if (*option == 0) {
      list.cursor = options.value();
      options.check(bad_length("a CURSOR", list.cursor, 1, limits::name_bytes_max));
    } else if (const auto n = options.count(items_max)) {
      list.count = *n;
    }
  }
  if (options.failed()) return options.take_error();
  return operation(list);
}

Decoded decode_events(const Command& command, Args args) {
  static constexpr std::array<Option, 4> event_options = {{{"COUNT"}, {"WAIT"}, {"KIND"}, {"HASHES", 0}}};
  op::Events events;
  if (args[1] != "$") {
    const auto after = parse_int(args[1]);
    if (!after || *after < 0) {
      return badarg("EVENTS takes the number of an event, 0 for the start or $ for what is new, not " +
                    quoted(args[1]));
    }
    events.after = static_cast<uint64_t>(*after);
  }
  OptionReader options(command, args.subspan(2), event_options);
  while (const auto option = options.next()) {
    switch (*option) {
      case 0:
        if (const auto n = options.count(items_max)) events.count = *n;
        break;
      case 1:
        events.wait_ms = options.duration(0, limits::wait_ms_max);
        break;
      case 2:
        events.kind = options.value();
        options.check(bad_name("a KIND", events.kind));
        break;
      default:
        events.hashes = true;
    }
  }
  if (options.failed()) return options.take_error();
  return operation(events);
}

Decoded decode_roles(const Command&, Args) { return operation(op::Roles{}); }

Decoded decode_role(const Command&, Args args) {
  if (auto fault = bad_role(args[1])) return *std::move(fault);
  return operation(op::RoleInfo{args[1]});
}

Decoded decode_role_drop(const Command&, Args args) {
  if (auto fault = bad_role(args[2])) return *std::move(fault);
  return operation(op::RoleDrop{args[2]});
}

Decoded decode_pause(const Command&, Args args) {
  op::Pause pause{args[1], args.size() > 2 ? args[2] : op::Text()};
  if (auto fault = bad_role(pause.role)) return *std::move(fault);
  if (auto fault = bad_length("a reason", pause.reason, 0, limits::reason_bytes_max))
    return *std::move(fault);
  return operation(pause);
}

Decoded decode_resume(const Command&, Args args) {
  if (auto fault = bad_role(args[1])) return *std::move(fault);
  return operation(op::Resume{args[1]});
}

Decoded decode_info(const Command&, Args) { return operation(op::Info{}); }

}  // namespace pawl::protocol
