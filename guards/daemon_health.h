// What is known of one daemon from its beats, and what colour that makes it.
//
// Late beats: the deviation of each beat from the interval asked for; the middle one of the last three is the
// daemon's jitter. Errors: of the last minute. Both are compared with a baseline, the median of what was
// seen while it was green, so that one outlier moves nothing.
//
// Times are of bus time, in milliseconds, unless a name says wall.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/core/operation.h"

namespace pawl::guards {

enum class Colour : uint8_t { green, yellow, red };
constexpr std::array<std::string_view, 3> colour_names = {"green", "yellow", "red"};

struct HealthLimits {
  static constexpr int64_t intervals_missed = 3;  // red: silent for longer than so many
  static constexpr int64_t jitter_floor_ms = 50;  // no jitter under it makes yellow
  static constexpr int64_t jitter_factor = 2;     // yellow: over so many times its baseline
  static constexpr int64_t drift_floor_ms = 10;   // no jitter up to it is worth an entry
  static constexpr int64_t errors_yellow_factor = 3;
  static constexpr int64_t errors_red_factor = 10;
  static constexpr int64_t errors_yellow_floor = 3;  // a minute, where the baseline is less than one
  static constexpr int64_t errors_red_floor = 10;
  static constexpr size_t minutes_to_learn = 3;  // of errors, before any number of them makes a colour
  static constexpr size_t beats_to_learn = 5;    // the same of jitter
  static constexpr int64_t interval_longest_ms = 60'000;  // that a drifting daemon is asked for
  static constexpr int64_t persistent_ms = 300'000;       // red for so long: a human
};

// The median of the last `capacity` samples.
template <size_t capacity>
class MedianOf {
 public:
  void add(int64_t sample) {
    if (samples_.size() == capacity) samples_.erase(samples_.begin());
    samples_.push_back(sample);
  }
  void clear() { samples_.clear(); }
  size_t size() const { return samples_.size(); }
  // 0: nothing was seen.
  int64_t value() const {
    if (samples_.empty()) return 0;
    std::vector<int64_t> sorted = samples_;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    return *middle;
  }
  const std::vector<int64_t>& samples() const { return samples_; }
  void restore(std::vector<int64_t> samples) {
    samples_ = std::move(samples);
    if (samples_.size() > capacity) samples_.resize(capacity);
  }

 private:
  std::vector<int64_t> samples_;  // oldest first
};

// What a colour was made of.
struct Judgement {
  Colour colour = Colour::green;
  std::string reason;  // for a person; empty when green
};

class DaemonHealth {
 public:
  // A beat at `now_ms`. True: another process than before, or the first one.
  bool beat(const core::op::Beat& beat, int64_t now_ms, int64_t wall_ms);
  // Whether a beat that says so serves the same roles as before.
  bool serves(const std::optional<std::vector<std::string_view>>& said) const {
    return !said || std::equal(said->begin(), said->end(), roles.begin(), roles.end());
  }
  // The colour that the numbers make at `now_ms`.
  Judgement judge(int64_t now_ms) const;
  // Its silence so far was not its own: `ms` in which nobody could be heard.
  void forgive(int64_t ms) { last_ms += ms; }
  // When it is red if nothing comes, or its errors have aged; nothing: not expected.
  std::optional<int64_t> next_look_ms(int64_t now_ms) const;

  int64_t jitter_ms() const { return recent_.value(); }
  int64_t jitter_baseline_ms() const { return jitter_.value(); }
  int64_t errors_per_minute(int64_t now_ms) const;
  int64_t errors_baseline() const { return errors_.value(); }
  // Of the intervals that it was told.
  int64_t missed(int64_t now_ms) const;
  // Errors alone would make it yellow or red.
  bool errs(int64_t now_ms) const { return colour_of_errors(now_ms) != Colour::green; }
  // Over twice the baseline, whether that makes yellow or not.
  bool drifts() const;
  // What the reply asks for.
  int64_t wanted_interval_ms() const;
  bool is_expected() const { return !stopping; }

  // The row. It keeps baselines and who it is; nothing of the last minute.
  std::string encode() const;
  static std::optional<DaemonHealth> decode(std::string_view bytes, int64_t now_ms);

  // As the beats said.
  std::string boot;
  int64_t interval_ms = 0;
  std::vector<std::string> roles;
  std::vector<std::string> needs;
  std::string state;
  std::vector<std::pair<std::string, std::string>> values;
  bool stopping = false;

  int64_t told_ms = 0;  // the interval of the last reply
  int64_t registered_wall_ms = 0;
  int64_t boot_wall_ms = 0;
  int64_t last_wall_ms = 0;
  int64_t last_ms = 0;
  uint64_t beats = 0;  // of this process, since the bus opened

  Colour colour = Colour::green;
  std::string reason;
  int64_t since_wall_ms = 0;
  int64_t red_ms = 0;      // since when it is red
  bool escalated = false;  // of this time that it is red
  bool drift_said = false;
  int64_t saved_ms = 0;
  // Not in the row: the guard's own.
  bool save_waits = false;
  int64_t look_ms = 0;  // 0: no look at it is due

 private:
  Colour colour_of_errors(int64_t now_ms) const;
  void count_errors(int64_t total, int64_t now_ms);
  void turn_minute(int64_t now_ms);

  MedianOf<3> recent_;                                  // deviations
  MedianOf<16> jitter_;                                 // deviations while green
  MedianOf<15> errors_;                                 // a minute, while green
  std::array<std::pair<int64_t, int64_t>, 6> slots_{};  // ten seconds of errors: which, how many
  int64_t errors_total_ = -1;
  int64_t minute_ = 0;  // begin of the one that is being learned
};

}  // namespace pawl::guards
