// [incidents]: when a concern becomes an ultra, when it closes, how often an ultra is told of.
#include <array>

#include "bus/base/limits.h"
#include "cli/config_sections.h"

namespace pawl::cli {
namespace {

using core::IncidentsConfig;

constexpr Range times{0, limits::duration_ms_max};
constexpr Range numbers{0, 1'000'000'000};

struct Key {
  std::string_view name;
  void (*read)(ConfigReader&, const Place&, const TomlNode&, IncidentsConfig&);
};

template <auto member>
void duration(ConfigReader& reader, const Place& place, const TomlNode& node, IncidentsConfig& incidents) {
  if (const auto ms = reader.duration(place, node, times)) incidents.*member = *ms;
}

template <auto member>
void number(ConfigReader& reader, const Place& place, const TomlNode& node, IncidentsConfig& incidents) {
  if (const auto value = reader.integer(place, node, numbers)) {
    incidents.*member = static_cast<uint64_t>(*value);
  }
}

constexpr std::array<Key, 5> keys = {{
    {"broadcast", duration<&IncidentsConfig::broadcast_ms>},
    {"settle", duration<&IncidentsConfig::settle_ms>},
    {"escalate_after", duration<&IncidentsConfig::escalate_after_ms>},
    {"escalate_count", number<&IncidentsConfig::escalate_count>},
    {"escalate_spread", number<&IncidentsConfig::escalate_spread>},
}};

}  // namespace

void read_incidents(ConfigReader& reader, const TomlNode& table, FileConfig& config) {
  const Place place{"incidents"};
  for (const TomlNode& node : table.items) {
    const Key* key = find_key(reader, place, node, keys);
    if (key != nullptr) key->read(reader, place, node, config.bus.incidents);
  }
}

}  // namespace pawl::cli
