#include "bus/ops/dead_groups.h"

#include <algorithm>
#include <iterator>

#include "bus/ops/coding.h"

namespace pawl::ops {

uint64_t DeadGroups::died(const std::string& fingerprint, int64_t bus_ms) {
  for (auto at = groups_.begin(); at != groups_.end();) {
    std::erase_if(at->second, [&](int64_t died_ms) { return died_ms <= bus_ms - window_ms; });
    at = at->second.empty() ? groups_.erase(at) : std::next(at);
  }
  if (!groups_.contains(fingerprint) && groups_.size() >= groups_max) {
    groups_.erase(std::min_element(groups_.begin(), groups_.end(), [](const auto& a, const auto& b) {
      return a.second.back() < b.second.back();
    }));
  }
  std::vector<int64_t>& times = groups_[fingerprint];
  times.push_back(bus_ms);
  if (times.size() > many) times.erase(times.begin());
  return times.size();
}

template <typename Archive>
void DeadGroups::code(Archive& ar, uint8_t) {
  code_map(ar, groups_);
  if constexpr (Archive::reading) {
    for (const auto& [fingerprint, times] : groups_) {
      if (times.empty() || times.size() > many) ar.damage();
    }
  }
}

std::string encode(const DeadGroups& groups) { return encode_value(groups); }
std::optional<DeadGroups> decode_dead_groups(std::string_view bytes) {
  return decode_value<DeadGroups>(bytes);
}

}  // namespace pawl::ops
