// CRON: pushes that the bus makes by itself, on a schedule of wall time.
//
// Each slot of a schedule is decided once: it fires, or it is missed. That it is decided rides in the batch
// of its push, so no restart fires it again or forgets it. A slot fires when the bus finds it at most a
// minute late; what it finds later than that was missed (the bus was down, frozen, the clock was set, a guard
// refused the push for that long) and follows the schedule's CATCHUP:
//   skip  nothing: the next slot is the next
//   once  one firing, of the newest slot
//   all   one firing for each, oldest first, of the newest hundred
// Missed slots are chronicled as `cron.missed`, firings that come late as `cron.late`. A push that a guard
// refuses for a time is tried again; one refused for good is a missed slot at once.
//
// Schedules of pawl.toml are the file's: they come, change and go with it, and CRON SET and DROP refuse
// their names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/core/fields.h"
#include "bus/ops/cron_expression.h"
#include "bus/ops/cron_rows.h"
#include "bus/ops/part.h"

namespace pawl::ops {

class Cron final : public Part {
 public:
  std::string_view name() const override { return "cron"; }
  void open(core::OfficeDesk& desk) override;
  void configured(core::OfficeDesk& desk) override;
  void tick(core::OfficeDesk& desk) override;
  core::Wakeup next_wakeup() const override;
  // CRON SET, LIST, DROP; op::ZoneRulesGiven.
  bool command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
               core::ReplyWriter& writer) override;
  void add_zones(const core::OfficeDesk& desk, std::vector<std::string>& zones) const override;

 private:
  struct Schedule {
    CronRow row;
    CronProgress progress;
    CronExpression expression;
    int64_t next_ms = 0;    // the first slot that is not decided; 0: the rules of its zone are not known
    int64_t look_ms = 0;    // under which it stands in looks_; 0: it does not
    std::string hindrance;  // why that slot has not fired though it is due; empty: it is not due
  };
  using Schedules = std::map<std::string, Schedule, std::less<>>;
  struct Due;

  void set(const core::op::CronSet& set, const core::Caller& caller, core::OfficeDesk& desk,
           core::ReplyWriter& writer);
  void drop(std::string_view name, const core::Caller& caller, core::OfficeDesk& desk,
            core::ReplyWriter& writer);
  void list(const core::Caller& caller, core::ReplyWriter& writer) const;
  void write(const std::string& name, const Schedule& schedule, core::ReplyWriter& writer) const;
  void take_rules(const core::ZoneRules& rules, core::OfficeDesk& desk);
  void take_file(core::OfficeDesk& desk);

  // Makes or changes one; the expression is that of the row.
  Schedule& put(const std::string& name, CronRow row, const CronExpression& expression,
                core::OfficeDesk& desk);
  void remove(Schedules::iterator schedule, std::string_view by, core::OfficeDesk& desk);
  void save(const std::string& name, const Schedule& schedule, core::OfficeDesk& desk) const;
  // Finds the next slot and stands up for it.
  void plan(const std::string& name, Schedule& schedule);
  void look_at(const std::string& name, Schedule& schedule, int64_t look_ms);
  const core::ZoneRules* rules_of(const Schedule& schedule) const;

  Due collect(const Schedule& schedule, int64_t now_ms) const;
  size_t fire_due(const std::string& name, Schedule& schedule, core::OfficeDesk& desk);
  std::optional<Error> push(const std::string& name, Schedule& schedule, int64_t slot_ms, uint64_t missed,
                            core::OfficeDesk& desk);
  static void chronicle_missed(const std::string& name, const Schedule& schedule, const Due& due,
                               const std::string& why, core::OfficeDesk& desk);

  Schedules schedules_;
  std::map<std::string, core::ZoneRules, std::less<>> zones_;
  std::set<std::pair<int64_t, std::string>> looks_;  // wall time, name
  size_t payload_bytes_ = 0;
  bool file_due_ = false;  // the file's schedules are to be compared
  bool frozen_ = false;    // as of the last tick
  bool just_opened_ = false;
};

}  // namespace pawl::ops
