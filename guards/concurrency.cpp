#include "guards/concurrency.h"

#include <string>

#include "bus/core/faults.h"
#include "guards/amounts.h"

namespace pawl::guards {

void Concurrency::configured(core::Desk& desk) {
  set_idle(!any_role(desk.config(), [](const core::RoleConfig& role) { return role.concurrency != 0; }));
}

Answer Concurrency::admit_claim(const core::Candidate& candidate, const core::Desk& /*desk*/) const {
  const uint64_t cap = candidate.role.config->concurrency;
  if (cap == 0) return allow();
  const uint64_t live = candidate.role.depth(core::MessageState::claimed);
  if (live < cap + (PAWL_FAULT(concurrency_one_more) ? 1 : 0)) return allow();
  const std::string role(candidate.role.name);
  core::Verdict verdict =
      refuse(Code::busy, core::Scope::role,
             "role " + role + " has " + std::to_string(live) + " of " + std::to_string(cap) +
                 " claims at a time; one has to end, or raise " + "concurrency in [role." + role + "]");
  verdict.empty = true;
  verdict.subject = "role:" + role;
  verdict.value = shown(live);
  verdict.limit = shown(cap);
  return verdict;
}

}  // namespace pawl::guards
