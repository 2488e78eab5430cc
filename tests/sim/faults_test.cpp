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
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "bus/core/faults.h"
#include "tests/sim/simulation.h"

using namespace pawl;

namespace {

constexpr uint64_t seeds_max = 300;
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
