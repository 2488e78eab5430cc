// How well an action did: tries, successes, time. Integers only, so that every machine computes the same
// order.
#pragma once

#include <cstdint>

namespace pawl::ops {

struct Measure {
  // At so many tries everything is halved: what was long ago counts less and less.
  static constexpr uint32_t tries_max = 256;
  static constexpr int64_t spent_ms_max = int64_t{7} * 24 * 3600 * 1000;  // of one try

  uint32_t tries = 0;
  uint32_t successes = 0;
  int64_t spent_ms = 0;  // over all tries, each until it helped or was given up

  void note(bool helped, int64_t ms);
  bool operator==(const Measure&) const = default;

  template <typename Archive>
  void serialize(Archive& ar) {
    ar(tries, successes, spent_ms);
    if constexpr (Archive::reading) {
      if (tries > tries_max || successes > tries || spent_ms < 0) ar.damage();
    }
  }
};

// The lower end of Wilson's score interval (one-sided 95 %) for the rate of success, in millionths; 0 without
// a try.
uint32_t lower_ppm(const Measure& measure);
// The rate that one expects: as if 2 of 4 earlier tries had helped. In millionths.
uint32_t expected_ppm(const Measure& measure);
// What a try takes, in milliseconds: as if two earlier ones had taken `usual_ms`.
int64_t expected_ms(const Measure& measure, int64_t usual_ms);

}  // namespace pawl::ops
