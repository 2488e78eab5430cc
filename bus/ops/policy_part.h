// The recovery policy at work: it decides about each incident of the bus's own (policy.h), does what was
// decided, looks whether it helped, and remembers that.
//
//   decides   when an incident opens, becomes an ultra, comes back after its cause was gone, or when the
//             action that runs had its time and the cause is still there. Not about incidents that people
//             reported or the monitor found, nor about one that somebody has acknowledged: a person is at
//             work
//   acts      one action at a time; what cannot be done is said (policy.refused), and the next one is tried.
//             `escalate` after nothing but `notify` is left to `escalate_after`: a concern is for today
//   learns    it helped when the cause went in its time, it did not when that ran out. An incident that
//             people close while an action runs teaches nothing
//   takes back  restrictions and pauses, with the incident, or once the cause of an ultra has been gone for
//   `settle` freezes   while one stands, nothing is done; then what runs has its time anew
//
// In the chronicle: policy.decision (with everything it was made from), policy.refused, policy.restart (which
// launchers follow), policy.outcome. Mode `observe`: decisions alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "bus/ops/course.h"
#include "bus/ops/incidents.h"
#include "bus/ops/part.h"
#include "bus/ops/policy_memory.h"

namespace pawl::ops {

// Rows "policy/c/NUMBER", a course for each open incident that it looked at; "policy/memory", "policy/next".
class PolicyPart final : public Part {
 public:
  explicit PolicyPart(Incidents& incidents) : incidents_(incidents) {}

  std::string_view name() const override { return "policy"; }
  void open(core::OfficeDesk& desk) override;
  void configured(core::OfficeDesk& desk) override;
  void tick(core::OfficeDesk& desk) override;
  core::Wakeup next_wakeup() const override;
  void noted(const core::EventRecord& event, core::OfficeDesk& desk) override;
  void sealing(core::OfficeDesk& desk) override;

  const PolicyMemory& memory() const { return memory_; }

 private:
  using Courses = std::map<uint64_t, Course>;

  void read_config(const core::OfficeDesk& desk);
  // Looks at what changed and at what is due.
  void work(core::OfficeDesk& desk);
  void look(uint64_t number, core::OfficeDesk& desk);
  void go_on(const Incident& incident, Course& course, core::OfficeDesk& desk);
  void decide_and_act(const Incident& incident, Course& course, core::OfficeDesk& desk);
  // Whether people are asked by the incident itself, later.
  static bool can_wait(Action action, const Course& course);
  void record(const Decision& decision, const Incident& incident, core::OfficeDesk& desk);
  // The cause has gone.
  void settle(const Incident& incident, Course& course, core::OfficeDesk& desk);
  void end_try(const Incident& incident, Course& course, bool helped, int64_t ms, core::OfficeDesk& desk);
  void finish(Courses::iterator at, core::OfficeDesk& desk);
  void lift_all(uint64_t number, Course& course, core::OfficeDesk& desk);
  void expect(uint64_t number, int64_t bus_ms) { due_.emplace(bus_ms, number); }

  // policy_acts.cpp
  Situation situation_of(const Incident& incident, const Course& course, const core::OfficeDesk& desk) const;
  Status act(const Decision& decision, const Incident& incident, Course& course, core::OfficeDesk& desk);
  Status hold(core::Restriction::Kind kind, const std::string& subject, const Incident& incident,
              Course& course, core::OfficeDesk& desk);

  Incidents& incidents_;
  Courses courses_;
  PolicyMemory memory_;
  uint64_t next_decision_ = 1;
  bool memory_changed_ = false;
  PolicyTable table_;
  std::string table_hash_;
  core::GuardMode mode_ = core::GuardMode::enforce;
  std::set<uint64_t> pending_;                  // to be looked at
  std::set<std::pair<int64_t, uint64_t>> due_;  // bus time, number; some for nothing
  bool frozen_ = false;
};

// "d7" → 7; nothing for what is no id of a decision.
std::optional<uint64_t> decision_number(std::string_view id);

}  // namespace pawl::ops
