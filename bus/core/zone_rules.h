// The offsets of a time zone as data: the core reads no clock and no calendar of the world. Whoever drives
// the bus resolves names and gives the rules with op::CronSet and op::ZoneRulesGiven.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pawl::core {

struct ZoneChange {
  int64_t from_s = 0;    // Unix seconds
  int32_t offset_s = 0;  // local time minus UTC, from then on

  bool operator==(const ZoneChange&) const = default;
};

// Changes ascend; the first one's offset holds before it as well, the last one's for ever.
struct ZoneRules {
  std::string name;  // "Europe/Berlin"
  std::vector<ZoneChange> changes;

  bool operator==(const ZoneRules&) const = default;
};

}  // namespace pawl::core
