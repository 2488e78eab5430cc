// What the breaker may do, told from the chronicle and the rows of claims: no knowledge of how it decides.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bus/core/batch.h"
#include "bus/core/config.h"
#include "bus/core/records.h"
#include "bus/core/state_view.h"

namespace pawl::sim {

// The breaker enforces all the time, and its thresholds stay as they are.
class BreakerAudit {
 public:
  explicit BreakerAudit(const core::BusConfig& config) : config_(config) {}

  // Before the batch is written over `before`.
  void look_at(const core::StateView& before, const core::Batch& batch);
  const std::optional<std::string>& problem() const { return problem_; }

 private:
  enum class State : uint8_t { closed, open, half_open };
  struct Circuit {
    State state = State::closed;
    int64_t since_bus = 0;
    int64_t cooldown = 0;
    // Wall times of all openings so far, and of their ends; 0: not yet.
    std::vector<std::pair<int64_t, int64_t>> openings;
  };
  // What the chronicle said last of a message's spent attempts.
  struct Spent {
    uint32_t count = 0;
    bool may_come_back = false;  // its newest failure was spent
  };
  using Fields = std::map<std::string, std::string>;

  void wrong(const std::string& what);
  void gather(const core::Batch& batch);
  void leave_out_final();
  void look_at_event(const core::EventRecord& event);
  void look_at_circuit(const std::string& name, const core::EventRecord& event, const Fields& fields);
  void look_at_spent(const std::string& id, const Fields& fields);
  void look_at_failure(const core::EventRecord& event, const Fields& fields);
  void forget(const std::string& id);
  void give_back(const std::string& id, Spent& spent, uint32_t to);
  void look_at_life(const BirthKey& key, const core::LifeRecord& life);
  void look_at_limp(const std::string& id, const core::LifeRecord& life);
  void look_at_grant(const std::string& id, const core::LifeRecord& life);
  size_t failing_messages(int64_t bus_ms) const;

  const core::BusConfig& config_;
  const core::StateView* before_ = nullptr;
  std::map<std::string, Circuit> circuits_;
  std::map<uint64_t, std::string> probes_;  // of live claims, by sequence
  std::map<std::string, Spent> spent_;
  std::deque<std::pair<int64_t, uint64_t>> failures_;  // bus time at the end of the batch, sequence

  // Of the batch.
  int64_t bus_ms_ = 0;
  std::vector<core::EventRecord> events_;
  std::vector<std::pair<BirthKey, core::LifeRecord>> lives_;
  std::vector<BirthKey> erased_;
  std::map<std::string, Circuit> circuits_before_;
  std::map<std::string, size_t> closed_;
  size_t given_back_ = 0;
  size_t given_back_told_ = 0;
  size_t unseen_ = 0;
  std::optional<std::string> problem_;
};

}  // namespace pawl::sim
