// What the policy has done about one incident so far: the row that lets it go on after a restart.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/gate.h"
#include "bus/ops/words.h"

namespace pawl::ops {

// Times are of bus time, in milliseconds.
struct Course {
  static constexpr uint8_t version_now = 2;

  // A restriction that stands.
  struct Held {
    core::Restriction::Kind kind = core::Restriction::Kind::open_circuit;
    std::string subject;
    bool operator==(const Held&) const = default;

    template <typename Archive>
    void serialize(Archive& ar);
  };

  Tier tier = Tier::concern;  // that the last decision was made for
  std::vector<Action> tried;  // in order; it did not help, or is done once
  bool resting = false;       // nothing more is done until it is another incident: its tier, or it came back
  bool quiet = false;         // its cause was gone at the last look
  std::vector<Held> held;
  std::string paused;  // a role that it paused; empty: none. Since version 2
  // The action that runs.
  std::optional<Action> running;
  std::string subject;
  uint64_t decision = 0;
  int64_t begun_ms = 0;
  int64_t until_ms = 0;  // so long it has to show that it helps

  // Something is to be taken back with the incident's end.
  bool holds() const { return !held.empty() || !paused.empty(); }
  bool operator==(const Course&) const = default;

  template <typename Archive>
  void code(Archive& ar, uint8_t version);
};

std::string encode(const Course& course);
// Nothing for damage or a newer version.
std::optional<Course> decode_course(std::string_view bytes);

}  // namespace pawl::ops
