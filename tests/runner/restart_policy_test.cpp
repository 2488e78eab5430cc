// When a daemon comes back, and when no longer.
#include "runner/restart_policy.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace pawl::runner;

namespace {

constexpr int64_t second = 1000;
constexpr int64_t minute = 60 * second;

RestartRule generous() {
  RestartRule rule;
  rule.restarts_max = 1000;
  return rule;
}

}  // namespace

TEST_CASE("restart policy: 1, 2, 4, 8, 16 and then 30 seconds") {
  const RestartRule rule = generous();
  RestartHistory history;
  std::vector<int64_t> delays;
  int64_t now = 0;
  for (int i = 0; i < 8; ++i) {
    const RestartVerdict verdict = history.failed(rule, now, 0, 0);
    REQUIRE(verdict.again);
    delays.push_back(verdict.delay_ms / second);
    now += verdict.delay_ms;
  }
  CHECK(delays == std::vector<int64_t>{1, 2, 4, 8, 16, 30, 30, 30});
}

TEST_CASE("restart policy: random(0, base) comes on top, never more") {
  const RestartRule rule = generous();
  for (const uint64_t random : {uint64_t{0}, uint64_t{999}, uint64_t{1000}, uint64_t{1001}, UINT64_MAX}) {
    RestartHistory history;
    const int64_t delay = history.failed(rule, 0, 0, random).delay_ms;
    CHECK(delay == 1000 + static_cast<int64_t>(random % 1001));
    CHECK(delay <= 2000);
  }
}

TEST_CASE("restart policy: stable for long enough, the next failure is a first one") {
  const RestartRule rule = generous();
  RestartHistory history;
  for (int i = 0; i < 4; ++i) history.failed(rule, i * second, 0, 0);
  CHECK(history.failed(rule, minute, rule.stable_after_ms - 1, 0).delay_ms == 16 * second);
  CHECK(history.failed(rule, 3 * minute, rule.stable_after_ms, 0).delay_ms == second);
  CHECK(history.failed(rule, 4 * minute, 0, 0).delay_ms == 2 * second);
}

TEST_CASE("restart policy: at most so many restarts within the window") {
  RestartRule rule;
  rule.restarts_max = 3;
  rule.restarts_per_ms = minute;
  RestartHistory history;
  CHECK(history.failed(rule, 0, 0, 0).again);
  CHECK(history.failed(rule, 10 * second, 0, 0).again);
  CHECK(history.failed(rule, 20 * second, 0, 0).again);
  const RestartVerdict last = history.failed(rule, minute - 1, 0, 0);
  CHECK_FALSE(last.again);
  CHECK(last.failures == 4);
}

TEST_CASE("restart policy: what is older than the window does not count") {
  RestartRule rule;
  rule.restarts_max = 3;
  rule.restarts_per_ms = minute;
  RestartHistory history;
  for (const int64_t at : {int64_t{0}, 10 * second, 20 * second})
    REQUIRE(history.failed(rule, at, 0, 0).again);
  CHECK(history.failed(rule, minute, 0, 0).again);  // the first one is just out
  CHECK_FALSE(history.failed(rule, minute + 1, 0, 0).again);
  // Over any window there were at most three restarts: 0 10 20 | 10 20 60.
}

TEST_CASE("restart policy: none at all, and forgetting") {
  RestartRule rule;
  rule.restarts_max = 0;
  RestartHistory history;
  CHECK_FALSE(history.failed(rule, 0, 0, 0).again);
  rule.restarts_max = 1;
  CHECK_FALSE(history.failed(rule, 1, 0, 0).again);
  history.forget();
  const RestartVerdict verdict = history.failed(rule, 2, 0, 0);
  CHECK(verdict.again);
  CHECK(verdict.delay_ms == second);
}

TEST_CASE("restart policy: a history that is recalled goes on where it was") {
  RestartRule rule;
  rule.restarts_max = 1;
  rule.restarts_per_ms = minute;
  RestartHistory before;
  before.failed(rule, 0, 0, 0);
  CHECK_FALSE(before.used_up(rule, second));
  before.failed(rule, second, 0, 0);
  CHECK(before.used_up(rule, second));
  RestartHistory after;
  after.recall(before.in_a_row(), before.failures());
  CHECK(after.used_up(rule, 2 * second));
  CHECK_FALSE(after.used_up(rule, minute));  // the first one is out
  after.recall(3, {});
  CHECK(after.failed(rule, 0, 0, 0).delay_ms == 8 * second);
}

TEST_CASE("restart policy: the delay never overflows") {
  CHECK(backoff_ms(1, INT64_MAX, 200) == INT64_MAX);
  CHECK(backoff_ms(INT64_MAX / 2 + 1, INT64_MAX, 5) == INT64_MAX);
  CHECK(backoff_ms(50, 20, 3) == 20);
}
