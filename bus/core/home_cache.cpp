#include "bus/core/home_cache.h"

#include <utility>

namespace pawl::core {
namespace {

constexpr size_t cached_row_overhead_bytes = sizeof(HomeRecord) + 32;

}  // namespace

void HomeCache::put(uint64_t sequence, HomeRecord home) {
  const size_t bytes = home.bytes() + cached_row_overhead_bytes;
  if (bytes > generation_bytes_max_) return;
  if (young_bytes_ + bytes > generation_bytes_max_) {
    old_ = std::exchange(young_, {});
    young_bytes_ = 0;
  }
  if (young_.emplace(sequence, std::move(home)).second) young_bytes_ += bytes;
}

std::optional<HomeRecord> HomeCache::take(uint64_t sequence) {
  for (Rows* rows : {&young_, &old_}) {
    const auto found = rows->find(sequence);
    if (found == rows->end()) continue;
    std::optional<HomeRecord> home(std::move(found->second));
    rows->erase(found);
    return home;
  }
  return std::nullopt;
}

}  // namespace pawl::core
