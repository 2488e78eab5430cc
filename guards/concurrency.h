// Guard "concurrency": so many live claims of a role at a time, over all daemons.
#pragma once

#include "guards/guard.h"

namespace pawl::guards {

class Concurrency final : public Guard {
 public:
  std::string_view name() const override { return "concurrency"; }
  // Open: a few claims too many cost less than a role that stands still.
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_claims; }
  uint8_t hears() const override { return hears_nothing; }
  void open(core::Desk& desk) override { configured(desk); }
  void configured(core::Desk& desk) override;
  // Emptiness, not an error. The core asks again whenever a claim of the role ends.
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;
};

}  // namespace pawl::guards
