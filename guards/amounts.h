// Sums of tokens, micro-dollars and calls, which stop at the top instead of wrapping.
#pragma once

#include <algorithm>
#include <cstdint>

namespace pawl::guards {

// Holds the sum or product of any two amounts.
__extension__ typedef __int128 Wide;  // NOLINT: `using` cannot carry __extension__

constexpr uint64_t amount_max = INT64_MAX;

// Sums stay within what a reply's integer can say.
constexpr uint64_t plus(uint64_t a, uint64_t b) {
  return a >= amount_max || b >= amount_max - a ? amount_max : a + b;
}
constexpr int64_t shown(Wide amount) {
  return static_cast<int64_t>(std::clamp<Wide>(amount, 0, static_cast<Wide>(amount_max)));
}

}  // namespace pawl::guards
