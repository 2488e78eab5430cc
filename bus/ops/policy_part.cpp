#include "bus/ops/policy_part.h"

#include <algorithm>
#include <stdexcept>

#include "bus/base/parse.h"
#include "bus/core/fingerprint.h"
#include "bus/core/keys.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/ops_config.h"

namespace pawl::ops {
namespace {

constexpr std::string_view course_rows = "policy/c/";
constexpr std::string_view memory_row = "policy/memory";
constexpr std::string_view next_row = "policy/next";

std::string row_of(uint64_t number) { return std::string(course_rows) + core::keys::number(number); }

}  // namespace

// ---- Rows and configuration ---------------------------------------------------------

void PolicyPart::open(core::OfficeDesk& desk) {
  courses_.clear();
  memory_ = {};
  next_decision_ = 1;
  memory_changed_ = false;
  pending_.clear();
  due_.clear();
  if (std::string bytes; desk.get(memory_row, bytes)) {
    auto memory = decode_policy_memory(bytes);
    if (!memory) throw std::runtime_error("what the policy remembers");
    memory_ = std::move(*memory);
  }
  if (std::string bytes; desk.get(next_row, bytes)) {
    if (bytes.size() != 8) throw std::runtime_error("the number of decisions");
    next_decision_ = core::keys::read_be(bytes, 0, 8);
  }
  desk.scan(course_rows, [&](std::string_view key, std::string_view bytes) {
    auto course = decode_course(bytes);
    if (key.size() != course_rows.size() + 8 || !course) throw std::runtime_error("a course of the policy");
    const uint64_t number = core::keys::read_be(key, course_rows.size(), 8);
    courses_.emplace(number, std::move(*course));
    pending_.insert(number);
    return true;
  });
  read_config(desk);
  frozen_ = desk.freeze().frozen();
}

void PolicyPart::read_config(const core::OfficeDesk& desk) {
  const OpsConfig& config = config_of(desk);
  table_ = config.policy_table();
  table_hash_ = core::fingerprint_text(hash_of(table_));
  mode_ = config.policy_mode;
}

void PolicyPart::configured(core::OfficeDesk& desk) {
  const bool acted = mode_ == core::GuardMode::enforce;
  read_config(desk);
  if (mode_ == core::GuardMode::enforce) {
    // What was only observed is still to be done.
    for (auto& [number, course] : courses_) {
      if (acted || !std::exchange(course.resting, false)) continue;
      desk.put(row_of(number), encode(course));
    }
    for (const auto& [number, incident] : incidents_.all_open()) pending_.insert(number);
    return;
  }
  // What it has begun, it does not go on with.
  for (auto& [number, course] : courses_) {
    if (!course.running && !course.holds()) continue;
    course.running.reset();
    course.resting = true;
    lift_all(number, course, desk);
    desk.put(row_of(number), encode(course));
  }
}

void PolicyPart::sealing(core::OfficeDesk& desk) {
  if (!std::exchange(memory_changed_, false)) return;
  desk.put(memory_row, encode(memory_));
  desk.put(next_row, core::keys::number(next_decision_));
}

// ---- News and time ------------------------------------------------------------------

void PolicyPart::noted(const core::EventRecord& event, core::OfficeDesk& desk) {
  if (event.kind == "kill.clear") return tick(desk);
  if (incidents_.any_touched()) work(desk);
}

void PolicyPart::tick(core::OfficeDesk& desk) {
  const bool was_frozen = std::exchange(frozen_, desk.freeze().frozen());
  if (was_frozen && !frozen_) {
    // Nothing could help meanwhile.
    const int64_t now_ms = desk.clocks().bus_ms;
    for (auto& [number, course] : courses_) {
      if (!course.running) continue;
      const auto incident = incidents_.all_open().find(number);
      const int64_t quiet_ms = incident == incidents_.all_open().end() ? 0 : incident->second.quiet_ms;
      course.until_ms = now_ms + facts_of(*course.running).given_ms + quiet_ms;
      desk.put(row_of(number), encode(course));
      expect(number, course.until_ms);
    }
  }
  if (!pending_.empty() || !due_.empty() || incidents_.any_touched()) work(desk);
}

core::Wakeup PolicyPart::next_wakeup() const {
  core::Wakeup wakeup;
  if (frozen_) return wakeup;
  if (!due_.empty()) wakeup.bus_ms = due_.begin()->first;
  if (!pending_.empty()) wakeup.bus_ms = 0;
  return wakeup;
}

void PolicyPart::work(core::OfficeDesk& desk) {
  pending_.merge(incidents_.take_touched());
  const int64_t now_ms = desk.clocks().bus_ms;
  if (frozen_ || desk.freeze().frozen()) return;
  while (!due_.empty() && due_.begin()->first <= now_ms) {
    pending_.insert(due_.begin()->second);
    due_.erase(due_.begin());
  }
  for (const uint64_t number : std::exchange(pending_, {})) look(number, desk);
}

// ---- One incident -------------------------------------------------------------------

void PolicyPart::look(uint64_t number, core::OfficeDesk& desk) {
  const auto found = incidents_.all_open().find(number);
  const auto known = courses_.find(number);
  if (found == incidents_.all_open().end()) {
    if (known != courses_.end()) finish(known, desk);
    return;
  }
  const Incident& incident = found->second;
  if (mode_ == core::GuardMode::off || incident.by_person) return;
  // Found by a look at hours; whether something helps would be known only by the next one.
  if (incident.fingerprint.starts_with("monitor:")) return;
  const bool fresh = known == courses_.end();
  Course& course = courses_[number];
  const Course before = course;
  go_on(incident, course, desk);
  if (fresh || !(course == before)) desk.put(row_of(number), encode(course));
}

void PolicyPart::go_on(const Incident& incident, Course& course, core::OfficeDesk& desk) {
  const int64_t now_ms = desk.clocks().bus_ms;
  if (incident.cleared_bus_ms != 0) return settle(incident, course, desk);
  if (std::exchange(course.quiet, false) || course.tier != incident.tier) course.resting = false;
  course.tier = incident.tier;
  if (course.running) {
    if (now_ms < course.until_ms) return expect(incident.number, course.until_ms);
    course.tried.push_back(*course.running);
    end_try(incident, course, false, now_ms - course.begun_ms, desk);
  }
  if (!course.resting && incident.acknowledged_ms == 0) decide_and_act(incident, course, desk);
}

void PolicyPart::settle(const Incident& incident, Course& course, core::OfficeDesk& desk) {
  course.quiet = true;
  if (course.running) {
    end_try(incident, course, true, std::max<int64_t>(0, incident.cleared_bus_ms - course.begun_ms), desk);
  }
  if (!course.holds()) return;
  const int64_t over_ms = incident.cleared_bus_ms + desk.config().incidents.settle_ms;
  if (desk.clocks().bus_ms < over_ms) return expect(incident.number, over_ms);
  lift_all(incident.number, course, desk);
}

void PolicyPart::end_try(const Incident& incident, Course& course, bool helped, int64_t ms,
                         core::OfficeDesk& desk) {
  const Action action = *std::exchange(course.running, std::nullopt);
  memory_.learned(incident_fingerprint(incident.fingerprint).value_or(0), action, helped, ms,
                  desk.clocks().bus_ms);
  memory_changed_ = true;
  desk.chronicle("policy.outcome", {{"decision", "d" + std::to_string(course.decision)},
                                    {"incident", incident.id()},
                                    {"fingerprint", incident.fingerprint},
                                    {"action", std::string(action_name(action))},
                                    {"subject", course.subject},
                                    {"helped", helped ? "1" : "0"},
                                    {"ms", std::to_string(ms)}});
}

// The incident is closed.
void PolicyPart::finish(Courses::iterator at, core::OfficeDesk& desk) {
  const uint64_t number = at->first;
  Course& course = at->second;
  if (course.running) {
    const auto incident = Incidents::read(number, desk);
    // Where people closed it nobody knows what helped.
    if (incident && !incident->is_open() && incident->cleared_bus_ms != 0) settle(*incident, course, desk);
  }
  lift_all(number, course, desk);
  desk.erase(row_of(number));
  courses_.erase(at);
}

void PolicyPart::lift_all(uint64_t number, Course& course, core::OfficeDesk& desk) {
  const std::string by = "incident i" + std::to_string(number);
  for (const Course::Held& held : std::exchange(course.held, {}))
    desk.lift({held.kind, held.subject, by, ""});
  const std::string paused = std::exchange(course.paused, "");
  const auto role = paused.empty() ? std::nullopt : desk.role(paused);
  // Whom somebody has paused since stays so.
  if (role && role->record->paused && role->record->pause_reason.starts_with(by + ": ")) {
    static_cast<void>(desk.resume(paused));  // it is there
  }
}

// ---- Decisions ----------------------------------------------------------------------

bool PolicyPart::can_wait(Action action, const Course& course) {
  if (action != Action::escalate || course.tried.empty()) return false;
  return std::none_of(course.tried.begin(), course.tried.end(),
                      [](Action one) { return facts_of(one).recovers; });
}

void PolicyPart::decide_and_act(const Incident& incident, Course& course, core::OfficeDesk& desk) {
  const int64_t now_ms = desk.clocks().bus_ms;
  for (;;) {  // each round, one action more is in `tried`
    Situation situation = situation_of(incident, course, desk);
    memory_.complete(table_, situation);
    const Decision decision = decide(table_, situation);
    if (!decision.chosen || can_wait(*decision.chosen, course)) break;
    const Action action = *decision.chosen;
    course.decision = next_decision_++;
    memory_changed_ = true;
    record(decision, incident, desk);
    if (mode_ != core::GuardMode::enforce) break;
    if (const Status done = act(decision, incident, course, desk); !done) {
      desk.chronicle("policy.refused", {{"decision", "d" + std::to_string(course.decision)},
                                        {"incident", incident.id()},
                                        {"action", std::string(action_name(action))},
                                        {"subject", decision.subject},
                                        {"why", done.error().text}});
      course.tried.push_back(action);
      continue;
    }
    memory_.acted(table_, action, decision.subject, now_ms);
    course.tier = incident.tier;
    if (!facts_of(action).recovers) {
      course.tried.push_back(action);
      continue;
    }
    course.running = action;
    course.subject = decision.subject;
    course.begun_ms = now_ms;
    // A cause whose end nobody tells counts as gone only after its silence.
    course.until_ms = now_ms + facts_of(action).given_ms + incident.quiet_ms;
    return expect(incident.number, course.until_ms);
  }
  course.resting = true;
}

void PolicyPart::record(const Decision& decision, const Incident& incident, core::OfficeDesk& desk) {
  core::Headers fields = {{"decision", "d" + std::to_string(next_decision_ - 1)},
                          {"incident", incident.id()},
                          {"rule", decision.rule},
                          {"action", std::string(action_name(*decision.chosen))},
                          {"subject", decision.subject}};
  if (mode_ != core::GuardMode::enforce) fields.emplace_back("mode", "observe");
  fields.emplace_back("table", table_hash_);
  fields.emplace_back("bytes", decision_text(decision));
  desk.chronicle("policy.decision", std::move(fields));
}

std::optional<uint64_t> decision_number(std::string_view id) {
  if (id.size() < 2 || id.size() > 19 || id[0] != 'd' || id[1] < '1' || id[1] > '9') return std::nullopt;
  const auto number = parse_int(id.substr(1));
  return number ? std::optional(static_cast<uint64_t>(*number)) : std::nullopt;
}

}  // namespace pawl::ops
