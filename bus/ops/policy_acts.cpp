// What the policy goes by, and what it does.
#include <algorithm>

#include "bus/base/limits.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/ops_config.h"
#include "bus/ops/policy_part.h"

namespace pawl::ops {
namespace {

constexpr int64_t minute_ms = 60'000;
constexpr int64_t minutes_a_day = 24 * 60;

template <typename Value>
void worsen(Value& value, Value other) {
  value = std::max(value, other);
}

// Picks out of what the guards tell what a situation is about.
class Facts final : public core::FactsSink {
 public:
  Facts(const Incident& incident, Situation& situation)
      : FactsSink(circuits | daemons, daemons_of(incident)), incident_(incident), situation_(situation) {}

  void daemon(const core::DaemonFacts& daemon) override {
    const Colour colour = word_from<Colour>(daemon.colour, colour_names).value_or(Colour::green);
    const bool named = incident_.affects_daemon(daemon.name);
    // Where only a role is named: a daemon that serves it and is not well.
    const bool serves = incident_.daemons.empty() && colour == Colour::red &&
                        std::any_of(daemon.roles->begin(), daemon.roles->end(),
                                    [&](const std::string& role) { return incident_.affects_role(role); });
    if (!named && !serves) return;
    const bool worse = colour > situation_.colour;
    worsen(situation_.colour, colour);
    if (situation_.daemon.empty() || (worse && named)) situation_.daemon = std::string(daemon.name);
  }
  // Before what the guard itself has to tell.
  void guard(const core::GuardFacts& guard) override { enforces_ = guard.mode == core::GuardMode::enforce; }
  void circuit(const core::CircuitFacts& circuit) override {
    if (!enforces_) return;
    if (circuit.name.starts_with("role:") ? !incident_.affects_role(circuit.name.substr(5))
                                          : !incident_.affects_daemon(circuit.name.substr(6))) {
      return;
    }
    const BreakerState state =
        word_from<BreakerState>(circuit.state, breaker_names).value_or(BreakerState::closed);
    // Open is worse than half open.
    if (situation_.breaker != BreakerState::open) situation_.breaker = state;
  }

 private:
  // Where only a role is named, who serves it has to be looked for.
  static const std::vector<std::string>* daemons_of(const Incident& incident) {
    return incident.daemons.empty() && !incident.roles.empty() ? nullptr : &incident.daemons;
  }

  const Incident& incident_;
  Situation& situation_;
  bool enforces_ = true;
};

uint64_t percent_of(uint64_t part, uint64_t whole) {
  if (whole == 0) return 0;
  return part >= whole ? 100 : whole > UINT64_MAX / 100 ? part / (whole / 100) : part * 100 / whole;
}

uint32_t load_of(const core::RoleFacts& role) {
  using core::MessageState;
  const uint64_t backlog = role.depth(MessageState::scheduled) + role.depth(MessageState::ready);
  return static_cast<uint32_t>(std::max(percent_of(backlog, role.config->backlog_max),
                                        percent_of(role.counts->bytes, role.config->backlog_bytes_max)));
}

std::string by_of(const Incident& incident) { return "incident " + incident.id(); }

}  // namespace

Situation PolicyPart::situation_of(const Incident& incident, const Course& course,
                                   const core::OfficeDesk& desk) const {
  const core::Clocks now = desk.clocks();
  Situation situation;
  situation.incident = incident.number;
  situation.fingerprint = incident_fingerprint(incident.fingerprint).value_or(0);
  situation.error_class = incident.error_class;
  situation.tier = incident.tier;
  // Where nobody serves a role, nothing that is done to its claims brings somebody. Messages stop dying while
  // their role is held, and go on when it is not: whatever holds work back would seem to help.
  situation.end_is_told = end_is_told(incident.fingerprint) &&
                          !incident.fingerprint.starts_with("unserved:") &&
                          !incident.fingerprint.starts_with(dead_fingerprint(""));
  situation.count = incident.count;
  situation.spread = static_cast<uint32_t>(incident.roles.size() + incident.daemons.size());
  situation.age_ms = std::max<int64_t>(0, now.wall_ms - incident.opened_ms);
  situation.minute = static_cast<uint32_t>(now.wall_ms / minute_ms % minutes_a_day);
  situation.now_ms = now.bus_ms;
  situation.tried = course.tried;
  uint64_t failures = 0;
  desk.each_role([&](const core::RoleFacts& role) {
    const bool affected = incident.affects_role(role.name);
    if (affected || incident.is_of_all()) worsen(situation.load_percent, load_of(role));
    const uint64_t failed = role.counts->failed + role.counts->lapsed;
    if (!affected || (!situation.role.empty() && failed <= failures)) return;
    situation.role = std::string(role.name);
    failures = failed;
  });
  Facts facts(incident, situation);
  desk.report(facts);
  // It need not beat: a launcher may know it.
  if (situation.daemon.empty() && !incident.daemons.empty()) situation.daemon = incident.daemons.front();
  return situation;
}

Status PolicyPart::hold(core::Restriction::Kind kind, const std::string& subject, const Incident& incident,
                        Course& course, core::OfficeDesk& desk) {
  const std::string by = by_of(incident);
  const Status done = desk.restrict({kind, subject, by, incident.title});
  if (done) course.held.push_back({kind, subject});
  return done;
}

Status PolicyPart::act(const Decision& decision, const Incident& incident, Course& course,
                       core::OfficeDesk& desk) {
  using Kind = core::Restriction::Kind;
  const std::string& subject = decision.subject;
  const std::string by = by_of(incident);
  switch (const Action action = *decision.chosen) {
    case Action::retry_later:
      return {};
    case Action::release:
      if (desk.release_claims(subject, by) > 0) return {};
      return make_error(Code::state, "nothing of role " + subject + " is claimed");
    case Action::restart_daemon:
    case Action::restart_chain:
      desk.chronicle("policy.restart", {{"daemon", subject},
                                        {"chain", action == Action::restart_chain ? "1" : "0"},
                                        {"incident", incident.id()},
                                        {"decision", "d" + std::to_string(course.decision)}});
      return {};
    case Action::open_breaker:
      return hold(Kind::open_circuit, (subject == decision.situation.daemon ? "needs:" : "role:") + subject,
                  incident, course, desk);
    case Action::pause_role:
      if (const auto role = desk.role(subject); role && role->record->paused) {
        return make_error(Code::state, "role " + subject + " is paused already");
      }
      if (const Status done = desk.pause(subject, by + ": " + incident.title); !done) return done;
      course.paused = subject;
      return {};
    case Action::lower_concurrency:
      return hold(Kind::lower_concurrency, subject, incident, course, desk);
    case Action::shed_by_priority:
      return hold(Kind::shed_by_priority, "*", incident, course, desk);
    case Action::soft_freeze:
      // Work in flight may end.
      desk.freeze_softly(core::FreezeScope::claims, by, incident.title,
                         desk.clocks().wall_ms + facts_of(action).given_ms);
      return {};
    case Action::notify:
      incidents_.notify(incident.number, "the policy calls for a look, by rule " + decision.rule, desk);
      return {};
    case Action::escalate:
      incidents_.call(incident.number,
                      course.tried.empty() ? "the policy has nothing that it could try"
                                           : "nothing that the policy tried has helped",
                      desk);
      return {};
  }
  return make_error(Code::err, "an unknown action");
}

}  // namespace pawl::ops
