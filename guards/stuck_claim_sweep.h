// Guard "sweep": tells of roles that lose claims by the dozen. Taking the claims back is the core's own work
// (lapse of a lease); this one watches it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "guards/guard.h"

namespace pawl::guards {

// Memory only. A storm is one chronicle entry a role and minute.
class StuckClaimSweep final : public Guard {
 public:
  // What is done says nothing to it.
  StuckClaimSweep() { set_idle(true); }
  std::string_view name() const override { return "sweep"; }
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return 0; }
  uint8_t hears() const override { return hears_ends | hears_ticks; }
  bool has_mode() const override { return false; }
  void open(core::Desk& /*desk*/) override {
    minutes_.clear();
    next_ms_ = INT64_MAX;
  }
  void ended(const core::Ending& ending, const core::Ruling& ruling, core::Desk& desk) override;
  void tick(core::Desk& desk) override;
  std::optional<int64_t> next_wakeup_ms() const override;

 private:
  struct Minute {
    int64_t ends_ms = 0;  // bus time
    uint64_t lapsed = 0;
    std::map<std::string, uint64_t> daemons;  // whose claims they were
  };
  std::map<std::string, Minute, std::less<>> minutes_;  // by role; of roles that lost a claim lately
  int64_t next_ms_ = INT64_MAX;                         // end of the first minute of them
};

}  // namespace pawl::guards
