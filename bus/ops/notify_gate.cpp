#include "bus/ops/notify_gate.h"

#include <algorithm>
#include <tuple>

#include "bus/ops/coding.h"
#include "bus/ops/conditions.h"
#include "bus/ops/notify_step.h"

namespace pawl::ops {
namespace {

constexpr int64_t minute_ms = 60'000;
constexpr int64_t day_minutes = 1440;
constexpr size_t flips_max = 16;
constexpr uint32_t flap_at_once = 3;  // notices in a row

std::string text_of(const std::string& title, Tier tier, NoticeKind kind, uint64_t suppressed) {
  std::string text = std::string(tier_name(tier)) + " ";
  text += kind == NoticeKind::reminder ? "nobody has acknowledged" : name_of(kind, notice_kind_names);
  text += ": " + title;
  if (suppressed > 0) text += " (raised " + std::to_string(suppressed) + " more times since the last notice)";
  return text;
}

bool concerns(const NotifyChannel& channel, const Raise& raised) {
  return channel.role.empty() || raised.roles.empty() ||
         std::any_of(raised.roles.begin(), raised.roles.end(),
                     [&](const std::string& role) { return glob_matches(channel.role, role); });
}

}  // namespace

std::vector<std::string> check_notify_channel(const NotifyChannel& channel) {
  std::vector<std::string> wrong;
  const auto need = [&](bool good, const std::string& what) {
    if (!good) wrong.push_back(what);
  };
  need(channel.min_interval_ms >= 0 && channel.min_interval_ms <= channel.max_interval_ms,
       "the least interval is above the most: lower it, or raise the other");
  need(channel.flap_changes >= 2 && channel.flap_changes <= flips_max,
       "flapping is 2 to 16 changes, not " + std::to_string(channel.flap_changes));
  need(channel.storm_max >= 1,
       "a storm is more than at least 1 notice, not more than 0: leave the channel out instead");
  need(!channel.quiet || channel.quiet->first != channel.quiet->second,
       "quiet hours from a time to the same time are empty: leave them out");
  need(channel.utc_offset_minutes >= -14 * 60 && channel.utc_offset_minutes <= 14 * 60,
       "no place is more than 14 hours from UTC");
  return wrong;
}

uint64_t NotifyCounts::suppressed() const {
  uint64_t all = folded;
  for (const auto& [rule, count] : held) all += count;
  return all;
}

NotifyGate::Tracked& NotifyGate::Step::track(const Raise& raised) {
  const auto found = lane_.tracked.find(raised.fingerprint);
  if (found != lane_.tracked.end()) return found->second;
  if (lane_.tracked.size() >= incidents_max) {
    // Closed before open, concerns before ultras, the longest unchanged first.
    const auto rank = [](const Tracked& one) {
      return std::make_tuple(one.phase != Phase::closed, one.tier == Tier::ultra, one.changed_ms);
    };
    lane_.tracked.erase(
        std::min_element(lane_.tracked.begin(), lane_.tracked.end(),
                         [&](const auto& a, const auto& b) { return rank(a.second) < rank(b.second); }));
  }
  return lane_.tracked[raised.fingerprint];
}

// The state that was raised becomes the state.
void NotifyGate::Step::note(Tracked& tracked, const Raise& raised) {
  const bool was_closed = tracked.phase == Phase::closed;
  const bool is_closed = raised.phase == Phase::closed;
  if (tracked.phase != raised.phase || tracked.tier != raised.tier) tracked.changed_ms = now_ms_;
  if (was_closed != is_closed) {
    std::erase_if(tracked.flips, [&](int64_t at) { return at <= now_ms_ - channel_.flap_window_ms; });
    if (tracked.flips.size() >= flips_max) tracked.flips.erase(tracked.flips.begin());
    tracked.flips.push_back(now_ms_);
    if (tracked.flips.size() >= channel_.flap_changes) tracked.flapping = true;
  }
  tracked.incident = raised.incident;
  tracked.tier = raised.tier;
  tracked.phase = raised.phase;
  tracked.title = raised.title;
}

void NotifyGate::Step::raise(const Raise& raised) {
  ++counts_.raised;
  Tracked& tracked = track(raised);
  const bool was_ultra =
      tracked.told && tracked.told_tier == Tier::ultra && tracked.told_phase != Phase::closed;
  note(tracked, raised);
  if (tracked.tier == Tier::ultra || was_ultra) {
    raise_ultra(tracked);
  } else {
    raise_concern(tracked);
  }
}

void NotifyGate::Step::raise_ultra(Tracked& tracked) {
  if (tracked.news()) {
    send(tracked, kind_of(tracked), false);
  } else {
    hold(tracked, Fate::folded, "folded");
  }
}

void NotifyGate::Step::raise_concern(Tracked& tracked) {
  const std::string_view rule = held_by(tracked, true);
  if (!rule.empty()) return hold(tracked, Fate::held, rule);
  send(tracked, tracked.flapping ? NoticeKind::flapping : kind_of(tracked), false);
}

std::string_view NotifyGate::Step::held_by(Tracked& tracked, bool set) {
  if (tracked.flapping) {
    if (tracked.flap_told) return "flap";
  } else {
    if (!tracked.news() || (!tracked.told && tracked.phase == Phase::closed)) return "unchanged";
    if (tracked.phase == Phase::closed && !settled(tracked)) return "settle";
  }
  // The first flapping is news that the interval does not delay: it is what ends the noise.
  const bool at_once = tracked.flapping && tracked.notices < flap_at_once;
  if (!at_once && tracked.told && now_ms_ - tracked.told_ms < interval_of(tracked)) return "interval";
  if (quiet_at(now_ms_)) {
    if (set) tracked.quiet = true;
    return "quiet";
  }
  if (storming()) {
    if (set) wait_for_storm(tracked);
    return "storm";
  }
  return {};
}

void NotifyGate::Step::wait_for_storm(Tracked& tracked) {
  if (tracked.storm) return;
  tracked.storm = true;
  if (lane_.storm_held++ == 0) lane_.storm_since_ms = now_ms_;
}

bool NotifyGate::Step::storming() {
  std::erase_if(lane_.sends, [&](int64_t at) { return at <= now_ms_ - channel_.storm_window_ms; });
  // A storm is told once, at its end: until then whatever comes belongs to it.
  return lane_.storm_held > 0 || lane_.sends.size() >= channel_.storm_max;
}

int64_t NotifyGate::Step::interval_of(const Tracked& tracked) const {
  int64_t interval = channel_.min_interval_ms;
  for (uint32_t i = 1; i < tracked.notices && interval < channel_.max_interval_ms; ++i) interval *= 2;
  return std::min(interval, channel_.max_interval_ms);
}

bool NotifyGate::Step::quiet_at(int64_t wall_ms) const {
  if (!channel_.quiet) return false;
  const int64_t minutes = wall_ms / minute_ms + channel_.utc_offset_minutes;
  const int64_t minute = (minutes % day_minutes + day_minutes) % day_minutes;
  const auto [from, to] = *channel_.quiet;
  return from < to ? from <= minute && minute < to : from <= minute || minute < to;
}

NoticeKind NotifyGate::Step::kind_of(const Tracked& tracked) const {
  if (tracked.phase == Phase::closed) return NoticeKind::closed;
  const bool was_open =
      tracked.told && tracked.told_phase != Phase::closed && tracked.told_incident == tracked.incident;
  if (!was_open) return NoticeKind::opened;
  if (tracked.tier != tracked.told_tier) {
    return tracked.tier == Tier::ultra ? NoticeKind::escalated : NoticeKind::changed;
  }
  return tracked.phase == Phase::acknowledged ? NoticeKind::acknowledged : NoticeKind::changed;
}

Notice NotifyGate::Step::notice_of(const Tracked& tracked, NoticeKind kind) const {
  Notice notice;
  notice.kind = kind;
  notice.channel = channel_.name;
  notice.incident = tracked.incident;
  notice.tier = tracked.tier;
  return notice;
}

void NotifyGate::Step::mark_told(Tracked& tracked) {
  tracked.told = true;
  tracked.told_incident = tracked.incident;
  tracked.told_tier = tracked.tier;
  tracked.told_phase = tracked.phase;
  tracked.told_ms = now_ms_;
  tracked.flap_told = tracked.flapping;
  tracked.quiet = tracked.storm = false;
  tracked.held = 0;
  ++tracked.notices;
}

void NotifyGate::Step::send(Tracked& tracked, NoticeKind kind, bool later) {
  Notice notice = notice_of(tracked, kind);
  notice.suppressed = tracked.held;
  std::string title = tracked.title;
  if (kind == NoticeKind::settled) title += ", " + std::string(name_of(tracked.phase, phase_names)) + " now";
  notice.text = text_of(title, tracked.tier, kind, tracked.held);
  out_.push_back(std::move(notice));
  ++(later ? counts_.later : counts_.sent);
  if (tracked.tier == Tier::concern) lane_.sends.push_back(now_ms_);
  mark_told(tracked);
}

void NotifyGate::Step::hold(Tracked& tracked, Fate fate, std::string_view rule) {
  ++tracked.held;
  Notice notice = notice_of(tracked, kind_of(tracked));
  notice.fate = fate;
  notice.rule = std::string(rule);
  notice.suppressed = tracked.held;
  notice.text = tracked.title;
  out_.push_back(std::move(notice));
  if (fate == Fate::folded) {
    ++counts_.folded;
  } else {
    ++counts_.held[std::string(rule)];
  }
}

std::vector<Notice> NotifyGate::raise(const std::vector<NotifyChannel>& channels, const Raise& raised,
                                      int64_t wall_ms) {
  std::vector<Notice> out;
  for (const NotifyChannel& channel : channels) {
    Lane& lane = lanes_[channel.name];
    // Who heard of its beginning hears its end, also when it was lowered to a concern, or is of other roles
    // now.
    const auto known = lane.tracked.find(raised.fingerprint);
    const bool told =
        known != lane.tracked.end() && known->second.told && known->second.told_phase != Phase::closed;
    if (!told && (!concerns(channel, raised) || !list_holds(channel.tiers, raised.tier))) continue;
    Step(channel, lane, counts_[channel.name], wall_ms, out).raise(raised);
  }
  return out;
}

template <typename Archive>
void NotifyCounts::serialize(Archive& ar) {
  ar(raised, sent, later, folded);
  code_map(ar, held);
}

template <typename Archive>
void NotifyGate::Tracked::serialize(Archive& ar) {
  ar(incident);
  code_word(ar, tier, tier_names.size());
  code_word(ar, phase, phase_names.size());
  ar(title, changed_ms, flips);
  code_flag(ar, flapping);
  code_flag(ar, flap_told);
  code_flag(ar, told);
  ar(told_incident);
  code_word(ar, told_tier, tier_names.size());
  code_word(ar, told_phase, phase_names.size());
  ar(told_ms, notices);
  code_flag(ar, quiet);
  code_flag(ar, storm);
  ar(held);
}

template <typename Archive>
void NotifyGate::Lane::serialize(Archive& ar) {
  code_map(ar, tracked);
  ar(sends, storm_held, storm_since_ms);
}

template <typename Archive>
void NotifyGate::code(Archive& ar, uint8_t) {
  code_map(ar, lanes_);
  code_map(ar, counts_);
}

std::string encode(const NotifyGate& gate) { return encode_value(gate); }
std::optional<NotifyGate> decode_notify_gate(std::string_view bytes) {
  return decode_value<NotifyGate>(bytes);
}

}  // namespace pawl::ops
