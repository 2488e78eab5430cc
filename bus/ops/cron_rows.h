// The rows of the schedules: what one is, how far it has come, and the rules of a time zone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/core/config.h"
#include "bus/core/zone_rules.h"

namespace pawl::ops {

// "cron/s/NAME"
struct CronRow {
  core::CronConfig spec;
  bool of_file = false;  // pawl.toml's
  std::string by;        // who set it
  int64_t set_ms = 0;    // wall; @every counts from here

  std::string encode() const;
  static std::optional<CronRow> decode(std::string_view bytes);
};

// "cron/n/NAME". Times are of wall time; 0: never.
struct CronProgress {
  int64_t decided_ms = 0;    // every slot up to here has fired or was missed
  int64_t last_slot_ms = 0;  // that fired
  int64_t last_fired_ms = 0;
  std::string last_id;  // of the message
  uint64_t fired = 0;
  uint64_t missed = 0;
  int64_t last_missed_ms = 0;  // the newest slot that was

  std::string encode() const;
  static std::optional<CronProgress> decode(std::string_view bytes);
};

// "cron/z/NAME"
std::string encode_zone(const core::ZoneRules& rules);
std::optional<core::ZoneRules> decode_zone(std::string_view name, std::string_view bytes);

}  // namespace pawl::ops
