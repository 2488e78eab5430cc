#include "bus/ops/monitor_findings.h"

#include <algorithm>

#include "bus/base/parse.h"

namespace pawl::ops {
namespace {

using core::Tier;

__extension__ typedef __int128 Wide;  // NOLINT: `using` cannot carry __extension__

constexpr uint64_t whole = 10'000;

std::string quoted(const std::string& text) { return text.substr(0, MonitorHabits::text_bytes_max); }

// Two units at most, for people: 5'400'000 is "1h 30m".
std::string span(int64_t ms) {
  constexpr std::pair<std::string_view, int64_t> units[] = {
      {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}};
  std::string text;
  int left = 2;
  for (const auto& [name, size] : units) {
    if (left == 0) break;
    if (ms < size && text.empty()) continue;
    --left;
    if (const int64_t count = ms / size; count != 0) {
      text += (text.empty() ? "" : " ") + std::to_string(count) + std::string(name);
      ms -= count * size;
    }
  }
  return text.empty() ? std::to_string(ms) + "ms" : text;
}

std::string percent_text(uint64_t rate) {
  const std::string tenths = rate % 100 / 10 == 0 ? "" : "." + std::to_string(rate % 100 / 10);
  return std::to_string(rate / 100) + tenths + "%";
}

// "1 dead letter", "12 dead letters"
std::string counted(uint64_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

Finding made(std::string kind, Tier tier, std::string subject, std::string title) {
  Finding finding;
  finding.kind = std::move(kind);
  finding.tier = tier;
  finding.subject = std::move(subject);
  finding.title = std::move(title);
  return finding;
}

// About one role; the monitor's own incident.
Finding of_role(const RoleLook& role, std::string kind, Tier tier, std::string title) {
  Finding finding = made(std::move(kind), tier, role.name, std::move(title));
  finding.roles.push_back(role.name);
  finding.fingerprint = "monitor:" + finding.kind + ":" + role.name;
  finding.raises = true;
  return finding;
}

int64_t number(uint64_t value) { return static_cast<int64_t>(value); }

// ---- Roles

uint64_t rate_of(uint64_t count, uint64_t ended) { return std::min(whole, count * whole / ended); }

// From which rate on failures are unusual for this role and class.
uint64_t threshold(const ErrorLook& error, const MonitorLimits& limits) {
  if (!error.usual) return limits.errors_new;
  const uint64_t usual = std::min<uint64_t>(whole, *error.usual);
  const uint64_t most = std::max(usual + (whole - usual) / 2, usual + 1);
  return std::max(limits.errors_floor, std::min(usual * limits.errors_factor, most));
}

void add_errors(const RoleLook& role, const MonitorLimits& limits, std::vector<Finding>& into) {
  for (const ErrorLook& error : role.errors) {
    const uint64_t ended = std::max(role.ended, error.count);
    if (error.count < limits.errors_least || ended == 0) continue;
    const uint64_t rate = rate_of(error.count, ended);
    if (rate < threshold(error, limits)) continue;
    const bool all = rate >= limits.errors_ultra && ended >= limits.ended_ultra;
    const std::string kind(core::class_name(error.error_class));
    const std::string usual =
        error.usual ? "usually " + percent_text(*error.usual) : std::string("too new to know what is usual");
    Finding finding =
        of_role(role, "errors", all ? Tier::ultra : Tier::concern,
                "role " + role.name + ": " + percent_text(rate) + " fail with " + kind + ", " + usual);
    finding.fingerprint += ":" + kind;
    finding.with("class", kind).with("failures", number(error.count)).with("ended", number(ended));
    finding.with("rate", percent_text(rate));
    if (error.usual) finding.with("usual", percent_text(*error.usual));
    if (!error.example.empty()) finding.with("id", error.example);
    if (!error.text.empty()) finding.with("text", quoted(error.text));
    finding.look = error.example.empty() ? "pawl invocations" : "pawl invocations " + error.example;
    into.push_back(std::move(finding));
  }
}

void add_dead(const RoleLook& role, const MonitorLimits& limits, std::vector<Finding>& into) {
  const bool grows = role.died >= limits.dead_growth;
  if (!grows && (role.dead == 0 || role.dead < limits.dead_backlog)) return;
  const std::string dead = counted(role.dead, "dead letter");
  Finding finding =
      grows ? of_role(role, "dead", role.died >= limits.dead_growth_ultra ? Tier::ultra : Tier::concern,
                      "role " + role.name + ": " + std::to_string(role.died) + " died, now " + dead)
            : of_role(role, "backlog", Tier::concern, "role " + role.name + ": " + dead);
  if (!grows) {
    // Known, and somebody's to go through: no news that would need an incident.
    finding.raises = false;
    finding.fingerprint.clear();
  }
  finding.with("dead", number(role.dead)).with("died", number(role.died));
  finding.look = "pawl dead groups --role " + role.name;
  into.push_back(std::move(finding));
}

void add_claims(const RoleLook& role, std::vector<Finding>& into) {
  const auto add = [&](const ClaimLook& claims, std::string kind, std::string title) {
    if (claims.count == 0) return;
    Finding finding = of_role(role, std::move(kind), Tier::concern, std::move(title));
    finding.with("claims", number(claims.count)).with("id", claims.example).with("daemon", claims.daemon);
    finding.with("held_ms", claims.held_ms);
    if (!claims.why.empty()) finding.with("why", std::string(claims.why));
    finding.daemons.push_back(claims.daemon.substr(0, claims.daemon.find('@')));
    finding.look = "pawl get " + claims.example;
    into.push_back(std::move(finding));
  };
  add(role.stuck, "stuck",
      "role " + role.name + ": " + counted(role.stuck.count, "claim") + " stuck, one for " +
          span(role.stuck.held_ms));
  add(role.held_long, "long",
      "role " + role.name + ": " + counted(role.held_long.count, "claim") + " held for up to " +
          span(role.held_long.held_ms));
}

void add_waiting(const RoleLook& role, const MonitorFacts& facts, const MonitorLimits& limits,
                 std::vector<Finding>& into) {
  const int64_t waits_ms = role.oldest_ready_ms.value_or(0);
  if (role.paused) {
    if (role.paused_ms < limits.oldest_ready_ms || role.ready == 0) return;
    Finding finding = made("paused", Tier::concern, role.name,
                           "role " + role.name + " has been paused for " + span(role.paused_ms));
    finding.roles.push_back(role.name);
    finding.with("paused_ms", role.paused_ms).with("ready", number(role.ready));
    if (!role.pause_reason.empty()) finding.with("reason", quoted(role.pause_reason));
    finding.look = "pawl roles " + role.name;
    into.push_back(std::move(finding));
    return;
  }
  const bool idle = role.claims == 0;
  const int64_t limit_ms =
      idle ? limits.oldest_ready_ms : limits.oldest_ready_ms * limits.oldest_ready_factor;
  if (waits_ms == 0 || waits_ms < limit_ms || facts.freeze.stops_claims()) return;
  Finding finding = of_role(role, "waiting", Tier::concern,
                            "role " + role.name + ": " + counted(role.ready, "message") +
                                (role.ready == 1 ? " waits" : " wait") + ", the oldest for " +
                                span(waits_ms) + (idle ? ", and nobody claims" : ""));
  finding.with("ready", number(role.ready)).with("oldest_ms", waits_ms).with("claims", number(role.claims));
  if (role.daemons != 0) finding.with("daemons", number(role.daemons)).with("well", number(role.well));
  finding.look = "pawl list " + role.name + " ready";
  into.push_back(std::move(finding));
}

void add_unserved(const RoleLook& role, std::vector<Finding>& into) {
  if (role.daemons == 0 || role.well != 0) return;
  Finding finding =
      made("unserved", Tier::concern, role.name,
           "role " + role.name + ": none of its " + counted(role.daemons, "daemon") + " can work");
  finding.roles.push_back(role.name);
  finding.fingerprint = "unserved:" + role.name;
  finding.with("daemons", number(role.daemons)).with("ready", number(role.ready));
  finding.look = "pawl daemons";
  into.push_back(std::move(finding));
}

// ---- The rest of the fleet

void add_daemons(const MonitorFacts& facts, const MonitorLimits& limits, std::vector<Finding>& into) {
  for (const DaemonLook& daemon : facts.daemons) {
    if (daemon.stopping || daemon.colour == Colour::green) continue;
    const bool red = daemon.colour == Colour::red;
    if (!red && daemon.colour_ms < limits.yellow_ms) continue;
    const std::string colour(name_of(daemon.colour, colour_names));
    Finding finding =
        made("daemon", red && daemon.colour_ms >= limits.red_ultra_ms ? Tier::ultra : Tier::concern,
             daemon.name, "daemon " + daemon.name + " has been " + colour + " for " + span(daemon.colour_ms));
    finding.daemons.push_back(daemon.name);
    if (red) finding.fingerprint = "daemon:" + daemon.name;
    finding.with("colour", colour).with("reason", quoted(daemon.reason)).with("silent_ms", daemon.silent_ms);
    finding.look = "pawl daemons " + daemon.name;
    into.push_back(std::move(finding));
  }
}

void add_circuits(const MonitorFacts& facts, std::vector<Finding>& into) {
  for (const CircuitLook& circuit : facts.circuits) {
    Finding finding =
        made("breaker", Tier::concern, circuit.name,
             "circuit " + circuit.name + " is " + (circuit.state == "open" ? "open" : "half open"));
    const size_t colon = circuit.name.find(':');
    const std::string subject = circuit.name.substr(colon + 1);
    const bool of_a_role = circuit.name.starts_with("role:");
    (of_a_role ? finding.roles : finding.daemons).push_back(subject);
    // The chronicle sees to that incident: one a circuit.
    finding.fingerprint = "breaker:" + circuit.name;
    finding.with("state", circuit.state).with("reason", quoted(circuit.reason));
    finding.with("retry_at", circuit.retry_at_ms);
    finding.look = of_a_role ? "pawl roles " + subject : "pawl events --kind breaker";
    into.push_back(std::move(finding));
  }
}

void add_disk(const MonitorFacts& facts, std::vector<Finding>& into) {
  if (facts.disk == core::DiskMark::ample) return;
  const bool critical = facts.disk == core::DiskMark::critical;
  Finding finding = made("disk", critical ? Tier::ultra : Tier::concern, "disk",
                         critical ? "the disk is nearly full" : "the disk is short of space");
  finding.fingerprint = "disk";
  finding.with("mark", std::string(critical ? "critical" : "low"));
  finding.look = "pawl status";
  into.push_back(std::move(finding));
}

void add_crons(const MonitorFacts& facts, std::vector<Finding>& into) {
  for (const CronLook& cron : facts.crons) {
    if (cron.missed == 0) continue;
    Finding finding = made("cron", Tier::concern, cron.name,
                           "schedule " + cron.name + " missed " + counted(cron.missed, "slot"));
    finding.fingerprint = "monitor:cron:" + cron.name;
    finding.raises = true;
    finding.with("missed", number(cron.missed)).with("last", cron.last_at_ms).with("why", quoted(cron.why));
    finding.look = "pawl cron list";
    into.push_back(std::move(finding));
  }
}

void add_guards(const MonitorFacts& facts, std::vector<Finding>& into) {
  for (const GuardLook& guard : facts.guards) {
    if (guard.would_refuse == 0) continue;
    Finding finding = made("guard", Tier::concern, guard.name,
                           "guard " + guard.name + " only observes; it would have refused " +
                               counted(guard.would_refuse, "time"));
    finding.with("would_refuse", number(guard.would_refuse));
    finding.look = "pawl guards";
    into.push_back(std::move(finding));
  }
}

void sort(std::vector<Finding>& findings) {
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.tier > b.tier; });
}

}  // namespace

int64_t QuotaLook::percent() const {
  return cap <= 0 ? 100 : static_cast<int64_t>((Wide{used} + reserved) * 100 / cap);
}

std::optional<int64_t> QuotaLook::runs_out_ms() const {
  const Wide left = Wide{cap} - used - reserved;
  if (left <= 0) return 0;
  if (spent <= 0 || paced_ms <= 0) return std::nullopt;
  const Wide after_ms = left * paced_ms / spent;
  // Until something frees it only rises; after that it does if the pace is more than the window holds.
  const bool too_fast = Wide{spent} * per_ms > Wide{cap} * paced_ms;
  if (after_ms > per_ms || (!too_fast && after_ms > frees_ms)) return std::nullopt;
  return static_cast<int64_t>(after_ms);
}

Finding& Finding::with(std::string_view name, std::string text) {
  evidence.push_back({std::string(name), std::move(text), 0, false});
  return *this;
}

Finding& Finding::with(std::string_view name, int64_t value) {
  evidence.push_back({std::string(name), {}, value, true});
  return *this;
}

std::string Finding::evidence_text() const {
  std::string out;
  for (const Evidence& one : evidence) {
    out += (out.empty() ? "" : " ") + one.name + "=" + (one.numeric ? std::to_string(one.number) : one.text);
  }
  return out;
}

void add_quota_findings(const MonitorFacts& facts, const MonitorLimits& limits, std::vector<Finding>& into) {
  for (const QuotaLook& quota : facts.quotas) {
    const int64_t percent = quota.percent();
    const bool full = percent >= 100;
    const auto out_ms = quota.runs_out_ms();
    const bool soon = !full && out_ms && *out_ms <= limits.quota_ahead_ms;
    if (percent < limits.quota_percent && !soon) continue;
    const bool fleet = quota.role == "*";
    const std::string what(core::quota_kind_names[static_cast<size_t>(quota.what)]);
    const std::string window = format_duration(quota.per_ms);
    std::string title = what + " of " + (fleet ? "the fleet" : "role " + quota.role) + " in " + window +
                        ": " + std::to_string(percent) + "% used";
    if (soon) title += ", all of it in " + span(*out_ms) + " at this pace";
    Finding finding =
        made("quota", full && fleet ? Tier::ultra : Tier::concern, quota.role, std::move(title));
    if (!fleet) finding.roles.push_back(quota.role);
    finding.fingerprint = "monitor:quota:" + quota.role + ":" + what + ":" + window;
    finding.raises = true;
    finding.with("what", what).with("per_ms", quota.per_ms).with("percent", percent);
    finding.with("used", quota.used).with("reserved", quota.reserved).with("cap", quota.cap);
    if (soon) finding.with("runs_out_at", facts.now_ms + *out_ms);
    if (quota.frees_ms > 0) finding.with("frees_at", facts.now_ms + quota.frees_ms);
    finding.look = "pawl quota show " + (fleet ? "'*'" : quota.role);
    into.push_back(std::move(finding));
  }
}

void add_freeze_finding(const MonitorFacts& facts, const MonitorLimits& limits, std::vector<Finding>& into) {
  const core::FreezeRecord& freeze = facts.freeze;
  if (!freeze.frozen()) return;
  const int64_t stands_ms = std::max<int64_t>(0, facts.now_ms - freeze.since_ms);
  const bool hard = freeze.kind == core::FreezeKind::hard;
  const std::string kind(core::freeze_kind_name(freeze.kind));
  const std::string scope(core::freeze_scope_name(freeze.scope));
  Finding finding = made("freeze", hard ? Tier::ultra : Tier::concern, scope,
                         "a " + kind + " freeze of scope " + scope + " has stood for " + span(stands_ms));
  finding.fingerprint = "monitor:freeze";
  finding.raises = stands_ms >= limits.freeze_long_ms;
  finding.with("freeze", kind)
      .with("scope", scope)
      .with("by", freeze.by)
      .with("reason", quoted(freeze.reason));
  finding.with("since", freeze.since_ms);
  if (freeze.until_ms != 0) finding.with("until", freeze.until_ms);
  finding.look = "pawl check";
  into.push_back(std::move(finding));
}

std::vector<Finding> findings_of(const MonitorFacts& facts, const MonitorLimits& limits) {
  std::vector<Finding> found;
  add_freeze_finding(facts, limits, found);
  add_disk(facts, found);
  add_daemons(facts, limits, found);
  for (const RoleLook& role : facts.roles) {
    add_errors(role, limits, found);
    add_dead(role, limits, found);
    add_unserved(role, found);
    add_waiting(role, facts, limits, found);
    add_claims(role, found);
  }
  add_quota_findings(facts, limits, found);
  add_circuits(facts, found);
  add_crons(facts, found);
  add_guards(facts, found);
  sort(found);
  return found;
}

void add_open_incidents(const std::vector<IncidentLook>& incidents, std::vector<Finding>& into) {
  const size_t own = into.size();
  for (const IncidentLook& incident : incidents) {
    const auto same =
        std::find_if(into.begin(), into.begin() + static_cast<ptrdiff_t>(own),
                     [&](const Finding& one) { return one.fingerprint == incident.fingerprint; });
    if (same != into.begin() + static_cast<ptrdiff_t>(own)) {
      same->incident = incident.id;
      // The incident has risen by its own rules.
      same->tier = std::max(same->tier, incident.tier);
      continue;
    }
    if (incident.cleared && incident.tier == Tier::concern) continue;
    Finding finding = made("incident", incident.tier, incident.id,
                           "open for " + span(incident.open_ms) + ": " + incident.title);
    finding.incident = incident.id;
    finding.fingerprint = incident.fingerprint;
    finding.roles = incident.roles;
    finding.with("open_ms", incident.open_ms);
    finding.with("acknowledged", std::string(incident.acknowledged ? "yes" : "no"));
    if (incident.cleared) finding.with("cause", "gone");
    finding.look = "pawl incident show " + incident.id;
    into.push_back(std::move(finding));
  }
  sort(into);
}

SweepResult result_of(const std::vector<Finding>& findings) {
  auto worst = SweepResult::nominal;
  for (const Finding& finding : findings) {
    worst = std::max(worst, finding.tier == Tier::ultra ? SweepResult::ultra : SweepResult::concern);
  }
  return worst;
}

}  // namespace pawl::ops
