// What in the chronicle is an incident, and what says that its cause is gone: a table, and one rule beside
// it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bus/core/config.h"
#include "bus/core/records.h"

namespace pawl::ops {

// Somebody saw something: the incident of that fingerprint is opened, or seen once more.
struct Sighting {
  std::string fingerprint;  // what makes it the same incident: "daemon:slack"
  core::Tier tier = core::Tier::concern;
  std::string title;
  std::string detail;  // the evidence, for a person: what, how much, a command to look further
  std::vector<std::string> roles;
  std::vector<std::string> daemons;
};

struct Sign {
  bool gone = false;  // the cause of `sighting.fingerprint` is over; the rest says nothing then
  Sighting sighting;
};

// Nothing: the entry is about no incident. An entry with a field `tier` (concern, ultra) that the table does
// not know opens one of its own kind and subject (its field daemon, role, guard or cron): whoever finds
// something grave enough need only chronicle it.
std::optional<Sign> sign_of(const core::EventRecord& event);

}  // namespace pawl::ops
