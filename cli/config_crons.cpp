// [cron.NAME]: schedules that the file owns.
#include <array>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "bus/ops/cron_expression.h"
#include "bus/server/time_zones.h"
#include "cli/config_sections.h"

namespace pawl::cli {
namespace {

struct Key {
  std::string_view name;
  void (*read)(ConfigReader&, const Place&, const TomlNode&, core::CronConfig&);
};

void catch_up(ConfigReader& reader, const Place& place, const TomlNode& node, core::CronConfig& cron) {
  const auto word = reader.text(place, node, "\"once\"");
  if (!word) return;
  for (size_t i = 0; i < core::catch_up_names.size(); ++i) {
    if (*word != core::catch_up_names[i]) continue;
    cron.catch_up = static_cast<core::CatchUp>(i);
    return;
  }
  reader.fail(place, node, "is \"" + *word + R"("; it is one of "skip" "once" "all")");
}

constexpr std::array<Key, 5> keys = {{
    {"schedule",
     [](ConfigReader& reader, const Place& place, const TomlNode& node, core::CronConfig& cron) {
       cron.schedule = reader.text(place, node, "\"0 3 * * *\"").value_or("");
       if (cron.schedule.empty()) return;
       const auto parsed = ops::CronExpression::parse(cron.schedule);
       if (!parsed.ok()) reader.fail(place, node, "is wrong: " + parsed.error().text);
     }},
    {"role",
     [](ConfigReader& reader, const Place& place, const TomlNode& node, core::CronConfig& cron) {
       cron.role = reader.text(place, node, "\"report\"").value_or("");
       if (!cron.role.empty() && !well_formed_name(cron.role)) {
         reader.fail(place, node, "is no name of a role; names have 1 to 128 of A-Z a-z 0-9 . _ : -");
       }
     }},
    {"payload",
     [](ConfigReader& reader, const Place& place, const TomlNode& node, core::CronConfig& cron) {
       cron.payload = reader.text(place, node, "\"{}\"").value_or("");
       if (cron.payload.size() > limits::cron_payload_bytes_max) {
         reader.fail(place, node, "is longer than the 64 KiB that a schedule's payload may have");
       }
     }},
    {"tz",
     [](ConfigReader& reader, const Place& place, const TomlNode& node, core::CronConfig& cron) {
       const auto zone = reader.text(place, node, "\"Europe/Berlin\"");
       if (!zone) return;
       const Status status = server::check_time_zone(*zone);
       if (!status.ok()) return reader.fail(place, node, "is wrong: " + status.error().text);
       if (*zone != "UTC") cron.zone = *zone;
     }},
    {"catchup", catch_up},
}};

void read_cron(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  const Place place{"cron." + table.key};
  if (!well_formed_name(table.key)) {
    return reader.fail(table.line,
                       "[" + place.name + "] is no name; names have 1 to 128 of A-Z a-z 0-9 . _ : -");
  }
  if (!reader.expect({"cron"}, table, TomlKind::table, "[cron.nightly]")) return;
  core::CronConfig cron;
  bool has_schedule = false;
  bool has_role = false;
  for (const TomlNode& node : table.items) {
    const Key* key = find_key(reader, place, node, keys);
    if (key == nullptr) continue;
    has_schedule = has_schedule || key->name == "schedule";
    has_role = has_role || key->name == "role";
    key->read(reader, place, node, cron);
  }
  if (!has_schedule) reader.fail(table.line, "[" + place.name + "] has no schedule = \"0 3 * * *\"");
  if (!has_role) reader.fail(table.line, "[" + place.name + "] has no role = \"NAME\" to push to");
  if (!cron.zone.empty() && cron.schedule.starts_with("@every")) {
    reader.fail(table.line,
                "[" + place.name + "] tz: @every has no use of it: it counts time, not the clock");
  }
  config.bus.crons.insert_or_assign(table.key, std::move(cron));
}

}  // namespace

void read_crons(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  for (const TomlNode& node : table.items) read_cron(reader, node, config);
  if (config.bus.crons.size() > limits::crons_max) {
    reader.fail(table.line, "there are " + std::to_string(config.bus.crons.size()) +
                                " [cron.NAME], at most " + std::to_string(limits::crons_max) + " are kept");
  }
}

}  // namespace pawl::cli
