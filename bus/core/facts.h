// What guards know of the fleet, for whoever watches it (the ops layer): told by themselves through
// Gate::report(), in an order that depends on their state alone. Views live until the call returns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/config.h"

namespace pawl::core {

// A cap of a role or of the fleet, with what was used of it.
struct QuotaFacts {
  std::string_view role;  // "*": the fleet
  QuotaKind what = QuotaKind::tokens;
  int64_t per_ms = 0;
  int64_t cap = 0;  // tokens, micro-dollars or calls, like the next two
  int64_t used = 0;
  int64_t reserved = 0;
  std::optional<int64_t> frees_at_ms;  // wall; nothing: nothing is used
  int64_t trips = 0;
};

// A circuit that is not closed.
struct CircuitFacts {
  std::string_view name;   // "role:NAME" or "needs:NAME"
  std::string_view state;  // open, half_open
  std::string_view reason;
  int64_t retry_at_ms = 0;  // wall: when the next probe may go out
};

struct DaemonFacts {
  std::string_view name;
  std::string_view boot;
  std::string_view colour;  // green, yellow, red
  std::string_view reason;  // empty when green
  bool stopping = false;
  int64_t since_ms = 0;      // wall: of the colour
  int64_t last_beat_ms = 0;  // wall
  const std::vector<std::string>* roles = nullptr;
  const std::vector<std::string>* needs = nullptr;
};

// A guard's counters since the process began.
struct GuardFacts {
  std::string_view name;
  GuardMode mode = GuardMode::enforce;
  uint64_t evaluated = 0;
  uint64_t refused = 0;
  uint64_t would_refuse = 0;
  uint64_t failed = 0;
};

// Override what is of interest, and say so: in a large fleet telling what nobody asked for costs more than
// everything else.
class FactsSink {
 public:
  enum Wants : uint8_t { quotas = 1, circuits = 2, daemons = 4, everything = 7 };  // guards always
  // `named`: of these daemons alone; it outlives the sink. Null: of all.
  explicit FactsSink(uint8_t wants = everything, const std::vector<std::string>* named = nullptr)
      : wants_(wants), named_(named) {}
  FactsSink(const FactsSink&) = delete;
  FactsSink& operator=(const FactsSink&) = delete;
  virtual ~FactsSink() = default;

  virtual void quota(const QuotaFacts& /*quota*/) {}
  virtual void circuit(const CircuitFacts& /*circuit*/) {}
  virtual void daemon(const DaemonFacts& /*daemon*/) {}
  virtual void guard(const GuardFacts& /*guard*/) {}

  bool wants(Wants what) const { return (wants_ & what) != 0; }
  const std::vector<std::string>* named_daemons() const { return named_; }

 private:
  const uint8_t wants_;
  const std::vector<std::string>* const named_;
};

}  // namespace pawl::core
