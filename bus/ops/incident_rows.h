// An incident: the row, and what is told of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/config.h"
#include "bus/core/words.h"

namespace pawl::ops {

struct IncidentRemark {
  int64_t at_ms = 0;  // wall
  std::string by;
  std::string text;
};

// Rows "incidents/o/NUMBER" of the open ones and "incidents/c/NUMBER" of the closed. Times are of wall time
// where no name says otherwise; 0: never.
struct Incident {
  uint64_t number = 0;
  core::Tier tier = core::Tier::concern;
  core::ErrorClass error_class = core::ErrorClass::unknown;
  bool by_person = false;  // reported with INCIDENT OPEN: it has no cause that could be seen to go
  std::string fingerprint;
  std::string title;
  std::string detail;  // of the newest time it was seen: the evidence
  std::string by;      // who raised it
  std::string owner;
  std::vector<std::string> roles;    // names, or prefixes that end with '*'
  std::vector<std::string> daemons;  // without their boot
  uint64_t count = 0;                // times that it was seen
  int64_t opened_ms = 0;
  int64_t seen_ms = 0;
  int64_t acknowledged_ms = 0;
  std::string acknowledged_by;
  int64_t escalated_ms = 0;
  int64_t cleared_ms = 0;      // the cause has been gone since
  int64_t cleared_bus_ms = 0;  // the same in bus time; 0: it has not
  int64_t quiet_ms = 0;        // the cause is gone when it was not seen for so long; 0: somebody says so
  int64_t seen_bus_ms = 0;     // as seen_ms, in bus time
  int64_t closed_ms = 0;
  std::string closed_by;
  std::string close_reason;
  std::vector<IncidentRemark> notes;

  // "i42"
  std::string id() const { return "i" + std::to_string(number); }
  bool is_open() const { return closed_ms == 0; }
  // Roles and daemons; neither: it is about everything.
  bool is_of_all() const { return roles.empty() && daemons.empty(); }
  bool affects_role(std::string_view role) const;
  bool affects_daemon(std::string_view daemon) const;
  std::string_view tier_name() const { return core::tier_names[static_cast<size_t>(tier)]; }

  std::string encode() const;
  static std::optional<Incident> decode(uint64_t number, std::string_view bytes);
};

// Nothing for what is no id of an incident.
std::optional<uint64_t> incident_number(std::string_view id);

}  // namespace pawl::ops
