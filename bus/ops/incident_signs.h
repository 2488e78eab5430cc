// What in the chronicle is an incident, and what says that its cause is gone: a table, and one rule beside
// it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/config.h"
#include "bus/core/records.h"
#include "bus/ops/classifier.h"

namespace pawl::ops {

// Somebody saw something: the incident of that fingerprint is opened, or seen once more.
struct Sighting {
  std::string fingerprint;  // what makes it the same incident: "daemon:slack"
  core::Tier tier = core::Tier::concern;
  std::string title;
  std::string detail;  // the evidence, for a person: what, how much, a command to look further
  std::vector<std::string> roles;
  std::vector<std::string> daemons;
  core::ErrorClass error_class = core::ErrorClass::unknown;  // what the recovery policy goes by
  // The cause counts as gone once it was not seen for so long; 0: somebody says when it is gone.
  int64_t quiet_ms = 0;
};

struct Sign {
  bool gone = false;  // the cause of `sighting.fingerprint` is over; the rest says nothing then
  Sighting sighting;
};

// Somebody says when the cause of an incident with this fingerprint is gone, or it is when it is not seen
// any more.
bool end_is_told(std::string_view fingerprint);

// What a dead letter of `fingerprint` is the incident of.
std::string dead_fingerprint(std::string_view fingerprint);
// Of an entry message.dead: `died` of that fingerprint lately, or it was poison.
Sighting sight_of_dead(const core::EventRecord& event, bool poison, uint64_t died,
                       const Classifier& classifier);

// Nothing: the entry is about no incident. An entry with a field `tier` (concern, ultra) that the table does
// not know opens one of its own kind and subject (its field daemon, role, guard or cron): whoever finds
// something grave enough need only chronicle it.
// Without a classifier the class is that of no failure that is known.
std::optional<Sign> sign_of(const core::EventRecord& event, const Classifier* classifier = nullptr);

}  // namespace pawl::ops
