// The one flat chain: asked in declared order, observed in reverse.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "guards/guard.h"

namespace pawl::guards {

struct GuardCounters {
  std::string_view name;
  uint64_t evaluated = 0;
  uint64_t refused = 0;
  uint64_t failed = 0;  // the guard threw, and its failure direction was applied
};

// Thread: one, the bus's. A guard that throws is answered for by its failure direction; nothing leaves.
class GuardChain final : public core::ClaimGate {
 public:
  explicit GuardChain(std::vector<std::unique_ptr<Guard>> guards);

  // Before core::Bus::apply. The refusal of a transaction names the item that it is about: "at=N", from 0.
  core::Verdict admit(const core::Operation& operation) const;
  void observe(const Outcome& outcome);
  void tick(int64_t wall_ms);

  core::Verdict admit_claim(const core::Candidate& candidate) const override;
  void taken(const core::Candidate& candidate) override;
  // Does not count.
  std::vector<core::Verdict> explain(const core::Candidate& candidate) const override;

  std::vector<GuardCounters> counters() const;

 private:
  struct Link {
    std::unique_ptr<Guard> guard;
    mutable GuardCounters counters;  // asking is const, being asked is counted
  };

  core::Verdict admit_one(const core::Operation& operation) const;

  std::vector<Link> links_;
};

// What an error reply says of a refusal.
Error refusal(const core::Verdict& verdict, int64_t wall_ms);

}  // namespace pawl::guards
