// [system] and [guards]: caps for the whole fleet, modes and thresholds.
#include <algorithm>
#include <array>

#include "bus/base/limits.h"
#include "cli/config_sections.h"

namespace pawl::cli {
namespace {

// Guards with a mode, and those that always enforce.
constexpr std::array<std::string_view, 8> with_mode = {"shed", "pause", "breaker", "concurrency",
                                                       "rate", "quota", "poison",  "velocity"};
constexpr std::array<std::string_view, 4> without_mode = {"freeze", "authorisation", "size", "sweep"};

constexpr int64_t day_ms = 86'400'000;
constexpr Range window_range{1, day_ms};
// One failing message is what poison is about, not an outage; and each of the window's is remembered.
constexpr Range outage_messages_range{2, 10'000};
constexpr Range times_range{2, 1'000'000};
constexpr Range floor_range{0, limits::usage_max};

struct Threshold {
  std::string_view name;
  void (*read)(ConfigReader&, const Place&, const TomlNode&, core::GuardsConfig&);
};

template <auto member>
void number(ConfigReader& reader, const Place& place, const TomlNode& node, core::GuardsConfig& guards,
            Range range) {
  using Number = std::remove_reference_t<decltype(guards.*member)>;
  if (const auto value = reader.integer(place, node, range)) guards.*member = static_cast<Number>(*value);
}

template <auto member>
void duration(ConfigReader& reader, const Place& place, const TomlNode& node, core::GuardsConfig& guards) {
  if (const auto value = reader.duration(place, node, window_range)) guards.*member = *value;
}

using core::GuardsConfig;
constexpr std::array<Threshold, 10> thresholds = {{
    {"poison_crashes",
     [](ConfigReader& r, const Place& p, const TomlNode& n, GuardsConfig& g) {
       number<&GuardsConfig::poison_crashes>(r, p, n, g, {1, limits::attempts_max});
     }},
    {"outage_messages",
     [](ConfigReader& r, const Place& p, const TomlNode& n, GuardsConfig& g) {
       number<&GuardsConfig::outage_messages>(r, p, n, g, outage_messages_range);
     }},
    {"outage_window", duration<&GuardsConfig::outage_window_ms>},
    {"cooldown", duration<&GuardsConfig::cooldown_ms>},
    {"cooldown_max", duration<&GuardsConfig::cooldown_max_ms>},
    {"velocity_factor",
     [](ConfigReader& r, const Place& p, const TomlNode& n, GuardsConfig& g) {
       number<&GuardsConfig::velocity_factor>(r, p, n, g, times_range);
     }},
    {"velocity_pushes_floor",
     [](ConfigReader& r, const Place& p, const TomlNode& n, GuardsConfig& g) {
       number<&GuardsConfig::velocity_pushes_floor>(r, p, n, g, floor_range);
     }},
    {"velocity_tokens_floor",
     [](ConfigReader& r, const Place& p, const TomlNode& n, GuardsConfig& g) {
       number<&GuardsConfig::velocity_tokens_floor>(r, p, n, g, floor_range);
     }},
    {"velocity_cost_floor",
     [](ConfigReader& r, const Place& p, const TomlNode& n, GuardsConfig& g) {
       if (const auto cost = r.dollars(p, n, floor_range)) g.velocity_cost_floor = *cost;
     }},
    {"shed_from_percent",
     [](ConfigReader& r, const Place& p, const TomlNode& n, GuardsConfig& g) {
       number<&GuardsConfig::shed_from_percent>(r, p, n, g, {1, 100});
     }},
}};

void read_mode(ConfigReader& reader, const Place& place, const TomlNode& node, GuardsConfig& guards) {
  const auto word = reader.text(place, node, "\"observe\"");
  if (!word) return;
  for (size_t i = 0; i < core::guard_mode_names.size(); ++i) {
    if (*word != core::guard_mode_names[i]) continue;
    guards.modes.insert_or_assign(node.key, static_cast<core::GuardMode>(i));
    return;
  }
  reader.fail(place, node, "is \"" + *word + R"("; a mode is one of "off" "observe" "enforce")");
}

bool is_one_of(std::string_view word, const auto& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

std::span<const std::string_view> guards_with_mode() { return with_mode; }

void read_system(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  constexpr std::array<std::string_view, 1> known = {"quota"};
  const Place place{"system"};
  for (const TomlNode& node : table.items) {
    if (node.key == "quota") {
      config.bus.system_quotas = reader.quotas(place, node);
    } else {
      reader.unknown_key(place, node, known);
    }
  }
}

void read_guards(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  const Place place{"guards"};
  GuardsConfig& guards = config.bus.guards;
  for (const TomlNode& node : table.items) {
    if (is_one_of(node.key, with_mode)) {
      read_mode(reader, place, node, guards);
      continue;
    }
    if (is_one_of(node.key, without_mode)) {
      reader.fail(place, node, "has no mode: this guard always enforces; leave the line out");
      continue;
    }
    const auto threshold = std::find_if(thresholds.begin(), thresholds.end(),
                                        [&](const Threshold& one) { return one.name == node.key; });
    if (threshold != thresholds.end()) {
      threshold->read(reader, place, node, guards);
      continue;
    }
    std::vector<std::string_view> known(with_mode.begin(), with_mode.end());
    for (const Threshold& one : thresholds) known.push_back(one.name);
    reader.unknown_key(place, node, known);
  }
  if (guards.cooldown_ms > guards.cooldown_max_ms) {
    reader.fail(table.line, "guards.cooldown is " + format_duration(guards.cooldown_ms) +
                                ", above guards.cooldown_max, " + format_duration(guards.cooldown_max_ms) +
                                "; raise cooldown_max or lower cooldown");
  }
}

}  // namespace pawl::cli
