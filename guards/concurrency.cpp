#include "guards/concurrency.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bus/core/archive.h"
#include "bus/core/faults.h"
#include "guards/amounts.h"

namespace pawl::guards {
namespace {

constexpr std::string_view rows = "concurrency/";
constexpr uint64_t row_version = 1;

}  // namespace

void Concurrency::open(core::Desk& desk) {
  lowered_.clear();
  desk.scan(rows, [&](std::string_view key, std::string_view value) {
    core::RecordReader in(value);
    const uint64_t version = in.number();
    Lowered lowered;
    lowered.cap = in.number();
    lowered.by = std::string(in.bytes());
    lowered.reason = std::string(in.bytes());
    if (version != row_version || !in.whole() || lowered.cap == 0) {
      throw std::runtime_error("the row of a lowered concurrency is damaged or from a newer pawl");
    }
    lowered_.emplace(key.substr(rows.size()), std::move(lowered));
    return true;
  });
  configured(desk);
}

void Concurrency::configured(core::Desk& desk) {
  set_idle(lowered_.empty() &&
           !any_role(desk.config(), [](const core::RoleConfig& role) { return role.concurrency != 0; }));
}

Answer Concurrency::admit_claim(const core::Candidate& candidate, const core::Desk& /*desk*/) const {
  uint64_t cap = candidate.role.config->concurrency;
  const Lowered* lowered = nullptr;
  if (!lowered_.empty()) {
    const auto found = lowered_.find(candidate.role.name);
    if (found != lowered_.end() && (cap == 0 || found->second.cap < cap)) {
      lowered = &found->second;
      cap = lowered->cap;
    }
  }
  if (cap == 0) return allow();
  const uint64_t live = candidate.role.depth(core::MessageState::claimed);
  if (live < cap + (PAWL_FAULT(concurrency_one_more) ? 1 : 0)) return allow();
  const std::string role(candidate.role.name);
  std::string reason = "role " + role + " has " + std::to_string(live) + " of " + std::to_string(cap) +
                       " claims at a time; one has to end, or ";
  reason += lowered == nullptr ? "raise concurrency in [role." + role + "]"
                               : "close " + lowered->by + ", for which it was lowered: " + lowered->reason;
  core::Verdict verdict = refuse(Code::busy, core::Scope::role, std::move(reason));
  verdict.empty = true;
  verdict.subject = "role:" + role;
  verdict.value = shown(live);
  verdict.limit = shown(cap);
  return verdict;
}

std::optional<Status> Concurrency::restrict(const core::Restriction& restriction, core::Desk& desk) {
  if (restriction.kind != core::Restriction::Kind::lower_concurrency) return std::nullopt;
  const std::string role(restriction.subject);
  const auto facts = desk.role(role);
  if (!facts) return make_error(Code::notfound, "no role '" + role + "'");
  const auto standing = lowered_.find(role);
  const uint64_t live = facts->depth(core::MessageState::claimed);
  const uint64_t cap = std::max<uint64_t>(1, live / 2);
  const uint64_t now = standing != lowered_.end() ? standing->second.cap : facts->config->concurrency;
  if (standing != lowered_.end() || (now != 0 && cap >= now)) {
    return make_error(Code::state, "role " + role + " has at most " + std::to_string(now) +
                                       (now == 1 ? " claim" : " claims") + " at a time already");
  }
  Lowered lowered{cap, std::string(restriction.by), std::string(restriction.reason)};
  std::string row;
  core::RecordWriter out(row);
  out.number(row_version);
  out.number(lowered.cap);
  out.bytes(lowered.by);
  out.bytes(lowered.reason);
  desk.put(std::string(rows) + role, row);
  desk.chronicle("role.restricted", {{"role", role},
                                     {"what", "concurrency"},
                                     {"limit", std::to_string(cap)},
                                     {"claimed", std::to_string(live)},
                                     {"by", lowered.by},
                                     {"reason", lowered.reason}});
  lowered_.emplace(role, std::move(lowered));
  configured(desk);
  return Status();
}

void Concurrency::lift(const core::Restriction& restriction, core::Desk& desk) {
  if (restriction.kind != core::Restriction::Kind::lower_concurrency) return;
  const auto standing = lowered_.find(restriction.subject);
  if (standing == lowered_.end() || standing->second.by != restriction.by) return;
  const std::string role = standing->first;
  desk.erase(std::string(rows) + role);
  lowered_.erase(standing);
  desk.chronicle("role.unrestricted",
                 {{"role", role}, {"what", "concurrency"}, {"by", std::string(restriction.by)}});
  configured(desk);
  desk.wake(role);
}

}  // namespace pawl::guards
