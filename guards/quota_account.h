// The caps of a role, or of the fleet, with what is used and reserved under them. No guard yet: sums only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/config.h"
#include "guards/amounts.h"
#include "guards/sliding_usage.h"

namespace pawl::guards {

constexpr size_t quota_kinds = core::quota_kind_names.size();
// Tokens and cost are reserved by a claim; calls are used up by it.
constexpr std::array<core::QuotaKind, 2> reserved_kinds = {core::QuotaKind::tokens, core::QuotaKind::cost};
constexpr size_t index_of(core::QuotaKind kind) { return static_cast<size_t>(kind); }

// What the last deliveries used.
class Learned {
 public:
  void add(uint64_t value);
  // The 95th percentile (nearest rank); nothing: nothing is known yet.
  std::optional<uint64_t> percentile() const;
  bool empty() const { return values_.empty(); }

  void write(core::RecordWriter& row) const;
  void read(core::RecordReader& row);

 private:
  static constexpr size_t values_max = 64;
  std::vector<uint64_t> values_;  // oldest first
  std::vector<uint64_t> sorted_;
};

struct Cap {
  explicit Cap(const core::QuotaConfig& quota) : config(quota), usage(quota.per_ms) {}

  core::QuotaConfig config;
  bool set = false;        // by QUOTA SET, over what pawl.toml says
  int64_t retired_ms = 0;  // wall time when it was removed; 0: it is in force
  uint64_t trips = 0;
  uint64_t tripped = 0;  // what the claim needed that it refused last; 0: it is not tripped
  bool warned = false;
  SlidingUsage usage;
  // Memory only, bus time: when it last refused, and was at its warning mark.
  mutable int64_t refused_ms = 0;
  mutable uint64_t refused = 0;  // what was needed, since the last tick; 0: nothing was refused
  int64_t high_ms = 0;

  bool in_force() const { return retired_ms == 0; }
  bool is(core::QuotaKind what, int64_t per_ms) const {
    return config.what == what && config.per_ms == per_ms;
  }
};

// What the caps in force say of a kind together.
struct KindCaps {
  bool capped = false;
  uint64_t cap_min = amount_max;
  std::optional<uint64_t> estimate;  // explicit; the largest
};

class Account {
 public:
  // By kind and length of the window. A retired one counts on until it would have nothing left of the time
  // when it was in force, so that a cap that comes back finds what was used meanwhile.
  std::vector<Cap> caps;
  std::array<Learned, reserved_kinds.size()> learned;
  bool dirty = false;

  // The caps that pawl.toml says; those that QUOTA SET made stay. True: a row would say something new.
  bool configure(const std::vector<core::QuotaConfig>& file, int64_t wall_ms);
  // A cap of QUOTA SET.
  Cap& set(const core::QuotaConfig& quota, int64_t wall_ms);
  Cap* find(core::QuotaKind what, int64_t per_ms);
  const KindCaps& kind(core::QuotaKind what) const { return kinds_[index_of(what)]; }
  bool has_caps() const;

  uint64_t reserved(core::QuotaKind what) const;  // 0 of calls
  void reserve(core::QuotaKind what, uint64_t amount) { reserved_[index_of(what)] += amount; }
  // Never below zero.
  void release(core::QuotaKind what, uint64_t amount);
  void charge(core::QuotaKind what, uint64_t amount, int64_t wall_ms);
  Wide load(const Cap& cap, int64_t wall_ms) const;  // used and reserved
  int64_t percent(const Cap& cap, int64_t wall_ms) const;
  // Retired caps that have nothing left to say go. True: there were some.
  bool expire(int64_t wall_ms);
  // Nothing to be kept in a row.
  bool vacant() const;
  void forget_reserved() { reserved_ = {}; }

  std::string encode() const;
  // False: damaged, or of a newer version. The file's caps come with configure().
  bool decode(std::string_view bytes);

 private:
  Cap& add(const core::QuotaConfig& quota, int64_t wall_ms);
  void sum_up();

  // Of every live claim what it has not used of its estimate; the same for all windows of a kind.
  std::array<Wide, reserved_kinds.size()> reserved_{};
  std::array<KindCaps, quota_kinds> kinds_;
};

// What a claim of the role reserves: the explicit estimate of its own caps, else of the fleet's, else what
// its deliveries used lately; nothing: it is not known. What is not the role's own word is held to its caps.
// `own` may be null: the role has no account.
std::optional<uint64_t> estimate_of(core::QuotaKind what, const Account* own, const Account& fleet);

}  // namespace pawl::guards
