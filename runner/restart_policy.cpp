#include "runner/restart_policy.h"

#include <algorithm>
#include <utility>

namespace pawl::runner {

int64_t backoff_ms(int64_t base_ms, int64_t max_ms, uint32_t n) {
  int64_t delay = std::min(base_ms, max_ms);
  for (uint32_t i = 0; i < n && delay < max_ms; ++i) delay = delay > max_ms / 2 ? max_ms : delay * 2;
  return delay;
}

RestartVerdict RestartHistory::failed(const RestartRule& rule, int64_t now_ms, int64_t ready_for_ms,
                                      uint64_t random) {
  if (ready_for_ms >= rule.stable_after_ms) in_a_row_ = 0;
  while (!failures_.empty() && failures_.front() <= now_ms - rule.restarts_per_ms) failures_.pop_front();
  failures_.push_back(now_ms);
  RestartVerdict verdict;
  verdict.failures = static_cast<uint32_t>(failures_.size());
  if (verdict.failures > rule.restarts_max) return verdict;
  verdict.again = true;
  verdict.delay_ms = backoff_ms(rule.base_ms, rule.max_ms, in_a_row_);
  verdict.delay_ms += static_cast<int64_t>(random % (static_cast<uint64_t>(rule.base_ms) + 1));
  ++in_a_row_;
  return verdict;
}

bool RestartHistory::used_up(const RestartRule& rule, int64_t now_ms) const {
  const auto recent = std::count_if(failures_.begin(), failures_.end(),
                                    [&](int64_t at) { return at > now_ms - rule.restarts_per_ms; });
  return recent > static_cast<int64_t>(rule.restarts_max);
}

void RestartHistory::recall(uint32_t in_a_row, std::deque<int64_t> failures) {
  in_a_row_ = in_a_row;
  failures_ = std::move(failures);
}

void RestartHistory::forget() {
  in_a_row_ = 0;
  failures_.clear();
}

}  // namespace pawl::runner
