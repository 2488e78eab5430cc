#include "guards/rate.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bus/core/archive.h"
#include "bus/core/faults.h"
#include "guards/amounts.h"

namespace pawl::guards {
namespace {

constexpr std::string_view prefix = "rate/";
constexpr uint64_t version_now = 1;

int64_t capped(Wide units) { return shown(units); }

}  // namespace

int64_t Rate::Bucket::capacity() const { return capped(Wide{count} * per_ms); }

int64_t Rate::Bucket::level_at(int64_t bus_ms) const {
  const Wide gained = Wide{std::max<int64_t>(0, bus_ms - at_ms)} * count;
  return capped(std::min<Wide>(capacity(), level + gained));
}

void Rate::Bucket::change(const core::RateConfig& rate, int64_t bus_ms) {
  const Wide share = level_at(bus_ms);
  const Wide whole = std::max<int64_t>(1, capacity());
  count = rate.count;
  per_ms = rate.per_ms;
  at_ms = bus_ms;
  // In two steps, as the product of two capacities may not fit.
  const Wide next = capacity();
  level = capped(share >= whole ? next : next / whole * share + next % whole * share / whole);
}

Rate::Bucket Rate::full(const core::RoleFacts& role, int64_t bus_ms) {
  Bucket bucket;
  bucket.role = std::string(role.name);
  bucket.count = role.config->rate.count;
  bucket.per_ms = role.config->rate.per_ms;
  bucket.level = bucket.capacity();
  bucket.at_ms = bus_ms;
  return bucket;
}

void Rate::open(core::Desk& desk) {
  buckets_.clear();
  dirty_.clear();
  std::vector<std::string> gone;
  desk.scan(prefix, [&](std::string_view key, std::string_view value) {
    core::RecordReader row(value);
    Bucket bucket;
    bucket.role = std::string(key.substr(prefix.size()));
    const uint64_t version = row.number();
    uint64_t role = 0;
    row(role, bucket.count, bucket.per_ms, bucket.level, bucket.at_ms);
    const bool sound = bucket.count > 0 && bucket.per_ms > 0 && bucket.level >= 0 && bucket.at_ms >= 0;
    if (version != version_now || !row.whole() || !sound) throw std::runtime_error("a row of rate");
    // A role of that name that was made anew starts with a full bucket.
    const auto facts = desk.role(bucket.role);
    if (facts && facts->number == role) {
      buckets_.emplace(facts->number, std::move(bucket));
    } else {
      gone.emplace_back(key);
    }
    return true;
  });
  for (const std::string& key : gone) desk.erase(key);
  configured(desk);
}

void Rate::configured(core::Desk& desk) {
  set_idle(!any_role(desk.config(), [](const core::RoleConfig& role) { return role.rate.count != 0; }));
  const int64_t bus_ms = desk.clocks().bus_ms;
  for (auto at = buckets_.begin(); at != buckets_.end();) {
    Bucket& bucket = at->second;
    const core::RateConfig& rate = desk.config().role(bucket.role).rate;
    if (rate.count == 0) {
      desk.erase(std::string(prefix) + bucket.role);
      at = buckets_.erase(at);
      continue;
    }
    if (rate.count != bucket.count || rate.per_ms != bucket.per_ms) bucket.change(rate, bus_ms);
    ++at;
  }
  // The dirty ones among those that are left are put once more with their next claim.
  dirty_.erase(std::remove_if(dirty_.begin(), dirty_.end(),
                              [&](uint32_t number) { return buckets_.count(number) == 0; }),
               dirty_.end());
}

Answer Rate::admit_claim(const core::Candidate& candidate, const core::Desk& /*desk*/) const {
  const core::RateConfig& rate = candidate.role.config->rate;
  if (rate.count == 0) return allow();
  const auto found = buckets_.find(candidate.role.number);
  if (found == buckets_.end()) return allow();
  const Bucket& bucket = found->second;
  const int64_t level = bucket.level_at(candidate.clocks.bus_ms);
  if (level >= (PAWL_FAULT(rate_part_of_a_token) ? 1 : bucket.per_ms)) return allow();
  const int64_t wait_ms = (bucket.per_ms - level + bucket.count - 1) / bucket.count;
  core::Verdict verdict =
      refuse(Code::busy, core::Scope::role,
             "role " + bucket.role + " is at its rate of " + std::to_string(rate.count) + " claims in " +
                 std::to_string(rate.per_ms) + " ms; it goes on by itself, or raise rate in [role." +
                 bucket.role + "]");
  verdict.empty = true;
  verdict.subject = "role:" + bucket.role;
  verdict.retry_at_ms = candidate.clocks.wall_ms + wait_ms;
  verdict.value = 0;
  verdict.limit = rate.count;
  return verdict;
}

void Rate::taken(const core::Candidate& candidate, core::Reservation& /*reserved*/, core::Desk& /*desk*/) {
  if (candidate.role.config->rate.count == 0) return;
  const int64_t bus_ms = candidate.clocks.bus_ms;
  auto found = buckets_.find(candidate.role.number);
  if (found == buckets_.end()) {
    found = buckets_.emplace(candidate.role.number, full(candidate.role, bus_ms)).first;
  }
  Bucket& bucket = found->second;
  // Taken in mode observe or off as well; an empty bucket does not go into debt.
  bucket.level = std::max<int64_t>(0, bucket.level_at(bus_ms) - bucket.per_ms);
  bucket.at_ms = bus_ms;
  if (bucket.dirty) return;
  bucket.dirty = true;
  dirty_.push_back(candidate.role.number);
}

void Rate::sealing(core::Desk& desk) {
  if (PAWL_FAULT(rate_lost_at_restart)) return;
  for (const uint32_t number : dirty_) {
    Bucket& bucket = buckets_.at(number);
    bucket.dirty = false;
    std::string value;
    core::RecordWriter row(value);
    row.number(version_now);
    row(uint64_t{number}, bucket.count, bucket.per_ms, bucket.level, bucket.at_ms);
    desk.put(std::string(prefix) + bucket.role, value);
  }
  dirty_.clear();
}

}  // namespace pawl::guards
