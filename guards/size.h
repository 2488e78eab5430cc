// Guard "size": no payload, result or set of headers over `[bus] payload_max`.
#pragma once

#include <cstddef>

#include "guards/guard.h"

namespace pawl::guards {

class Size final : public Guard {
 public:
  explicit Size(size_t payload_bytes_max) : payload_bytes_max_(payload_bytes_max) {}

  std::string_view name() const override { return "size"; }
  // Closed: a row that nobody can read back whole is worse than a refused push.
  FailureDirection failure_direction() const override { return FailureDirection::closed; }
  // TOOBIG, naming what is too big, the limit and what to do.
  core::Verdict admit(const core::Operation& operation) const override;

 private:
  size_t payload_bytes_max_;
};

}  // namespace pawl::guards
