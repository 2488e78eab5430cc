// Times of one turn. The core never reads a clock: the server reads both once a
// turn and passes them in.
#pragma once

#include <cstdint>

namespace pawl {

struct Instant {
  int64_t wall_ms = 0;  // Unix milliseconds; may jump either way
  int64_t mono_ms = 0;  // monotonic, any origin, never runs back within a process
};

}  // namespace pawl
