#include "guards/daemon_health.h"

#include <algorithm>

#include "bus/base/parse.h"
#include "bus/core/archive.h"

namespace pawl::guards {
namespace {

constexpr uint64_t version_now = 1;
constexpr int64_t slot_ms = 10'000;
constexpr int64_t minute_ms = 60'000;

void write(core::RecordWriter& out, const std::vector<std::string>& texts) {
  out.number(texts.size());
  for (const std::string& text : texts) out.bytes(text);
}

void read(core::RecordReader& in, std::vector<std::string>& texts) {
  const uint64_t count = in.number();
  if (count > in.left()) return in.damage();
  for (uint64_t i = 0; i < count; ++i) texts.emplace_back(in.bytes());
}

void write(core::RecordWriter& out, const std::vector<int64_t>& samples) {
  out.number(samples.size());
  for (const int64_t sample : samples) out.number(static_cast<uint64_t>(sample));
}

std::vector<int64_t> read_samples(core::RecordReader& in) {
  std::vector<int64_t> samples;
  const uint64_t count = in.number();
  if (count > in.left()) {
    in.damage();
    return samples;
  }
  for (uint64_t i = 0; i < count; ++i) samples.push_back(static_cast<int64_t>(in.number()));
  return samples;
}

std::vector<std::string> texts_of(const std::vector<std::string_view>& words) {
  return {words.begin(), words.end()};
}

}  // namespace

bool DaemonHealth::beat(const core::op::Beat& beat, int64_t now_ms, int64_t wall_ms) {
  const bool fresh = registered_wall_ms == 0 || beat.boot != boot;
  const bool was_silent = fresh || stopping || missed(now_ms) >= HealthLimits::intervals_missed;
  if (registered_wall_ms == 0) registered_wall_ms = since_wall_ms = wall_ms;
  if (fresh) {
    boot = std::string(beat.boot);
    boot_wall_ms = wall_ms;
    beats = 0;
    errors_total_ = -1;
    slots_ = {};
  }
  if (was_silent) {
    // The gap says that it was away, nothing about how regular it is.
    recent_.clear();
  } else {
    const int64_t gap = now_ms - last_ms;
    // It may not have taken up another interval yet.
    const int64_t deviation = std::min(std::abs(gap - told_ms), std::abs(gap - interval_ms));
    recent_.add(deviation);
    if (colour == Colour::green) jitter_.add(deviation);
  }
  if (beat.interval_ms) interval_ms = *beat.interval_ms;
  if (interval_ms == 0) interval_ms = limits::beat_interval_ms_default;
  if (!serves(beat.roles)) roles = texts_of(*beat.roles);
  if (beat.needs) needs = texts_of(*beat.needs);
  state = std::string(beat.state);
  stopping = beat.state == "stopping";
  values.assign(beat.values.begin(), beat.values.end());
  last_ms = now_ms;
  last_wall_ms = wall_ms;
  ++beats;
  if (beat.errors) count_errors(*beat.errors, now_ms);
  turn_minute(now_ms);
  return fresh;
}

// A total of its process; less than before means that it began anew.
void DaemonHealth::count_errors(int64_t total, int64_t now_ms) {
  const int64_t before = std::exchange(errors_total_, total);
  if (before < 0) return;
  const int64_t slot = now_ms / slot_ms;
  auto& [number, count] = slots_[static_cast<size_t>(slot % static_cast<int64_t>(slots_.size()))];
  if (number != slot) count = 0;
  number = slot;
  count += total >= before ? total - before : total;
}

void DaemonHealth::turn_minute(int64_t now_ms) {
  if (minute_ == 0 || now_ms - minute_ >= 2 * minute_ms) {
    minute_ = now_ms;
  } else if (now_ms - minute_ >= minute_ms) {
    minute_ = now_ms;
    if (colour == Colour::green && errors_total_ >= 0) errors_.add(errors_per_minute(now_ms));
  }
}

int64_t DaemonHealth::errors_per_minute(int64_t now_ms) const {
  int64_t sum = 0;
  const int64_t slot = now_ms / slot_ms;
  for (const auto& [number, count] : slots_) {
    if (slot - number < static_cast<int64_t>(slots_.size())) sum += count;
  }
  return sum;
}

int64_t DaemonHealth::missed(int64_t now_ms) const {
  const int64_t expected = std::max(told_ms, interval_ms);
  return expected == 0 || now_ms <= last_ms ? 0 : (now_ms - last_ms - 1) / expected;
}

bool DaemonHealth::drifts() const {
  return jitter_.size() >= HealthLimits::beats_to_learn && recent_.size() == 3 &&
         jitter_ms() >
             std::max(HealthLimits::jitter_factor * jitter_baseline_ms(), HealthLimits::drift_floor_ms);
}

Colour DaemonHealth::colour_of_errors(int64_t now_ms) const {
  // What is usual must be known first, or one that always errs a little would never be green enough to learn.
  if (errors_.size() < HealthLimits::minutes_to_learn) return Colour::green;
  const int64_t errors = errors_per_minute(now_ms);
  const int64_t usual = errors_baseline();
  const auto over = [&](int64_t factor, int64_t floor) { return errors > std::max(factor * usual, floor); };
  if (over(HealthLimits::errors_red_factor, HealthLimits::errors_red_floor)) return Colour::red;
  if (over(HealthLimits::errors_yellow_factor, HealthLimits::errors_yellow_floor)) return Colour::yellow;
  return Colour::green;
}

Judgement DaemonHealth::judge(int64_t now_ms) const {
  if (stopping) return {};
  if (missed(now_ms) >= HealthLimits::intervals_missed) {
    return {Colour::red, "no beat for more than " + std::to_string(HealthLimits::intervals_missed) +
                             " intervals of " + format_duration(std::max(told_ms, interval_ms))};
  }
  if (beats == 0) return {colour, reason};  // of before the restart; nothing has been heard since
  if (const Colour errs = colour_of_errors(now_ms); errs != Colour::green) {
    return {errs, std::to_string(errors_per_minute(now_ms)) + " errors in the last minute, " +
                      std::to_string(errors_baseline()) + " are usual"};
  }
  const int64_t most =
      std::max(HealthLimits::jitter_factor * jitter_baseline_ms(), HealthLimits::jitter_floor_ms);
  if (recent_.size() == 3 && jitter_.size() >= HealthLimits::beats_to_learn && jitter_ms() > most) {
    return {Colour::yellow, "its beats are off by " + std::to_string(jitter_ms()) + " ms, " +
                                std::to_string(jitter_baseline_ms()) + " ms are usual"};
  }
  return {};
}

int64_t DaemonHealth::wanted_interval_ms() const {
  const bool drifting = colour != Colour::green && drifts() && jitter_ms() > HealthLimits::jitter_floor_ms;
  if (!drifting) return interval_ms;
  return std::max(interval_ms, std::min(2 * interval_ms, HealthLimits::interval_longest_ms));
}

std::optional<int64_t> DaemonHealth::next_look_ms(int64_t now_ms) const {
  if (stopping) return std::nullopt;
  const bool silent = missed(now_ms) >= HealthLimits::intervals_missed;
  if (silent) {
    if (escalated || colour != Colour::red) return std::nullopt;
    return red_ms + HealthLimits::persistent_ms;
  }
  return last_ms + HealthLimits::intervals_missed * std::max(told_ms, interval_ms) + 1;
}

std::string DaemonHealth::encode() const {
  std::string bytes;
  core::RecordWriter out(bytes);
  out.number(version_now);
  out.bytes(boot);
  for (const int64_t number :
       {interval_ms, told_ms, registered_wall_ms, boot_wall_ms, last_wall_ms, since_wall_ms}) {
    out.number(static_cast<uint64_t>(number));
  }
  write(out, roles);
  write(out, needs);
  out.bytes(state);
  out.number(stopping ? 1 : 0);
  out.number(static_cast<uint64_t>(colour));
  out.bytes(reason);
  out.number(escalated ? 1 : 0);
  write(out, jitter_.samples());
  write(out, errors_.samples());
  return bytes;
}

std::optional<DaemonHealth> DaemonHealth::decode(std::string_view bytes, int64_t now_ms) {
  core::RecordReader in(bytes);
  DaemonHealth health;
  if (in.number() != version_now) return std::nullopt;
  health.boot = std::string(in.bytes());
  for (int64_t* number : {&health.interval_ms, &health.told_ms, &health.registered_wall_ms,
                          &health.boot_wall_ms, &health.last_wall_ms, &health.since_wall_ms}) {
    *number = static_cast<int64_t>(in.number());
  }
  read(in, health.roles);
  read(in, health.needs);
  health.state = std::string(in.bytes());
  health.stopping = in.number() != 0;
  const uint64_t colour = in.number();
  health.reason = std::string(in.bytes());
  health.escalated = in.number() != 0;
  health.jitter_.restore(read_samples(in));
  health.errors_.restore(read_samples(in));
  if (!in.whole() || colour >= colour_names.size() || health.interval_ms <= 0) return std::nullopt;
  health.colour = static_cast<Colour>(colour);
  // Beats could not be heard while the bus was down: its silence begins now.
  health.last_ms = health.saved_ms = health.red_ms = now_ms;
  return health;
}

}  // namespace pawl::guards
