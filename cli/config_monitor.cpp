// [monitor]: how often everything is looked at, by whom, and what is too much.
#include <array>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "cli/config_sections.h"

namespace pawl::cli {
namespace {

using ops::MonitorConfig;
using ops::MonitorLimits;

constexpr int64_t every_least_ms = 60'000;
constexpr Range spans{1000, limits::duration_ms_max};

struct Key {
  std::string_view name;
  void (*read)(ConfigReader&, const Place&, const TomlNode&, FileConfig&);
};

template <auto member>
void span(ConfigReader& reader, const Place& place, const TomlNode& node, FileConfig& config) {
  if (const auto ms = reader.duration(place, node, spans)) config.rules.monitor.limits.*member = *ms;
}

template <auto member, int64_t least, int64_t most>
void number(ConfigReader& reader, const Place& place, const TomlNode& node, FileConfig& config) {
  const auto value = reader.integer(place, node, {least, most});
  if (!value) return;
  auto& into = config.rules.monitor.limits.*member;
  into = static_cast<std::remove_reference_t<decltype(into)>>(*value);
}

constexpr std::array<Key, 13> keys = {{
    {"every",
     [](ConfigReader& reader, const Place& place, const TomlNode& node, FileConfig& config) {
       const auto ms = reader.duration(place, node, {every_least_ms, limits::cron_every_ms_max});
       if (ms) config.rules.monitor.every_ms = *ms;
     }},
    {"role",
     [](ConfigReader& reader, const Place& place, const TomlNode& node, FileConfig& config) {
       const auto role = reader.text(place, node, "\"monitor\"");
       if (!role) return;
       if (*role != "off" && !well_formed_name(*role)) {
         return reader.fail(place, node,
                            "is no name of a role; names have 1 to 128 of A-Z a-z 0-9 . _ : -, and \"off\" "
                            "pushes to none");
       }
       config.rules.monitor.role = *role == "off" ? "" : *role;
     }},
    {"limits", read_limits},
    {"errors_least", number<&MonitorLimits::errors_least, 1, 1'000'000'000>},
    {"errors_factor", number<&MonitorLimits::errors_factor, 2, 1000>},
    {"dead_growth", number<&MonitorLimits::dead_growth, 1, 1'000'000'000>},
    {"dead_backlog", number<&MonitorLimits::dead_backlog, 1, 1'000'000'000>},
    {"long_claim", span<&MonitorLimits::long_claim_ms>},
    {"stuck_claim", span<&MonitorLimits::stuck_claim_ms>},
    {"oldest_ready", span<&MonitorLimits::oldest_ready_ms>},
    {"quota_percent", number<&MonitorLimits::quota_percent, 1, 100>},
    {"quota_ahead", span<&MonitorLimits::quota_ahead_ms>},
    {"freeze_long", span<&MonitorLimits::freeze_long_ms>},
}};

}  // namespace

void read_monitor(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  const Place place{"monitor"};
  config.rules.monitor.on = true;
  for (const TomlNode& node : table.items) {
    const Key* key = find_key(reader, place, node, keys);
    if (key != nullptr) key->read(reader, place, node, config);
  }
}

void add_monitor_schedule(ConfigReader& reader, int line, FileConfig& config) {
  const MonitorConfig& monitor = config.rules.monitor;
  if (!monitor.on || monitor.role.empty()) return;
  if (config.bus.crons.contains(std::string(ops::monitor_name))) {
    return reader.fail(line,
                       "[cron.monitor]: a schedule of this name is [monitor]'s own; give it another name, "
                       "or write role = \"off\" in [monitor]");
  }
  if (config.bus.strict_roles && !config.bus.roles.contains(monitor.role)) {
    return reader.fail(line, "[monitor] pushes to role '" + monitor.role +
                                 "', which strict_roles does not allow; "
                                 "add [role." +
                                 monitor.role +
                                 "] with command = [\"pawl\", \"sweep\"], or write "
                                 "role = \"off\"");
  }
  ops::schedule_monitor(monitor, config.bus);
}

}  // namespace pawl::cli
