// What the monitor keeps: rows "monitor/…".
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bus/core/words.h"
#include "bus/ops/monitor_findings.h"

namespace pawl::ops {

// "monitor/h"
struct MonitorHead {
  static constexpr uint8_t version_now = 1;
  uint64_t next_sweep = 1;  // its number
  int64_t last_ms = 0;      // of the newest sweep; wall, then bus time
  int64_t last_bus_ms = 0;
  int64_t armed_bus_ms = -1;   // [monitor] is there since; -1: it is not
  int64_t thawed_bus_ms = -1;  // the newest freeze ended; -1: there was none
  // Fingerprints that the cheap checks, or the watch over the sweeps, have raised and whose cause stands;
  // with how grave it was.
  std::map<std::string, uint8_t> standing;

  template <typename Archive>
  void code(Archive& ar, uint8_t version);
};

// "monitor/e/ROLE": failures of a role by class since it was made, and the newest of each.
struct RoleErrors {
  static constexpr uint8_t version_now = 1;
  struct Class {
    uint64_t count = 0;
    std::string id;
    std::string text;
  };
  std::map<uint8_t, Class> classes;

  template <typename Archive>
  void code(Archive& ar, uint8_t version);
};

// "monitor/k/NAME": slots that a schedule has missed.
struct CronMisses {
  static constexpr uint8_t version_now = 1;
  uint64_t slots = 0;
  int64_t last_ms = 0;
  std::string why;

  template <typename Archive>
  void code(Archive& ar, uint8_t version);
};

// Counters as a sweep found them: "monitor/m/NUMBER", and "monitor/l" of the newest that was learned from.
struct MonitorMark {
  static constexpr uint8_t version_now = 1;
  struct Role {
    uint64_t number = 0;  // another one of the same name begins anew
    uint64_t ended = 0;
    uint64_t claimed = 0;
    uint64_t died = 0;
    uint64_t tokens = 0;
    uint64_t cost = 0;
    std::map<uint8_t, uint64_t> errors;
  };
  int64_t at_ms = 0;  // wall
  std::map<std::string, Role, std::less<>> roles;
  std::map<std::string, uint64_t> would_refuse;  // by guard
  std::map<std::string, uint64_t> missed;        // by schedule

  template <typename Archive>
  void code(Archive& ar, uint8_t version);
};

// "monitor/b/ROLE": how a role usually fails.
struct Baseline {
  static constexpr uint8_t version_now = 1;
  struct Window {
    uint64_t ended = 0;
    std::map<uint8_t, uint64_t> errors;  // by class; what is not there did not happen
  };
  std::vector<Window> windows;  // oldest first

  void learn(Window window);
  // The median of the windows' rates, of 10,000; nothing: there are too few.
  std::optional<uint32_t> usual(core::ErrorClass error_class) const;

  template <typename Archive>
  void code(Archive& ar, uint8_t version);
};

// "monitor/r/NUMBER"
struct SweepReport {
  static constexpr uint8_t version_now = 1;
  uint64_t number = 0;
  int64_t at_ms = 0;     // wall, like the next one
  int64_t since_ms = 0;  // 0: it is the first
  SweepResult result = SweepResult::nominal;
  uint64_t more = 0;  // findings that there was no room for
  std::string by;
  std::vector<Finding> findings;

  template <typename Archive>
  void code(Archive& ar, uint8_t version);
};

template <typename Row>
std::string encode_monitor(const Row& row);
// Nothing for damage or a newer version.
template <typename Row>
std::optional<Row> decode_monitor(std::string_view bytes);

}  // namespace pawl::ops
