// What the monitor says of what it knows: facts in, findings out. Pure; the same facts give the same findings
// in the same order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/core/facts.h"
#include "bus/core/freeze.h"
#include "bus/core/gate.h"
#include "bus/ops/monitor_config.h"
#include "bus/ops/words.h"

namespace pawl::ops {

// ---- Facts. Times in milliseconds; *_at_ms of wall time, other *_ms are spans.

struct ErrorLook {
  core::ErrorClass error_class = core::ErrorClass::unknown;
  uint64_t count = 0;             // since the sweep before
  std::optional<uint32_t> usual;  // of 10,000 deliveries; nothing: not known yet
  std::string example;            // a message's id
  std::string text;               // of its failure
};

struct ClaimLook {
  uint64_t count = 0;
  std::string example;  // of the one held longest: the message's id
  std::string daemon;
  int64_t held_ms = 0;
  std::string_view why;  // of a stuck one
};

struct RoleLook {
  std::string name;
  bool paused = false;
  std::string pause_reason;
  int64_t paused_ms = 0;  // since when
  uint64_t ready = 0;
  uint64_t dead = 0;
  std::optional<int64_t> oldest_ready_ms;
  // Since the sweep before:
  uint64_t claims = 0;
  uint64_t ended = 0;  // deliveries: done, failed, lapsed
  uint64_t died = 0;
  std::vector<ErrorLook> errors;  // by class, ascending
  ClaimLook held_long;
  ClaimLook stuck;
  uint64_t daemons = 0;  // that serve it, and those of them that can
  uint64_t well = 0;
};

struct QuotaLook {
  std::string role;  // "*": the fleet
  core::QuotaKind what = core::QuotaKind::tokens;
  int64_t per_ms = 0;
  int64_t cap = 0;
  int64_t used = 0;
  int64_t reserved = 0;
  int64_t frees_ms = 0;  // until the oldest usage leaves the window; 0: nothing is used
  int64_t spent = 0;     // within `paced_ms` up to now; 0 there: the pace is not known
  int64_t paced_ms = 0;

  int64_t percent() const;
  // Until the cap is reached at the present pace; nothing: it is not, as far as can be told.
  std::optional<int64_t> runs_out_ms() const;
};

struct DaemonLook {
  std::string name;
  Colour colour = Colour::green;
  std::string reason;
  bool stopping = false;
  int64_t colour_ms = 0;  // for how long
  int64_t silent_ms = 0;  // since its last sign of life
  std::vector<std::string> roles;
};

struct CircuitLook {
  std::string name;  // "role:NAME", "needs:NAME"
  std::string state;
  std::string reason;
  int64_t retry_at_ms = 0;
};

struct GuardLook {
  std::string name;
  uint64_t would_refuse = 0;  // more than at the sweep before
};

struct CronLook {
  std::string name;
  uint64_t missed = 0;  // slots, since the sweep before
  int64_t last_at_ms = 0;
  std::string why;
};

struct IncidentLook {
  std::string id;
  core::Tier tier = core::Tier::concern;
  std::string title;
  std::string fingerprint;
  bool cleared = false;  // its cause is gone
  bool acknowledged = false;
  int64_t open_ms = 0;
  std::vector<std::string> roles;
};

struct MonitorFacts {
  int64_t now_ms = 0;  // wall
  core::FreezeRecord freeze;
  core::DiskMark disk = core::DiskMark::ample;
  std::vector<RoleLook> roles;  // by name, like the others
  std::vector<QuotaLook> quotas;
  std::vector<DaemonLook> daemons;
  std::vector<CircuitLook> circuits;
  std::vector<GuardLook> guards;  // in mode observe
  std::vector<CronLook> crons;
};

// ---- Findings

struct Evidence {
  std::string name;
  std::string text;
  int64_t number = 0;
  bool numeric = false;
};

struct Finding {
  std::string kind;  // errors, dead, backlog, daemon, unserved, stuck, long, quota …: monitor_findings.cpp
  core::Tier tier = core::Tier::concern;
  std::string subject;  // what it is about: a role's name, a daemon's …
  std::string title;
  std::vector<Evidence> evidence;
  std::string look;         // a command that shows more
  std::string fingerprint;  // of the incident that says the same; empty: none does
  bool raises = false;      // the monitor sees to that incident itself; else the chronicle does
  std::string incident;     // its id, where it is open
  std::vector<std::string> roles;
  std::vector<std::string> daemons;

  Finding& with(std::string_view name, std::string text);
  Finding& with(std::string_view name, int64_t number);
  std::string evidence_text() const;  // "failures=12 ended=40 …"
};

enum class SweepResult : uint8_t { nominal, concern, ultra };
constexpr std::array<std::string_view, 3> sweep_result_names = {"nominal", "concern", "ultra"};

// The worst first.
std::vector<Finding> findings_of(const MonitorFacts& facts, const MonitorLimits& limits);
// Open incidents: into the finding that says the same, or as one of their own. What is over but for its
// settling is none. Again the worst first.
void add_open_incidents(const std::vector<IncidentLook>& incidents, std::vector<Finding>& into);
// What of them a cheap look finds: quotas and a freeze that stands long.
void add_quota_findings(const MonitorFacts& facts, const MonitorLimits& limits, std::vector<Finding>& into);
void add_freeze_finding(const MonitorFacts& facts, const MonitorLimits& limits, std::vector<Finding>& into);

// The worst of them.
SweepResult result_of(const std::vector<Finding>& findings);

}  // namespace pawl::ops
