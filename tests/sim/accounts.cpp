#include "tests/sim/accounts.h"

#include <algorithm>

namespace pawl::sim {
namespace {

using core::QuotaKind;
using test::Value;

constexpr std::array<QuotaKind, 2> reserved_kinds = {QuotaKind::tokens, QuotaKind::cost};

std::string_view word(QuotaKind what) { return core::quota_kind_names[static_cast<size_t>(what)]; }

}  // namespace

Accounts::Accounts(const core::BusConfig& config) {
  for (const core::QuotaConfig& quota : config.system_quotas) caps_.push_back({"*", quota, quota, 0, false});
  for (const auto& [name, role] : config.roles) {
    for (const core::QuotaConfig& quota : role.quotas) caps_.push_back({name, quota, quota, 0, false});
  }
  for (const Cap& cap : caps_) longest_ = std::max(longest_, cap.quota.per_ms);
}

bool Accounts::capped(const std::string& role) const {
  return std::any_of(caps_.begin(), caps_.end(), [&](const Cap& cap) { return concerns(cap, role); });
}

bool Accounts::kind_capped(QuotaKind what, const std::string& role) const {
  return std::any_of(caps_.begin(), caps_.end(),
                     [&](const Cap& cap) { return cap.quota.what == what && concerns(cap, role); });
}

// No estimate is held to be more than this.
int64_t Accounts::smallest_cap(QuotaKind what, const std::string& role) const {
  int64_t smallest = 1'000'000'000;
  for (const Cap& cap : caps_) {
    if (cap.quota.what == what && concerns(cap, role)) smallest = std::min(smallest, cap.quota.cap);
  }
  return smallest;
}

// The role's own word, the largest; else the fleet's, held to the role's caps.
std::optional<int64_t> Accounts::estimate(QuotaKind what, const std::string& role) const {
  if (!kind_capped(what, role)) return 0;
  std::optional<int64_t> own, fleet;
  for (const Cap& cap : caps_) {
    if (cap.quota.what != what || !cap.quota.estimate) continue;
    if (cap.role == role) own = std::max(own.value_or(0), *cap.quota.estimate);
    if (cap.role == "*") fleet = std::max(fleet.value_or(0), *cap.quota.estimate);
  }
  if (own) return own;
  if (!fleet) return std::nullopt;
  for (const Cap& cap : caps_) {
    if (cap.quota.what == what && cap.role == role) fleet = std::min(*fleet, cap.quota.cap);
  }
  return fleet;
}

bool Accounts::set(const core::op::QuotaSet& set, int64_t wall) {
  const core::QuotaConfig quota{set.what, set.cap, set.per_ms, set.estimate};
  // An estimate that no cap of its kind could ever grant is no limit but a mistake.
  if (set.estimate && (set.what == QuotaKind::calls || *set.estimate > set.cap)) return false;
  for (const Cap& cap : caps_) {
    if (cap.role != set.role || cap.quota.what != set.what || cap.quota.per_ms == set.per_ms) continue;
    if (set.estimate && *set.estimate > cap.quota.cap) return false;
    if (cap.quota.estimate && *cap.quota.estimate > set.cap) return false;
  }
  longest_ = std::max(longest_, set.per_ms);
  for (Cap& cap : caps_) {
    if (cap.role != set.role || cap.quota.what != set.what || cap.quota.per_ms != set.per_ms) continue;
    cap.quota = quota;
    cap.set = true;
    return true;
  }
  caps_.push_back({std::string(set.role), quota, std::nullopt, wall, true});
  return true;
}

Value Accounts::drop(const core::op::QuotaDrop& drop) {
  const auto found = std::find_if(caps_.begin(), caps_.end(), [&](const Cap& cap) {
    return cap.role == drop.role && cap.quota.what == drop.what && cap.quota.per_ms == drop.per_ms;
  });
  if (found == caps_.end()) return Value::error(Code::notfound);
  if (!found->set) return Value::error(Code::state);
  if (found->file) {
    found->quota = *found->file;
    found->set = false;
  } else {
    caps_.erase(found);
  }
  return Value::simple("OK");
}

std::vector<core::op::QuotaDrop> Accounts::set_ones() const {
  std::vector<core::op::QuotaDrop> result;
  for (const Cap& cap : caps_) {
    if (cap.set) result.push_back({cap.role, cap.quota.what, cap.quota.per_ms});
  }
  return result;
}

void Accounts::charge(QuotaKind what, const std::string& role, int64_t amount, int64_t wall, bool sure) {
  if (amount > 0) charges_.push_back({wall, what, role, amount, sure});
}

void Accounts::claimed(const std::string& token, const std::string& role, int64_t wall) {
  charge(QuotaKind::calls, role, 1, wall);
  Delivery& delivery = deliveries_[token];
  delivery.role = role;
  for (size_t i = 0; i < reserved_kinds.size(); ++i) {
    delivery.estimate[i] = estimate(reserved_kinds[i], role);
    delivery.most[i] = delivery.estimate[i].value_or(smallest_cap(reserved_kinds[i], role));
  }
}

void Accounts::reported(const std::string& token, const core::op::Usage& usage, int64_t wall) {
  const auto found = deliveries_.find(token);
  if (found == deliveries_.end()) return;
  Delivery& delivery = found->second;
  const Amounts now = {usage.tokens.value_or(0), usage.cost.value_or(0)};
  for (size_t i = 0; i < now.size(); ++i) {
    charge(reserved_kinds[i], delivery.role, now[i] - delivery.used[i], wall);
    delivery.used[i] = std::max(delivery.used[i], now[i]);
  }
}

void Accounts::reported_late(const std::string& token, const std::string& role, const core::op::Usage& usage,
                             int64_t wall, bool sure) {
  const auto found = deliveries_.find(token);
  if (found == deliveries_.end()) return;
  Delivery& delivery = found->second;
  const Amounts now = {usage.tokens.value_or(0), usage.cost.value_or(0)};
  for (size_t i = 0; i < now.size(); ++i) {
    // Of a lapsed one its estimate was charged.
    const bool known = !delivery.has_lapsed || delivery.estimate[i].has_value();
    const int64_t charged = delivery.has_lapsed ? delivery.estimate[i].value_or(0) : 0;
    charge(reserved_kinds[i], role, now[i] - std::max(delivery.used[i], charged), wall, sure && known);
    delivery.used[i] = std::max(delivery.used[i], now[i]);
  }
}

void Accounts::lapsed(const std::string& token, int64_t wall) {
  const auto found = deliveries_.find(token);
  if (found == deliveries_.end()) return;
  Delivery& delivery = found->second;
  delivery.live = false;
  delivery.has_lapsed = true;
  for (size_t i = 0; i < reserved_kinds.size(); ++i) {
    const bool known = delivery.estimate[i].has_value();
    charge(reserved_kinds[i], delivery.role, delivery.most[i] - delivery.used[i], wall, known);
  }
}

void Accounts::ended(const std::string& token) {
  const auto found = deliveries_.find(token);
  if (found != deliveries_.end()) found->second.live = false;
}

// The window slides in 60 buckets, the oldest counted whole: at least all of the window, at most one more.
// A window that came later begins with what the others of its kind know, in their buckets.
Accounts::Bounds Accounts::used(const Cap& cap, int64_t wall) const {
  Bounds bounds;
  const int64_t bucket = cap.quota.per_ms / 60 + 2;
  const int64_t from = wall - cap.quota.per_ms;
  const int64_t from_at_most = from - bucket - (cap.since > 0 ? longest_ / 60 + 2 : 0);
  for (const Charge& charge : charges_) {
    if (charge.what != cap.quota.what || (cap.role != "*" && cap.role != charge.role)) continue;
    if (charge.sure && charge.at > std::max(from, cap.since)) bounds.low += charge.amount;
    if (charge.at > from_at_most) bounds.high += charge.amount;
  }
  return bounds;
}

Accounts::Bounds Accounts::reserved(const Cap& cap) const {
  Bounds bounds;
  if (cap.quota.what == QuotaKind::calls) return bounds;
  const auto kind = static_cast<size_t>(cap.quota.what);
  for (const auto& [token, delivery] : deliveries_) {
    if (!delivery.live || (cap.role != "*" && cap.role != delivery.role)) continue;
    const int64_t low = delivery.estimate[kind].value_or(0);
    const int64_t high = delivery.most[kind];
    bounds.low += std::max<int64_t>(0, low - delivery.used[kind]);
    bounds.high += std::max<int64_t>(0, high - delivery.used[kind]);
  }
  return bounds;
}

std::string Accounts::text(const Cap& cap, Bounds used, Bounds reserved) const {
  return "the cap of " + cap.role + " on " + std::to_string(cap.quota.cap) + " " +
         std::string(word(cap.quota.what)) + " per " + std::to_string(cap.quota.per_ms) + " ms, of which " +
         std::to_string(used.low) + " to " + std::to_string(used.high) + " are used and " +
         std::to_string(reserved.low) + " to " + std::to_string(reserved.high) + " reserved";
}

std::optional<std::string> Accounts::overdrawn(const std::string& role, int64_t wall) const {
  for (const Cap& cap : caps_) {
    if (!concerns(cap, role)) continue;
    const int64_t need = std::max<int64_t>(
        1, cap.quota.what == QuotaKind::calls ? 1 : estimate(cap.quota.what, role).value_or(1));
    const Bounds now = used(cap, wall);
    const Bounds held = reserved(cap);
    if (now.low + held.low + need > cap.quota.cap) {
      return text(cap, now, held) + ", and the claim needs " + std::to_string(need);
    }
  }
  return std::nullopt;
}

bool Accounts::surely_fits(const std::string& role, int64_t wall) const {
  return std::all_of(caps_.begin(), caps_.end(), [&](const Cap& cap) {
    if (!concerns(cap, role)) return true;
    if (cap.quota.what != QuotaKind::calls && !estimate(cap.quota.what, role)) return false;
    const int64_t need =
        std::max<int64_t>(1, cap.quota.what == QuotaKind::calls ? 1 : *estimate(cap.quota.what, role));
    return used(cap, wall).high + reserved(cap).high + need <= cap.quota.cap;
  });
}

std::optional<std::string> Accounts::judge_get(const core::op::QuotaGet& get, const Value& got,
                                               int64_t wall) const {
  size_t expected = 0;
  for (const Cap& cap : caps_) {
    if (get.role && *get.role != cap.role) continue;
    ++expected;
    const auto shown = std::find_if(got.items.begin(), got.items.end(), [&](const Value& item) {
      const Value *role = item.field("role"), *what = item.field("what"), *per = item.field("per");
      return role != nullptr && what != nullptr && per != nullptr && role->text == cap.role &&
             what->text == word(cap.quota.what) && per->number == cap.quota.per_ms;
    });
    if (shown == got.items.end()) return "QUOTA GET leaves out " + text(cap, {}, {});
    const auto number = [&](std::string_view name) {
      const Value* field = shown->field(name);
      return field == nullptr ? -1 : field->number;
    };
    const Bounds now = used(cap, wall);
    const Bounds held = reserved(cap);
    const bool right = number("cap") == cap.quota.cap && number("used") >= now.low &&
                       number("used") <= now.high && number("reserved") >= held.low &&
                       number("reserved") <= held.high;
    if (!right) return "QUOTA GET shows " + to_text(*shown) + " for " + text(cap, now, held);
  }
  if (got.items.size() != expected) return "QUOTA GET shows caps that there are not: " + to_text(got);
  return std::nullopt;
}

}  // namespace pawl::sim
