// The least guard that the core can be tested with: a paused role is held.
#pragma once

#include <string>
#include <vector>

#include "bus/core/gate.h"

namespace pawl::core {

class PauseGate : public Gate {
 public:
  Answer admit_claim(const Candidate& candidate, const Desk& /*desk*/) const override {
    Verdict verdict;
    if (!candidate.role.record->paused) return {};
    verdict.allowed = false;
    verdict.code = Code::paused;
    verdict.guard = "pause";
    verdict.reason = "role '" + std::string(candidate.role.name) + "' is paused; RESUME it";
    return verdict;
  }
  std::vector<Verdict> explain(const Candidate& candidate, const Desk& desk) const override {
    const Answer answer = admit_claim(candidate, desk);
    if (answer.allowed()) return {};
    return {answer.verdict()};
  }
};

}  // namespace pawl::core
