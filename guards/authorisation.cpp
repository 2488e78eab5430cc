#include "guards/authorisation.h"

#include <optional>
#include <string>

#include "bus/core/faults.h"

namespace pawl::guards {
namespace {

using core::UserConfig;
namespace op = core::op;

enum class Right : uint8_t { any, producer, worker, operates, works_or_operates, admin };

// The right that an operation needs. What is not listed is the admin's.
struct NeededRight {
  Right operator()(const op::Push&) const { return Right::producer; }
  Right operator()(const op::MultiPush&) const { return Right::producer; }
  Right operator()(const op::Cancel&) const { return Right::producer; }
  Right operator()(const op::CancelFilter&) const { return Right::producer; }
  Right operator()(const op::Move&) const { return Right::producer; }

  Right operator()(const op::Claim&) const { return Right::worker; }
  Right operator()(const op::Ack&) const { return Right::worker; }
  Right operator()(const op::MultiAck&) const { return Right::worker; }
  Right operator()(const op::Fail&) const { return Right::worker; }
  Right operator()(const op::Extend&) const { return Right::worker; }
  Right operator()(const op::Release&) const { return Right::worker; }
  Right operator()(const op::Beat&) const { return Right::worker; }

  Right operator()(const op::DeadReplay&) const { return Right::operates; }
  Right operator()(const op::DeadEdit&) const { return Right::operates; }
  Right operator()(const op::DeadDrop&) const { return Right::operates; }
  Right operator()(const op::Pause&) const { return Right::operates; }
  Right operator()(const op::Resume&) const { return Right::operates; }
  Right operator()(const op::KillSet&) const { return Right::operates; }
  Right operator()(const op::KillClear&) const { return Right::operates; }
  Right operator()(const op::QuotaSet&) const { return Right::operates; }
  Right operator()(const op::QuotaDrop&) const { return Right::operates; }
  Right operator()(const op::SetGuardMode&) const { return Right::operates; }
  Right operator()(const op::DaemonForget&) const { return Right::operates; }
  Right operator()(const op::Reap&) const { return Right::operates; }
  Right operator()(const op::CronSet&) const { return Right::operates; }
  Right operator()(const op::CronDrop&) const { return Right::operates; }
  Right operator()(const op::IncidentAck&) const { return Right::operates; }
  Right operator()(const op::IncidentNote&) const { return Right::operates; }
  Right operator()(const op::IncidentClose&) const { return Right::operates; }

  Right operator()(const op::DeploySet&) const { return Right::operates; }
  Right operator()(const op::DeployRollback&) const { return Right::operates; }

  Right operator()(const op::DeployList&) const { return Right::any; }
  Right operator()(const op::DeployGet&) const { return Right::any; }
  Right operator()(const op::EventAdd&) const { return Right::works_or_operates; }

  Right operator()(const op::Get&) const { return Right::any; }
  Right operator()(const op::GetResult&) const { return Right::any; }
  Right operator()(const op::List&) const { return Right::any; }
  Right operator()(const op::Roles&) const { return Right::any; }
  Right operator()(const op::RoleInfo&) const { return Right::any; }
  Right operator()(const op::DeadList&) const { return Right::any; }
  Right operator()(const op::DeadGet&) const { return Right::any; }
  Right operator()(const op::DeadCount&) const { return Right::any; }
  Right operator()(const op::DeadGroups&) const { return Right::any; }
  Right operator()(const op::Explain&) const { return Right::any; }
  Right operator()(const op::Events&) const { return Right::any; }
  Right operator()(const op::Info&) const { return Right::any; }
  Right operator()(const op::KillStatus&) const { return Right::any; }
  Right operator()(const op::QuotaGet&) const { return Right::any; }
  Right operator()(const op::GuardList&) const { return Right::any; }
  Right operator()(const op::Daemons&) const { return Right::any; }
  Right operator()(const op::DaemonInfo&) const { return Right::any; }
  Right operator()(const op::CronList&) const { return Right::any; }
  // Whoever sees something may say so.
  Right operator()(const op::IncidentOpen&) const { return Right::any; }
  Right operator()(const op::IncidentList&) const { return Right::any; }
  Right operator()(const op::IncidentGet&) const { return Right::any; }
  Right operator()(const op::IncidentStudy&) const { return Right::any; }
  // A role's handler may be one.
  Right operator()(const op::Sweep&) const { return Right::works_or_operates; }

  template <typename Other>
  Right operator()(const Other&) const {
    return Right::admin;
  }
};

bool has(const UserConfig& user, Right right) {
  if (user.admin) return true;
  switch (right) {
    case Right::any:
      return user.has_any_right();
    case Right::producer:
      return user.producer;
    case Right::worker:
      return user.worker;
    case Right::operates:
      return user.operates;
    case Right::works_or_operates:
      return user.worker || user.operates;
    case Right::admin:
      return false;
  }
  return false;
}

std::string_view word(Right right) {
  switch (right) {
    case Right::any:
      break;
    case Right::producer:
      return "producer";
    case Right::worker:
    case Right::works_or_operates:
      return "worker";
    case Right::operates:
      return "operator";
    case Right::admin:
      return "admin";
  }
  return "any right";
}

// Why an operation goes beyond the roles of a user; nothing: it does not. What names no role and shows
// nothing of one is not limited.
struct BeyondRoles {
  using Why = std::optional<std::string>;
  const UserConfig& user;
  const core::Desk& desk;

  Why role(op::Text name) const {
    if (user.covers(name)) return std::nullopt;
    return "role " + std::string(name) + " is not among its roles:" + prefixes();
  }
  // An unknown id passes: what there is to say about it, the bus says.
  Why id(op::Text id) const {
    const std::optional<core::RoleFacts> facts = desk.role_of(id);
    return facts && !PAWL_FAULT(rights_ids_not_asked) ? role(facts->name) : std::nullopt;
  }
  template <typename List>
  Why each(const List& list, Why (BeyondRoles::*ask)(op::Text) const) const {
    for (const op::Text item : list) {
      if (Why why = (this->*ask)(item)) return why;
    }
    return std::nullopt;
  }
  Why to(const std::optional<op::Text>& name) const { return name ? role(*name) : std::nullopt; }
  Why filter(const op::DeadFilter& filter) const {
    if (filter.role) return role(*filter.role);
    return "without ROLE this is about every role; add ROLE and one of its roles:" + prefixes();
  }
  std::string prefixes() const {
    std::string all;
    for (const std::string& prefix : user.roles) all += " " + prefix + "*";
    return all;
  }

  Why operator()(const op::Push& push) const { return role(push.role); }
  Why operator()(const op::MultiPush& push) const { return role(push.role); }
  Why operator()(const op::Claim& claim) const { return each(claim.roles, &BeyondRoles::role); }
  Why operator()(const op::Ack& ack) const {
    if (Why why = id(ack.id)) return why;
    return ack.next && !PAWL_FAULT(rights_next_not_asked) ? each(ack.next->roles, &BeyondRoles::role)
                                                          : std::nullopt;
  }
  Why operator()(const op::MultiAck& acks) const {
    for (const auto& [message, token] : acks.items) {
      if (Why why = id(message)) return why;
    }
    return std::nullopt;
  }
  Why operator()(const op::Fail& fail) const { return id(fail.id); }
  Why operator()(const op::Extend& extend) const { return id(extend.id); }
  Why operator()(const op::Release& release) const { return id(release.id); }
  Why operator()(const op::Cancel& cancel) const { return id(cancel.id); }
  Why operator()(const op::CancelFilter& filter) const { return role(filter.role); }
  Why operator()(const op::Move& move) const {
    if (Why why = id(move.id)) return why;
    return to(move.to_role);
  }
  Why operator()(const op::Get& get) const { return id(get.id); }
  Why operator()(const op::GetResult& get) const { return id(get.id); }
  Why operator()(const op::List& list) const { return role(list.role); }
  Why operator()(const op::RoleInfo& info) const { return role(info.role); }
  Why operator()(const op::RoleDrop& drop) const { return role(drop.role); }
  Why operator()(const op::Pause& pause) const { return role(pause.role); }
  Why operator()(const op::Resume& resume) const { return role(resume.role); }
  Why operator()(const op::DeploySet& set) const { return role(set.role); }
  Why operator()(const op::DeployRollback& rollback) const { return role(rollback.role); }
  Why operator()(const op::DeployList& list) const { return role(list.role); }
  Why operator()(const op::DeployGet& get) const { return role(get.role); }
  Why operator()(const op::DeadList& list) const { return filter(list.filter); }
  Why operator()(const op::DeadGet& get) const { return id(get.id); }
  Why operator()(const op::DeadCount& count) const { return filter(count.filter); }
  Why operator()(const op::DeadGroups& groups) const { return filter(groups.filter); }
  Why operator()(const op::DeadReplay& replay) const {
    Why why = replay.ids.empty() ? filter(replay.filter) : each(replay.ids, &BeyondRoles::id);
    return why ? why : to(replay.to_role);
  }
  Why operator()(const op::DeadEdit& edit) const { return id(edit.id); }
  Why operator()(const op::DeadDrop& drop) const {
    return drop.ids.empty() ? filter(drop.filter) : each(drop.ids, &BeyondRoles::id);
  }
  Why operator()(const op::Explain& explain) const { return id(explain.id); }
  Why operator()(const op::Events&) const {
    return "the chronicle is about every role, and its roles are only" + prefixes() +
           "; ask as a user without roles";
  }
  Why operator()(const op::QuotaSet& quota) const { return role(quota.role); }
  Why operator()(const op::QuotaGet& quota) const {
    if (quota.role) return role(*quota.role);
    return "without a role this shows every cap; name one of its roles:" + prefixes();
  }
  Why operator()(const op::QuotaDrop& quota) const { return role(quota.role); }
  // The other CRON commands know of roles only what the schedules say: the ops layer limits them.
  Why operator()(const op::CronSet& cron) const { return role(cron.role); }
  // As do the incidents.
  Why operator()(const op::IncidentOpen& incident) const {
    for (op::Text name : incident.roles) {
      if (name.ends_with('*')) name.remove_suffix(1);
      if (Why why = role(name)) return why;
    }
    if (!incident.roles.empty()) return std::nullopt;
    return "an incident without ROLE is about everything; name one of its roles:" + prefixes();
  }
  template <typename Other>
  Why operator()(const Other&) const {
    return std::nullopt;
  }
};

core::Verdict denied(const UserConfig& user, const std::string& why) {
  core::Verdict verdict = refuse(Code::denied, core::Scope::fleet, "user " + user.name + ": " + why);
  verdict.subject = "user:" + user.name;
  return verdict;
}

}  // namespace

Answer Authorisation::admit(const core::Operation& operation, const core::Caller& caller,
                            const core::Desk& desk) const {
  if (caller.user == nullptr) return allow();
  const UserConfig& user = *caller.user;
  const Right needed = std::visit(NeededRight{}, operation);
  if (!has(user, needed)) {
    const std::string right(word(needed));
    return denied(user,
                  "the right " + right + " is needed; add \"" + right + "\" to its rights in pawl.toml");
  }
  if (user.roles.empty()) return allow();
  if (const auto why = std::visit(BeyondRoles{user, desk}, operation)) return denied(user, *why);
  return allow();
}

}  // namespace pawl::guards
