// The seam between the core and the guards: the core asks before each claim.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/ids.h"
#include "bus/base/result.h"
#include "bus/core/words.h"

namespace pawl::core {

enum class Scope : uint8_t { fleet, role, group, message };

// Allow, or refuse with what to tell and until when.
struct Verdict {
  bool allowed = true;
  Code code = Code::err;
  std::string guard;   // name of the guard that refused
  std::string reason;  // for a person; says what to do
  Scope scope = Scope::role;
  std::optional<int64_t> retry_at_ms;  // wall time; nothing: not by itself
  std::optional<int64_t> value;        // what was measured
  std::optional<int64_t> limit;        // against what

  static Verdict allow() { return {}; }
};

// What guards may know of a role.
struct RoleFacts {
  std::string_view name;
  bool paused = false;
  std::string_view pause_reason;
  uint64_t ready = 0;
  uint64_t claimed = 0;
};

// A claim about to be granted.
struct Candidate {
  const RoleFacts& role;
  std::string_view daemon;  // empty when asked by EXPLAIN
  int64_t wall_ms = 0;
};

class ClaimGate {
 public:
  ClaimGate() = default;
  ClaimGate(const ClaimGate&) = delete;
  ClaimGate& operator=(const ClaimGate&) = delete;
  virtual ~ClaimGate() = default;

  // Const: reserving is for taken(), after all guards allowed.
  virtual Verdict admit_claim(const Candidate& candidate) const = 0;
  virtual void taken(const Candidate& candidate) = 0;
  // Every guard's refusal, not only the first: EXPLAIN.
  virtual std::vector<Verdict> explain(const Candidate& candidate) const = 0;
};

}  // namespace pawl::core
