// Guard "freeze": what the kill switch stops (contract, "Freeze, command by command").
#pragma once

#include "guards/guard.h"

namespace pawl::guards {

class KillSwitch final : public Guard {
 public:
  std::string_view name() const override { return "freeze"; }
  // Closed: whoever froze the fleet wants it to stand still.
  FailureDirection failure_direction() const override { return FailureDirection::closed; }
  uint8_t asks() const override { return asks_operations | asks_claims; }
  uint8_t hears() const override { return hears_nothing; }
  bool has_mode() const override { return false; }
  // FROZEN, with the time that is left of one with a limit.
  Answer admit(const core::Operation& operation, const core::Caller& caller,
               const core::Desk& desk) const override;
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;
};

}  // namespace pawl::guards
