#include "guards/outage_window.h"

#include <algorithm>
#include <utility>

#include "bus/core/faults.h"

namespace pawl::guards {
namespace {

constexpr size_t failures_per_message = 4;  // kept, times outage_messages
constexpr size_t spare_failures_max = 1000;

size_t failures_max(const core::GuardsConfig& config) {
  const size_t needed = config.outage_messages;
  return std::max(needed, std::min(needed * failures_per_message, spare_failures_max));
}

}  // namespace

bool OutageWindow::makes_outage(const OutageFailure& next, const core::Desk& desk) const {
  const core::GuardsConfig& config = desk.config().guards;
  if (config.outage_messages == 0 ||
      failures_.size() + 1 + (PAWL_FAULT(breaker_opens_early) ? 1 : 0) < config.outage_messages) {
    return false;
  }
  // What is too old is dropped with the next add(); until then it is left out here.
  std::map<uint64_t, size_t> old_by_message;
  std::map<std::string_view, size_t> old_by_role;
  size_t old = 0;
  size_t gone = 0;  // messages of which nothing counts any more
  for (; old < failures_.size() && !counts(failures_[old], next.at_ms, config); ++old) {
    const uint64_t sequence = failures_[old].message.sequence;
    if (++old_by_message[sequence] == by_message_.at(sequence)) ++gone;
    ++old_by_role[failures_[old].role];
  }
  const uint64_t sequence = next.message.sequence;
  const auto before = by_message_.find(sequence);
  const auto old_ones = old_by_message.find(sequence);
  const bool counted =
      before != by_message_.end() && (old_ones == old_by_message.end() || old_ones->second < before->second);
  const size_t messages = by_message_.size() - gone + (counted ? 0 : 1);
  if (messages + (PAWL_FAULT(breaker_opens_early) ? 1 : 0) < config.outage_messages) return false;
  uint64_t done = 0;
  for (const auto& [name, done_before] : by_role_) {
    const auto skipped = old_by_role.find(name);
    const size_t first = skipped == old_by_role.end() ? 0 : skipped->second;
    const auto role = desk.role(name);
    // A role that was dropped and made again counts from 0.
    if (first < done_before.size() && role && role->counts->done > done_before[first]) {
      done += role->counts->done - done_before[first];
    }
  }
  const uint64_t failures = failures_.size() - old + 1;
  const uint64_t percent = std::min<uint32_t>(config.outage_percent, 100);
  return failures * 100 >= (failures + done) * percent;  // fewer than 2^53 of each
}

void OutageWindow::add(OutageFailure failure, const core::GuardsConfig& config) {
  const int64_t now_ms = failure.at_ms;
  ++by_message_[failure.message.sequence];
  by_role_[failure.role].push_back(failure.done);
  failures_.push_back(std::move(failure));
  while (failures_.size() > failures_max(config) ||
         (!failures_.empty() && !counts(failures_.front(), now_ms, config))) {
    drop_oldest();
  }
}

void OutageWindow::drop_oldest() {
  const OutageFailure& oldest = failures_.front();
  const auto message = by_message_.find(oldest.message.sequence);
  if (--message->second == 0) by_message_.erase(message);
  const auto role = by_role_.find(oldest.role);
  role->second.pop_front();
  if (role->second.empty()) by_role_.erase(role);
  failures_.pop_front();
}

bool OutageWindow::over(int64_t now_ms, const core::GuardsConfig& config) const {
  return failures_.empty() || !counts(failures_.back(), now_ms, config);
}

}  // namespace pawl::guards
