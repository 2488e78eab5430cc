#include "guards/stuck_claim_sweep.h"

#include <algorithm>
#include <utility>

namespace pawl::guards {
namespace {

constexpr int64_t minute_ms = 60'000;
constexpr size_t daemons_max = 100;  // counted by name; later ones only in the sum

}  // namespace

void StuckClaimSweep::ended(const core::Ending& ending, const core::Ruling& /*ruling*/, core::Desk& desk) {
  // A claim that was reaped was not stuck.
  if (ending.outcome != core::Outcome::lapsed || ending.error_class != core::ErrorClass::lease_expired)
    return;
  const auto [at, first] = minutes_.try_emplace(std::string(ending.role.name));
  Minute& minute = at->second;
  if (first) {
    minute.ends_ms = desk.clocks().bus_ms + minute_ms;
    next_ms_ = std::min(next_ms_, minute.ends_ms);
  }
  ++minute.lapsed;
  const std::string daemon(ending.daemon);
  if (minute.daemons.size() < daemons_max || minute.daemons.contains(daemon)) ++minute.daemons[daemon];
}

void StuckClaimSweep::tick(core::Desk& desk) {
  const int64_t now_ms = desk.clocks().bus_ms;
  if (now_ms < next_ms_) return;
  next_ms_ = INT64_MAX;
  std::erase_if(minutes_, [&](const auto& entry) {
    const auto& [role, minute] = entry;
    if (minute.ends_ms > now_ms) {
      next_ms_ = std::min(next_ms_, minute.ends_ms);
      return false;
    }
    if (minute.lapsed > desk.config().guards.lapse_storm) {
      const auto most = std::max_element(minute.daemons.begin(), minute.daemons.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; });
      desk.chronicle("sweep.storm", {{"role", role},
                                     {"count", std::to_string(minute.lapsed)},
                                     {"daemons", std::to_string(minute.daemons.size())},
                                     {"most", most->first},
                                     {"most_count", std::to_string(most->second)}});
    }
    return true;
  });
}

std::optional<int64_t> StuckClaimSweep::next_wakeup_ms() const {
  if (next_ms_ == INT64_MAX) return std::nullopt;
  return next_ms_;
}

}  // namespace pawl::guards
