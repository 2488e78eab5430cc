#include "guards/guard.h"

namespace pawl::guards {

core::Verdict Guard::admit(const core::Operation& /*operation*/) const { return core::Verdict::allow(); }
core::Verdict Guard::admit_claim(const core::Candidate& /*candidate*/) const {
  return core::Verdict::allow();
}
void Guard::taken(const core::Candidate& /*candidate*/) {}
void Guard::observe(const Outcome& /*outcome*/) {}
void Guard::tick(int64_t /*wall_ms*/) {}

}  // namespace pawl::guards
