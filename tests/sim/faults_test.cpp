// Shows that the simulation can fail: each fault of bus/core/faults.h, planted
// alone, is caught by a seed.
//
//   ack_keeps_group_head      the end of a group's head promotes nobody
//   lapse_spends_nothing      an expired lease does not count as an attempt
//   token_not_checked         ACK takes any token while the message is claimed
//   release_spends            RELEASE counts as an attempt
//   unique_kept_at_end        a key without UNIQUEFOR outlives its message
//   unique_for_freed_at_end   a key with UNIQUEFOR ends with its message
//   expiry_ignored_on_fail    FAIL past EXPIRE retries
//   cancel_request_forgotten  FAIL, RELEASE and lapse after a cancel request retry
//   move_forgets_unique       MOVE TO leaves the unique key behind
//   replay_keeps_attempts     DEAD REPLAY does not zero the attempts
//   replay_takes_held_key     DEAD REPLAY takes a key that another message holds
//   return_lane_last          home rows go before older ones of the return lane
//   count_kept_on_cancel      CANCEL leaves the role's count as it was
//   wall_runs_back            wall time follows a clock that is set back
//   lease_time_uncapped       lease time advances by more than 10 s a turn
//   refill_skips_one          a window's refill starts one row too far
//   mark_one_too_high         the low-water mark covers a row that still waits
//   delayed_head_free         members behind a delayed head can be claimed
//   turns_start_over          a claim over several roles always begins with the first
//   waiters_newest_first      the last to wait is the first to be served
//   tokens_start_over         the token counter begins anew after a restart
//   exec_not_atomic           EXEC that ends in LOST has done what came before
//   backoff_never_grows       every retry waits the base
// and of the guards:
//   lease_time_in_freeze      lease time goes on under a freeze of everything
//   freeze_lets_move          MOVE passes a freeze of everything
//   freeze_extend_writes      EXTEND writes under a freeze of everything
//   freeze_keeps_waiters      a freeze does not tell those who wait for work
//   freeze_retention_goes_on  a freeze of everything does not stop retention
//   freeze_fires_due          nor what is due in bus time
//   freeze_expires            nor expiry
//   file_ends_hard_freeze     taking the flag file away ends a hard freeze
//   freeze_lost_at_restart    a restart ends a freeze
//   freeze_limit_ignored      a freeze outlives its time limit
//   exec_not_asked            EXEC passes every guard
//   next_not_asked            ACK … NEXT claims past every guard
//   waiters_not_asked         whoever waited claims past every guard
//   held_never_asked_again    a role that was held once is held for good
//   held_asked_each_time      a role that is held is asked about at each claim
//   concurrency_one_more      a role has one live claim more than its cap
//   rate_part_of_a_token      a claim goes through with less than a token there
//   rate_lost_at_restart      a restart fills every bucket
//   backlog_one_more          a role takes one message more than its cap
//   disk_lets_waiters_claim   a disk that runs full does not hold claims
//   quota_ignores_need        a claim is granted without room for its estimate
//   quota_not_reserved        a claim does not reserve its estimate
//   quota_lapse_leaks         what a claim reserved stays when it lapses
//   quota_lapse_uncharged     a lapse charges only what was reported
//   quota_window_too_short    the oldest bucket of a window is not counted
//   quota_lost_at_restart     a restart forgets what live claims reserved
//   quota_late_charged_twice  a report after a lapse is charged in full
//   quota_fleet_not_asked     the fleet's caps refuse nothing
//   breaker_probe_not_freed   a probe that is handed back keeps its slot
//   breaker_never_closes      a probe that went well closes nothing
//   breaker_cooldown_stays    the cooldown does not grow
//   breaker_two_probes        a half-open circuit lets everybody try
//   breaker_opens_early       one failing message less makes an outage
//   breaker_spends            the failures of an outage are spent
//   unspend_twice             an opening circuit gives back two attempts of a message
//   poison_counts_releases    a release counts as a crash
//   poison_one_late           poison takes one crash more
//   freeze_untold_on_extend   EXTEND does not tell of a freeze
//   clear_ends_hard           KILL CLEAR without HARD ends a hard freeze
//   slot_wakes_nobody         a claim that ends asks nobody anew who waits for its slot
//   mode_lost_at_restart      a restart forgets what GUARD MODE has set
//   observe_refuses           a guard in mode observe refuses
//   refusals_all_told         every refusal goes into the chronicle
//   shed_ignores_bytes        a role takes more bytes than its cap
//   shed_ignores_priority     low priorities may fill a backlog as well
//   quota_release_leaks       what a claim reserved stays when it is released
//   quota_used_lost_at_restart a restart forgets what was used
//   quota_calls_uncounted     claims do not count as calls
//   breaker_counts_final      failures for good count towards an outage
//   breaker_lost_at_restart   a restart closes every circuit
//   breaker_ignores_needs     the circuit of a dependency holds nobody
//   breaker_probe_forgotten   a restart frees the slot of a probe that is still out
//   poison_counts_crashes_only leases that expire are no sign of poison
//   rights_next_not_asked     the roles of NEXT need not be among the user's
//   rights_ids_not_asked      a message may be of a role that is not among the user's
//   size_of_results_not_asked a result may be of any size
//   breaker_limp_counts       failures without a dependency are put down to it
//   breaker_limp_probes       a claim that goes on without a dependency tries its circuit
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "bus/core/faults.h"
#include "tests/sim/simulation.h"

using namespace pawl;

namespace {

constexpr uint64_t seeds_max = 1000;
constexpr size_t steps = 200;
constexpr unsigned seconds_max = 100;

enum class Outcome { caught, stopped, unseen };

// In a process of its own: a fault may well stop it, by a broken invariant or by never ending.
Outcome hunt(core::Fault fault) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(seconds_max);
    core::planted_fault = fault;
    for (uint64_t seed = 1; seed <= seeds_max; ++seed) {
      const sim::SimResult result = sim::simulate(seed, steps);
      if (!result.failure) continue;
      const std::string told = to_text(*result.failure);
      [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, told.data(), told.size());
      _exit(0);
    }
    _exit(1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) return Outcome::stopped;
  return WEXITSTATUS(status) == 0 ? Outcome::caught : Outcome::unseen;
}

}  // namespace

TEST_CASE("faults: each planted fault is caught") {
  for (size_t i = 1; i < core::fault_count; ++i) {
    DYNAMIC_SECTION(core::fault_names[i]) { CHECK(hunt(static_cast<core::Fault>(i)) != Outcome::unseen); }
  }
}

TEST_CASE("faults: without one the same build passes") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const sim::SimResult result = sim::simulate(seed, steps);
    INFO((result.failure ? to_text(*result.failure) : ""));
    CHECK(!result.failure);
  }
}
