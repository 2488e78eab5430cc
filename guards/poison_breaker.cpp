#include "guards/poison_breaker.h"

#include <string>

#include "bus/core/faults.h"

namespace pawl::guards {

core::Ruling PoisonBreaker::judge(const core::Ending& ending, const core::Desk& desk) const {
  const bool expired =
      ending.error_class == core::ErrorClass::lease_expired && !PAWL_FAULT(poison_counts_crashes_only);
  const bool crash = ending.error_class == core::ErrorClass::crash || expired;
  const uint64_t limit = desk.config().guards.poison_crashes;
  if (!crash || ending.final || limit == 0) return {};
  const uint64_t in_row = uint64_t{ending.crashes_in_row} + 1;
  if (in_row < limit + (PAWL_FAULT(poison_one_late) ? 1 : 0)) return {};
  return {true, true,
          "poison: " + std::to_string(in_row) + " deliveries in a row ended as crash or lease_expired"};
}

}  // namespace pawl::guards
