// Guard "pause": no claim of a role that an operator has paused.
#pragma once

#include "guards/guard.h"

namespace pawl::guards {

class Pause final : public Guard {
 public:
  std::string_view name() const override { return "pause"; }
  // Closed: whoever paused a role wants it to stand still.
  FailureDirection failure_direction() const override { return FailureDirection::closed; }
  uint8_t asks() const override { return asks_claims; }
  uint8_t hears() const override { return hears_nothing; }
  // PAUSED with the operator's reason; never passes by itself.
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;
};

}  // namespace pawl::guards
