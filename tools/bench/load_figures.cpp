#include "tools/bench/load_figures.h"

#include <algorithm>
#include <bit>
#include <cstdio>

namespace pawl::bench {

size_t Latencies::bucket_of(int64_t microseconds) {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(microseconds, 0));
  if (value < steps_per_doubling) return static_cast<size_t>(value);
  const auto shift = static_cast<int>(std::bit_width(value) - std::bit_width(uint64_t{steps_per_doubling}));
  const uint64_t step = (value >> shift) - steps_per_doubling;  // the leading bit is in `shift`
  const uint64_t bucket = static_cast<uint64_t>(shift + 1) * steps_per_doubling + step;
  return static_cast<size_t>(std::min<uint64_t>(bucket, uint64_t{steps_per_doubling} * doublings - 1));
}

int64_t Latencies::value_of(size_t bucket) {
  if (bucket < steps_per_doubling) return static_cast<int64_t>(bucket);
  const size_t shift = bucket / steps_per_doubling - 1;
  return static_cast<int64_t>((steps_per_doubling + bucket % steps_per_doubling) << shift);
}

void Latencies::record(int64_t microseconds) {
  ++buckets_[bucket_of(microseconds)];
  ++count_;
}

int64_t Latencies::percentile(double part) const {
  const auto wanted = static_cast<uint64_t>(part * static_cast<double>(count_));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen > wanted) return value_of(i);
  }
  return 0;
}

std::string figures(const Latencies& latencies, uint64_t ops, double seconds, uint64_t errors,
                    uint64_t empty) {
  std::array<char, 256> line{};
  std::snprintf(
      line.data(), line.size(),
      R"({"ops": %llu, "seconds": %.3f, "per_second": %.0f, "p50_us": %lld, "p99_us": %lld, "errors": %llu, "empty": %llu})",
      static_cast<unsigned long long>(ops), seconds, static_cast<double>(ops) / seconds,
      static_cast<long long>(latencies.percentile(0.5)), static_cast<long long>(latencies.percentile(0.99)),
      static_cast<unsigned long long>(errors), static_cast<unsigned long long>(empty));
  return line.data();
}

}  // namespace pawl::bench
