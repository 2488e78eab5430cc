#include "guards/outage_window.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace pawl::guards {
namespace {

constexpr size_t failures_per_message = 4;  // kept, times outage_messages

bool counts(const OutageFailure& failure, int64_t now_ms, const core::GuardsConfig& config) {
  return failure.at_ms > now_ms - config.outage_window_ms;
}

}  // namespace

bool OutageWindow::makes_outage(const OutageFailure& next, const core::Desk& desk) const {
  const core::GuardsConfig& config = desk.config().guards;
  if (config.outage_messages == 0 || failures_.size() + 1 < config.outage_messages) return false;
  std::set<uint64_t> messages;
  std::map<std::string_view, uint64_t> done_before;  // by role: successes when the first of them failed
  uint64_t failures = 0;
  const auto count = [&](const OutageFailure& failure) {
    messages.insert(failure.message.sequence);
    done_before.try_emplace(failure.role, failure.done);
    ++failures;
  };
  for (const OutageFailure& failure : failures_) {
    if (counts(failure, next.at_ms, config)) count(failure);
  }
  count(next);
  if (messages.size() < config.outage_messages) return false;
  uint64_t done = 0;
  for (const auto& [name, before] : done_before) {
    const auto role = name == next.role ? std::nullopt : desk.role(name);
    const uint64_t now = role ? role->counts->done : name == next.role ? next.done : before;
    if (now > before) done += now - before;  // a role dropped and made again counts from 0
  }
  const uint64_t percent = std::min<uint32_t>(config.outage_percent, 100);
  return failures * 100 >= (failures + done) * percent;  // fewer than 2^53 of each
}

void OutageWindow::add(OutageFailure failure, const core::GuardsConfig& config) {
  const int64_t now_ms = failure.at_ms;
  failures_.push_back(std::move(failure));
  const size_t max = size_t{config.outage_messages} * failures_per_message;
  while (!failures_.empty() && (failures_.size() > max || !counts(failures_.front(), now_ms, config))) {
    failures_.pop_front();
  }
}

bool OutageWindow::over(int64_t now_ms, const core::GuardsConfig& config) const {
  return failures_.empty() || !counts(failures_.back(), now_ms, config);
}

}  // namespace pawl::guards
