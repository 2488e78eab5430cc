// Guard "authorisation": the rights and roles of a user of pawl.toml, [user.NAME].
#pragma once

#include "guards/guard.h"

namespace pawl::guards {

class Authorisation final : public Guard {
 public:
  std::string_view name() const override { return "authorisation"; }
  // Closed: whoever cannot be told apart gets nothing.
  FailureDirection failure_direction() const override { return FailureDirection::closed; }
  uint8_t asks() const override { return asks_operations; }
  uint8_t hears() const override { return hears_nothing; }
  bool has_mode() const override { return false; }
  // DENIED: the user lacks the right, or names a role beyond his prefixes. Without a user, and for the bus
  // itself, everything passes.
  Answer admit(const core::Operation& operation, const core::Caller& caller,
               const core::Desk& desk) const override;
};

}  // namespace pawl::guards
