// Between sweeps: what is raised at event time, and whether sweeps come at all.
#include <algorithm>

#include "bus/base/parse.h"
#include "bus/ops/monitor.h"
#include "bus/ops/ops_config.h"

namespace pawl::ops {
namespace {

constexpr std::string_view overdue = "monitor:overdue";
constexpr std::string_view quota_prefix = "monitor:quota:";
constexpr std::string_view freeze_fingerprint = "monitor:freeze";

bool is_checked(std::string_view fingerprint) {
  return fingerprint.starts_with(quota_prefix) || fingerprint == freeze_fingerprint;
}

// A quota that is warned of, and one that is used up: two states of the same incident.
uint8_t gravity_of(const Finding& finding) {
  const auto percent = std::find_if(finding.evidence.begin(), finding.evidence.end(),
                                    [](const Evidence& one) { return one.name == "percent"; });
  const bool full = percent != finding.evidence.end() && percent->number >= 100;
  return static_cast<uint8_t>((finding.tier == Tier::ultra ? 2 : 0) + (full ? 1 : 0));
}

}  // namespace

bool Monitor::active(const core::OfficeDesk& desk) const {
  return config_of(desk).monitor.on || head_.next_sweep > 1;
}

void Monitor::configured(core::OfficeDesk& desk) {
  next_check_ms_ = 0;
  plan(desk);
}

// The watch over the sweeps begins with the section, and ends with it.
void Monitor::arm(core::OfficeDesk& desk) {
  const bool on = config_of(desk).monitor.on;
  if (on == (head_.armed_bus_ms >= 0)) return;
  head_.armed_bus_ms = on ? desk.clocks().bus_ms : -1;
  save(desk);
  if (!on) forget_standing(overdue, desk);
}

// Two intervals after the newest sweep; one after a freeze, in which the schedule stands still.
int64_t Monitor::overdue_bus_ms(const MonitorConfig& config) const {
  const int64_t from_ms = std::max(head_.armed_bus_ms, head_.next_sweep > 1 ? head_.last_bus_ms : int64_t{0});
  int64_t at_ms = from_ms + 2 * config.every_ms;
  if (head_.thawed_bus_ms >= 0) at_ms = std::max(at_ms, head_.thawed_bus_ms + config.every_ms);
  return at_ms;
}

void Monitor::watch_sweeps(core::OfficeDesk& desk) {
  const MonitorConfig& config = config_of(desk).monitor;
  if (!config.on || desk.freeze().frozen() || head_.standing.contains(std::string(overdue))) return;
  if (desk.clocks().bus_ms < overdue_bus_ms(config)) return;
  head_.standing.emplace(overdue, 0);
  save(desk);
  Sighting sighting;
  sighting.fingerprint = std::string(overdue);
  sighting.title = "the monitor's sweep is overdue";
  const std::string every = format_duration(config.every_ms);
  sighting.detail = (head_.last_ms == 0 ? "there was none yet" : "last=" + std::to_string(head_.last_ms)) +
                    " every=" + every;
  if (!config.role.empty()) {
    sighting.roles.push_back(config.role);
    sighting.detail += " look: pawl roles " + config.role;
  } else {
    sighting.detail += " look: whatever calls pawl sweep";
  }
  incidents_.saw(sighting, "monitor", desk);
}

void Monitor::forget_standing(std::string_view fingerprint, core::OfficeDesk& desk) {
  if (head_.standing.erase(std::string(fingerprint)) == 0) return;
  save(desk);
  incidents_.gone(fingerprint, desk);
}

std::string Monitor::see(const Finding& finding, core::OfficeDesk& desk) {
  if (is_checked(finding.fingerprint)) head_.standing[finding.fingerprint] = gravity_of(finding);
  Sighting sighting;
  sighting.fingerprint = finding.fingerprint;
  sighting.tier = finding.tier;
  sighting.title = finding.title;
  sighting.detail = finding.evidence_text() + " look: " + finding.look;
  sighting.roles = finding.roles;
  sighting.daemons = finding.daemons;
  return incidents_.saw(sighting, "monitor", desk);
}

// What the chronicle does not say by itself. Raised when it is new or graver than it was, and over when it is
// not found any more.
void Monitor::check(core::OfficeDesk& desk) {
  MonitorFacts facts;
  facts.now_ms = desk.clocks().wall_ms;
  facts.freeze = desk.freeze();
  add_quotas(desk, facts);
  has_quotas_ = !facts.quotas.empty();
  const MonitorLimits& limits = config_of(desk).monitor.limits;
  std::vector<Finding> findings;
  add_freeze_finding(facts, limits, findings);
  add_quota_findings(facts, limits, findings);
  std::set<std::string, std::less<>> found;
  for (const Finding& finding : findings) {
    if (!finding.raises) continue;
    found.insert(finding.fingerprint);
    const auto known = head_.standing.find(finding.fingerprint);
    if (known != head_.standing.end() && known->second >= gravity_of(finding)) continue;
    see(finding, desk);
    save(desk);
  }
  std::vector<std::string> over;
  for (const auto& [fingerprint, gravity] : head_.standing) {
    if (is_checked(fingerprint) && !found.contains(fingerprint)) over.push_back(fingerprint);
  }
  for (const std::string& fingerprint : over) forget_standing(fingerprint, desk);
}

void Monitor::tick(core::OfficeDesk& desk) {
  if (head_.armed_bus_ms < 0 && !active(desk)) return;
  arm(desk);
  const int64_t now_ms = desk.clocks().bus_ms;
  if (now_ms < next_check_ms_) {
    // Something happened just now: looked at once more, and then no further turn is asked for.
    if (has_quotas_) wakeup_.sooner({next_check_ms_, std::nullopt});
    return;
  }
  next_check_ms_ = now_ms + MonitorHabits::check_ms;
  if (active(desk)) check(desk);
  watch_sweeps(desk);
  plan(desk);
}

// An idle bus uses nothing up: only what is to be seen ending needs turns of its own.
void Monitor::plan(core::OfficeDesk& desk) {
  wakeup_ = {};
  if (!active(desk)) return;
  const MonitorConfig& config = config_of(desk).monitor;
  const core::FreezeRecord& freeze = desk.freeze();
  const core::Clocks now = desk.clocks();
  const auto stands = [&](std::string_view fingerprint) {
    return head_.standing.contains(std::string(fingerprint));
  };
  const auto wake = [&](int64_t bus_ms) { wakeup_.sooner({std::max(bus_ms, next_check_ms_), std::nullopt}); };
  if (std::any_of(head_.standing.begin(), head_.standing.end(),
                  [](const auto& one) { return one.first.starts_with(quota_prefix); })) {
    wake(next_check_ms_);
  }
  if (freeze.frozen()) {
    if (!stands(freeze_fingerprint)) {
      wake(now.bus_ms + freeze.since_ms + config.limits.freeze_long_ms - now.wall_ms);
    }
  } else if (stands(freeze_fingerprint)) {
    wake(next_check_ms_);
  } else if (config.on && !stands(overdue)) {
    wake(overdue_bus_ms(config));
  }
}

}  // namespace pawl::ops
