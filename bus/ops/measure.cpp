#include "bus/ops/measure.h"

#include <algorithm>

namespace pawl::ops {
namespace {

constexpr uint64_t million = 1'000'000;
// 1.645 standard deviations: one-sided 95 %.
constexpr uint64_t z_thousandths = 1645;

// The largest r with r² ≤ value.
uint64_t whole_root(uint64_t value) {
  uint64_t root = 0;
  for (uint64_t bit = uint64_t{1} << 31; bit != 0; bit >>= 1) {
    const uint64_t next = root | bit;
    if (next * next <= value) root = next;
  }
  return root;
}

}  // namespace

void Measure::note(bool helped, int64_t ms) {
  if (tries >= tries_max) {
    tries /= 2;
    successes /= 2;
    spent_ms /= 2;
  }
  ++tries;
  successes += helped ? 1 : 0;
  spent_ms += std::clamp<int64_t>(ms, 0, spent_ms_max);
}

uint32_t lower_ppm(const Measure& measure) {
  if (measure.tries == 0) return 0;
  const uint64_t n = measure.tries;
  const uint64_t s = measure.successes;
  // (s + z²/2 - z·√(s(n-s)/n + z²/4)) / (n + z²); with n ≤ 256 every step fits 64 bits.
  constexpr uint64_t z_squared_millionths = z_thousandths * z_thousandths;
  const uint64_t under_root = s * (n - s) * million * million / n + z_squared_millionths * million / 4;
  const uint64_t root_millionths = whole_root(under_root);
  const uint64_t centre = s * million + z_squared_millionths / 2;
  const uint64_t reach = z_thousandths * root_millionths / 1000;
  if (reach >= centre) return 0;
  return static_cast<uint32_t>((centre - reach) * million / (n * million + z_squared_millionths));
}

uint32_t expected_ppm(const Measure& measure) {
  return static_cast<uint32_t>((measure.successes + 2) * million / (measure.tries + 4));
}

int64_t expected_ms(const Measure& measure, int64_t usual_ms) {
  return std::max<int64_t>(1, (measure.spent_ms + 2 * usual_ms) / (int64_t{measure.tries} + 2));
}

}  // namespace pawl::ops
