// QUOTA SET, GET and DROP; and what ROLE says of it.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "bus/base/parse.h"
#include "guards/quota_breaker.h"
#include "guards/quota_rows.h"

namespace pawl::guards {
namespace {

using core::QuotaKind;

constexpr std::array<std::string_view, quota_kinds> units = {"tokens", "micro-dollars", "calls"};

// "QUOTA SET research TOKENS": the command words of a cap, in the kind's own spelling.
std::string command_text(std::string_view verb, std::string_view name, QuotaKind what) {
  return "QUOTA " + std::string(verb) + " " + std::string(name) + " " +
         std::string(core::quota_kind_names[index_of(what)]);
}

core::Headers fields_of(std::string_view name, const core::QuotaConfig& quota, const core::Caller& caller) {
  core::Headers fields = {{"role", std::string(name)},
                          {"what", std::string(core::quota_kind_names[index_of(quota.what)])},
                          {"per_ms", std::to_string(quota.per_ms)},
                          {"cap", std::to_string(quota.cap)}};
  if (quota.estimate) fields.emplace_back("estimate", std::to_string(*quota.estimate));
  fields.emplace_back("by", std::string(caller.name));
  return fields;
}

// The account as the newest durable batch left it, under the caps of the file.
Account committed_account(std::string_view name, const core::Desk& desk) {
  Account account;
  std::string row;
  if (desk.get_committed(quota_key(name), row) && !account.decode(row)) account = Account();
  account.configure(file_quotas(desk.config(), name), desk.clocks().wall_ms);
  return account;
}

}  // namespace

const std::vector<core::QuotaConfig>& file_quotas(const core::BusConfig& config, std::string_view name) {
  static const std::vector<core::QuotaConfig> none;
  if (name == fleet_name) return config.system_quotas;
  const auto found = config.roles.find(name);
  return found == config.roles.end() ? none : found->second.quotas;
}

std::string cap_text(const core::QuotaConfig& quota) {
  return std::to_string(quota.cap) + " " + std::string(units[index_of(quota.what)]) + " per " +
         format_duration(quota.per_ms);
}

std::string shortage_text(std::string_view name, const Account& account, const Cap& cap, uint64_t need,
                          int64_t wall_ms) {
  const std::string who = name == fleet_name ? "the fleet" : "role " + std::string(name);
  const std::string raise =
      command_text("SET", name, cap.config.what) + " … PER " + std::to_string(cap.config.per_ms);
  const uint64_t reserved = account.reserved(cap.config.what);
  if (need > static_cast<uint64_t>(cap.config.cap)) {
    return "a claim is estimated at " + std::to_string(need) + ", above the cap of " + who + ", " +
           cap_text(cap.config) + ", so that none ever fits; lower the estimate, or raise the cap with " +
           raise;
  }
  std::string text = who + " may use " + cap_text(cap.config) + ": " +
                     std::to_string(cap.usage.used(wall_ms)) + " are used, " + std::to_string(reserved) +
                     " reserved, a claim needs " + std::to_string(need);
  if (Wide{reserved} + need > cap.config.cap) {
    text += "; it waits for claims in flight to end";
  } else {
    text += "; it goes on by itself as the window slides";
  }
  return text + ", or raise the cap with " + raise;
}

bool QuotaBreaker::command(const core::Operation& operation, const core::Caller& caller, core::Desk& desk,
                           core::ReplyWriter& writer) {
  if (const auto* one = std::get_if<core::op::QuotaSet>(&operation)) {
    set(*one, caller, desk, writer);
  } else if (const auto* other = std::get_if<core::op::QuotaDrop>(&operation)) {
    drop(*other, caller, desk, writer);
  } else if (const auto* question = std::get_if<core::op::QuotaGet>(&operation)) {
    get(*question, desk, writer);
  } else {
    return false;
  }
  return true;
}

// An estimate that is above its cap, or above another cap of its kind, would refuse every claim for good.
std::optional<Error> QuotaBreaker::unfit(const core::op::QuotaSet& set, const Account* account) {
  const auto error = [](std::string text) { return make_error(Code::badarg, std::move(text)); };
  if (set.cap <= 0 || set.per_ms <= 0) return error("a cap and its window are above 0");
  if (set.estimate && set.what == QuotaKind::calls) {
    return error("CALLS counts claims and takes no ESTIMATE");
  }
  if (set.estimate && *set.estimate > set.cap) {
    return error("ESTIMATE " + std::to_string(*set.estimate) + " is above the cap of " +
                 std::to_string(set.cap) + ": no claim could ever be granted");
  }
  if (account == nullptr) return std::nullopt;
  for (const Cap& cap : account->caps) {
    if (!cap.in_force() || cap.config.what != set.what || cap.config.per_ms == set.per_ms) continue;
    if (set.estimate && *set.estimate > cap.config.cap) {
      return error("ESTIMATE " + std::to_string(*set.estimate) + " is above the cap of " +
                   cap_text(cap.config) + ": no claim could ever be granted");
    }
    if (cap.config.estimate && *cap.config.estimate > set.cap) {
      return error("the cap of " + cap_text(cap.config) + " has an estimate of " +
                   std::to_string(*cap.config.estimate) + " a claim, above " + std::to_string(set.cap) +
                   ": no claim could ever be granted; lower that estimate first");
    }
  }
  return std::nullopt;
}

void QuotaBreaker::set(const core::op::QuotaSet& set, const core::Caller& caller, core::Desk& desk,
                       core::ReplyWriter& writer) {
  const core::BusConfig& config = desk.config();
  const bool fleet = set.role == fleet_name;
  if (!fleet && config.strict_roles && !desk.role(set.role) && config.roles.count(set.role) == 0) {
    return writer.error(make_error(Code::notfound, "role '" + std::string(set.role) +
                                                       "' is not in pawl.toml, and strict_roles allows no "
                                                       "others"));
  }
  if (auto error = unfit(set, named(set.role))) return writer.error(*error);
  Account& changing = fleet ? fleet_ : account(set.role);
  const core::QuotaConfig quota{set.what, set.cap, set.per_ms, set.estimate};
  changing.set(quota, desk.clocks().wall_ms);
  set_idle(false);
  changed(changing, set.role);
  desk.chronicle("quota.set", fields_of(set.role, quota, caller));
  warn(changing, set.role, desk);
  desk.wake(fleet ? "" : set.role);
  writer.simple("OK");
}

void QuotaBreaker::drop(const core::op::QuotaDrop& drop, const core::Caller& caller, core::Desk& desk,
                        core::ReplyWriter& writer) {
  Account* account = named(drop.role);
  Cap* cap = account == nullptr ? nullptr : account->find(drop.what, drop.per_ms);
  if (cap == nullptr || !cap->in_force()) {
    return writer.error(
        make_error(Code::notfound, "no cap of " + std::string(core::quota_kind_names[index_of(drop.what)]) +
                                       " per " + format_duration(drop.per_ms) + " for '" +
                                       std::string(drop.role) + "'; QUOTA GET lists those that there are"));
  }
  if (!cap->set) {
    return writer.error(make_error(Code::state, "the cap stands in pawl.toml; remove it there and RELOAD"));
  }
  desk.chronicle("quota.drop", fields_of(drop.role, cap->config, caller));
  cap->set = false;
  account->configure(file_quotas(desk.config(), drop.role), desk.clocks().wall_ms);
  changed(*account, drop.role);
  desk.wake(drop.role == fleet_name ? "" : drop.role);
  writer.simple("OK");
}

void QuotaBreaker::get(const core::op::QuotaGet& get, const core::Desk& desk,
                       core::ReplyWriter& writer) const {
  std::set<std::string, std::less<>> names;
  if (get.role) {
    names.emplace(*get.role);
  } else {
    names.emplace(fleet_name);
    for (const auto& [name, role] : desk.config().roles) {
      if (!role.quotas.empty()) names.insert(name);
    }
    desk.scan_committed(quota_prefix, [&](std::string_view key, std::string_view) {
      names.emplace(key.substr(quota_prefix.size()));
      return true;
    });
  }
  const int64_t wall_ms = desk.clocks().wall_ms;
  const Account fleet = committed_account(fleet_name, desk);
  std::vector<core::Fields> shown_caps;
  for (const std::string& name : names) {
    const bool of_fleet = name == fleet_name;
    const Account account = of_fleet ? fleet : committed_account(name, desk);
    for (const Cap& cap : account.caps) {
      if (!cap.in_force()) continue;
      const QuotaKind what = cap.config.what;
      core::Fields& fields = shown_caps.emplace_back();
      fields.text("role", name);
      fields.text("what", std::string(core::quota_kind_names[index_of(what)]));
      fields.number("per", cap.config.per_ms);
      fields.number("cap", cap.config.cap);
      fields.number("used", shown(cap.usage.used(wall_ms)));
      fields.number("reserved", shown(account.reserved(what)));
      fields.number("percent", account.percent(cap, wall_ms));
      if (const auto at_ms = cap.usage.frees_at_ms(wall_ms)) fields.number("frees_at", *at_ms);
      fields.number("trips", shown(cap.trips));
      const auto estimate = of_fleet ? fleet.kind(what).estimate : estimate_of(what, &account, fleet);
      if (estimate) fields.number("estimate", shown(*estimate));
      fields.text("source", cap.set ? "set" : "file");
    }
  }
  writer.array(shown_caps.size());
  for (const core::Fields& fields : shown_caps) {
    writer.map(fields.size());
    fields.write(writer);
  }
}

void QuotaBreaker::report(core::FactsSink& sink, const core::Desk& desk) const {
  if (!sink.wants(core::FactsSink::quotas)) return;
  const int64_t wall_ms = desk.clocks().wall_ms;
  const auto tell = [&](std::string_view name, const Account& account) {
    for (const Cap& cap : account.caps) {
      if (!cap.in_force()) continue;
      core::QuotaFacts facts;
      facts.role = name;
      facts.what = cap.config.what;
      facts.per_ms = cap.config.per_ms;
      facts.cap = cap.config.cap;
      facts.used = static_cast<int64_t>(cap.usage.used(wall_ms));
      facts.reserved = static_cast<int64_t>(account.reserved(cap.config.what));
      facts.frees_at_ms = cap.usage.frees_at_ms(wall_ms);
      facts.trips = static_cast<int64_t>(cap.trips);
      sink.quota(facts);
    }
  };
  tell(fleet_name, fleet_);
  for (const auto& [name, account] : accounts_) tell(name, *account);
}

void QuotaBreaker::describe(const core::RoleFacts& role, const core::Desk& desk, core::Fields& fields) const {
  if (idle()) return;
  const Account* own = find(role);
  if (own == nullptr || !own->has_caps()) return;
  const Account account = committed_account(role.name, desk);
  if (!account.has_caps()) return;
  int64_t highest = 0;
  for (const Cap& cap : account.caps) {
    if (cap.in_force()) highest = std::max(highest, account.percent(cap, desk.clocks().wall_ms));
  }
  fields.number("quota", highest);
}

}  // namespace pawl::guards
