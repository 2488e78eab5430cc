// The clocks of the poll loop: the steady one counts, the wall's is for what others read.
#pragma once

#include <chrono>
#include <cstdint>

namespace pawl::runner {

template <typename Clock>
int64_t ms_of() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch()).count();
}
inline int64_t steady_now_ms() { return ms_of<std::chrono::steady_clock>(); }
inline int64_t wall_now_ms() { return ms_of<std::chrono::system_clock>(); }

}  // namespace pawl::runner
