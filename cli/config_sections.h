// The sections of pawl.toml, one function each: what the table says goes into the configuration, every
// mistake and everything that nobody acts on yet to the reader. config.cpp has the table of them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "cli/config.h"
#include "cli/config_reader.h"
#include "cli/toml_tree.h"

namespace pawl::cli {

void read_roles(ConfigReader& reader, const TomlNode& table, FileConfig& config);      // [role.NAME]
void read_system(ConfigReader& reader, const TomlNode& table, FileConfig& config);     // [system]
void read_guards(ConfigReader& reader, const TomlNode& table, FileConfig& config);     // [guards]
void read_crons(ConfigReader& reader, const TomlNode& table, FileConfig& config);      // [cron.NAME]
void read_incidents(ConfigReader& reader, const TomlNode& table, FileConfig& config);  // [incidents]
void read_monitor(ConfigReader& reader, const TomlNode& table, FileConfig& config);    // [monitor]
// Once all is read: what [monitor] adds to the schedules. `line`: where the section stands.
void add_monitor_schedule(ConfigReader& reader, int line, FileConfig& config);
void read_run(ConfigReader& reader, const TomlNode& table, FileConfig& config);  // [run]

// [[notify]]: an array of tables.
void read_notify(ConfigReader& reader, const TomlNode& array, FileConfig& config);

// "23:59"; nothing for what is no time of day. 24:00 is one, the end of it.
std::optional<int64_t> minute_of_day(std::string_view text);
// A name with * and ? in it; empty after a complaint.
std::string glob_of(ConfigReader& reader, const Place& place, const TomlNode& node);

// Keys of [[notify]] that are for the bus's gate. False: it is none of them.
bool read_gate_key(ConfigReader& reader, const Place& place, const TomlNode& node,
                   ops::NotifyChannel& channel);
std::span<const std::string_view> gate_keys();
void read_ops(ConfigReader& reader, const TomlNode& table, FileConfig& config);  // [ops]

// [[classify]] and [[policy]]: arrays of tables, checked as a whole.
void read_classify(ConfigReader& reader, const TomlNode& array, FileConfig& config);
void read_policy(ConfigReader& reader, const TomlNode& array, FileConfig& config);
// limits = { restart_daemon = { max = 3, per = "10m" } } of [monitor]: instead of the shipped caps.
void read_limits(ConfigReader& reader, const Place& place, const TomlNode& node, FileConfig& config);

// exit = { 3 = "rate_limited" } and patterns = [ { text = "429", class = "rate_limited" } ] of a role.
void read_exits(ConfigReader& reader, const Place& place, const TomlNode& node, runner::EndingRules& rules);
void read_patterns(ConfigReader& reader, const Place& place, const TomlNode& node,
                   runner::EndingRules& rules);

// The guards whose mode [guards] may set.
std::span<const std::string_view> guards_with_mode();

// A section's keys as data: an array of entries with a `name`. The entry of `node`; null after a complaint.
template <typename Keys>
const typename Keys::value_type* find_key(ConfigReader& reader, const Place& place, const TomlNode& node,
                                          const Keys& keys) {
  std::vector<std::string_view> known;
  for (const auto& key : keys) {
    if (key.name == node.key) return &key;
    known.push_back(key.name);
  }
  reader.unknown_key(place, node, known);
  return nullptr;
}

}  // namespace pawl::cli
