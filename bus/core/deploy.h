// DEPLOY: versions of what a role runs. Private to the core.
//
// A version holds a command, a prompt or both; what it does not hold, the runners' files say. The present one
// is a field of the role's row, so that claims and status reads have it at hand.
#pragma once

#include <optional>
#include <string>

#include "bus/core/machine.h"

namespace pawl::core {

class Machine::Deployments {
 public:
  explicit Deployments(Machine& machine) : m_(machine) {}

  Applied apply(const Caller& caller, const op::DeploySet& set, Outbox& outbox);
  Applied apply(const Caller& caller, const op::DeployRollback& rollback, Outbox& outbox);
  Applied list(const op::DeployList& list, ReplyWriter& writer);
  Applied get(const op::DeployGet& get, ReplyWriter& writer);
  // The role is dropped, and its versions with it.
  void forget(RoleState& role);

 private:
  DeployLog log_of(const RoleState& role);
  std::optional<DeployRecord> version_of(const RoleState& role, uint64_t number);
  std::string prompt_of(const RoleState& role, uint64_t number);
  void make_room(const RoleState& role, DeployLog& log, uint64_t needed);
  void change(RoleState& role, DeployLog log, DeployLine line, uint64_t hash, Outbox& outbox);
  Result<uint64_t> target(const RoleState& role, const DeployLog& log, const op::DeployRollback& rollback);
  void reply(const RoleState& role, uint64_t before, bool changed, ReplyWriter& writer);

  Machine& m_;
};

}  // namespace pawl::core
