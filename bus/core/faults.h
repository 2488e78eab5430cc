// Faults that a test build of the core can be told to have, one at a time, to
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
};
constexpr size_t fault_count = 24;
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
};

#ifdef PAWL_PLANT_FAULTS
inline Fault planted_fault = Fault::none;
#else
constexpr Fault planted_fault = Fault::none;
#endif

}  // namespace pawl::core

#define PAWL_FAULT(name) (::pawl::core::planted_fault == ::pawl::core::Fault::name)
