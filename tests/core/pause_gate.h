// The least guard that the core can be tested with: a paused role is held.
#pragma once

#include <string>
#include <vector>

#include "bus/core/gate.h"

namespace pawl::core {

class PauseGate : public ClaimGate {
 public:
  Verdict admit_claim(const Candidate& candidate) const override {
    Verdict verdict;
    if (!candidate.role.paused) return verdict;
    verdict.allowed = false;
    verdict.code = Code::paused;
    verdict.guard = "pause";
    verdict.reason = "role '" + std::string(candidate.role.name) + "' is paused; RESUME it";
    return verdict;
  }
  void taken(const Candidate&) override {}
  std::vector<Verdict> explain(const Candidate& candidate) const override {
    Verdict verdict = admit_claim(candidate);
    if (verdict.allowed) return {};
    return {std::move(verdict)};
  }
};

}  // namespace pawl::core
