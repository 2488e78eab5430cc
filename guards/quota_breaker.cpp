#include "guards/quota_breaker.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bus/core/faults.h"
#include "guards/quota_rows.h"

namespace pawl::guards {
namespace {

using core::QuotaKind;

constexpr int64_t check_ms = 1000;
// A claim that ends may make room under the fleet's cap; how often everyone is asked again.
constexpr int64_t wake_ms = 100;
constexpr int warn_percent = 80;

// A cap that sways around its mark is chronicled once in this time, not with every claim.
int64_t calm_ms(const Cap& cap) {
  return std::clamp<int64_t>(cap.config.per_ms / limits::quota_buckets, 1000, 60'000);
}

uint64_t left(uint64_t estimate, uint64_t used) { return estimate > used ? estimate - used : 0; }

uint64_t reserved_of(const core::Reservation& reserved, QuotaKind what) {
  return what == QuotaKind::tokens ? reserved.tokens : reserved.cost;
}

core::Headers fields_of(std::string_view name, const Account& account, const Cap& cap, int64_t wall_ms) {
  return {{"role", std::string(name)},
          {"what", std::string(core::quota_kind_names[index_of(cap.config.what)])},
          {"per_ms", std::to_string(cap.config.per_ms)},
          {"cap", std::to_string(cap.config.cap)},
          {"used", std::to_string(cap.usage.used(wall_ms))},
          {"reserved", std::to_string(account.reserved(cap.config.what))}};
}

}  // namespace

// ---- Accounts ------------------------------------------------------------------

void QuotaBreaker::open(core::Desk& desk) {
  accounts_.clear();
  fleet_ = Account();
  by_number_.clear();
  changed_.clear();
  turned_away_.clear();
  next_check_ms_ = woken_ms_ = 0;
  watching_ = frozen_ = news_ = wake_later_ = false;
  desk.scan(quota_prefix, [&](std::string_view key, std::string_view value) {
    const std::string_view name = key.substr(quota_prefix.size());
    Account& one = name == fleet_name ? fleet_ : account(name);
    if (!one.decode(value)) throw std::runtime_error("a row of quota");
    // The live claims add up to it again.
    one.forget_reserved();
    return true;
  });
  configured(desk);
  const core::Clocks clocks = desk.clocks();
  for (auto at = accounts_.begin(); at != accounts_.end();) {
    auto& [name, account] = *at;
    for (Cap& cap : account->caps) cap.high_ms = cap.refused_ms = clocks.bus_ms;
    // What a role learned that is gone.
    const bool gone = account->caps.empty() && !desk.role(name);
    if (gone) desk.erase(quota_key(name));
    at = gone ? accounts_.erase(at) : std::next(at);
  }
  for (Cap& cap : fleet_.caps) cap.high_ms = cap.refused_ms = clocks.bus_ms;
  by_number_.clear();
  count();
}

void QuotaBreaker::configured(core::Desk& desk) {
  const int64_t wall_ms = desk.clocks().wall_ms;
  for (const auto& [name, role] : desk.config().roles) {
    if (!role.quotas.empty()) account(name);
  }
  for (auto& [name, account] : accounts_) {
    if (account->configure(file_quotas(desk.config(), name), wall_ms)) changed(*account, name);
  }
  if (fleet_.configure(desk.config().system_quotas, wall_ms)) changed(fleet_, fleet_name);
  count();
  // What is tripped or warned may be no longer, or may have come with the rows.
  watching_ = true;
}

void QuotaBreaker::restored(const core::RoleFacts& role, const core::Reservation& reserved, uint64_t tokens,
                            uint64_t cost) {
  if ((reserved.tokens == 0 && reserved.cost == 0) || PAWL_FAULT(quota_lost_at_restart)) return;
  Account& own = account_of(role);
  for (const QuotaKind what : reserved_kinds) {
    const uint64_t rest = left(reserved_of(reserved, what), what == QuotaKind::tokens ? tokens : cost);
    own.reserve(what, rest);
    fleet_.reserve(what, rest);
  }
}

Account* QuotaBreaker::find(const core::RoleFacts& role) const {
  const auto [known, fresh] = by_number_.try_emplace(role.number, nullptr);
  if (fresh) {
    const auto found = accounts_.find(role.name);
    if (found != accounts_.end()) known->second = found->second.get();
  }
  return known->second;
}

Account& QuotaBreaker::account(std::string_view name) {
  const auto found = accounts_.find(name);
  if (found != accounts_.end()) return *found->second;
  by_number_.clear();
  set_idle(false);
  return *accounts_.emplace(name, std::make_unique<Account>()).first->second;
}

Account& QuotaBreaker::account_of(const core::RoleFacts& role) {
  Account* own = find(role);
  return own != nullptr ? *own : account(role.name);
}

Account* QuotaBreaker::named(std::string_view name) {
  if (name == fleet_name) return &fleet_;
  const auto found = accounts_.find(name);
  return found == accounts_.end() ? nullptr : found->second.get();
}

void QuotaBreaker::changed(Account& account, std::string_view name) {
  if (account.dirty) return;
  account.dirty = true;
  changed_.emplace(name);
}

void QuotaBreaker::count() { set_idle(accounts_.empty() && fleet_.vacant()); }

void QuotaBreaker::sealing(core::Desk& desk) {
  const int64_t wall_ms = desk.clocks().wall_ms;
  if (changed_.empty() || PAWL_FAULT(quota_used_lost_at_restart)) return;
  for (const std::string& name : std::exchange(changed_, {})) {
    Account* account = named(name);
    if (account == nullptr) continue;
    account->dirty = false;
    account->expire(wall_ms);
    if (!account->vacant()) {
      desk.put(quota_key(name), account->encode());
      continue;
    }
    desk.erase(quota_key(name));
    if (name == fleet_name) continue;
    accounts_.erase(name);
    by_number_.clear();
  }
  count();
}

// ---- Claims --------------------------------------------------------------------

// The cap that will refuse the longest.
struct QuotaBreaker::Shortage {
  // In rising order.
  enum class Passes : uint8_t { nothing_short, by_itself, with_claims_in_flight, never };
  Passes passes = Passes::nothing_short;
  const Account* account = nullptr;
  const Cap* cap = nullptr;
  uint64_t need = 0;
  int64_t retry_at_ms = 0;
};

void QuotaBreaker::look(const Account& account, const core::Candidate& candidate,
                        const std::array<uint64_t, quota_kinds>& needs, Shortage& worst) const {
  const int64_t wall_ms = candidate.clocks.wall_ms;
  for (const Cap& cap : account.caps) {
    if (!cap.in_force()) continue;
    const uint64_t need = PAWL_FAULT(quota_ignores_need) ? 0 : needs[index_of(cap.config.what)];
    const Wide limit = cap.config.cap;
    if (account.load(cap, wall_ms) + need <= limit) continue;
    using Passes = Shortage::Passes;
    Shortage found{Passes::by_itself, &account, &cap, need, 0};
    const Wide room = limit - account.reserved(cap.config.what) - need;
    if (need > static_cast<uint64_t>(cap.config.cap)) {
      found.passes = Passes::never;
    } else if (room < 0) {
      found.passes = Passes::with_claims_in_flight;
    } else {
      found.retry_at_ms = cap.usage.fits_at_ms(wall_ms, static_cast<uint64_t>(room));
    }
    // EXPLAIN asks for nobody.
    if (!candidate.daemon.empty()) {
      cap.refused = need;
      cap.refused_ms = candidate.clocks.bus_ms;
      if (cap.tripped == 0) news_ = true;
      if (&account == &fleet_) turned_away_.emplace(candidate.role.name);
    }
    if (std::pair(found.passes, found.retry_at_ms) > std::pair(worst.passes, worst.retry_at_ms)) {
      worst = found;
    }
  }
}

Answer QuotaBreaker::admit_claim(const core::Candidate& candidate, const core::Desk& /*desk*/) const {
  if (idle()) return allow();
  const Account* own = find(candidate.role);
  // A full cap refuses whatever the estimate.
  std::array<uint64_t, quota_kinds> needs{1, 1, 1};
  for (const QuotaKind what : reserved_kinds) {
    needs[index_of(what)] = std::max<uint64_t>(1, estimate_of(what, own, fleet_).value_or(0));
  }
  Shortage worst;
  if (own != nullptr) look(*own, candidate, needs, worst);
  if (!PAWL_FAULT(quota_fleet_not_asked)) look(fleet_, candidate, needs, worst);
  if (worst.passes == Shortage::Passes::nothing_short) return allow();
  const bool of_fleet = worst.account == &fleet_;
  const Cap& cap = *worst.cap;
  core::Verdict verdict = refuse(Code::quota, of_fleet ? core::Scope::fleet : core::Scope::role,
                                 shortage_text(of_fleet ? fleet_name : candidate.role.name, *worst.account,
                                               cap, worst.need, candidate.clocks.wall_ms));
  if (!of_fleet) verdict.subject = "role:" + std::string(candidate.role.name);
  if (worst.passes == Shortage::Passes::by_itself) verdict.retry_at_ms = worst.retry_at_ms;
  verdict.value = shown(worst.account->load(cap, candidate.clocks.wall_ms));
  verdict.limit = cap.config.cap;
  return verdict;
}

void QuotaBreaker::charge(QuotaKind what, Account* own, const core::RoleFacts& role, uint64_t amount,
                          core::Desk& desk) {
  if (amount == 0) return;
  const int64_t wall_ms = desk.clocks().wall_ms;
  if (own != nullptr && !own->caps.empty()) {
    own->charge(what, amount, wall_ms);
    changed(*own, role.name);
  }
  if (fleet_.caps.empty()) return;
  fleet_.charge(what, amount, wall_ms);
  changed(fleet_, fleet_name);
}

void QuotaBreaker::release(QuotaKind what, Account* own, const core::RoleFacts& role, uint64_t amount) {
  if (amount == 0) return;
  if (own != nullptr) {
    own->release(what, amount);
    if (!own->caps.empty()) changed(*own, role.name);
  }
  fleet_.release(what, amount);
  if (!fleet_.caps.empty()) changed(fleet_, fleet_name);
}

void QuotaBreaker::taken(const core::Candidate& candidate, core::Reservation& reserved, core::Desk& desk) {
  if (idle()) return;
  Account* own = find(candidate.role);
  if (!PAWL_FAULT(quota_calls_uncounted)) charge(QuotaKind::calls, own, candidate.role, 1, desk);
  for (const QuotaKind what : reserved_kinds) {
    const uint64_t estimate = estimate_of(what, own, fleet_).value_or(0);
    if (estimate == 0) continue;
    own = &account_of(candidate.role);
    if (!PAWL_FAULT(quota_not_reserved)) own->reserve(what, estimate);
    if (!PAWL_FAULT(quota_not_reserved)) fleet_.reserve(what, estimate);
    (what == QuotaKind::tokens ? reserved.tokens : reserved.cost) = estimate;
  }
  if (own != nullptr) warn(*own, candidate.role.name, desk);
  warn(fleet_, fleet_name, desk);
}

void QuotaBreaker::used(const core::Usage& usage, core::Desk& desk) {
  if (idle()) return;
  Account* own = find(usage.role);
  for (const QuotaKind what : reserved_kinds) {
    const bool tokens = what == QuotaKind::tokens;
    const uint64_t before = tokens ? usage.tokens_before : usage.cost_before;
    const uint64_t now = tokens ? usage.tokens : usage.cost;
    const uint64_t estimate = reserved_of(usage.reserved, what);
    if (now <= before) continue;
    // Of a claim that lapsed its estimate was charged with the end.
    charge(what, own, usage.role,
           usage.live || PAWL_FAULT(quota_late_charged_twice) ? now - before
                                                              : left(now, std::max(before, estimate)),
           desk);
    if (usage.live) release(what, own, usage.role, left(estimate, before) - left(estimate, now));
  }
  if (own != nullptr) warn(*own, usage.role.name, desk);
  warn(fleet_, fleet_name, desk);
}

void QuotaBreaker::ended(const core::Ending& ending, const core::Ruling& /*ruling*/, core::Desk& desk) {
  if (idle()) return;
  Account* own = find(ending.role);
  for (const QuotaKind what : reserved_kinds) {
    const uint64_t total = what == QuotaKind::tokens ? ending.tokens : ending.cost;
    const uint64_t rest = left(reserved_of(ending.reserved, what), total);
    const bool lapsed = ending.outcome == core::Outcome::lapsed;
    const bool leaks = (lapsed && PAWL_FAULT(quota_lapse_leaks)) ||
                       (ending.outcome == core::Outcome::released && PAWL_FAULT(quota_release_leaks));
    if (!leaks) release(what, own, ending.role, rest);
    if (lapsed) {
      if (!PAWL_FAULT(quota_lapse_uncharged)) charge(what, own, ending.role, rest, desk);
    } else if (rest > 0) {
      wake_turned_away(desk);
    }
    learn(what, ending, total);
  }
}

// Endings that say nothing of what a delivery uses are no lesson: handed back, lapsed before a report.
void QuotaBreaker::learn(QuotaKind what, const core::Ending& ending, uint64_t value) {
  const bool whole = ending.outcome == core::Outcome::done || ending.outcome == core::Outcome::failed;
  if (!whole && value == 0) return;
  Account* own = find(ending.role);
  const bool own_capped = own != nullptr && own->kind(what).capped;
  const bool said = (own != nullptr && own->kind(what).estimate) || fleet_.kind(what).estimate;
  if (said || (!own_capped && !fleet_.kind(what).capped)) return;
  Account& learner = account_of(ending.role);
  learner.learned[index_of(what)].add(value);
  changed(learner, ending.role.name);
}

void QuotaBreaker::wake_turned_away(core::Desk& desk) {
  if (turned_away_.empty()) return;
  const int64_t bus_ms = desk.clocks().bus_ms;
  wake_later_ = bus_ms < woken_ms_ + wake_ms;
  if (wake_later_) return;
  woken_ms_ = bus_ms;
  for (const std::string& role : std::exchange(turned_away_, {})) desk.wake(role);
}

// ---- Time ------------------------------------------------------------------------

void QuotaBreaker::warn(Account& account, std::string_view name, core::Desk& desk) {
  const core::Clocks clocks = desk.clocks();
  for (Cap& cap : account.caps) {
    if (!cap.in_force() || account.load(cap, clocks.wall_ms) * 100 < Wide{cap.config.cap} * warn_percent) {
      continue;
    }
    cap.high_ms = clocks.bus_ms;
    if (cap.warned) continue;
    cap.warned = watching_ = true;
    changed(account, name);
    desk.chronicle("quota.warn", fields_of(name, account, cap, clocks.wall_ms));
  }
}

void QuotaBreaker::check(Account& account, std::string_view name, core::Desk& desk) {
  const core::Clocks clocks = desk.clocks();
  for (Cap& cap : account.caps) {
    if (!cap.in_force()) continue;
    const uint64_t refused = std::exchange(cap.refused, 0);
    const Wide load = account.load(cap, clocks.wall_ms);
    if (refused != 0 && cap.tripped == 0) {
      ++cap.trips;
      desk.chronicle("quota.trip", fields_of(name, account, cap, clocks.wall_ms));
    }
    if (refused != 0) {
      if (cap.tripped != refused) changed(account, name);
      cap.tripped = refused;
    }
    const bool fits = load + cap.tripped <= cap.config.cap;
    if (cap.tripped != 0 && fits && clocks.bus_ms >= cap.refused_ms + calm_ms(cap)) {
      cap.tripped = 0;
      changed(account, name);
      desk.chronicle("quota.rearm", fields_of(name, account, cap, clocks.wall_ms));
    }
    if (load * 100 >= Wide{cap.config.cap} * warn_percent) {
      cap.high_ms = clocks.bus_ms;
    } else if (cap.warned && clocks.bus_ms >= cap.high_ms + calm_ms(cap)) {
      cap.warned = false;
      changed(account, name);
    }
    if (cap.warned || cap.tripped != 0) watching_ = true;
  }
}

void QuotaBreaker::tick(core::Desk& desk) {
  if (!news_ && !watching_ && !wake_later_) return;
  const int64_t bus_ms = desk.clocks().bus_ms;
  if (wake_later_) wake_turned_away(desk);
  if (!news_ && bus_ms < next_check_ms_) return;
  next_check_ms_ = bus_ms + check_ms;
  frozen_ = desk.freeze().all();
  if (frozen_) return;
  news_ = watching_ = false;
  for (auto& [name, account] : accounts_) check(*account, name, desk);
  check(fleet_, fleet_name, desk);
}

std::optional<int64_t> QuotaBreaker::next_wakeup_ms() const {
  std::optional<int64_t> next;
  if (watching_ || news_) next = news_ && !frozen_ ? 0 : next_check_ms_;
  if (wake_later_) next = std::min(next.value_or(INT64_MAX), woken_ms_ + wake_ms);
  return next;
}

}  // namespace pawl::guards
