// Guard "poison": a message that keeps killing or hanging whoever works on it is a dead letter, whatever
// attempts it has left.
#pragma once

#include "guards/guard.h"

namespace pawl::guards {

class PoisonBreaker final : public Guard {
 public:
  std::string_view name() const override { return "poison"; }
  // Open: without it max_attempts still ends the message.
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_failures; }
  uint8_t hears() const override { return hears_nothing; }
  // Poison at the GuardsConfig::poison_crashes-th crash or lease-expiry ending in a row.
  core::Ruling judge(const core::Ending& ending, const core::Desk& desk) const override;
};

}  // namespace pawl::guards
