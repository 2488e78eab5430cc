// KILL …, QUOTA …, GUARD …: the operator's hand on the guards.
#include <array>

#include "bus/base/limits.h"
#include "bus/protocol/decode_support.h"
#include "bus/protocol/decoders.h"

namespace pawl::protocol {
namespace {

namespace op = core::op;

std::optional<Error> bad_reason(std::string_view word) {
  return bad_length("the reason", word, 1, limits::reason_bytes_max);
}

std::optional<Error> bad_quota_role(std::string_view word) {
  return word == "*" ? std::nullopt : bad_role(word);
}

}  // namespace

Decoded decode_kill_set(const Command& command, Args args) {
  static constexpr std::array<Option, 2> known = {{{"SCOPE"}, {"FOR"}}};
  op::KillSet set;
  set.reason = args.back();
  if (auto error = bad_reason(set.reason)) return *std::move(error);
  OptionReader options(command, args.subspan(2, args.size() - 3), known);
  while (const auto option = options.next()) {
    if (*option == 0) {
      options.check(one_of("SCOPE", options.value(), core::freeze_scope_names, set.scope));
    } else {
      set.for_ms = options.duration(1, limits::duration_ms_max);
    }
  }
  if (options.failed()) return options.take_error();
  return operation(set);
}

Decoded decode_kill_hard(const Command& /*command*/, Args args) {
  op::KillSet set;
  set.hard = true;
  set.reason = args[2];
  if (auto error = bad_reason(set.reason)) return *std::move(error);
  return operation(set);
}

Decoded decode_kill_clear(const Command& command, Args args) {
  op::KillClear clear;
  clear.reason = args.back();
  clear.hard = args.size() == 4;
  if (clear.hard && !same_word(args[2], "HARD")) return wrong_arity(command);
  // "KILL CLEAR HARD" has a reason too few, not the reason "HARD".
  if (!clear.hard && same_word(clear.reason, "HARD")) return wrong_arity(command);
  if (auto error = bad_reason(clear.reason)) return *std::move(error);
  return operation(clear);
}

Decoded decode_kill_status(const Command& /*command*/, Args /*args*/) { return operation(op::KillStatus{}); }

Decoded decode_quota_set(const Command& command, Args args) {
  static constexpr std::array<Option, 2> known = {{{"PER"}, {"ESTIMATE"}}};
  op::QuotaSet set;
  set.role = args[2];
  if (auto error = bad_quota_role(set.role)) return *std::move(error);
  if (auto error = one_of("the quota", args[3], core::quota_kind_names, set.what)) return *std::move(error);
  if (auto error = bad_number("the cap", args[4], 1, limits::quota_cap_max, "a whole number", set.cap)) {
    return *std::move(error);
  }
  OptionReader options(command, args.subspan(5), known);
  while (const auto option = options.next()) {
    if (*option == 0) {
      const auto per_ms = options.duration(limits::quota_window_ms_min, limits::quota_window_ms_max);
      if (per_ms) set.per_ms = *per_ms;
    } else {
      set.estimate = options.number(0, limits::quota_cap_max);
    }
  }
  if (options.failed()) return options.take_error();
  if (set.per_ms == 0) return wrong_arity(command);
  if (set.estimate && *set.estimate > set.cap) {
    return badarg("ESTIMATE " + std::to_string(*set.estimate) + " is above the cap of " +
                  std::to_string(set.cap) + ": no claim could ever be granted");
  }
  if (set.estimate && set.what == core::QuotaKind::calls) {
    return badarg("CALLS counts claims and takes no ESTIMATE");
  }
  return operation(set);
}

Decoded decode_quota_get(const Command& /*command*/, Args args) {
  op::QuotaGet get;
  if (args.size() == 3) get.role = args[2];
  if (get.role) {
    if (auto error = bad_quota_role(*get.role)) return *std::move(error);
  }
  return operation(get);
}

Decoded decode_quota_drop(const Command& command, Args args) {
  op::QuotaDrop drop;
  drop.role = args[2];
  if (auto error = bad_quota_role(drop.role)) return *std::move(error);
  if (auto error = one_of("the quota", args[3], core::quota_kind_names, drop.what)) return *std::move(error);
  if (!same_word(args[4], "PER")) return wrong_arity(command);
  if (auto error = bad_number("PER", args[5], limits::quota_window_ms_min, limits::quota_window_ms_max,
                              "milliseconds", drop.per_ms)) {
    return *std::move(error);
  }
  return operation(drop);
}

Decoded decode_guard_list(const Command& /*command*/, Args /*args*/) { return operation(op::GuardList{}); }

Decoded decode_guard_mode(const Command& /*command*/, Args args) {
  op::SetGuardMode set;
  set.name = args[2];
  if (auto error = bad_name("a guard", set.name)) return *std::move(error);
  if (auto error = one_of("the mode", args[3], core::guard_mode_names, set.mode)) return *std::move(error);
  return operation(set);
}

}  // namespace pawl::protocol
