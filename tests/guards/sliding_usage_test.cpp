#include "guards/sliding_usage.h"

#include <catch2/catch.hpp>

namespace pawl::guards {
namespace {

TEST_CASE("sliding usage: what comes late counts to the edge of the window, and not beyond") {
  constexpr int64_t now_ms = 100'000;
  constexpr int64_t per_ms = 60'000;  // buckets of a second
  SlidingUsage usage(per_ms);
  usage.add(now_ms, 5);
  usage.add(now_ms - per_ms - 1, 100);  // one bucket too old
  CHECK(usage.used(now_ms) == 5);
  usage.add(now_ms - per_ms, 3);  // exactly one window back: its bucket counts whole
  CHECK(usage.used(now_ms) == 8);
  CHECK(usage.used(now_ms + 999) == 8);
  CHECK(usage.used(now_ms + 1000) == 5);
  CHECK(usage.frees_at_ms(now_ms) == now_ms + 1000);
  CHECK(usage.fits_at_ms(now_ms, 5) == now_ms + 1000);
  // A newer bucket takes the place of the oldest one, and nothing of that comes with it.
  usage.add(now_ms + 1000, 1);
  CHECK(usage.used(now_ms + 1000) == 6);
}

}  // namespace
}  // namespace pawl::guards
