// What the policy remembers: how each action did against each fingerprint, and what it did to whom, for the
// caps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/ops/policy.h"

namespace pawl::ops {

class PolicyMemory {
 public:
  static constexpr uint8_t version_now = 1;
  static constexpr size_t fingerprints_max = 10'000;  // then the one that was quiet for longest is forgotten

  // Fills in what a situation takes from here: measures and used. Everything else of it is there already.
  void complete(const PolicyTable& table, Situation& situation) const;
  // A decision was carried out; counts against the cap of its subject.
  void acted(const PolicyTable& table, Action action, const std::string& subject, int64_t now_ms);
  // Whether an action helped, and how long that took or it was given. Of those that do not recover, nothing.
  void learned(uint64_t fingerprint, Action action, bool helped, int64_t spent_ms, int64_t now_ms);

  Measure measure(uint64_t fingerprint, Action action) const;
  // The action that helps best here by the lower bound of its rate, in its time; nothing before one helped.
  std::optional<Action> best(uint64_t fingerprint) const;
  size_t fingerprints() const { return measured_.size(); }

  template <typename Archive>
  void code(Archive& ar, uint8_t version);

 private:
  struct Learned {
    std::map<uint8_t, Measure> actions;
    int64_t last_ms = 0;

    template <typename Archive>
    void serialize(Archive& ar);
  };
  std::map<uint64_t, Learned> measured_;
  std::map<std::pair<uint8_t, std::string>, std::vector<int64_t>> acts_;  // bus times within the cap's window
};

std::string encode(const PolicyMemory& memory);
// Nothing for damage or a newer version.
std::optional<PolicyMemory> decode_policy_memory(std::string_view bytes);

}  // namespace pawl::ops
