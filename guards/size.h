// Guard "size": no payload, result or set of headers over `[bus] payload_max`.
#pragma once

#include "guards/guard.h"

namespace pawl::guards {

class Size final : public Guard {
 public:
  std::string_view name() const override { return "size"; }
  // Closed: a row that nobody can read back whole is worse than a refused push.
  FailureDirection failure_direction() const override { return FailureDirection::closed; }
  uint8_t asks() const override { return asks_operations; }
  uint8_t hears() const override { return hears_nothing; }
  bool has_mode() const override { return false; }
  // TOOBIG, naming what is too big, the limit and what to do.
  Answer admit(const core::Operation& operation, const core::Caller& caller,
               const core::Desk& desk) const override;
};

}  // namespace pawl::guards
