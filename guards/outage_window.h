// The newest failures of a role, or of a dependency over all roles: one message's trouble, or an outage?
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "bus/core/gate.h"

namespace pawl::guards {

struct OutageFailure {
  int64_t at_ms = 0;  // bus time
  BirthKey message;
  uint32_t delivery = 0;
  std::string role;
  uint64_t done = 0;  // successes of the role so far
  bool crash = false;
};

// Memory only: a restart forgets it. Holds several times as many failures as make an outage, so that a role
// with a few failures among many successes is judged by its present, not by its last hour.
class OutageWindow {
 public:
  // With `next` there would be at least outage_messages different messages within outage_window_ms, and at
  // least outage_percent of what ended since the first of them failed. Without effect.
  bool makes_outage(const OutageFailure& next, const core::Desk& desk) const;
  void add(OutageFailure failure, const core::GuardsConfig& config);
  // Nothing in it counts any more.
  bool over(int64_t now_ms, const core::GuardsConfig& config) const;
  const std::deque<OutageFailure>& failures() const { return failures_; }

 private:
  void drop_oldest();

  std::deque<OutageFailure> failures_;     // oldest first
  std::map<uint64_t, size_t> by_message_;  // how many, by sequence
  // By role: `done` of its failures, oldest first.
  std::map<std::string, std::deque<uint64_t>, std::less<>> by_role_;
};

// Failures that count: newer than the window is long.
inline bool counts(const OutageFailure& failure, int64_t now_ms, const core::GuardsConfig& config) {
  return failure.at_ms > now_ms - config.outage_window_ms;
}

}  // namespace pawl::guards
