#include "guards/quota_account.h"

#include <algorithm>
#include <tuple>

namespace pawl::guards {
namespace {

constexpr uint64_t version_now = 1;
constexpr size_t caps_max = 100'000;  // of a row that is no damage
constexpr KindCaps uncapped;

}  // namespace

// ---- Learned -----------------------------------------------------------------

void Learned::add(uint64_t value) {
  if (values_.size() == values_max) {
    sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), values_.front()));
    values_.erase(values_.begin());
  }
  values_.push_back(value);
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), value), value);
}

std::optional<uint64_t> Learned::percentile() const {
  if (sorted_.empty()) return std::nullopt;
  const size_t rank = (sorted_.size() * 95 + 99) / 100;
  return sorted_[rank - 1];
}

void Learned::write(core::RecordWriter& row) const { row(values_); }

void Learned::read(core::RecordReader& row) {
  row(values_);
  if (values_.size() > values_max) row.damage();
  sorted_ = values_;
  std::sort(sorted_.begin(), sorted_.end());
}

// ---- Caps --------------------------------------------------------------------

Cap* Account::find(core::QuotaKind what, int64_t per_ms) {
  for (Cap& cap : caps) {
    if (cap.is(what, per_ms)) return &cap;
  }
  return nullptr;
}

// A window of a new length begins with what the others of its kind know: all of it where one is as long,
// coarser where it is longer; the longest known stretch otherwise.
Cap& Account::add(const core::QuotaConfig& quota, int64_t wall_ms) {
  const Cap* source = nullptr;
  for (const Cap& cap : caps) {
    if (cap.config.what != quota.what) continue;
    const bool covers = source != nullptr && source->config.per_ms >= quota.per_ms;
    if (!covers) source = &cap;  // they come shortest first
  }
  Cap fresh(quota);
  if (source != nullptr) fresh.usage.learn(source->usage, wall_ms);
  const auto place = std::find_if(caps.begin(), caps.end(), [&](const Cap& cap) {
    return std::tuple(cap.config.what, cap.config.per_ms) > std::tuple(quota.what, quota.per_ms);
  });
  return *caps.insert(place, std::move(fresh));
}

bool Account::configure(const std::vector<core::QuotaConfig>& file, int64_t wall_ms) {
  bool news = false;
  for (Cap& cap : caps) {
    const bool stays = cap.set || std::any_of(file.begin(), file.end(), [&](const core::QuotaConfig& quota) {
                         return cap.is(quota.what, quota.per_ms);
                       });
    if (stays || !cap.in_force()) continue;
    cap.retired_ms = std::max<int64_t>(1, wall_ms);
    news = true;
  }
  for (const core::QuotaConfig& quota : file) {
    Cap* cap = find(quota.what, quota.per_ms);
    if (cap == nullptr) {
      news = add(quota, wall_ms).usage.used(wall_ms) != 0 || news;
    } else if (!cap->set) {
      news = !cap->in_force() || news;
      cap->config = quota;
      cap->retired_ms = 0;
    }
  }
  return expire(wall_ms) || news;
}

Cap& Account::set(const core::QuotaConfig& quota, int64_t wall_ms) {
  Cap* cap = find(quota.what, quota.per_ms);
  if (cap == nullptr) cap = &add(quota, wall_ms);
  cap->config = quota;
  cap->set = true;
  cap->retired_ms = 0;
  sum_up();
  return *cap;
}

bool Account::expire(int64_t wall_ms) {
  const size_t before = caps.size();
  caps.erase(std::remove_if(caps.begin(), caps.end(),
                            [&](const Cap& cap) {
                              return !cap.in_force() && (wall_ms >= cap.retired_ms + cap.config.per_ms ||
                                                         cap.usage.used(wall_ms) == 0);
                            }),
             caps.end());
  sum_up();
  return caps.size() != before;
}

void Account::sum_up() {
  kinds_ = {};
  for (const Cap& cap : caps) {
    if (!cap.in_force()) continue;
    KindCaps& kind = kinds_[index_of(cap.config.what)];
    kind.capped = true;
    kind.cap_min = std::min(kind.cap_min, static_cast<uint64_t>(cap.config.cap));
    if (!cap.config.estimate) continue;
    kind.estimate = std::max(kind.estimate.value_or(0), static_cast<uint64_t>(*cap.config.estimate));
  }
}

bool Account::has_caps() const {
  return std::any_of(kinds_.begin(), kinds_.end(), [](const KindCaps& kind) { return kind.capped; });
}

bool Account::vacant() const {
  return caps.empty() && reserved_ == decltype(reserved_){} &&
         std::all_of(learned.begin(), learned.end(), [](const Learned& one) { return one.empty(); });
}

// ---- Sums --------------------------------------------------------------------

uint64_t Account::reserved(core::QuotaKind what) const {
  return what == core::QuotaKind::calls ? 0 : static_cast<uint64_t>(shown(reserved_[index_of(what)]));
}

void Account::release(core::QuotaKind what, uint64_t amount) {
  Wide& held = reserved_[index_of(what)];
  held -= std::min<Wide>(held, amount);
}

void Account::charge(core::QuotaKind what, uint64_t amount, int64_t wall_ms) {
  for (Cap& cap : caps) {
    if (cap.config.what == what) cap.usage.add(wall_ms, amount);
  }
}

Wide Account::load(const Cap& cap, int64_t wall_ms) const {
  const Wide used = cap.usage.used(wall_ms);
  return cap.config.what == core::QuotaKind::calls ? used : used + reserved_[index_of(cap.config.what)];
}

int64_t Account::percent(const Cap& cap, int64_t wall_ms) const {
  return shown(load(cap, wall_ms) * 100 / cap.config.cap);
}

std::optional<uint64_t> estimate_of(core::QuotaKind what, const Account* own, const Account& fleet) {
  if (what == core::QuotaKind::calls) return std::nullopt;
  const KindCaps& mine = own != nullptr ? own->kind(what) : uncapped;
  const KindCaps& shared = fleet.kind(what);
  if (!mine.capped && !shared.capped) return std::nullopt;
  if (mine.estimate) return mine.estimate;
  if (shared.estimate) return std::min(*shared.estimate, mine.cap_min);
  const auto learned = own != nullptr ? own->learned[index_of(what)].percentile() : std::nullopt;
  if (!learned) return std::nullopt;
  return std::min({*learned, mine.cap_min, shared.cap_min});
}

// ---- The row -----------------------------------------------------------------

std::string Account::encode() const {
  std::string bytes;
  core::RecordWriter row(bytes);
  row.number(version_now);
  for (const core::QuotaKind what : reserved_kinds) row.number(reserved(what));
  for (const Learned& one : learned) one.write(row);
  row.number(caps.size());
  for (const Cap& cap : caps) {
    row.number(index_of(cap.config.what));
    const auto flags = static_cast<uint8_t>((cap.set ? 1 : 0) | (cap.warned ? 2 : 0) |
                                            (cap.set && cap.config.estimate ? 4 : 0));
    row(cap.config.per_ms, flags, cap.retired_ms, cap.trips, cap.tripped);
    if (cap.set) row(cap.config.cap);
    if (cap.set && cap.config.estimate) row(*cap.config.estimate);
    cap.usage.write(row);
  }
  return bytes;
}

bool Account::decode(std::string_view bytes) {
  core::RecordReader row(bytes);
  if (row.number() != version_now) return false;
  for (Wide& held : reserved_) held = row.number();
  for (Learned& one : learned) one.read(row);
  const uint64_t count = row.number();
  if (count > caps_max) return false;
  for (uint64_t i = 0; i < count && !row.damaged(); ++i) {
    core::QuotaConfig quota;
    const uint64_t what = row.number();
    uint8_t flags = 0;
    int64_t retired_ms = 0;
    uint64_t trips = 0;
    uint64_t tripped = 0;
    row(quota.per_ms, flags, retired_ms, trips, tripped);
    quota.what = static_cast<core::QuotaKind>(what);
    if ((flags & 1) != 0) row(quota.cap);
    if ((flags & 4) != 0) row(quota.estimate.emplace());
    const bool sound = what < quota_kinds && quota.per_ms > 0 && quota.per_ms <= limits::duration_ms_max &&
                       flags < 8 && retired_ms >= 0 && ((flags & 1) == 0 || quota.cap > 0);
    if (!sound) return false;
    Cap cap(quota);
    cap.set = (flags & 1) != 0;
    cap.warned = (flags & 2) != 0;
    cap.retired_ms = retired_ms;
    cap.trips = trips;
    cap.tripped = tripped;
    cap.usage.read(row);
    caps.push_back(std::move(cap));
  }
  return row.whole();
}

}  // namespace pawl::guards
