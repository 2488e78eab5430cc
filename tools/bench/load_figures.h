// What a run of load took: latencies in a histogram, and its line of figures.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace pawl::bench {

// Buckets of about 1 % from 1 µs to over an hour; recording costs a few nanoseconds.
class Latencies {
 public:
  void record(int64_t microseconds);
  int64_t percentile(double part) const;
  uint64_t count() const { return count_; }

 private:
  static constexpr int steps_per_doubling = 64;
  static constexpr int doublings = 32;
  static size_t bucket_of(int64_t microseconds);
  static int64_t value_of(size_t bucket);

  std::array<uint64_t, size_t{steps_per_doubling} * doublings> buckets_{};
  uint64_t count_ = 0;
};

// One line: {"ops": …, "seconds": …, "per_second": …, "p50_us": …, "p99_us": …, "errors": …, "empty": …}
// `empty`: how often there was nothing to take and the same was asked again.
std::string figures(const Latencies& latencies, uint64_t ops, double seconds, uint64_t errors,
                    uint64_t empty = 0);

}  // namespace pawl::bench
