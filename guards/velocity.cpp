#include "guards/velocity.h"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bus/core/archive.h"
#include "guards/amounts.h"

namespace pawl::guards {
namespace {

constexpr std::string_view prefix = "velocity/";
constexpr uint64_t version_now = 1;
constexpr int64_t look_ms = 1000;
constexpr int64_t minute_ms = 60'000;
constexpr size_t minutes_min = 5;
constexpr size_t minutes_max = 60;
constexpr std::array<std::string_view, 3> words = {"pushes", "tokens", "cost"};
constexpr std::array<std::string_view, 3> units = {"pushes", "tokens", "micro-dollars"};

std::string row_key(std::string_view role) { return std::string(prefix) + std::string(role); }

}  // namespace

void Velocity::open(core::Desk& desk) {
  tracks_.clear();
  tripped_ = 0;
  minute_ = next_look_ms_ = 0;
  turned_ = frozen_ = false;
  moving_ = true;
  std::vector<std::string> gone;
  desk.scan(prefix, [&](std::string_view key, std::string_view value) {
    core::RecordReader row(value);
    Track track;
    track.role = std::string(key.substr(prefix.size()));
    const uint64_t version = row.number();
    uint64_t number = 0;
    uint8_t flags = 0;
    row(number, track.minute, flags);
    for (uint64_t& sum : track.base) row(sum);
    row(track.failed_base, track.what, track.value, track.limit);
    const uint64_t count = row.number();
    for (uint64_t i = 0; i < std::min<uint64_t>(count, minutes_max); ++i) {
      Sums sums{};
      for (uint64_t& sum : sums) row(sum);
      remember(track, sums);
    }
    if (version != version_now || !row.whole() || flags > 7 || track.what >= measures) {
      throw std::runtime_error("a row of velocity");
    }
    track.whole = (flags & 1) != 0;
    track.over = (flags & 2) != 0;
    track.tripped = (flags & 4) != 0;
    track.seen = track.base;
    track.failed_seen = track.failed_base;
    const auto facts = desk.role(track.role);
    if (!facts || facts->number != number) {
      gone.emplace_back(key);  // the name may have been made anew, with counts from zero
    } else {
      if (track.tripped) ++tripped_;
      tracks_.emplace(facts->number, std::move(track));
    }
    return true;
  });
  for (const std::string& key : gone) desk.erase(key);
  set_idle(tripped_ == 0);
}

Answer Velocity::admit_claim(const core::Candidate& candidate, const core::Desk& /*desk*/) const {
  if (tripped_ == 0) return allow();
  const auto found = tracks_.find(candidate.role.number);
  if (found == tracks_.end() || !found->second.tripped) return allow();
  const Track& track = found->second;
  core::Verdict verdict = refuse(
      Code::quota, core::Scope::role,
      "role " + track.role + " runs away: " + std::to_string(track.value) + " " +
          std::string(units[track.what]) + " in a minute, over " + std::to_string(track.limit) +
          "; it goes on after a minute that stays under, or GUARD MODE velocity observe lets it go on");
  verdict.subject = "role:" + track.role;
  const int64_t end_ms = (track.minute + (track.over ? 2 : 1)) * minute_ms;
  verdict.retry_at_ms = candidate.clocks.wall_ms + std::max<int64_t>(0, end_ms - candidate.clocks.bus_ms);
  verdict.value = shown(track.value);
  verdict.limit = shown(track.limit);
  return verdict;
}

void Velocity::tick(core::Desk& desk) {
  const int64_t bus_ms = desk.clocks().bus_ms;
  if (bus_ms < next_look_ms_) {
    turned_ = true;
    return;
  }
  // A whole minute ends on time.
  next_look_ms_ = std::min(bus_ms + look_ms, (bus_ms / minute_ms + 1) * minute_ms);
  turned_ = false;
  if (desk.freeze().all()) {
    frozen_ = true;
    return;
  }
  const bool next_minute = bus_ms / minute_ms != minute_;
  minute_ = bus_ms / minute_ms;
  look(desk);
  if (next_minute) forget_dropped(desk);
  set_idle(tripped_ == 0);
}

void Velocity::look(core::Desk& desk) {
  if (frozen_) {
    // A minute in which nothing could move says nothing of what is usual.
    for (auto& [number, track] : tracks_) {
      track.minute = minute_;
      track.whole = false;
    }
    frozen_ = false;
  }
  moving_ = tripped_ != 0;
  desk.each_role([&](const core::RoleFacts& role) { look_at(role, desk); });
}

void Velocity::look_at(const core::RoleFacts& role, core::Desk& desk) {
  const core::RoleCounts& counts = *role.counts;
  const Sums totals = {counts.pushed, counts.tokens, counts.cost};
  const uint64_t failed = counts.failed + counts.lapsed;
  const auto [at, fresh] = tracks_.try_emplace(role.number);
  Track& track = at->second;
  if (fresh) {
    track.role = std::string(role.name);
    track.minute = minute_;
    track.base = track.seen = totals;
    track.failed_base = track.failed_seen = failed;
  }
  if (track.minute < minute_) turn_minute(track, role.number, desk);
  if (track.seen != totals || track.failed_seen != failed) {
    track.seen = totals;
    track.failed_seen = failed;
    if (runs_away(track, desk.config().guards)) {
      track.over = true;
      if (!track.tripped && track.failed_seen == track.failed_base) {
        track.tripped = true;
        ++tripped_;
        put(track, role.number, desk);
        desk.chronicle("velocity.trip", {{"role", track.role},
                                         {"what", std::string(words[track.what])},
                                         {"value", std::to_string(track.value)},
                                         {"limit", std::to_string(track.limit)}});
      }
    }
  }
  moving_ = moving_ || track.tripped || track.seen != track.base;
}

void Velocity::remember(Track& track, const Sums& sums) {
  track.minutes.push_back(sums);
  for (size_t i = 0; i < measures; ++i) track.mean_of[i] = plus(track.mean_of[i], sums[i]);
  if (track.minutes.size() <= minutes_max) return;
  track.minutes.erase(track.minutes.begin());
  track.mean_of = {};
  for (const Sums& minute : track.minutes) {
    for (size_t i = 0; i < measures; ++i) track.mean_of[i] = plus(track.mean_of[i], minute[i]);
  }
}

void Velocity::turn_minute(Track& track, uint32_t number, core::Desk& desk) {
  const bool moved = track.seen != track.base;
  Sums sums{};
  for (size_t i = 0; i < measures; ++i) sums[i] = track.seen[i] - track.base[i];
  const int64_t silent = minute_ - track.minute - 1;
  if (track.whole && !(track.tripped && track.over)) remember(track, sums);
  for (int64_t i = 0; i < std::min<int64_t>(silent, minutes_max); ++i) remember(track, Sums{});
  const bool stayed_under = (track.whole && !track.over) || silent > 0;
  track.minute = minute_;
  track.whole = true;
  track.over = false;
  track.base = track.seen;
  track.failed_base = track.failed_seen;
  const bool over_now = track.tripped && stayed_under;
  if (over_now) {
    track.tripped = false;
    --tripped_;
    desk.chronicle("velocity.clear", {{"role", track.role}, {"what", std::string(words[track.what])}});
    desk.wake(track.role);
  }
  if (moved || over_now) put(track, number, desk);
}

bool Velocity::runs_away(Track& track, const core::GuardsConfig& config) {
  if (track.minutes.size() < minutes_min) return false;
  const std::array<int64_t, measures> floors = {config.velocity_pushes_floor, config.velocity_tokens_floor,
                                                config.velocity_cost_floor};
  const auto known = static_cast<int64_t>(track.minutes.size());
  for (size_t i = 0; i < measures; ++i) {
    const Wide value = track.seen[i] - track.base[i];
    const Wide limit = Wide{track.mean_of[i]} * config.velocity_factor;  // times `known`
    if (value <= floors[i] || value * known <= limit) continue;
    track.what = static_cast<uint8_t>(i);
    track.value = static_cast<uint64_t>(shown(value));
    track.limit = static_cast<uint64_t>(shown(std::max<Wide>(floors[i], limit / known)));
    return true;
  }
  return false;
}

void Velocity::put(const Track& track, uint32_t number, core::Desk& desk) {
  std::string value;
  core::RecordWriter row(value);
  row.number(version_now);
  const auto flags =
      static_cast<uint8_t>((track.whole ? 1 : 0) | (track.over ? 2 : 0) | (track.tripped ? 4 : 0));
  row(uint64_t{number}, track.minute, flags);
  for (const uint64_t sum : track.base) row(sum);
  row(track.failed_base, track.what, track.value, track.limit);
  row.number(track.minutes.size());
  for (const Sums& sums : track.minutes) {
    for (const uint64_t sum : sums) row(sum);
  }
  desk.put(row_key(track.role), value);
}

void Velocity::forget_dropped(core::Desk& desk) {
  for (auto at = tracks_.begin(); at != tracks_.end();) {
    const auto role = desk.role(at->second.role);
    if (role && role->number == at->first) {
      ++at;
      continue;
    }
    if (at->second.tripped) --tripped_;
    if (!role) desk.erase(row_key(at->second.role));
    at = tracks_.erase(at);
  }
}

std::optional<int64_t> Velocity::next_wakeup_ms() const {
  if (turned_ || frozen_) return next_look_ms_;
  if (moving_) return (minute_ + 1) * minute_ms;
  return std::nullopt;
}

}  // namespace pawl::guards
