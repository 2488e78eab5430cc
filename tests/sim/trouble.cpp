// What goes wrong in the simulated world.
#include <algorithm>

#include "tests/sim/simulation.h"

namespace pawl::sim {
namespace {

constexpr int64_t hour_ms = 3600 * 1000;

}  // namespace

void Simulation::move_clock() {
  const size_t way = rng_.below(100);
  if (way < 60)
    clock_.advance(rng_.between(0, 50));
  else if (way < 85)
    clock_.advance(rng_.between(50, 3000));
  else if (way < 93)
    clock_.advance(rng_.between(3000, 12'000));
  else if (const auto wakeup = bus_->next_wakeup_ms()) {
    clock_.advance(std::clamp<int64_t>(*wakeup - clock_.now().mono_ms, 0, hour_ms));
  }
  if (world_.hangs && rng_.chance(1)) clock_.advance(rng_.between(60'000, 2 * hour_ms));
  if (world_.wall_jumps && rng_.chance(2)) {
    const int64_t jump = rng_.between(-3 * hour_ms, 3 * hour_ms);
    note("the wall clock is set by " + std::to_string(jump) + " ms");
    clock_.jump_wall(jump);
  }
}

void Simulation::disk_fills() {
  if (!rng_.chance(live_.disk() == core::DiskMark::ample ? 4 : 15)) return;
  const auto mark = static_cast<core::DiskMark>(rng_.below(3));
  note("the disk's mark is " + std::to_string(static_cast<int>(mark)));
  live_.set_disk(mark);
  bus_->set_disk(mark);
}

uint64_t Simulation::refusals() const {
  uint64_t sum = 0;
  for (const guards::GuardCounters& one : gate_->counters()) sum += one.refused;
  return sum;
}

// A crowd that asks for work in one moment. However many ask: a role that a guard holds is looked at once,
// and once more for each claim that something granted.
void Simulation::storm() {
  constexpr size_t crowd = 30;
  if (live_.freeze().kind != core::FreezeKind::none || live_.disk() != core::DiskMark::ample) return;
  const uint64_t before = refusals();
  size_t granted = 0;
  for (size_t i = 0; i < crowd && !failed(); ++i) {
    const size_t held = outgoing_.size();
    apply(maker_.make(Kind::claim, live_, known_), next_client_++);
    if (outgoing_.size() > held) granted += outgoing_.back().reply.claims.size();
  }
  const uint64_t bound = maker_.role_names().size() * (granted + 1);
  if (!failed() && refusals() - before > bound) {
    fail(std::to_string(crowd) + " claims in one moment, " + std::to_string(granted) +
         " of them granted, made guards refuse " + std::to_string(refusals() - before) + " times");
  }
}

// A crowd that asks for work again and again for half a minute, while others wait for it. A role that is held
// is looked at once a second, and once more when a claim was granted or has ended: whoever asks how often.
void Simulation::siege() {
  constexpr int64_t step_ms = 250;
  constexpr int64_t steps = 120;
  if (live_.freeze().kind != core::FreezeKind::none || live_.disk() != core::DiskMark::ample) return;
  note("a siege of " + std::to_string(steps * step_ms) + " ms");
  const auto claimed = [&] {
    size_t sum = 0;
    for (const auto& [role, paused] : live_.roles()) sum += live_.count(role, MessageState::claimed);
    return sum;
  };
  const uint64_t before = refusals();
  const size_t claimed_before = claimed();
  size_t granted = 0;
  for (int64_t step = 0; step < steps && !failed(); ++step) {
    clock_.advance(step_ms);
    begin_turn();
    const size_t first = outgoing_.size();
    for (size_t i = 0; i < 3 && !failed(); ++i) {
      apply(maker_.make(i == 0 && step < 5 ? Kind::claim_wait : Kind::claim, live_, known_), next_client_++);
    }
    if (!failed()) tick();
    for (size_t i = first; i < outgoing_.size(); ++i) granted += outgoing_[i].reply.claims.size();
    if (failed()) return;
    end_turn();
    settle_everything();
  }
  if (failed()) return;
  const uint64_t moves = 2 * granted + claimed_before - claimed();
  const uint64_t roles = maker_.role_names().size();
  // And once when a circuit lets a probe through: each does at first, and again after each probe.
  const uint64_t bound = roles * (steps * step_ms / 1000 + 2 + moves + roles + 1 + granted);
  if (refusals() - before > bound) {
    fail("within " + std::to_string(steps * step_ms) + " ms, " + std::to_string(granted) +
         " claims granted, guards refused " + std::to_string(refusals() - before) + " times");
  }
}

// Somebody who waits closes the connection.
void Simulation::some_client_goes_away() {
  for (core::ClientId client = next_client_; client-- > 1 && next_client_ - client < 50;) {
    if (!live_.waits(client) || rng_.chance(50)) continue;
    note("client " + std::to_string(client) + " stops waiting");
    bus_->disconnected(client);
    live_.disconnected(client);
    return;
  }
}

// kill -9: what was open is gone; what was in flight may have reached the disk.
void Simulation::crash() {
  uint64_t durable = store_->chain().sequence;
  if (flight_ && rng_.chance(50)) {
    if (!write_flight()) return;
    durable = flight_->batch.link.sequence;
  }
  note("the process dies; batch " + std::to_string(durable) + " is the last on disk");
  outgoing_.clear();
  undelivered_.clear();
  reopen(durable, Process::died);
  if (world_.hangs) clock_.advance(rng_.between(0, hour_ms));
}

// The disk fails under a batch; the process lives on and opens the store again.
void Simulation::failed_commit() {
  seal();
  if (!flight_) return;
  const bool kept = rng_.chance(50);
  if (kept) audit_.look_at(*store_, flight_->batch);
  store_->fail_write(1, kept ? test::FailedWrite::kept : test::FailedWrite::lost);
  if (store_->write(flight_->batch).ok()) return fail("a write that should have failed did not");
  auto again = store_->clone();
  const uint64_t durable = again->chain().sequence;
  note("the commit fails, its rows are " + std::string(kept ? "there" : "lost"));
  // Connections whose answer hung on it close; their claims, should they exist, are given back first thing.
  for (const Outgoing& one : outgoing_) {
    undelivered_.insert(undelivered_.end(), one.reply.claims.begin(), one.reply.claims.end());
  }
  outgoing_.clear();
  reopen(durable, Process::lives);
}

void Simulation::reopen(uint64_t durable_sequence, Process process) {
  ++result_.restarts;
  audit_.restarted();
  if (flight_ && flight_->batch.link.sequence == durable_sequence) durable_ = std::move(flight_->model);
  flight_.reset();
  bus_.reset();
  if (process == Process::died) gate_ = guards::make_guard_chain();
  store_ = store_->clone();
  if (store_->chain().sequence != durable_sequence) return fail("the reopened store has another last batch");
  durable_.restarted();
  const core::DiskMark mark = live_.disk();
  live_ = durable_;
  open_bus();
  live_.opened();
  // The server measures it, and says so again.
  live_.set_disk(mark);
  if (!failed()) bus_->set_disk(mark);
}

void Simulation::give_back_undelivered() {
  // As the server does: under a freeze of everything nothing is written, and no lease runs.
  if (undelivered_.empty() || bus_->freeze().all()) return;
  // Who waits for a hold to end comes first, and a read shows it.
  apply(core::op::KillStatus{}, next_client_++);
  if (failed()) return;
  core::op::Unclaim unclaim;
  for (const auto& [id, token] : undelivered_) unclaim.items.emplace_back(id, token);
  apply(unclaim, next_client_++);
  undelivered_.clear();
}

}  // namespace pawl::sim
