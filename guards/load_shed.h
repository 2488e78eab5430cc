// Guard "shed": refuses work before there is too much of it: backlog caps of roles, a disk that runs full.
#pragma once

#include "guards/guard.h"

namespace pawl::guards {

class LoadShed final : public Guard {
 public:
  std::string_view name() const override { return "shed"; }
  // Open: a backlog that grows past its cap for a while is no harm, work that is turned away is.
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_operations | asks_claims; }
  uint8_t hears() const override { return hears_nothing; }
  void open(core::Desk& desk) override { look(desk); }
  void configured(core::Desk& desk) override { look(desk); }
  // BUSY. A push over a cap of its role; what grows the store while the disk is low; all but what ends work
  // and what an operator needs while it is critical.
  Answer admit(const core::Operation& operation, const core::Caller& caller,
               const core::Desk& desk) const override;
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;

 private:
  void look(const core::Desk& desk);

  bool capped_ = false;  // some role has a backlog cap
};

}  // namespace pawl::guards
