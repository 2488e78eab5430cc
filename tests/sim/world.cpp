#include "tests/sim/world.h"

#include <algorithm>

namespace pawl::sim {
namespace {

using core::QuotaKind;

// Small windows make refills, full windows and lowered marks everyday events.
void shrink_windows(core::BusConfig& config, Rng& rng) {
  config.window_entries_min = 1 + rng.below(3);
  config.window_entries_max = config.window_entries_min + rng.below(6);
  if (rng.chance(50)) config.window_entries_total_max = config.window_entries_max + rng.below(10);
  config.refill_rows_at_once = 1 + rng.below(8);
  config.home_cache_bytes = rng.below(6000);  // a row counts some 300
}

void limit_role(core::RoleConfig& role, Rng& rng, const World& world) {
  if (world.caps) {
    if (rng.chance(60)) role.concurrency = 1 + rng.below(3);
    if (rng.chance(60)) role.rate = {rng.between(1, 4), rng.between(500, 20'000)};
  }
  if (world.backlog) {
    if (rng.chance(70)) role.backlog_max = 1 + rng.below(12);
    if (rng.chance(40)) role.backlog_bytes_max = 200 + rng.below(1500);
  }
}

// Estimates fit under every cap, also under the fleet's.
core::QuotaConfig a_quota(Rng& rng, const World& world, bool fleet) {
  core::QuotaConfig quota;
  quota.what = static_cast<QuotaKind>(rng.below(3));
  quota.per_ms = rng.pick(std::vector<int64_t>{1'000, 7'000, 30'000, 60'000});
  const int64_t unit = quota.what == QuotaKind::calls ? 1 : 100;
  quota.cap = unit * rng.between(fleet ? 4 : 2, fleet ? 20 : 10);
  const bool estimates = quota.what != QuotaKind::calls && !(world.learned && rng.chance(60));
  if (estimates) quota.estimate = rng.between(1, 2) * unit;
  return quota;
}

void add_quota(std::vector<core::QuotaConfig>& quotas, const core::QuotaConfig& quota) {
  const bool known = std::any_of(quotas.begin(), quotas.end(), [&](const core::QuotaConfig& one) {
    return one.what == quota.what && one.per_ms == quota.per_ms;
  });
  if (!known) quotas.push_back(quota);
}

void add_users(core::BusConfig& config) {
  const auto user = [&](const char* name, std::vector<std::string> roles) -> core::UserConfig& {
    core::UserConfig& made = config.users[name];
    made.name = name;
    made.roles = std::move(roles);
    return made;
  };
  user("web", {"role0", "role2"}).producer = true;
  user("worker", {}).worker = true;
  core::UserConfig& both = user("both", {"role1", "role3"});
  both.producer = both.worker = true;
  user("operator", {}).operates = true;
  user("keeper", {"role0"}).operates = true;
  user("admin", {}).admin = true;
  user("owner", {"role1"}).admin = true;
}

void guard(core::BusConfig& config, Rng& rng, const World& world) {
  core::GuardsConfig& guards = config.guards;
  // Without outages no failure is given back, and every attempt is foretold.
  guards.outage_messages = 0;
  if (world.poison) guards.poison_crashes = static_cast<uint32_t>(rng.below(4));
  if (rng.chance(30)) guards.shed_from_percent = static_cast<uint32_t>(rng.between(1, 100));
  if (world.velocity || rng.chance(20)) {
    guards.velocity_factor = rng.between(1, 3);
    guards.velocity_pushes_floor = rng.between(0, 5);
    guards.velocity_tokens_floor = guards.velocity_cost_floor = rng.between(0, 100);
  }
  if (world.velocity) guards.modes["velocity"] = core::GuardMode::enforce;
  if (!world.outage) return;
  guards.poison_crashes = 0;
  guards.outage_messages = static_cast<uint32_t>(rng.between(1, 4));
  guards.outage_window_ms = rng.between(1'000, 120'000);
  guards.outage_percent = static_cast<uint32_t>(rng.between(0, 60));
  guards.cooldown_ms = rng.between(100, 5'000);
  guards.cooldown_max_ms = guards.cooldown_ms + rng.between(0, 20'000);
  if (!world.limping) return;
  // Soon open, and for long enough that somebody claims meanwhile.
  guards.outage_messages = 1;
  guards.outage_percent = 0;
  guards.cooldown_ms = rng.between(1'000, 30'000);
  guards.cooldown_max_ms = guards.cooldown_ms * 2;
}

}  // namespace

World::World(Rng& rng) {
  wall_jumps = rng.chance(50);
  hangs = rng.chance(40);
  crashes = rng.chance(60);
  failing_commits = rng.chance(50);
  clients_die = rng.chance(60);
  slow_commits = rng.chance(60);
  freezes = rng.chance(40);
  caps = rng.chance(25);
  backlog = rng.chance(20);
  disk = rng.chance(15);
  poison = rng.chance(50);
  modes = rng.chance(30);
  quota = rng.chance(20);
  learned = quota && rng.chance(15);
  velocity = rng.chance(3);
  outage = !quota && rng.chance(20);
  limping = outage && rng.chance(35);
  users = rng.chance(12);
  sizes = rng.chance(10);
}

core::BusConfig make_config(Rng& rng, const World& world) {
  core::BusConfig config;
  // The other roles have no settings of their own.
  config.defaults.keep_done_ms = 20'000;
  config.defaults.lease_ms = 5'000;
  for (const char* name : {"role0", "role1"}) {
    core::RoleConfig role;
    role.lease_ms = rng.between(500, 30'000);
    role.max_attempts = static_cast<uint32_t>(rng.between(1, 5));
    role.backoff_base_ms = rng.between(1, 2000);
    role.backoff_max_ms = rng.between(2000, 20'000);
    if (rng.chance(30))
      role.keep_done_ms = 0;
    else
      role.keep_done_ms = rng.between(1, 60'000);
    for (auto& policy : role.classes) {
      if (rng.chance(10)) policy.dead = !policy.dead;
      if (rng.chance(10)) policy.base_ms = rng.between(1, 1000);
      if (rng.chance(10)) policy.max_ms = rng.between(1000, 5000);
    }
    limit_role(role, rng, world);
    if (world.quota && rng.chance(70)) {
      for (int64_t i = rng.between(1, 3); i > 0; --i) add_quota(role.quotas, a_quota(rng, world, false));
    }
    if (world.outage && (world.limping || rng.chance(50))) role.needs = {"slack"};
    if (!role.needs.empty() && (world.limping || rng.chance(40))) {
      role.limp = true;
      if (rng.chance(50)) role.needs.emplace_back("smtp");
    }
    config.roles[name] = role;
  }
  if (world.quota && rng.chance(50)) add_quota(config.system_quotas, a_quota(rng, world, true));
  guard(config, rng, world);
  if (world.users) add_users(config);
  if (world.sizes) config.payload_max = static_cast<size_t>(rng.between(3, 30));
  shrink_windows(config, rng);
  return config;
}

}  // namespace pawl::sim
