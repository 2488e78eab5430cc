// [monitor] of pawl.toml, and what the monitor calls too much.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "bus/base/parse.h"
#include "bus/core/config.h"

namespace pawl::ops {

// The schedule that the section makes, and where it pushes unless it says otherwise.
constexpr std::string_view monitor_name = "monitor";

// Durations in milliseconds; rates in parts of ten thousand deliveries.
struct MonitorLimits {
  // Failures of a role and class: so many at least, and a rate that is so many times the role's own, or
  // half-way from its own to everything. Below the floor nothing is said; without a rate of its own, from
  // `errors_new` on.
  uint64_t errors_least = 5;
  uint64_t errors_factor = 3;
  uint64_t errors_floor = 200;
  uint64_t errors_new = 2'000;
  // Nearly everything fails, and it is not usual: an ultra.
  uint64_t errors_ultra = 9'000;
  uint64_t ended_ultra = 20;
  // Dead letters: so many more since the sweep before; so many at all.
  uint64_t dead_growth = 10;
  uint64_t dead_growth_ultra = 1'000;
  uint64_t dead_backlog = 100;
  // Claims: held so long; held so long although cancelled, by a red daemon or without a sign of life.
  int64_t long_claim_ms = 4 * 3'600'000;
  int64_t stuck_claim_ms = 15 * 60'000;
  // The oldest ready message, where nobody claims; where somebody does, so many times that.
  int64_t oldest_ready_ms = 3'600'000;
  int64_t oldest_ready_factor = 12;
  // Quota: from this share of a cap on; used up within this time at the present pace.
  int64_t quota_percent = 80;
  int64_t quota_ahead_ms = 12 * 3'600'000;
  int64_t freeze_long_ms = 3'600'000;
  int64_t yellow_ms = 10 * 60'000;  // a daemon may be yellow for so long
  int64_t red_ultra_ms = 5 * 60'000;
};

// Not configurable: how it learns and looks.
struct MonitorHabits {
  static constexpr size_t reports_max = 100;    // kept
  static constexpr size_t marks_max = 24;       // sweeps that SINCE can go back to
  static constexpr size_t windows_max = 84;     // of a baseline: a week of two-hour sweeps
  static constexpr size_t windows_least = 3;    // before there is a baseline
  static constexpr uint64_t window_ended = 10;  // deliveries, for a window to count
  static constexpr int64_t learn_ms = 30 * 60'000;
  // A window that is shorter proves nothing gone, and no pace.
  static constexpr int64_t judge_ms = 10 * 60'000;
  static constexpr int64_t pace_ms = 3'600'000;  // measured over so long, where there is a mark that old
  static constexpr int64_t check_ms = 5'000;
  static constexpr size_t findings_max = 200;  // of a report
  static constexpr size_t text_bytes_max = 160;
};

struct MonitorConfig {
  bool on = false;  // the section is there
  int64_t every_ms = 2 * 3'600'000;
  std::string role = std::string(monitor_name);  // empty: nothing is pushed, somebody else calls the sweeps
  MonitorLimits limits;
};

// The schedule of the section among the file's, where it wants one.
inline void schedule_monitor(const MonitorConfig& monitor, core::BusConfig& bus) {
  if (!monitor.on || monitor.role.empty()) return;
  core::CronConfig cron;
  cron.schedule = "@every " + format_duration(monitor.every_ms);
  cron.role = monitor.role;
  cron.payload = "{}";
  cron.catch_up = core::CatchUp::once;
  bus.crons.insert_or_assign(std::string(monitor_name), std::move(cron));
}

}  // namespace pawl::ops
