// Time that only a test moves.
#pragma once

#include "bus/base/time.h"

namespace pawl::test {

class FakeClock {
 public:
  // Far enough from zero for wall jumps backwards.
  FakeClock() : now_{1'700'000'000'000, 5'000} {}

  Instant now() const { return now_; }
  // Both clocks go on, as they do when nobody touches them.
  void advance(int64_t ms) {
    now_.wall_ms += ms;
    now_.mono_ms += ms;
  }
  // Somebody sets the wall clock; either direction.
  void jump_wall(int64_t ms) { now_.wall_ms += ms; }

 private:
  Instant now_;
};

}  // namespace pawl::test
