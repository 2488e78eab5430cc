// A guard sees what happens before it happens, and may refuse it.
#pragma once

#include <cstdint>
#include <string_view>

#include "bus/core/gate.h"
#include "bus/core/operation.h"

namespace pawl::guards {

// What a guard that fails itself (throws) stands for.
enum class FailureDirection : uint8_t {
  open,    // lets through: its protection is worth less than the work
  closed,  // refuses: what it protects from is worse than standing still
};

// What came of an operation that the chain admitted.
struct Outcome {
  const core::Operation& operation;
  bool parked = false;  // waits for its reply
};

// Contract: admit and admit_claim have no effect; a guard that counts or reserves does so in taken()
// and observe(). Guards read no clock: times come with the candidate and with tick().
// Thread: one, the bus's. Ownership: the chain's.
class Guard {
 public:
  Guard() = default;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  virtual ~Guard() = default;

  // As GUARD LIST, EXPLAIN and the errors call it.
  virtual std::string_view name() const = 0;
  virtual FailureDirection failure_direction() const = 0;

  // Before an operation reaches the bus. A transaction is asked about item by item, never as a whole.
  virtual core::Verdict admit(const core::Operation& operation) const;
  // Before a claim is granted; the first refusal wins.
  virtual core::Verdict admit_claim(const core::Candidate& candidate) const;
  // The claim was granted: reserve.
  virtual void taken(const core::Candidate& candidate);
  virtual void observe(const Outcome& outcome);
  virtual void tick(int64_t wall_ms);
};

}  // namespace pawl::guards
