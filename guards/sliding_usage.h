// What was used within the last `per_ms` of wall time, in 60 buckets of equal length; the oldest counts
// whole, so that no stretch of that length ever holds more than it is said to.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "bus/base/limits.h"
#include "bus/core/archive.h"
#include "guards/amounts.h"

namespace pawl::guards {

// Times are wall milliseconds, not negative. Sums stop at amount_max.
class SlidingUsage {
 public:
  // per_ms: above 0, at most limits::duration_ms_max.
  explicit SlidingUsage(int64_t per_ms) : per_ms_(per_ms) {}

  int64_t per_ms() const { return per_ms_; }
  // At a time that may lie back; what has slid out since is not counted.
  void add(int64_t at_ms, uint64_t amount);
  uint64_t used(int64_t now_ms) const;
  // When used() will be at most `room`, should nothing be added.
  int64_t fits_at_ms(int64_t now_ms, uint64_t room) const;
  // When the oldest usage slides out; nothing: nothing is used.
  std::optional<int64_t> frees_at_ms(int64_t now_ms) const;
  // Adds what `other`, of the same usage but another length, knows: each bucket as late as it can have been.
  void learn(const SlidingUsage& other, int64_t now_ms);

  void write(core::RecordWriter& row) const;
  // Marks the row as damaged where it is.
  void read(core::RecordReader& row);

 private:
  // Buckets k-60 to k are counted at a time in bucket k.
  static constexpr int64_t slots = limits::quota_buckets + 1;

  int64_t bucket_of(int64_t at_ms) const { return at_ms * limits::quota_buckets / per_ms_; }
  // The first millisecond of a bucket.
  int64_t start_of(int64_t bucket) const;
  uint64_t& slot(int64_t bucket) { return amounts_[static_cast<size_t>(bucket % slots)]; }
  uint64_t amount(int64_t bucket) const { return amounts_[static_cast<size_t>(bucket % slots)]; }
  // The oldest bucket that counts at that time.
  int64_t oldest(int64_t now_ms) const;
  void advance(int64_t bucket);
  void add_up();

  int64_t per_ms_;
  int64_t newest_ = 0;
  uint64_t total_ = 0;  // of all slots
  std::array<uint64_t, static_cast<size_t>(slots)> amounts_{};
};

}  // namespace pawl::guards
