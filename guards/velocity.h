// Guard "velocity": a role whose messages all succeed, but whose pushes or spend run away from what is usual
// for it. Loops that feed themselves look like that, and nothing else stops them before a quota does.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "guards/guard.h"

namespace pawl::guards {

// Pushes, tokens and cost of each role are looked at once a second and compared, as of the running minute of
// bus time, with the mean of up to 60 whole minutes before. Over factor × mean and over the floor, with no
// failure in that minute: tripped, until a whole minute stays under. What ran away is no part of a mean.
// Row "velocity/ROLE": the minutes and the trip.
class Velocity final : public Guard {
 public:
  std::string_view name() const override { return "velocity"; }
  // Open: it guesses, and it must not stop the work when it cannot even do that.
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_claims; }
  uint8_t hears() const override { return hears_ticks; }
  core::GuardMode default_mode() const override { return core::GuardMode::observe; }

  // Throws std::runtime_error on a damaged row.
  void open(core::Desk& desk) override;
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;
  void tick(core::Desk& desk) override;
  std::optional<int64_t> next_wakeup_ms() const override;

 private:
  static constexpr size_t measures = 3;  // pushes, tokens, cost
  using Sums = std::array<uint64_t, measures>;

  struct Track {
    std::string role;
    int64_t minute = 0;  // the running one
    bool whole = false;  // it was watched from its beginning
    bool over = false;   // it has been over the limit
    bool tripped = false;
    Sums base{};  // totals at its beginning
    Sums seen{};  // totals at the last look
    uint64_t failed_base = 0;
    uint64_t failed_seen = 0;
    std::vector<Sums> minutes;  // before it, oldest first
    Sums mean_of{};             // their sums
    // Of the trip: the measure, what it came to, and the limit.
    uint8_t what = 0;
    uint64_t value = 0;
    uint64_t limit = 0;
  };

  void look(core::Desk& desk);
  void look_at(const core::RoleFacts& role, core::Desk& desk);
  // Ends the running minute and those without a look since.
  void turn_minute(Track& track, uint32_t number, core::Desk& desk);
  static void remember(Track& track, const Sums& sums);
  // The first measure that is over its limit, written into the track.
  static bool runs_away(Track& track, const core::GuardsConfig& config);
  static void put(const Track& track, uint32_t number, core::Desk& desk);
  void forget_dropped(core::Desk& desk);

  std::map<uint32_t, Track> tracks_;  // by number of the role
  size_t tripped_ = 0;
  // Bus time.
  int64_t minute_ = 0;
  int64_t next_look_ms_ = 0;
  bool turned_ = false;  // there was a turn since the last look
  bool moving_ = false;  // a minute with something in it, or a trip, waits for its end
  bool frozen_ = false;  // time passes, but nothing can move
};

}  // namespace pawl::guards
