// How many messages died of the same fingerprint lately: one is nothing, a group is an incident.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pawl::ops {

class DeadGroups {
 public:
  static constexpr uint8_t version_now = 1;
  static constexpr uint64_t many = 5;  // of one fingerprint
  static constexpr int64_t window_ms = 3'600'000;
  static constexpr size_t groups_max = 256;  // then the one that was quiet for longest is forgotten

  // One more, at this bus time. How many within the window, with it; at most `many`.
  uint64_t died(const std::string& fingerprint, int64_t bus_ms);

  template <typename Archive>
  void code(Archive& ar, uint8_t version);

 private:
  std::map<std::string, std::vector<int64_t>> groups_;  // bus times within the window, the newest last
};

std::string encode(const DeadGroups& groups);
// Nothing for damage or a newer version.
std::optional<DeadGroups> decode_dead_groups(std::string_view bytes);

}  // namespace pawl::ops
