// The end of a run: no more trouble, everything must come to an end, and what is
// then in the store must add up.
#include <algorithm>

#include "tests/sim/simulation.h"

#if __has_include("bus/core/verify.h")
#include "bus/core/verify.h"
#define PAWL_SIM_VERIFIES 1
#endif

namespace pawl::sim {

namespace op = core::op;

void Simulation::settle_everything() {
  seal();
  commit();
  if (failed()) return;
  seal();
  commit();
  if (!failed()) deliver();
}

bool Simulation::all_ended() const {
  return std::all_of(live_.messages().begin(), live_.messages().end(), [](const auto& entry) {
    const MessageState state = entry.second.state;
    return state != MessageState::scheduled && state != MessageState::ready && state != MessageState::claimed;
  });
}

void Simulation::drain_turn() {
  const auto wakeup = bus_->next_wakeup_ms();
  const int64_t gap = wakeup ? *wakeup - clock_.now().mono_ms : 1000;
  // At first as the bus asks for it, then in strides: wall time may be hours behind after a jump.
  const int64_t stride = drain_turns_++ < 30 ? 1 : 60'000;
  clock_.advance(std::clamp<int64_t>(gap, stride, 3600 * 1000));
  begin_turn();
  give_back_undelivered();
  tick();
  if (failed()) return;
  op::Claim claim;
  claim.daemon = "drainer";
  claim.roles.assign(maker_.role_names().begin(), maker_.role_names().end());
  claim.count = 50;
  claim.lease_ms = 3600 * 1000;  // strides are long
  apply(claim, next_client_++);
  std::vector<KnownClaim> acked;
  std::swap(acked, known_.held);
  if (!failed() && !acked.empty()) {
    op::MultiAck acks;
    for (const KnownClaim& one : acked) acks.items.emplace_back(one.id, one.token);
    apply(acks, next_client_++);
  }
  if (failed()) return;
  end_turn();
  settle_everything();
}

// What somebody must take back; what passes by itself stays.
void Simulation::lift_limits() {
  if (live_.disk() != core::DiskMark::ample) {
    live_.set_disk(core::DiskMark::ample);
    bus_->set_disk(core::DiskMark::ample);
  }
  if (live_.freeze().kind != core::FreezeKind::none) apply(op::KillClear{true, "the end"}, next_client_++);
  const Accounts accounts = live_.accounts();
  for (const op::QuotaDrop& drop : accounts.set_ones()) {
    if (!failed()) apply(drop, next_client_++);
  }
  for (const auto& [role, paused] : std::map<std::string, bool>(live_.roles())) {
    if (!failed()) apply(op::Resume{role}, next_client_++);
  }
}

void Simulation::drain() {
  note("== drain");
  draining_ = true;
  clock_.advance(1);
  begin_turn();
  lift_limits();
  give_back_undelivered();
  if (!failed()) tick();
  if (failed()) return;
  end_turn();
  settle_everything();
  for (size_t round = 0; round < 2000 && !failed(); ++round, ++step_) {
    if (all_ended() && known_.held.empty() && outgoing_.empty() && live_.waiting() == 0) break;
    drain_turn();
  }
  if (failed()) return;
  doing_ = "drain";
  if (!all_ended()) return fail("after 2000 turns without trouble some messages have not come to an end");
  check_retired();
  if (!failed()) check_rows();
}

// Retention lets nothing stay for ever but dead letters.
void Simulation::check_retired() {
  for (size_t round = 0; round < 4 && !failed(); ++round) {
    clock_.advance(100'000);
    begin_turn();
    tick();
    end_turn();
    settle_everything();
  }
  clock_.advance(1);
  begin_turn();
  for (const auto& [id, message] : std::map<std::string, ModelMessage>(live_.messages())) {
    if (failed()) return;
    apply(op::Get{id}, next_client_++);
    if (message.state != MessageState::dead && !live_.messages().at(id).gone) {
      fail("message " + id + " is still there long after keep_done");
    }
  }
  if (!failed()) apply(op::DeadCount{}, next_client_++);
  if (!failed()) tick();
  if (failed()) return;
  end_turn();
  settle_everything();
}

void Simulation::check_rows() {
  doing_ = "verify";
#ifdef PAWL_SIM_VERIFIES
  const core::VerifyReport report = core::verify(*store_);
  std::string problems;
  for (const std::string& problem : report.problems) problems += "\n    " + problem;
  if (!report.ok || !report.problems.empty()) return fail("verify:" + problems);
  uint64_t left = 0;
  for (const auto& [id, message] : live_.messages()) left += message.gone ? 0 : 1;
  if (report.messages != left) {
    fail("verify counts " + std::to_string(report.messages) + " messages, the model " + std::to_string(left));
  }
#endif
}

}  // namespace pawl::sim
