// When a schedule fires: "0 3 * * mon-fri", "@daily", "@every 2h". Pure.
//
//   ┌ minute 0-59  ┌ hour 0-23  ┌ day of the month 1-31  ┌ month 1-12, jan-dec  ┌ weekday 0-7, sun-sat
//   0              3            *                        *                      mon-fri
//
// A field is a list of `*`, a number, a range a-b, each with an optional step /n. Sunday is 0 and 7.
// A day fires when both day fields allow it; when neither of them begins with `*`, either one is enough
// (the rule of Vixie's cron).
//
// Where the clocks are put forward or back, what counts is the hour field:
//   `*`     every hour that passes: none is missing in the gap, and the doubled hour counts twice
//   others  the hours of the local day: what falls into the gap fires once, right after it, and of the
//           doubled hour only the first one counts
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/base/result.h"
#include "bus/core/zone_rules.h"

namespace pawl::ops {

class CronExpression {
 public:
  // BADARG: what is wrong, where, and what may stand there; also when it never fires.
  static Result<CronExpression> parse(std::string_view text);

  // The first slot after `after_ms` (Unix milliseconds), in a zone; without rules in UTC. `anchor_ms` is
  // where the periods of @every are counted from.
  int64_t next(int64_t after_ms, const core::ZoneRules* zone, int64_t anchor_ms) const;
  // @every: the time between two slots; 0: it has fields.
  int64_t every_ms() const { return every_ms_; }

 private:
  // First local second at or after `from_s` (of the local clock) that the fields allow; all whole minutes.
  int64_t next_local(int64_t from_s) const;
  bool day_fits(int64_t days, int day, int month) const;
  bool can_fire() const;

  int64_t every_ms_ = 0;
  uint64_t minutes_ = 0;
  uint32_t hours_ = 0;
  uint32_t days_ = 0;
  uint16_t months_ = 0;
  uint8_t weekdays_ = 0;
  bool any_hour_ = false;    // the hour field is `*`
  bool either_day_ = false;  // one of the two day fields is enough
};

}  // namespace pawl::ops
