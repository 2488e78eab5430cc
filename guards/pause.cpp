#include "guards/pause.h"

#include <string>

namespace pawl::guards {

Answer Pause::admit_claim(const core::Candidate& candidate, const core::Desk& /*desk*/) const {
  const core::RoleRecord& record = *candidate.role.record;
  if (!record.paused) return allow();
  std::string reason = "role " + record.name + " is paused";
  if (!record.pause_reason.empty()) reason += " (" + record.pause_reason + ")";
  core::Verdict verdict =
      refuse(Code::paused, core::Scope::role, reason + "; RESUME " + record.name + " lets its claims go on");
  verdict.subject = "role:" + record.name;
  return verdict;
}

}  // namespace pawl::guards
