// Faults that a test build of the core and the guards can be told to have, one at a time, to
// show that the simulation sees them. In every other build each is false at
// compile time and nothing of this remains.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pawl::core {

enum class Fault : uint8_t {
  none,
  ack_keeps_group_head,
  lapse_spends_nothing,
  token_not_checked,
  release_spends,
  unique_kept_at_end,
  unique_for_freed_at_end,
  expiry_ignored_on_fail,
  cancel_request_forgotten,
  move_forgets_unique,
  replay_keeps_attempts,
  replay_takes_held_key,
  return_lane_last,
  count_kept_on_cancel,
  wall_runs_back,
  lease_time_uncapped,
  refill_skips_one,
  mark_one_too_high,
  delayed_head_free,
  turns_start_over,
  waiters_newest_first,
  tokens_start_over,
  exec_not_atomic,
  backoff_never_grows,
  lease_time_in_freeze,
  freeze_lets_move,
  freeze_extend_writes,
  freeze_keeps_waiters,
  freeze_retention_goes_on,
  freeze_fires_due,
  freeze_expires,
  file_ends_hard_freeze,
  freeze_lost_at_restart,
  freeze_limit_ignored,
  exec_not_asked,
  next_not_asked,
  waiters_not_asked,
  held_never_asked_again,
  held_asked_each_time,
  concurrency_one_more,
  rate_part_of_a_token,
  rate_lost_at_restart,
  backlog_one_more,
  disk_lets_waiters_claim,
  quota_ignores_need,
  quota_not_reserved,
  quota_lapse_leaks,
  quota_lapse_uncharged,
  quota_window_too_short,
  quota_lost_at_restart,
  quota_late_charged_twice,
  quota_fleet_not_asked,
  breaker_probe_not_freed,
  breaker_never_closes,
  breaker_cooldown_stays,
  breaker_two_probes,
  breaker_opens_early,
  breaker_spends,
  unspend_twice,
  poison_counts_releases,
  poison_one_late,
  freeze_untold_on_extend,
  clear_ends_hard,
  slot_wakes_nobody,
  mode_lost_at_restart,
  observe_refuses,
  refusals_all_told,
  shed_ignores_bytes,
  shed_ignores_priority,
  quota_release_leaks,
  quota_used_lost_at_restart,
  quota_calls_uncounted,
  breaker_counts_final,
  breaker_lost_at_restart,
  breaker_ignores_needs,
  breaker_probe_forgotten,
  poison_counts_crashes_only,
  rights_next_not_asked,
  rights_ids_not_asked,
  size_of_results_not_asked,
  breaker_limp_counts,
  breaker_limp_probes,
};
constexpr size_t fault_count = 82;
constexpr std::array<std::string_view, fault_count> fault_names = {
    "none",
    "ack_keeps_group_head",
    "lapse_spends_nothing",
    "token_not_checked",
    "release_spends",
    "unique_kept_at_end",
    "unique_for_freed_at_end",
    "expiry_ignored_on_fail",
    "cancel_request_forgotten",
    "move_forgets_unique",
    "replay_keeps_attempts",
    "replay_takes_held_key",
    "return_lane_last",
    "count_kept_on_cancel",
    "wall_runs_back",
    "lease_time_uncapped",
    "refill_skips_one",
    "mark_one_too_high",
    "delayed_head_free",
    "turns_start_over",
    "waiters_newest_first",
    "tokens_start_over",
    "exec_not_atomic",
    "backoff_never_grows",
    "lease_time_in_freeze",
    "freeze_lets_move",
    "freeze_extend_writes",
    "freeze_keeps_waiters",
    "freeze_retention_goes_on",
    "freeze_fires_due",
    "freeze_expires",
    "file_ends_hard_freeze",
    "freeze_lost_at_restart",
    "freeze_limit_ignored",
    "exec_not_asked",
    "next_not_asked",
    "waiters_not_asked",
    "held_never_asked_again",
    "held_asked_each_time",
    "concurrency_one_more",
    "rate_part_of_a_token",
    "rate_lost_at_restart",
    "backlog_one_more",
    "disk_lets_waiters_claim",
    "quota_ignores_need",
    "quota_not_reserved",
    "quota_lapse_leaks",
    "quota_lapse_uncharged",
    "quota_window_too_short",
    "quota_lost_at_restart",
    "quota_late_charged_twice",
    "quota_fleet_not_asked",
    "breaker_probe_not_freed",
    "breaker_never_closes",
    "breaker_cooldown_stays",
    "breaker_two_probes",
    "breaker_opens_early",
    "breaker_spends",
    "unspend_twice",
    "poison_counts_releases",
    "poison_one_late",
    "freeze_untold_on_extend",
    "clear_ends_hard",
    "slot_wakes_nobody",
    "mode_lost_at_restart",
    "observe_refuses",
    "refusals_all_told",
    "shed_ignores_bytes",
    "shed_ignores_priority",
    "quota_release_leaks",
    "quota_used_lost_at_restart",
    "quota_calls_uncounted",
    "breaker_counts_final",
    "breaker_lost_at_restart",
    "breaker_ignores_needs",
    "breaker_probe_forgotten",
    "poison_counts_crashes_only",
    "rights_next_not_asked",
    "rights_ids_not_asked",
    "size_of_results_not_asked",
    "breaker_limp_counts",
    "breaker_limp_probes",
};

#ifdef PAWL_PLANT_FAULTS
inline Fault planted_fault = Fault::none;
// A guard is left out on one path only.
inline bool on_unasked_path = false;
struct UnaskedPath {
  explicit UnaskedPath(Fault fault) { on_unasked_path = planted_fault == fault; }
  UnaskedPath(const UnaskedPath&) = delete;
  UnaskedPath& operator=(const UnaskedPath&) = delete;
  ~UnaskedPath() { on_unasked_path = false; }
};
#else
constexpr Fault planted_fault = Fault::none;
constexpr bool on_unasked_path = false;
#endif

}  // namespace pawl::core

#define PAWL_FAULT(name) (::pawl::core::planted_fault == ::pawl::core::Fault::name)
#ifdef PAWL_PLANT_FAULTS
#define PAWL_UNASKED_PATH(name) const ::pawl::core::UnaskedPath unasked_path(::pawl::core::Fault::name)
#else
#define PAWL_UNASKED_PATH(name) static_cast<void>(0)
#endif
