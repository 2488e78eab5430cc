#include "guards/refusal_log.h"

#include <algorithm>

#include "bus/core/faults.h"

namespace pawl::guards {
namespace {

constexpr int64_t summary_ms = 60'000;
constexpr size_t entries_max = 10'000;  // beyond it scopes share one entry a guard

std::string scope_of(const core::Verdict& verdict) {
  if (!verdict.subject.empty()) return verdict.subject;
  return verdict.scope == core::Scope::fleet ? "fleet" : "message";
}

}  // namespace

void RefusalLog::note(std::string_view kind, const core::Verdict& verdict, core::Desk& desk) {
  Key key{std::string(kind), verdict.guard, scope_of(verdict)};
  std::string& scope = std::get<2>(key);
  if (entries_.size() >= entries_max && !entries_.contains(key)) scope = "others";
  const auto [at, first] = entries_.try_emplace(key);
  Entry& entry = at->second;
  if (!first && !PAWL_FAULT(refusals_all_told)) {
    ++entry.more;
    entry.reason = verdict.reason;
    return;
  }
  entry.summary_at_ms = desk.clocks().bus_ms + summary_ms;
  next_ms_ = std::min(next_ms_, entry.summary_at_ms);
  core::Headers fields = {{"guard", verdict.guard}, {"scope", scope}, {"reason", verdict.reason}};
  if (verdict.value) fields.emplace_back("value", std::to_string(*verdict.value));
  if (verdict.limit) fields.emplace_back("limit", std::to_string(*verdict.limit));
  if (verdict.retry_at_ms) fields.emplace_back("retry_at", std::to_string(*verdict.retry_at_ms));
  desk.chronicle(kind, std::move(fields));
}

void RefusalLog::tick(core::Desk& desk) {
  const int64_t now_ms = desk.clocks().bus_ms;
  if (now_ms < next_ms_) return;
  next_ms_ = INT64_MAX;
  for (auto at = entries_.begin(); at != entries_.end();) {
    Entry& entry = at->second;
    if (entry.summary_at_ms > now_ms) {
      next_ms_ = std::min(next_ms_, entry.summary_at_ms);
      ++at;
      continue;
    }
    if (entry.more == 0) {
      at = entries_.erase(at);  // a quiet minute: the next one is a first one again
      continue;
    }
    const auto& [kind, guard, scope] = at->first;
    desk.chronicle(kind + ".summary", {{"guard", guard},
                                       {"scope", scope},
                                       {"count", std::to_string(entry.more)},
                                       {"reason", entry.reason}});
    entry.more = 0;
    entry.summary_at_ms = now_ms + summary_ms;
    next_ms_ = std::min(next_ms_, entry.summary_at_ms);
    ++at;
  }
}

std::optional<int64_t> RefusalLog::next_wakeup_ms() const {
  if (next_ms_ == INT64_MAX) return std::nullopt;
  return next_ms_;
}

void RefusalLog::clear() {
  entries_.clear();
  next_ms_ = INT64_MAX;
}

}  // namespace pawl::guards
