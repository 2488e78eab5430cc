// Keys of [[notify]] that say to the bus's notify gate what to hold back.
#include <array>

#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "cli/config_sections.h"

namespace pawl::cli {
namespace {

using ops::NotifyChannel;

struct At {
  ConfigReader& reader;
  const Place& place;
  const TomlNode& node;
};

void read_time(const At& at, int64_t& ms, int64_t least_ms) {
  if (const auto value = at.reader.duration(at.place, at.node, {least_ms, limits::duration_ms_max})) {
    ms = *value;
  }
}

void read_number(const At& at, uint32_t& number, Range range) {
  if (const auto value = at.reader.integer(at.place, at.node, range)) number = static_cast<uint32_t>(*value);
}

void read_role(const At& at, NotifyChannel& channel) { channel.role = glob_of(at.reader, at.place, at.node); }

// "22:00-07:00"
void read_quiet(const At& at, NotifyChannel& channel) {
  const auto text = at.reader.text(at.place, at.node, "\"22:00-07:00\"");
  if (!text) return;
  const size_t dash = text->find('-');
  const auto from = minute_of_day(text->substr(0, dash));
  const auto to = dash == std::string::npos ? std::nullopt : minute_of_day(text->substr(dash + 1));
  if (!from || !to || *from == 1440) {
    return at.reader.fail(
        at.place, at.node,
        "says \"" + *text + "\"; write it like \"22:00-07:00\", from a time to another one");
  }
  channel.quiet = {static_cast<int>(*from), static_cast<int>(*to)};
}

// "+02:00"
void read_offset(const At& at, NotifyChannel& channel) {
  const auto text = at.reader.text(at.place, at.node, "\"+02:00\"");
  if (!text) return;
  const bool is_signed = text->starts_with('+') || text->starts_with('-');
  const auto minutes = is_signed ? minute_of_day(text->substr(1)) : std::nullopt;
  if (!minutes) {
    return at.reader.fail(at.place, at.node, "says \"" + *text + "\"; write it like \"+02:00\"");
  }
  channel.utc_offset_minutes = static_cast<int>(text->starts_with('-') ? -*minutes : *minutes);
}

struct Key {
  std::string_view name;
  void (*read)(const At&, NotifyChannel&);
};

constexpr std::array<Key, 10> keys = {{
    {"role", read_role},
    {"interval",
     [](const At& at, NotifyChannel& c) {
       at.reader.spans(at.place, at.node, c.min_interval_ms, c.max_interval_ms);
     }},
    {"settle", [](const At& at, NotifyChannel& c) { read_time(at, c.settle_ms, 0); }},
    {"flap_changes",
     [](const At& at, NotifyChannel& c) {
       read_number(at, c.flap_changes, {2, 16});
     }},
    {"flap_window", [](const At& at, NotifyChannel& c) { read_time(at, c.flap_window_ms, 1000); }},
    {"storm_max",
     [](const At& at, NotifyChannel& c) {
       read_number(at, c.storm_max, {1, 10'000});
     }},
    {"storm_window", [](const At& at, NotifyChannel& c) { read_time(at, c.storm_window_ms, 1000); }},
    {"remind", [](const At& at, NotifyChannel& c) { read_time(at, c.remind_every_ms, 0); }},
    {"quiet", read_quiet},
    {"utc_offset", read_offset},
}};

constexpr auto names = [] {
  std::array<std::string_view, keys.size()> all;
  for (size_t i = 0; i < keys.size(); ++i) all[i] = keys[i].name;
  return all;
}();

}  // namespace

bool read_gate_key(ConfigReader& reader, const Place& place, const TomlNode& node, NotifyChannel& channel) {
  for (const Key& key : keys) {
    if (key.name != node.key) continue;
    key.read({reader, place, node}, channel);
    return true;
  }
  return false;
}

std::span<const std::string_view> gate_keys() { return names; }

}  // namespace pawl::cli
