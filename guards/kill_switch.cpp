#include "guards/kill_switch.h"

#include <optional>

#include "bus/core/faults.h"

namespace pawl::guards {
namespace {

using core::FreezeScope;
namespace op = core::op;

// The narrowest scope that stops an operation; nothing: it always passes.
struct StoppedBy {
  using Scope = std::optional<FreezeScope>;
  Scope operator()(const op::Push&) const { return FreezeScope::intake; }
  Scope operator()(const op::MultiPush&) const { return FreezeScope::intake; }
  Scope operator()(const op::DeadReplay& replay) const {
    if (replay.dry_run) return std::nullopt;
    return FreezeScope::intake;
  }
  Scope operator()(const op::Claim&) const { return FreezeScope::claims; }
  Scope operator()(const op::Ack&) const { return FreezeScope::all; }
  Scope operator()(const op::MultiAck&) const { return FreezeScope::all; }
  Scope operator()(const op::Fail&) const { return FreezeScope::all; }
  Scope operator()(const op::Release&) const { return FreezeScope::all; }
  Scope operator()(const op::Cancel&) const { return FreezeScope::all; }
  Scope operator()(const op::CancelFilter&) const { return FreezeScope::all; }
  Scope operator()(const op::Move&) const {
    if (PAWL_FAULT(freeze_lets_move)) return std::nullopt;
    return FreezeScope::all;
  }
  Scope operator()(const op::DeadEdit&) const { return FreezeScope::all; }
  Scope operator()(const op::DeadDrop&) const { return FreezeScope::all; }
  Scope operator()(const op::RoleDrop&) const { return FreezeScope::all; }
  Scope operator()(const op::CronSet&) const { return FreezeScope::all; }
  Scope operator()(const op::CronDrop&) const { return FreezeScope::all; }
  // EXTEND passes and writes nothing; reads and the operator's commands pass.
  template <typename Other>
  Scope operator()(const Other&) const {
    return std::nullopt;
  }
};

core::Verdict frozen(const core::FreezeRecord& freeze) {
  core::Verdict verdict = refuse(Code::frozen, core::Scope::fleet, core::freeze_text(freeze));
  if (freeze.until_ms != 0) verdict.retry_at_ms = freeze.until_ms;
  return verdict;
}

}  // namespace

Answer KillSwitch::admit(const core::Operation& operation, const core::Caller& /*caller*/,
                         const core::Desk& desk) const {
  const core::FreezeRecord& freeze = desk.freeze();
  if (!freeze.frozen()) return allow();
  const std::optional<FreezeScope> stopped_by = std::visit(StoppedBy{}, operation);
  if (!stopped_by || *stopped_by > freeze.scope) return allow();
  return frozen(freeze);
}

Answer KillSwitch::admit_claim(const core::Candidate& /*candidate*/, const core::Desk& desk) const {
  return desk.freeze().stops_claims() ? frozen(desk.freeze()) : allow();
}

}  // namespace pawl::guards
