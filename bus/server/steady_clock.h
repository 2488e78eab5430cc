// How long something took; for no decision of the core's.
#pragma once

#include <chrono>
#include <cstdint>

namespace pawl::server {

inline int64_t steady_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace pawl::server
