#include "cli/config_changes.h"

#include <functional>
#include <map>
#include <string_view>

#include "bus/base/parse.h"
#include "bus/base/text.h"
#include "cli/config_sections.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

// A section as text: key → value; what is not set is not there.
using Settings = std::map<std::string, std::string>;
using Lines = std::vector<std::string>;

void compare(const std::string& section, const Settings& from, const Settings& to, Lines& lines) {
  Settings all = from;
  all.insert(to.begin(), to.end());
  for (const auto& [key, unused] : all) {
    const auto was = from.find(key);
    const auto is = to.find(key);
    if (was != from.end() && is != to.end() && was->second == is->second) continue;
    lines.push_back(section + "." + key + " " + (was == from.end() ? "none" : was->second) + " -> " +
                    (is == to.end() ? "none" : is->second));
  }
}

void compare_secret(const std::string& name, const std::string& from, const std::string& to, Lines& lines) {
  if (from != to) lines.push_back(name + (from.empty() ? " added" : to.empty() ? " removed" : " changed"));
}

std::string bytes_text(uint64_t bytes) {
  constexpr std::pair<std::string_view, uint64_t> units[] = {
      {"GiB", uint64_t{1} << 30}, {"MiB", uint64_t{1} << 20}, {"KiB", uint64_t{1} << 10}};
  for (const auto& [name, size] : units) {
    if (bytes != 0 && bytes % size == 0) return std::to_string(bytes / size) + std::string(name);
  }
  return std::to_string(bytes) + "B";
}

std::string span_text(int64_t base_ms, int64_t max_ms) {
  std::string text = base_ms == 0 ? "" : "base " + format_duration(base_ms);
  if (max_ms != 0) text += (text.empty() ? "max " : " max ") + format_duration(max_ms);
  return text;
}

void put_quotas(const std::vector<core::QuotaConfig>& quotas, Settings& into) {
  for (const core::QuotaConfig& one : quotas) {
    const auto amount = [&](int64_t value) {
      return one.what == core::QuotaKind::cost ? format_cost(value) : std::to_string(value);
    };
    std::string text = amount(one.cap);
    if (one.estimate) text += " estimate " + amount(*one.estimate);
    const std::string what(core::quota_kind_names[static_cast<size_t>(one.what)]);
    into["quota." + what + "/" + format_duration(one.per_ms)] = std::move(text);
  }
}

Settings bus_settings(const FileConfig& file) {
  const core::BusConfig& bus = file.bus;
  Settings all = {{"strict_roles", bus.strict_roles ? "true" : "false"},
                  {"payload_max", bytes_text(bus.payload_max)},
                  {"done_bytes", bytes_text(bus.done_bytes_max)},
                  {"dead_bytes", bytes_text(bus.dead_bytes_max)},
                  {"chronicle_bytes", bytes_text(bus.chronicle_bytes_max)},
                  {"keep_dead", format_duration(bus.keep_dead_ms)}};
  if (file.disk_low != 0) all["disk_low"] = bytes_text(file.disk_low);
  if (file.disk_critical != 0) all["disk_critical"] = bytes_text(file.disk_critical);
  return all;
}

Settings role_settings(const core::RoleConfig& role) {
  Settings all = {{"lease", format_duration(role.lease_ms)},
                  {"max_attempts", std::to_string(role.max_attempts)},
                  {"backoff", span_text(role.backoff_base_ms, role.backoff_max_ms)},
                  {"keep_done", format_duration(role.keep_done_ms)}};
  if (role.concurrency != 0) all["concurrency"] = std::to_string(role.concurrency);
  if (role.rate.count != 0) {
    all["rate"] = std::to_string(role.rate.count) + " per " + format_duration(role.rate.per_ms);
  }
  if (role.backlog_max != 0) all["backlog"] = std::to_string(role.backlog_max);
  if (role.backlog_bytes_max != 0) all["backlog_bytes"] = bytes_text(role.backlog_bytes_max);
  if (!role.needs.empty()) all["needs"] = joined(role.needs, " ");
  if (role.limp) all["limp"] = "true";
  put_quotas(role.quotas, all);
  for (size_t i = 0; i < role.classes.size(); ++i) {
    const core::ClassPolicy& policy = role.classes[i];
    const std::string text = policy.dead ? "dead" : span_text(policy.base_ms, policy.max_ms);
    all["retry." + std::string(core::class_names[i])] = text.empty() ? "backoff" : text;
  }
  return all;
}

Settings guard_settings(const core::GuardsConfig& guards) {
  Settings all = {{"poison_crashes", std::to_string(guards.poison_crashes)},
                  {"outage_messages", std::to_string(guards.outage_messages)},
                  {"outage_window", format_duration(guards.outage_window_ms)},
                  {"cooldown", format_duration(guards.cooldown_ms)},
                  {"cooldown_max", format_duration(guards.cooldown_max_ms)},
                  {"velocity_factor", std::to_string(guards.velocity_factor)},
                  {"velocity_pushes_floor", std::to_string(guards.velocity_pushes_floor)},
                  {"velocity_tokens_floor", std::to_string(guards.velocity_tokens_floor)},
                  {"velocity_cost_floor", format_cost(guards.velocity_cost_floor)},
                  {"shed_from_percent", std::to_string(guards.shed_from_percent)}};
  for (const std::string_view guard : guards_with_mode()) {
    const auto set = guards.modes.find(guard);
    all[std::string(guard)] = set == guards.modes.end()
                                  ? "default"
                                  : std::string(core::guard_mode_names[static_cast<size_t>(set->second)]);
  }
  return all;
}

// Tells one long text from another.
std::string hash_text(std::string_view text) {
  return "hash " + std::to_string(std::hash<std::string_view>{}(text) % 1'000'000);
}

Settings cron_settings(const core::CronConfig& cron) {
  Settings all;
  if (cron.role.empty()) return all;
  all["schedule"] = cron.schedule;
  all["role"] = cron.role;
  all["payload"] = cron.payload.size() <= 64
                       ? cron.payload
                       : std::to_string(cron.payload.size()) + " bytes, " + hash_text(cron.payload);
  all["tz"] = cron.zone.empty() ? "UTC" : cron.zone;
  all["catchup"] = core::catch_up_names[static_cast<size_t>(cron.catch_up)];
  return all;
}

Settings incident_settings(const core::IncidentsConfig& incidents) {
  return {{"broadcast", format_duration(incidents.broadcast_ms)},
          {"settle", format_duration(incidents.settle_ms)},
          {"escalate_after", format_duration(incidents.escalate_after_ms)},
          {"escalate_count", std::to_string(incidents.escalate_count)},
          {"escalate_spread", std::to_string(incidents.escalate_spread)}};
}

Settings monitor_settings(const ops::MonitorConfig& monitor) {
  if (!monitor.on) return {};
  const ops::MonitorLimits& limits = monitor.limits;
  return {{"every", format_duration(monitor.every_ms)},
          {"role", monitor.role.empty() ? "off" : monitor.role},
          {"errors_least", std::to_string(limits.errors_least)},
          {"errors_factor", std::to_string(limits.errors_factor)},
          {"dead_growth", std::to_string(limits.dead_growth)},
          {"dead_backlog", std::to_string(limits.dead_backlog)},
          {"long_claim", format_duration(limits.long_claim_ms)},
          {"stuck_claim", format_duration(limits.stuck_claim_ms)},
          {"oldest_ready", format_duration(limits.oldest_ready_ms)},
          {"quota_percent", std::to_string(limits.quota_percent)},
          {"quota_ahead", format_duration(limits.quota_ahead_ms)},
          {"freeze_long", format_duration(limits.freeze_long_ms)}};
}

Settings ops_settings(const ops::OpsConfig& rules) {
  return {{"policy", std::string(core::guard_mode_names[static_cast<size_t>(rules.policy_mode)])}};
}

Settings user_settings(const core::UserConfig& user) {
  Settings all;
  std::vector<std::string> rights;
  if (user.producer) rights.emplace_back("producer");
  if (user.worker) rights.emplace_back("worker");
  if (user.operates) rights.emplace_back("operator");
  if (user.admin) rights.emplace_back("admin");
  if (!rights.empty()) all["rights"] = joined(rights, " ");
  all["roles"] = user.roles.empty() ? "all" : joined(user.roles, " ");
  return all;
}

// Entries of a table of tables: those that came and went, and the rest key by key. What is not in the file
// goes by `absent`.
template <typename Entries, typename Entry, typename ToSettings>
void compare_entries(const std::string& section, const Entries& from, const Entries& to, const Entry& absent,
                     const ToSettings& settings, Lines& lines) {
  Entries all = from;
  all.insert(to.begin(), to.end());
  for (const auto& [name, unused] : all) {
    const auto was = from.find(name);
    const auto is = to.find(name);
    const std::string place = section + "." + name;
    if (was == from.end()) lines.push_back(place + " added");
    if (is == to.end()) lines.push_back(place + " removed");
    compare(place, settings(was == from.end() ? absent : was->second),
            settings(is == to.end() ? absent : is->second), lines);
  }
}

}  // namespace

std::vector<std::string> config_changes(const FileConfig& from, const FileConfig& to) {
  Lines lines;
  compare("bus", bus_settings(from), bus_settings(to), lines);
  compare_secret("bus.password", from.password.value_or(""), to.password.value_or(""), lines);
  compare_entries("role", from.bus.roles, to.bus.roles, core::RoleConfig{}, role_settings, lines);
  Settings caps_before;
  Settings caps_now;
  put_quotas(from.bus.system_quotas, caps_before);
  put_quotas(to.bus.system_quotas, caps_now);
  compare("system", caps_before, caps_now, lines);
  compare("guards", guard_settings(from.bus.guards), guard_settings(to.bus.guards), lines);
  compare("incidents", incident_settings(from.bus.incidents), incident_settings(to.bus.incidents), lines);
  compare("monitor", monitor_settings(from.rules.monitor), monitor_settings(to.rules.monitor), lines);
  compare("ops", ops_settings(from.rules), ops_settings(to.rules), lines);
  compare_entries("cron", from.bus.crons, to.bus.crons, core::CronConfig{}, cron_settings, lines);
  std::map<std::string, std::string> wholes = to.wholes;
  wholes.insert(from.wholes.begin(), from.wholes.end());
  for (const auto& [section, unused] : wholes) {
    const auto was = from.wholes.find(section);
    const auto is = to.wholes.find(section);
    if (was == from.wholes.end() || is == to.wholes.end()) {
      lines.push_back(section + (was == from.wholes.end() ? " added" : " removed"));
    } else if (was->second != is->second) {
      lines.push_back(section + " changed");
    }
  }
  compare_entries("user", from.bus.users, to.bus.users, core::UserConfig{}, user_settings, lines);
  for (const auto& [name, user] : to.bus.users) {
    const auto was = from.bus.users.find(name);
    if (was == from.bus.users.end()) continue;
    compare_secret("user." + name + ".password", was->second.password_hash, user.password_hash, lines);
  }
  return lines;
}

}  // namespace pawl::cli
