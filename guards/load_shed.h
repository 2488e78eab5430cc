// Guard "shed": refuses work before there is too much of it: backlog caps of roles, a disk that runs full.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "guards/guard.h"

namespace pawl::guards {

class LoadShed final : public Guard {
 public:
  std::string_view name() const override { return "shed"; }
  // Open: a backlog that grows past its cap for a while is no harm, work that is turned away is.
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_operations | asks_claims; }
  uint8_t hears() const override { return hears_nothing; }
  // Throws std::runtime_error when its row, "shed/priority", is damaged.
  void open(core::Desk& desk) override;
  void configured(core::Desk& desk) override { look(desk); }
  // BUSY. A push of low priority while they are shed; a push over a cap of its role; what grows the store
  // while the disk is low; all but what ends work and what an operator needs while it is critical.
  Answer admit(const core::Operation& operation, const core::Caller& caller,
               const core::Desk& desk) const override;
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;

  // shed_by_priority, of the fleet.
  bool restricts(core::Restriction::Kind kind) const override {
    return kind == core::Restriction::Kind::shed_by_priority;
  }
  std::optional<Status> restrict(const core::Restriction& restriction, core::Desk& desk) override;
  void lift(const core::Restriction& restriction, core::Desk& desk) override;

 private:
  struct Shedding {
    std::string by;
    std::string reason;
  };
  void look(const core::Desk& desk);
  core::Verdict shed(int priority, const core::Desk& desk) const;

  bool capped_ = false;               // some role has a backlog cap
  std::optional<Shedding> shedding_;  // pushes below the default priority are refused
};

}  // namespace pawl::guards
