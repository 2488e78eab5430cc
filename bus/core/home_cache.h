// Home rows of messages that are likely to be claimed soon, so that a claim need
// not read them back. A home row does not change while its message waits in a
// window, so what is here is what the view would say.
#pragma once

#include <optional>
#include <unordered_map>

#include "bus/core/records.h"

namespace pawl::core {

// Two generations: when the younger is full, the older is forgotten, and with it whatever was cancelled,
// expired or never asked for. Decoded rows, at most `bytes_max` of them in all.
class HomeCache {
 public:
  explicit HomeCache(size_t bytes_max) : generation_bytes_max_(bytes_max / 2) {}

  void put(uint64_t sequence, HomeRecord home);
  // Claimed: nobody will ask again.
  std::optional<HomeRecord> take(uint64_t sequence);

 private:
  using Rows = std::unordered_map<uint64_t, HomeRecord>;

  const size_t generation_bytes_max_;
  Rows young_;
  Rows old_;
  size_t young_bytes_ = 0;
};

}  // namespace pawl::core
