#include "guards/pause.h"

#include <string>

namespace pawl::guards {

core::Verdict Pause::admit_claim(const core::Candidate& candidate) const {
  if (!candidate.role.paused) return core::Verdict::allow();
  const std::string role(candidate.role.name);
  core::Verdict verdict;
  verdict.allowed = false;
  verdict.code = Code::paused;
  verdict.scope = core::Scope::role;
  verdict.reason = "role " + role + " is paused";
  if (!candidate.role.pause_reason.empty()) {
    verdict.reason += " (" + std::string(candidate.role.pause_reason) + ")";
  }
  verdict.reason += "; RESUME " + role + " lets its claims go on";
  return verdict;
}

}  // namespace pawl::guards
