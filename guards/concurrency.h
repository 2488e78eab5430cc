// Guard "concurrency": so many live claims of a role at a time, over all daemons.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "guards/guard.h"

namespace pawl::guards {

// Lowered caps stand in rows "concurrency/ROLE" until they are lifted.
class Concurrency final : public Guard {
 public:
  std::string_view name() const override { return "concurrency"; }
  // Open: a few claims too many cost less than a role that stands still.
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_claims; }
  uint8_t hears() const override { return hears_nothing; }
  // Throws std::runtime_error when a row is damaged.
  void open(core::Desk& desk) override;
  void configured(core::Desk& desk) override;
  // Emptiness, not an error. The core asks again whenever a claim of the role ends.
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;
  // lower_concurrency, of a role.
  bool restricts(core::Restriction::Kind kind) const override {
    return kind == core::Restriction::Kind::lower_concurrency;
  }
  std::optional<Status> restrict(const core::Restriction& restriction, core::Desk& desk) override;
  void lift(const core::Restriction& restriction, core::Desk& desk) override;

 private:
  struct Lowered {
    uint64_t cap = 0;  // above 0
    std::string by;
    std::string reason;
  };

  std::map<std::string, Lowered, std::less<>> lowered_;  // by role
};

}  // namespace pawl::guards
