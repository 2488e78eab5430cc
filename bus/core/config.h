// What the core needs of pawl.toml. Plain data, validated by whoever loads it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/limits.h"
#include "bus/core/words.h"

namespace pawl::core {

// What a failure of one class does. Zero times mean: as the role's backoff says.
struct ClassPolicy {
  bool dead = false;  // straight to the dead letters
  int64_t base_ms = 0;
  int64_t max_ms = 0;
};

enum class QuotaKind : uint8_t { tokens, cost, calls };
constexpr std::array<std::string_view, 3> quota_kind_names = {"tokens", "cost", "calls"};

// What a role, or the fleet, may use within a sliding window.
struct QuotaConfig {
  QuotaKind what = QuotaKind::tokens;
  int64_t cap = 0;                  // tokens, micro-dollars or calls
  int64_t per_ms = 0;               // length of the window
  std::optional<int64_t> estimate;  // reserved by a claim; nothing: learned
};

// `count` claims per `per_ms`; 0: no limit.
struct RateConfig {
  int64_t count = 0;
  int64_t per_ms = 0;
};

struct RoleConfig {
  int64_t lease_ms = limits::lease_ms_default;
  uint32_t max_attempts = limits::attempts_default;
  int64_t backoff_base_ms = limits::backoff_base_ms_default;
  int64_t backoff_max_ms = limits::backoff_max_ms_default;
  int64_t keep_done_ms = limits::keep_done_ms_default;
  std::array<ClassPolicy, class_count> classes{};
  uint64_t concurrency = 0;         // live claims over all daemons; 0: no limit
  RateConfig rate;                  // of claims
  uint64_t backlog_max = 0;         // scheduled and ready messages; 0: no limit
  uint64_t backlog_bytes_max = 0;   // of scheduled, ready and claimed messages; 0: no limit
  std::vector<QuotaConfig> quotas;  // at most one of a kind and window
  std::vector<std::string> needs;   // named dependencies
  bool limp = false;                // goes on without them: its runner has another command for that

  RoleConfig() { classes[static_cast<size_t>(ErrorClass::bad_input)].dead = true; }
};

enum class GuardMode : uint8_t { off, observe, enforce };
constexpr std::array<std::string_view, 3> guard_mode_names = {"off", "observe", "enforce"};

// Section [guards]. Times are of bus time.
struct GuardsConfig {
  std::map<std::string, GuardMode, std::less<>> modes;  // by guard; the others have their default
  // Poison: so many crash or lease-expiry endings in a row are a dead letter.
  uint32_t poison_crashes = 3;
  // Outage, of a role or of a dependency: so many different messages failing within the window.
  uint32_t outage_messages = 5;
  int64_t outage_window_ms = 60'000;
  uint32_t outage_percent = 50;  // and such a share of what ended since the first of them
  // Circuit: how long it stays open; doubles with each failed probe, up to the maximum.
  int64_t cooldown_ms = 5'000;
  int64_t cooldown_max_ms = 300'000;
  // Velocity: a minute so many times over its rolling mean, and over the floor.
  int64_t velocity_factor = 10;
  int64_t velocity_pushes_floor = 1'000;
  int64_t velocity_tokens_floor = 1'000'000;
  int64_t velocity_cost_floor = 10'000'000;  // micro-dollars
  // Sweep: a role that loses more claims than this to expired leases within a minute is chronicled.
  uint32_t lapse_storm = 100;
  // Shed: pushes under the default priority are refused from this share of a backlog cap on.
  uint32_t shed_from_percent = 80;
};

// Section [user.NAME].
struct UserConfig {
  std::string name;
  std::string password_hash;  // as crypto_pwhash_str makes it
  // Rights; each user has at least one.
  bool producer = false;           // PUSH, MPUSH, CANCEL, MOVE
  bool worker = false;             // CLAIM and what settles a claim
  bool operates = false;           // dead letters, pause, kill switch, limits
  bool admin = false;              // everything
  std::vector<std::string> roles;  // prefixes of role names; empty: all

  bool has_any_right() const { return producer || worker || operates || admin; }
  // Whether the user may have to do with this role.
  bool covers(std::string_view role) const {
    for (const std::string& prefix : roles) {
      if (role.starts_with(prefix)) return true;
    }
    return roles.empty();
  }
};

enum class Tier : uint8_t { concern, ultra };
constexpr std::array<std::string_view, 2> tier_names = {"concern", "ultra"};

// Section [incidents]. 0 switches a rule off.
struct IncidentsConfig {
  int64_t broadcast_ms = 60'000;           // an open ultra is published again this often
  int64_t settle_ms = 600'000;             // a concern closes when its cause has been gone so long
  int64_t escalate_after_ms = 86'400'000;  // a concern that nobody acknowledged becomes an ultra then,
  uint64_t escalate_count = 1000;          // or when it was seen so often,
  uint64_t escalate_spread = 5;            // or affects so many roles and daemons
};

// What becomes of slots that a schedule could not fire in time: nothing, one firing, or one for each.
enum class CatchUp : uint8_t { skip, once, all };
constexpr std::array<std::string_view, 3> catch_up_names = {"skip", "once", "all"};

// Section [cron.NAME].
struct CronConfig {
  std::string schedule;
  std::string role;
  std::string payload;
  std::string zone;  // empty: UTC
  CatchUp catch_up = CatchUp::skip;

  bool operator==(const CronConfig&) const = default;
};

// What the configuration says to the ops layer, in its own words; the core only carries it.
struct OfficeRules {
  OfficeRules() = default;
  OfficeRules(const OfficeRules&) = default;
  OfficeRules& operator=(const OfficeRules&) = default;
  virtual ~OfficeRules() = default;
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
  std::vector<QuotaConfig> system_quotas;
  GuardsConfig guards;
  std::map<std::string, UserConfig, std::less<>> users;
  std::map<std::string, CronConfig, std::less<>> crons;
  IncidentsConfig incidents;
  std::shared_ptr<const OfficeRules> office;  // null: the layer's own defaults
  RoleConfig defaults;
  std::map<std::string, RoleConfig, std::less<>> roles;

  const RoleConfig& role(std::string_view name) const {
    const auto found = roles.find(name);
    return found == roles.end() ? defaults : found->second;
  }
};

}  // namespace pawl::core
