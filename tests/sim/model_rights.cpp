// Who may do what, and how much at once: the first two of the chain (docs/config.md, [user.NAME]).
#include <algorithm>

#include "tests/sim/model.h"

namespace pawl::sim {
namespace {

namespace op = core::op;
using core::UserConfig;

template <typename One, typename... Others>
bool is_any_of(const core::Operation& operation) {
  return std::holds_alternative<One>(operation) || (std::holds_alternative<Others>(operation) || ...);
}

bool has_right(const core::Operation& operation, const UserConfig& user) {
  if (user.admin) return true;
  if (is_any_of<op::Push, op::MultiPush, op::Cancel, op::CancelFilter, op::Move>(operation)) {
    return user.producer;
  }
  if (is_any_of<op::Claim, op::Ack, op::MultiAck, op::Fail, op::Extend, op::Release>(operation)) {
    return user.worker;
  }
  if (is_any_of<op::DeadReplay, op::DeadEdit, op::DeadDrop, op::Pause, op::Resume, op::KillSet, op::KillClear,
                op::QuotaSet, op::QuotaDrop, op::SetGuardMode, op::DeploySet, op::DeployRollback>(
          operation)) {
    return user.operates;
  }
  return !std::holds_alternative<op::RoleDrop>(operation);
}

// What an operation is about.
struct About {
  std::vector<std::string_view> roles;
  std::vector<std::string_view> ids;
  bool everything = false;

  void filter(const op::DeadFilter& filter) {
    if (filter.role)
      roles.push_back(*filter.role);
    else
      everything = true;
  }
  void chosen(const std::vector<std::string_view>& named, const op::DeadFilter& by) {
    if (named.empty())
      filter(by);
    else
      ids = named;
  }
  void to(const std::optional<std::string_view>& role) {
    if (role) roles.push_back(*role);
  }

  void operator()(const op::Push& o) { roles = {o.role}; }
  void operator()(const op::MultiPush& o) { roles = {o.role}; }
  void operator()(const op::Claim& o) { roles = o.roles; }
  void operator()(const op::Ack& o) {
    ids = {o.id};
    if (o.next) roles = o.next->roles;
  }
  void operator()(const op::MultiAck& o) {
    for (const auto& [id, token] : o.items) ids.push_back(id);
  }
  void operator()(const op::Fail& o) { ids = {o.id}; }
  void operator()(const op::Extend& o) { ids = {o.id}; }
  void operator()(const op::Release& o) { ids = {o.id}; }
  void operator()(const op::Cancel& o) { ids = {o.id}; }
  void operator()(const op::CancelFilter& o) { roles = {o.role}; }
  void operator()(const op::Move& o) {
    ids = {o.id};
    to(o.to_role);
  }
  void operator()(const op::Get& o) { ids = {o.id}; }
  void operator()(const op::GetResult& o) { ids = {o.id}; }
  void operator()(const op::List& o) { roles = {o.role}; }
  void operator()(const op::RoleInfo& o) { roles = {o.role}; }
  void operator()(const op::RoleDrop& o) { roles = {o.role}; }
  void operator()(const op::Pause& o) { roles = {o.role}; }
  void operator()(const op::Resume& o) { roles = {o.role}; }
  void operator()(const op::DeadList& o) { filter(o.filter); }
  void operator()(const op::DeadGet& o) { ids = {o.id}; }
  void operator()(const op::DeadCount& o) { filter(o.filter); }
  void operator()(const op::DeadGroups& o) { filter(o.filter); }
  void operator()(const op::DeadReplay& o) {
    chosen(o.ids, o.filter);
    to(o.to_role);
  }
  void operator()(const op::DeadEdit& o) { ids = {o.id}; }
  void operator()(const op::DeadDrop& o) { chosen(o.ids, o.filter); }
  void operator()(const op::Explain& o) { ids = {o.id}; }
  void operator()(const op::Events&) { everything = true; }
  void operator()(const op::DeploySet& o) { roles = {o.role}; }
  void operator()(const op::DeployRollback& o) { roles = {o.role}; }
  void operator()(const op::DeployList& o) { roles = {o.role}; }
  void operator()(const op::DeployGet& o) { roles = {o.role}; }
  void operator()(const op::QuotaSet& o) { roles = {o.role}; }
  void operator()(const op::QuotaDrop& o) { roles = {o.role}; }
  void operator()(const op::QuotaGet& o) {
    to(o.role);
    everything = !o.role;
  }
  template <typename Other>
  void operator()(const Other&) {}
};

// The most that a payload, a result or all headers of an operation come to.
struct Largest {
  size_t operator()(const op::Push& o) const {
    size_t headers = 0;
    for (const auto& [name, value] : o.headers) headers += name.size() + value.size();
    return std::max(headers, o.payload.size());
  }
  size_t operator()(const op::MultiPush& o) const {
    size_t most = 0;
    for (const std::string_view payload : o.payloads) most = std::max(most, payload.size());
    return most;
  }
  size_t operator()(const op::Ack& o) const { return o.result.size(); }
  size_t operator()(const op::DeploySet& o) const { return o.prompt.value_or("").size(); }
  size_t operator()(const op::DeadEdit& o) const { return o.payload.size(); }
  template <typename Other>
  size_t operator()(const Other&) const {
    return 0;
  }
};

}  // namespace

std::optional<Model::Refusal> Model::denial_of(const core::Operation& operation) const {
  if (user_ == nullptr) return std::nullopt;
  if (!has_right(operation, *user_)) return Refusal{Code::denied, true};
  if (user_->roles.empty()) return std::nullopt;
  About about;
  std::visit(about, operation);
  if (about.everything) return Refusal{Code::denied, true};
  for (const std::string_view role : about.roles) {
    if (!user_->covers(role)) return Refusal{Code::denied, true};
  }
  // Of an id that is gone there is nothing to hide.
  std::optional<Refusal> result;
  for (const std::string_view id : about.ids) {
    const auto found = messages_.find(std::string(id));
    if (found == messages_.end() || found->second.gone || user_->covers(found->second.role)) continue;
    if (!found->second.may_be_gone) return Refusal{Code::denied, true};
    result = Refusal{Code::denied, false};
  }
  return result;
}

bool Model::too_big(const core::Operation& operation) const {
  return std::visit(Largest{}, operation) > config_.payload_max;
}

bool Model::denies(const core::Operation& operation, const UserConfig* user) {
  user_ = user;
  const bool denied = denial_of(operation).has_value();
  user_ = nullptr;
  return denied;
}

}  // namespace pawl::sim
