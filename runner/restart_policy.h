// When a daemon that has ended comes back, and when it no longer does. Pure: time
// and randomness are given. Times are of the steady clock, in milliseconds.
#pragma once

#include <cstdint>
#include <deque>

namespace pawl::runner {

struct RestartRule {
  int64_t base_ms = 1'000;            // delay after the first failure; doubles with each one in a row
  int64_t max_ms = 30'000;            // and grows to this; random(0, base) comes on top
  int64_t stable_after_ms = 60'000;   // ready for so long: the next failure is a first one again
  uint32_t restarts_max = 10;         // more than so many …
  int64_t restarts_per_ms = 600'000;  // … within so long: give up
};

struct RestartVerdict {
  bool again = false;
  int64_t delay_ms = 0;   // when again
  uint32_t failures = 0;  // within the window, this one included
};

class RestartHistory {
 public:
  // It has failed at `now_ms`; `ready_for_ms` is how long it was ready, 0 if never; `random` is any number.
  RestartVerdict failed(const RestartRule& rule, int64_t now_ms, int64_t ready_for_ms, uint64_t random);
  // A person has looked: count from zero.
  void forget();
  // It has failed too often, and the window is not over yet.
  bool used_up(const RestartRule& rule, int64_t now_ms) const;

  // For a launcher that comes after this one.
  const std::deque<int64_t>& failures() const { return failures_; }
  void recall(uint32_t in_a_row, std::deque<int64_t> failures);

  uint32_t in_a_row() const { return in_a_row_; }

 private:
  uint32_t in_a_row_ = 0;
  std::deque<int64_t> failures_;  // within the window, oldest first
};

// base·2ⁿ, at most max; n counts from 0.
int64_t backoff_ms(int64_t base_ms, int64_t max_ms, uint32_t n);

}  // namespace pawl::runner
