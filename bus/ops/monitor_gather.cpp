// What the monitor looks at.
#include <algorithm>
#include <map>

#include "bus/base/ids.h"
#include "bus/ops/monitor.h"
#include "bus/ops/ops_config.h"

namespace pawl::ops {
namespace {

const MonitorMark::Role nothing_yet;

// As the role was at the mark; another one of the same name begins anew.
const MonitorMark::Role& role_at(const MonitorMark& mark, std::string_view name, uint64_t number) {
  const auto found = mark.roles.find(name);
  return found == mark.roles.end() || found->second.number != number ? nothing_yet : found->second;
}

template <typename Map, typename Key>
uint64_t count_in(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? 0 : found->second;
}

uint64_t since(uint64_t now, uint64_t before) { return now >= before ? now - before : now; }

Colour colour_from(std::string_view word) {
  return word_from<Colour>(word, colour_names).value_or(Colour::green);
}

// All that the guards tell, each of itself before what it knows.
class Collector final : public core::FactsSink {
 public:
  Collector(core::Clocks now, bool all, MonitorFacts& facts)
      : FactsSink(all ? everything : quotas), now_(now), all_(all), facts_(facts) {}

  void quota(const core::QuotaFacts& quota) override {
    if (mode_ == core::GuardMode::off) return;
    QuotaLook look;
    look.role = std::string(quota.role);
    look.what = quota.what;
    look.per_ms = quota.per_ms;
    look.cap = quota.cap;
    look.used = quota.used;
    look.reserved = quota.reserved;
    if (quota.frees_at_ms) look.frees_ms = std::max<int64_t>(0, *quota.frees_at_ms - now_.wall_ms);
    facts_.quotas.push_back(std::move(look));
  }
  void circuit(const core::CircuitFacts& circuit) override {
    // What only observes, or not even that, holds nobody.
    if (circuit.state == "closed" || mode_ != core::GuardMode::enforce) return;
    facts_.circuits.push_back({std::string(circuit.name), std::string(circuit.state),
                               std::string(circuit.reason), circuit.retry_at_ms});
  }
  void daemon(const core::DaemonFacts& daemon) override {
    DaemonLook look;
    look.name = std::string(daemon.name);
    look.colour = colour_from(daemon.colour);
    look.reason = std::string(daemon.reason);
    look.stopping = daemon.stopping;
    look.colour_ms = std::max<int64_t>(0, now_.wall_ms - daemon.since_ms);
    look.silent_ms = std::max<int64_t>(0, now_.wall_ms - daemon.last_beat_ms);
    if (daemon.roles != nullptr) look.roles = *daemon.roles;
    facts_.daemons.push_back(std::move(look));
  }
  void guard(const core::GuardFacts& guard) override {
    mode_ = guard.mode;
    if (!all_ || guard.mode != core::GuardMode::observe || guard.would_refuse == 0) return;
    facts_.guards.push_back({std::string(guard.name), guard.would_refuse});
  }

 private:
  core::Clocks now_;
  bool all_;  // else quotas only
  MonitorFacts& facts_;
  core::GuardMode mode_ = core::GuardMode::enforce;
};

}  // namespace

MonitorFacts Monitor::gather(const MonitorMark& base, const MonitorMark& now, core::OfficeDesk& desk) const {
  MonitorFacts facts;
  facts.now_ms = desk.clocks().wall_ms;
  facts.freeze = desk.freeze();
  facts.disk = desk.disk();
  add_reports(base, desk, facts);
  add_roles(base, now, desk, facts);
  add_claims(desk, facts);
  for (const auto& [cron, misses] : misses_) {
    const uint64_t missed = since(misses.slots, count_in(base.missed, cron));
    if (missed != 0) facts.crons.push_back({cron, missed, misses.last_ms, misses.why});
  }
  return facts;
}

void Monitor::add_quotas(const core::OfficeDesk& desk, MonitorFacts& facts) const {
  Collector collector(desk.clocks(), false, facts);
  desk.report(collector);
  add_pace(desk, facts);
}

void Monitor::add_reports(const MonitorMark& base, const core::OfficeDesk& desk, MonitorFacts& facts) const {
  Collector collector(desk.clocks(), true, facts);
  desk.report(collector);
  for (GuardLook& guard : facts.guards) {
    // The counters are this process's own.
    const uint64_t before = base.at_ms < opened_ms_ ? 0 : count_in(base.would_refuse, guard.name);
    guard.would_refuse = since(guard.would_refuse, before);
  }
  add_pace(desk, facts);
}

// Since the newest sweep, or since the one before while that is young: a pace needs its time.
void Monitor::add_pace(const core::OfficeDesk& desk, MonitorFacts& facts) const {
  const bool young = facts.now_ms - newest_.at_ms < MonitorHabits::pace_ms && before_.at_ms != 0;
  const MonitorMark& base = young ? before_ : newest_;
  const int64_t past_ms = base.at_ms == 0 ? 0 : facts.now_ms - base.at_ms;
  for (QuotaLook& quota : facts.quotas) {
    if (past_ms < MonitorHabits::judge_ms) {
      // Nothing to compare with: by the window, from its oldest usage on.
      const int64_t used_ms = quota.frees_ms == 0 ? 0 : quota.per_ms - quota.frees_ms;
      if (used_ms < MonitorHabits::judge_ms) continue;
      quota.spent = quota.used;
      quota.paced_ms = used_ms;
      continue;
    }
    uint64_t spent = 0;
    const auto add = [&](const core::RoleFacts& role) {
      const core::RoleCounts& is = *role.counts;
      const MonitorMark::Role& was = role_at(base, role.name, role.number);
      spent += quota.what == core::QuotaKind::tokens ? since(is.tokens, was.tokens)
               : quota.what == core::QuotaKind::cost ? since(is.cost, was.cost)
                                                     : since(is.claimed, was.claimed);
    };
    if (quota.role == "*") {
      desk.each_role(add);
    } else if (const auto role = desk.role(quota.role)) {
      add(*role);
    }
    quota.spent = static_cast<int64_t>(std::min<uint64_t>(spent, INT64_MAX));
    quota.paced_ms = past_ms;
  }
}

void Monitor::add_roles(const MonitorMark& base, const MonitorMark& now, core::OfficeDesk& desk,
                        MonitorFacts& facts) const {
  desk.each_role([&](const core::RoleFacts& role) {
    RoleLook look;
    look.name = std::string(role.name);
    look.paused = role.record->paused;
    look.pause_reason = role.record->pause_reason;
    look.paused_ms = look.paused ? std::max<int64_t>(0, facts.now_ms - role.record->paused_at_ms) : 0;
    look.ready = role.depth(core::MessageState::ready);
    look.dead = role.depth(core::MessageState::dead);
    facts.roles.push_back(std::move(look));
  });
  std::sort(facts.roles.begin(), facts.roles.end(),
            [](const RoleLook& a, const RoleLook& b) { return a.name < b.name; });
  std::string value;
  for (RoleLook& look : facts.roles) {
    look.oldest_ready_ms = desk.oldest_ready_ms(look.name);
    const MonitorMark::Role& is = now.roles.at(look.name);
    const MonitorMark::Role& was = role_at(base, look.name, is.number);
    look.claims = since(is.claimed, was.claimed);
    look.ended = since(is.ended, was.ended);
    look.died = since(is.died, was.died);
    const auto errors = errors_.find(look.name);
    if (errors == errors_.end()) continue;
    Baseline baseline;
    if (desk.get("monitor/b/" + look.name, value)) {
      baseline = decode_monitor<Baseline>(value).value_or(Baseline());
    }
    for (const auto& [number, error] : errors->second.classes) {
      const auto error_class = static_cast<core::ErrorClass>(number);
      const uint64_t count = since(error.count, count_in(was.errors, number));
      if (count == 0) continue;
      look.errors.push_back({error_class, count, baseline.usual(error_class), error.id, error.text});
    }
  }
  std::map<std::string_view, RoleLook*> by_name;
  for (RoleLook& look : facts.roles) by_name.emplace(look.name, &look);
  for (const DaemonLook& daemon : facts.daemons) {
    for (const std::string& name : daemon.roles) {
      const auto found = by_name.find(name);
      if (found == by_name.end()) continue;
      ++found->second->daemons;
      if (daemon.colour != Colour::red && !daemon.stopping) ++found->second->well;
    }
  }
}

void Monitor::add_claims(core::OfficeDesk& desk, MonitorFacts& facts) const {
  // Under a freeze of everything no claim can end.
  if (desk.freeze().all()) return;
  const MonitorLimits& limits = config_of(desk).monitor.limits;
  const core::Clocks now = desk.clocks();
  std::map<std::string_view, RoleLook*> roles;
  for (RoleLook& look : facts.roles) roles.emplace(look.name, &look);
  std::map<std::string_view, const DaemonLook*> daemons;
  for (const DaemonLook& daemon : facts.daemons) daemons.emplace(daemon.name, &daemon);
  const auto add = [](ClaimLook& look, const core::ClaimFacts& claim, int64_t held_ms, std::string_view why) {
    if (++look.count != 1 && held_ms <= look.held_ms) return;
    look.example = encode_id(claim.message);
    look.daemon = std::string(claim.daemon);
    look.held_ms = held_ms;
    look.why = why;
  };
  desk.each_claim([&](const core::ClaimFacts& claim) {
    const auto role = roles.find(claim.role);
    const int64_t held_ms = now.wall_ms - claim.claimed_at_ms;
    if (role == roles.end() || held_ms < std::min(limits.stuck_claim_ms, limits.long_claim_ms)) return;
    if (held_ms >= limits.long_claim_ms) add(role->second->held_long, claim, held_ms, "");
    if (held_ms < limits.stuck_claim_ms) return;
    const int64_t silent_ms = claim.lease_ms - (claim.deadline_ms - now.lease_ms);
    const auto daemon = daemons.find(claim.daemon.substr(0, claim.daemon.find('@')));
    const bool red = daemon != daemons.end() && daemon->second->colour == Colour::red;
    const std::string_view why = claim.cancel_asked                   ? "asked to cancel, and goes on"
                                 : red                                ? "its daemon is red"
                                 : silent_ms >= limits.stuck_claim_ms ? "no sign of life"
                                                                      : "";
    if (!why.empty()) add(role->second->stuck, claim, held_ms, why);
  });
}

namespace {

// Its cause was there at some time from `since_ms` on.
bool stood_since(const Incident& incident, int64_t since_ms) {
  const int64_t until_ms = incident.cleared_ms != 0 ? incident.cleared_ms : incident.closed_ms;
  return until_ms == 0 || until_ms >= since_ms;
}

bool is_about(const Incident& incident, const core::RoleFacts& role) {
  if (!incident.roles.empty() && incident.affects_role(role.name)) return true;
  const auto& needs = role.config->needs;
  return std::any_of(needs.begin(), needs.end(), [&](const std::string& need) {
    return !incident.daemons.empty() && incident.affects_daemon(need);
  });
}

bool is_of_class(const Incident& incident, std::string_view word) {
  if (!incident.fingerprint.starts_with(dead_fingerprint(""))) {
    return core::class_name(incident.error_class) == word;
  }
  // Poison counts as bad input, whatever it does to its workers: that is in the evidence.
  return (incident.detail + " ").find(" class=" + std::string(word) + " ") != std::string::npos;
}

}  // namespace

void Monitor::leave_to_chronicle(Finding& finding, int64_t since_ms, const core::OfficeDesk& desk) const {
  constexpr uint64_t looked_at_max = 1'000;
  const bool dead = finding.kind == "dead";
  if ((!dead && finding.kind != "errors") || !finding.raises) return;
  // One that it has opened already goes on.
  const auto role = desk.role(finding.subject);
  if (!role || incidents_.find(finding.fingerprint) != nullptr) return;
  const auto says_it = [&](const Incident& incident) {
    if (incident.by_person || incident.fingerprint.starts_with("monitor:")) return false;
    if (finding.tier > incident.tier || !stood_since(incident, since_ms)) return false;
    if (dead)
      return incident.fingerprint.starts_with(dead_fingerprint("")) && incident.affects_role(finding.subject);
    return is_about(incident, *role) && is_of_class(incident, finding.evidence.front().text);
  };
  const auto leave = [&](const Incident& incident) {
    finding.fingerprint = incident.fingerprint;
    finding.incident = incident.id();
    finding.raises = false;
  };
  for (const auto& [number, incident] : incidents_.all_open()) {
    if (says_it(incident)) return leave(incident);
  }
  for (const Incident& incident : incidents_.newest_closed(looked_at_max, desk)) {
    if (says_it(incident)) return leave(incident);
  }
}

std::vector<IncidentLook> Monitor::look_at_incidents(const core::OfficeDesk& desk) const {
  std::vector<IncidentLook> looks;
  for (const auto& [number, incident] : incidents_.all_open()) {
    IncidentLook look;
    look.id = incident.id();
    look.tier = incident.tier;
    look.title = incident.title;
    look.fingerprint = incident.fingerprint;
    look.cleared = incident.cleared_ms != 0;
    look.acknowledged = incident.acknowledged_ms != 0;
    look.open_ms = std::max<int64_t>(0, desk.clocks().wall_ms - incident.opened_ms);
    look.roles = incident.roles;
    looks.push_back(std::move(look));
  }
  return looks;
}

}  // namespace pawl::ops
