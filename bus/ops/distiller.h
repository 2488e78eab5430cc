// What is left of failures when their rows go: one insight for each fingerprint. Pure: the same rows in the
// same order give the same insights, and nothing is lost in the sums.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/core/records.h"
#include "bus/core/words.h"
#include "bus/ops/failures.h"
#include "bus/ops/measure.h"
#include "bus/ops/words.h"

namespace pawl::ops {

// A row that retention takes: a failed invocation or an entry of the chronicle.
struct PastRow {
  static constexpr uint8_t version_now = 1;

  // An invocation that failed or lapsed; then `role` and `message` are its.
  std::optional<core::InvocationRecord> invocation;
  std::string role;
  std::string message;
  // Otherwise:
  core::EventRecord event;

  std::string encode() const;
  // Nothing for damage or a newer version.
  static std::optional<PastRow> decode(std::string_view bytes);
};

// What open incidents refer to.
struct Keep {
  std::set<std::string, std::less<>> incidents;  // their ids, as in the field `incident`
  std::set<std::string, std::less<>> texts;      // their fingerprints as they are called ("daemon:slack")
  std::set<uint64_t> fingerprints;               // and as numbers

  bool empty() const { return incidents.empty(); }
  // An entry of one of them, or that is a sign of one; a failure of its fingerprint.
  bool refers(const PastRow& row) const;
};

struct Insight {
  static constexpr uint8_t version_now = 1;
  // Others are counted together, under the empty name.
  static constexpr size_t names_max = 32;
  static constexpr size_t days_max = 400;  // then the oldest are counted together, in `days_before`

  core::ErrorClass error_class = core::ErrorClass::unknown;
  std::string example;  // the first line of the newest one, or the incident's title
  uint64_t failures = 0;
  uint64_t incidents = 0;  // that were opened
  int64_t first_ms = 0;    // wall; of either
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
  // What another one of the same fingerprint knows besides; sums are added.
  void join(const Insight& other);
  // Two accounts of the same failures, of which each may lack some.
  static Insight fuller(const Insight& a, const Insight& b);

  template <typename Archive>
  void code(Archive& ar, uint8_t version);
  template <typename Archive>
  void serialize(Archive& ar) {
    code(ar, version_now);
  }

 private:
  void seen(int64_t at_ms, std::string_view text);
  void trim_days();
  friend class Insights;
};

// Sums that compaction does not change: of rows and insights together, before and after.
struct Totals {
  uint64_t failures = 0;
  uint64_t events = 0;  // entries of the chronicle
  uint64_t tokens = 0;
  uint64_t cost = 0;
  uint64_t incidents = 0;
  uint64_t recoveries = 0;
  uint64_t recovery_ms = 0;
  uint64_t tries = 0;  // of actions

  bool operator==(const Totals&) const = default;
  Totals& operator+=(const Totals& other);
};

class Insights {
 public:
  static constexpr uint8_t version_now = 1;
  // Then the sixteenth that was quiet for longest is counted together, under 0.
  static constexpr size_t fingerprints_max = 10'000;
  static constexpr size_t kinds_max = 1000;  // then others are counted under the empty name

  // With `tracked`, take_changed() knows what became another one.
  explicit Insights(bool tracked = false) : tracked_(tracked) {}

  // Takes a row in. Its parts that mean nothing here are counted only.
  void add(const PastRow& row);
  // An entry as it is written: failed deliveries by their entries, nothing counted by kind.
  void see(const core::EventRecord& event);
  // A row was taken in although an open incident refers to it: there was no room for more.
  void note_overflow() { ++sums_.overflows; }
  uint64_t overflows() const { return sums_.overflows; }

  Totals totals() const;
  const std::map<uint64_t, Insight>& by_fingerprint() const { return insights_; }
  const std::map<std::string, uint64_t>& kinds() const { return sums_.kinds; }  // entries of the chronicle
  // Null: nothing is known.
  const Insight* find(uint64_t fingerprint) const;

  // -- rows
  std::set<uint64_t> take_changed() { return std::exchange(changed_, {}); }
  void restore(uint64_t fingerprint, Insight insight) { insights_[fingerprint] = std::move(insight); }
  std::string encode_sums() const;
  bool restore_sums(std::string_view bytes);

  template <typename Archive>
  void code(Archive& ar, uint8_t version);

 private:
  struct Sums {
    static constexpr uint8_t version_now = 1;
    std::map<std::string, uint64_t> kinds;
    uint64_t tries = 0;  // measures age, sums do not
    uint64_t overflows = 0;
    template <typename Archive>
    void code(Archive& ar, uint8_t version);
  };

  Insight& at(uint64_t fingerprint);
  void make_room();
  void count(const FailedDelivery& failed);
  void note_incident(const core::EventRecord& event);

  bool tracked_;
  std::map<uint64_t, Insight> insights_;
  Sums sums_;
  std::set<uint64_t> changed_;
};

Totals totals_of(const PastRow& row);

std::string encode(const Insight& insight);
std::optional<Insight> decode_insight(std::string_view bytes);
std::string encode(const Insights& insights);
// Nothing for damage or a newer version.
std::optional<Insights> decode_insights(std::string_view bytes);

}  // namespace pawl::ops
