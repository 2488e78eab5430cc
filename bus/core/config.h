// What the core needs of pawl.toml. Plain data, validated by whoever loads it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "bus/base/limits.h"
#include "bus/core/words.h"

namespace pawl::core {

// What a failure of one class does. Zero times mean: as the role's backoff says.
struct ClassPolicy {
  bool dead = false;  // straight to the dead letters
  int64_t base_ms = 0;
  int64_t max_ms = 0;
};

struct RoleConfig {
  int64_t lease_ms = limits::lease_ms_default;
  uint32_t max_attempts = limits::attempts_default;
  int64_t backoff_base_ms = limits::backoff_base_ms_default;
  int64_t backoff_max_ms = limits::backoff_max_ms_default;
  int64_t keep_done_ms = limits::keep_done_ms_default;
  std::array<ClassPolicy, class_count> classes{};

  RoleConfig() { classes[static_cast<size_t>(ErrorClass::bad_input)].dead = true; }
};

struct BusConfig {
  size_t payload_max = limits::payload_bytes_default;
  bool strict_roles = false;  // only roles of this file exist
  uint64_t done_bytes_max = limits::done_bytes_max;
  uint64_t dead_bytes_max = limits::dead_bytes_max;
  int64_t keep_dead_ms = limits::keep_dead_ms;
  uint64_t chronicle_bytes_max = limits::chronicle_bytes_max;
  // Windows and steps; smaller in tests, so that a few messages reach the edges.
  size_t window_entries_min = limits::window_entries_min;
  size_t window_entries_max = limits::window_entries_max;
  size_t window_entries_total_max = limits::window_entries_total_max;
  size_t refill_rows_per_step = limits::refill_rows_per_step;
  size_t refill_rows_at_once = limits::refill_rows_at_once;
  size_t home_cache_bytes = limits::home_cache_bytes;
  size_t job_rows_per_step = limits::job_rows_per_step;
  RoleConfig defaults;
  std::map<std::string, RoleConfig, std::less<>> roles;

  const RoleConfig& role(std::string_view name) const {
    const auto found = roles.find(name);
    return found == roles.end() ? defaults : found->second;
  }
};

}  // namespace pawl::core
