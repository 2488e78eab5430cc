// Guard "rate": a token bucket of claims for each role that has a rate.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "guards/guard.h"

namespace pawl::guards {

// A bucket holds `count` tokens, starts full and fills evenly, `count` in `per_ms` of bus time; a claim
// takes one. A role's bucket rides in row "rate/ROLE" with the claims that took from it. A rate that is
// changed finds the bucket as full as it was, in proportion.
class Rate final : public Guard {
 public:
  std::string_view name() const override { return "rate"; }
  // Open: a few claims too many cost less than a role that stands still.
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_claims; }
  uint8_t hears() const override { return hears_claims | hears_seals; }

  void open(core::Desk& desk) override;
  void configured(core::Desk& desk) override;
  // Emptiness, not an error, with the time of the next token.
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;
  void taken(const core::Candidate& candidate, core::Reservation& reserved, core::Desk& desk) override;
  void sealing(core::Desk& desk) override;

 private:
  // The level is in units of a token / per_ms: a millisecond brings `count` of them, a token is `per_ms`.
  // So nothing is ever rounded.
  struct Bucket {
    std::string role;
    int64_t count = 0;
    int64_t per_ms = 0;
    int64_t level = 0;
    int64_t at_ms = 0;  // bus time of the level
    bool dirty = false;

    int64_t capacity() const;
    int64_t level_at(int64_t bus_ms) const;
    void change(const core::RateConfig& rate, int64_t bus_ms);
  };
  static Bucket full(const core::RoleFacts& role, int64_t bus_ms);

  std::unordered_map<uint32_t, Bucket> buckets_;  // by number of the role; looked up only
  std::vector<uint32_t> dirty_;
};

}  // namespace pawl::guards
