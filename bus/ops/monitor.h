// SWEEP: one look at everything, with what it finds, how grave that is and where to look further.
//
// The counters that a sweep saw are its mark; the next one looks at what came since. Failures are held
// against what is usual for their role and class: the median of the week's windows, so that a leak that grows
// slowly stands out as well as a burst. Windows shorter than half an hour are added up before they are
// learned.
//
// A finding that needs somebody opens an incident `monitor:KIND:SUBJECT`, or sees it again; its cause is gone
// when a later look does not find it any more. What the chronicle's signs open already (a red daemon, the
// disk, an unserved role) is named in the report and left to them.
//
//   [monitor] in pawl.toml  a schedule of the file pushes to role `monitor`, whose handler is `pawl sweep`; a
//                           bus that has not been swept for two intervals opens the incident
//                           `monitor:overdue`
//   once it is there, or a sweep has run, every few seconds, and only while something happens: quotas, their
//                           forecast, and a freeze that stands long, raised at event time
//   otherwise               nothing; failures are counted, which costs a row for each role that fails
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/ops/failures.h"
#include "bus/ops/incidents.h"
#include "bus/ops/monitor_findings.h"
#include "bus/ops/monitor_rows.h"
#include "bus/ops/part.h"

namespace pawl::ops {

class Monitor final : public Part {
 public:
  explicit Monitor(Incidents& incidents) : incidents_(incidents) {}

  std::string_view name() const override { return "monitor"; }
  void open(core::OfficeDesk& desk) override;
  void configured(core::OfficeDesk& desk) override;
  void tick(core::OfficeDesk& desk) override;
  core::Wakeup next_wakeup() const override { return wakeup_; }
  void noted(const core::EventRecord& event, core::OfficeDesk& desk) override;
  void sealing(core::OfficeDesk& desk) override;
  bool command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
               core::ReplyWriter& writer) override;

 private:
  // -- counting
  void note_failure(const core::EventRecord& event);
  void note_missed(const core::EventRecord& event);
  MonitorMark mark_now(core::OfficeDesk& desk) const;

  // -- a sweep
  void sweep(const core::op::Sweep& wanted, const core::Caller& caller, core::OfficeDesk& desk,
             core::ReplyWriter& writer);
  // The mark that a sweep since then begins at; a mark of nothing where it is the first.
  MonitorMark base_of(const core::op::Sweep& wanted, const core::OfficeDesk& desk) const;
  // What is known, with what came since `base`.
  MonitorFacts gather(const MonitorMark& base, const MonitorMark& now, core::OfficeDesk& desk) const;
  void add_roles(const MonitorMark& base, const MonitorMark& now, core::OfficeDesk& desk,
                 MonitorFacts& facts) const;
  void add_claims(core::OfficeDesk& desk, MonitorFacts& facts) const;
  void add_reports(const MonitorMark& base, const core::OfficeDesk& desk, MonitorFacts& facts) const;
  void add_quotas(const core::OfficeDesk& desk, MonitorFacts& facts) const;
  void add_pace(const core::OfficeDesk& desk, MonitorFacts& facts) const;
  std::vector<IncidentLook> look_at_incidents(const core::OfficeDesk& desk) const;
  void learn(const MonitorMark& now, core::OfficeDesk& desk);
  // Opens, sees again and ends incidents; puts their ids into the findings.
  void raise(std::vector<Finding>& findings, const MonitorMark& base, bool judges, core::OfficeDesk& desk);
  // What was counted since `since_ms` and has its incident by the chronicle needs no second one.
  void leave_to_chronicle(Finding& finding, int64_t since_ms, const core::OfficeDesk& desk) const;
  void keep(const SweepReport& report, const MonitorMark& mark, core::OfficeDesk& desk);

  // -- between sweeps (monitor_watch.cpp)
  bool active(const core::OfficeDesk& desk) const;
  void arm(core::OfficeDesk& desk);
  void check(core::OfficeDesk& desk);
  void watch_sweeps(core::OfficeDesk& desk);
  // Opens the finding's incident, or sees it again; its id.
  std::string see(const Finding& finding, core::OfficeDesk& desk);
  void forget_standing(std::string_view fingerprint, core::OfficeDesk& desk);
  int64_t overdue_bus_ms(const MonitorConfig& config) const;
  void plan(core::OfficeDesk& desk);

  void save(core::OfficeDesk& desk) const;

  Incidents& incidents_;
  MonitorHead head_;
  std::map<std::string, RoleErrors, std::less<>> errors_;  // by role
  std::map<std::string, CronMisses, std::less<>> misses_;  // by schedule
  std::set<std::string, std::less<>> dirty_errors_;
  std::set<std::string, std::less<>> dirty_misses_;
  std::deque<std::pair<uint64_t, int64_t>> marks_;  // sweep and wall time, of those that are kept
  MonitorMark before_;                              // of the sweep before that one
  MonitorMark newest_;                              // of the newest sweep
  MonitorMark learned_;                             // of the newest that was learned from
  bool has_learned_ = false;
  int64_t opened_ms_ = 0;  // wall; guards' counters begin here
  NewestLapse lapse_;
  int64_t next_check_ms_ = 0;  // bus
  bool has_quotas_ = false;    // as of the newest check
  core::Wakeup wakeup_;
};

}  // namespace pawl::ops
