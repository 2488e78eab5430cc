// What the notify gate says by the clock: reminders, what was held and came due, digests, the end of a storm.
#include <algorithm>
#include <limits>

#include "bus/ops/notify_step.h"

namespace pawl::ops {
namespace {

constexpr int64_t never = std::numeric_limits<int64_t>::max();
constexpr int64_t minute_ms = 60'000;
constexpr int64_t day_minutes = 1440;
constexpr int64_t forget_ms = 24 * 60 * minute_ms;  // closed for so long: the interval starts anew

}  // namespace

// When it next has something of its own to say, or can be forgotten; held by a digest or a storm it has
// nothing.
int64_t NotifyGate::Step::due_of(const Tracked& tracked) const {
  if (tracked.tier == Tier::ultra && tracked.phase != Phase::closed) {
    if (tracked.phase == Phase::acknowledged || channel_.remind_every_ms == 0) return never;
    return tracked.told_ms + channel_.remind_every_ms;
  }
  if (tracked.quiet || tracked.storm) return never;
  if (tracked.flapping) {
    const int64_t settles = tracked.changed_ms + channel_.settle_ms;
    return tracked.flap_told ? settles : std::min(settles, tracked.told_ms + interval_of(tracked));
  }
  if (!tracked.told && tracked.phase == Phase::closed) return tracked.changed_ms;
  if (tracked.news()) {
    const int64_t settled_at = tracked.phase == Phase::closed ? tracked.changed_ms + channel_.settle_ms : 0;
    return std::max(settled_at, tracked.told ? tracked.told_ms + interval_of(tracked) : 0);
  }
  return tracked.phase == Phase::closed ? std::max(tracked.changed_ms, tracked.told_ms) + forget_ms : never;
}

// False: it can be forgotten.
bool NotifyGate::Step::tick_one(Tracked& tracked) {
  if (due_of(tracked) > now_ms_) return true;
  if (tracked.tier == Tier::ultra && tracked.phase != Phase::closed) {
    send(tracked, NoticeKind::reminder, true);
    return true;
  }
  if (tracked.flapping && settled(tracked)) {
    const bool heard = tracked.flap_told;
    tracked.flapping = tracked.flap_told = false;
    tracked.flips.clear();
    if (!heard) return tick_one(tracked);  // it is what it was before it flapped
    // Quiet or stormy: it is told with the others, as the state that it is in now.
    if (quiet_at(now_ms_)) {
      tracked.quiet = true;
    } else if (storming()) {
      wait_for_storm(tracked);
    } else {
      send(tracked, NoticeKind::settled, true);
    }
    return true;
  }
  if (!tracked.flapping && !tracked.news()) return false;
  if (!tracked.told && tracked.phase == Phase::closed) return false;  // nobody heard of it, and it is over
  if (held_by(tracked, true).empty()) {
    send(tracked, tracked.flapping ? NoticeKind::flapping : kind_of(tracked), true);
  }
  return true;
}

// One notice about all that wait for it, in the order of their fingerprints.
void NotifyGate::Step::send_list(NoticeKind kind, const std::string& head, bool Tracked::*waits) {
  Notice notice;
  notice.kind = kind;
  notice.channel = channel_.name;
  size_t count = 0;
  std::string lines;
  for (auto& [fingerprint, tracked] : lane_.tracked) {
    if (!(tracked.*waits)) continue;
    notice.suppressed += tracked.held;
    if (++count <= digest_lines_max) {
      lines += "\n" + std::string(tier_name(tracked.tier)) + " " + std::to_string(tracked.incident) + " " +
               std::string(tracked.flapping ? "flapping" : name_of(tracked.phase, phase_names)) + ": " +
               tracked.title;
    }
    mark_told(tracked);
  }
  if (count == 0) return;
  if (count > digest_lines_max) lines += "\nand " + std::to_string(count - digest_lines_max) + " more";
  notice.text = std::to_string(count) + head + lines;
  out_.push_back(std::move(notice));
  ++counts_.later;
  lane_.sends.push_back(now_ms_);
}

void NotifyGate::Step::tick_digest() {
  if (!quiet_at(now_ms_)) send_list(NoticeKind::digest, " incidents in quiet hours:", &Tracked::quiet);
}

void NotifyGate::Step::tick_storm() {
  if (lane_.storm_held == 0 || now_ms_ - lane_.storm_since_ms < channel_.storm_window_ms || quiet_at(now_ms_))
    return;
  lane_.storm_held = 0;
  send_list(NoticeKind::storm, " similar suppressed:", &Tracked::storm);
}

void NotifyGate::Step::tick() {
  tick_digest();
  tick_storm();
  for (auto it = lane_.tracked.begin(); it != lane_.tracked.end();) {
    it = tick_one(it->second) ? std::next(it) : lane_.tracked.erase(it);
  }
}

int64_t NotifyGate::Step::next_quiet_end() const {
  const int64_t minutes = now_ms_ / minute_ms + channel_.utc_offset_minutes;
  const int64_t minute = (minutes % day_minutes + day_minutes) % day_minutes;
  const int64_t ahead = (channel_.quiet->second - minute + day_minutes) % day_minutes;
  return (now_ms_ / minute_ms + (ahead == 0 ? day_minutes : ahead)) * minute_ms;
}

std::optional<int64_t> NotifyGate::Step::next_due() const {
  int64_t due = never;
  bool waits_for_day = false;
  for (const auto& [fingerprint, tracked] : lane_.tracked) {
    waits_for_day = waits_for_day || tracked.quiet;
    due = std::min(due, due_of(tracked));
  }
  if (lane_.storm_held > 0) {
    const int64_t over_ms = lane_.storm_since_ms + channel_.storm_window_ms;
    due = std::min(due, quiet_at(now_ms_) ? std::max(over_ms, next_quiet_end()) : over_ms);
  }
  // What comes due in quiet hours, and is no ultra, waits for their end; looking once too often does no harm.
  if (waits_for_day && channel_.quiet && quiet_at(now_ms_)) due = std::min(due, next_quiet_end());
  if (waits_for_day && !quiet_at(now_ms_)) due = now_ms_;
  if (due == never) return std::nullopt;
  return std::max(due, now_ms_);
}

std::vector<Notice> NotifyGate::tick(const std::vector<NotifyChannel>& channels, int64_t wall_ms) {
  std::vector<Notice> out;
  for (const NotifyChannel& channel : channels) {
    const auto lane = lanes_.find(channel.name);
    if (lane == lanes_.end()) continue;
    Step(channel, lane->second, counts_[channel.name], wall_ms, out).tick();
  }
  return out;
}

bool NotifyGate::forget_gone(const std::vector<NotifyChannel>& channels) {
  return std::erase_if(lanes_, [&](const auto& lane) {
           return std::none_of(channels.begin(), channels.end(),
                               [&](const NotifyChannel& one) { return one.name == lane.first; });
         }) > 0;
}

std::optional<int64_t> NotifyGate::next_due(const std::vector<NotifyChannel>& channels,
                                            int64_t wall_ms) const {
  std::optional<int64_t> first;
  std::vector<Notice> none;
  for (const NotifyChannel& channel : channels) {
    const auto lane = lanes_.find(channel.name);
    if (lane == lanes_.end()) continue;
    NotifyCounts counts;
    const auto due =
        Step(channel, const_cast<Lane&>(lane->second), counts, wall_ms, none).next_due();  // NOLINT
    if (due && (!first || *due < *first)) first = due;
  }
  return first;
}

}  // namespace pawl::ops
