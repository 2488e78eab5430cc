// What is left of failures when their rows go: one insight for each fingerprint. Pure: the same insights and
// rows give the same result, and nothing is lost in the sums.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/records.h"
#include "bus/core/words.h"
#include "bus/ops/measure.h"
#include "bus/ops/words.h"

namespace pawl::ops {

// A row past its retention: a failed invocation or an entry of the chronicle.
struct PastRow {
  std::string key;  // the caller's; given back
  uint64_t bytes = 0;
  // An invocation that failed or lapsed; then `role` and `message` are its.
  std::optional<core::InvocationRecord> invocation;
  std::string role;
  std::string message;
  // Otherwise:
  core::EventRecord event;

  int64_t at_ms() const { return invocation ? invocation->end_ms : event.at_ms; }
};

// What must stay, and for how long rows stay anyway.
struct Keep {
  int64_t since_ms = 0;                  // wall: what is younger stays
  uint64_t bytes_max = UINT64_MAX;       // of all rows given: beyond it, the oldest go whatever their age
  std::set<uint64_t> open_fingerprints;  // of open incidents
  std::set<std::string> open_incidents;  // their ids, as in the field `incident`
  std::set<std::string> messages;        // ids that open incidents refer to
};

struct Insight {
  // Others are counted together, under the empty name.
  static constexpr size_t names_max = 32;
  static constexpr size_t days_max = 400;  // then the oldest are counted together, in `days_before`

  core::ErrorClass error_class = core::ErrorClass::unknown;
  std::string example;
  uint64_t failures = 0;
  int64_t first_ms = 0;  // wall
  int64_t last_ms = 0;
  uint64_t days_before = 0;
  std::map<int64_t, uint64_t> days;  // since 1970-01-01, UTC
  std::map<std::string, uint64_t> roles;
  std::map<std::string, uint64_t> daemons;
  uint64_t tokens = 0;  // spent on what failed
  uint64_t cost = 0;    // micro-dollars, likewise
  uint64_t recoveries = 0;
  uint64_t recovery_ms = 0;  // of all of them, from opening to closing
  std::map<uint8_t, Measure> actions;

  int64_t mean_recovery_ms() const {
    return recoveries == 0 ? 0 : static_cast<int64_t>(recovery_ms / recoveries);
  }
  // By the lower bound of its rate in its time; nothing before one helped.
  std::optional<Action> best_action() const;
  template <typename Archive>
  void serialize(Archive& ar);
};

// Sums that compaction does not change: of rows and insights together, before and after.
struct Totals {
  uint64_t failures = 0;
  uint64_t events = 0;  // entries of the chronicle
  uint64_t tokens = 0;
  uint64_t cost = 0;
  uint64_t recoveries = 0;
  uint64_t recovery_ms = 0;
  uint64_t tries = 0;  // of actions

  bool operator==(const Totals&) const = default;
  Totals& operator+=(const Totals& other);
};

class Insights {
 public:
  static constexpr uint8_t version_now = 1;

  // Takes a row in. Its parts that mean nothing here are counted only.
  void add(const PastRow& row);
  Totals totals() const;
  const std::map<uint64_t, Insight>& by_fingerprint() const { return insights_; }
  const std::map<std::string, uint64_t>& kinds() const { return kinds_; }  // entries of the chronicle
  // The most costly first: by cost, then tokens, then failures.
  std::vector<std::pair<uint64_t, const Insight*>> list() const;

  template <typename Archive>
  void code(Archive& ar, uint8_t version);

 private:
  void add_failure(const PastRow& row);

  std::map<uint64_t, Insight> insights_;
  std::map<std::string, uint64_t> kinds_;
  uint64_t tries_ = 0;  // measures age, sums do not
};

Totals totals_of(const PastRow& row);

struct Distilled {
  Insights insights;
  std::vector<std::string> gone;  // keys of the rows that are in the insights now
  uint64_t kept_young = 0;
  uint64_t kept_referred = 0;  // an open incident refers to them
};

// `rows`: oldest first.
Distilled distil(const Insights& before, std::span<const PastRow> rows, const Keep& keep);

std::string encode(const Insights& insights);
// Nothing for damage or a newer version.
std::optional<Insights> decode_insights(std::string_view bytes);

}  // namespace pawl::ops
