// A whole bus with guards and ops layer, in virtual time, asked one thing after another. Where a table
// (tests/scenario) is too slow or too rigid: weeks, and work whose outcome depends on the day.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/core/bus.h"
#include "bus/ops/registry.h"
#include "guards/registry.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::ops {

namespace op = core::op;

// Its clock stops wherever the bus has asked to be woken; optionally it is opened anew after each question.
class Rig {
 public:
  explicit Rig(const core::BusConfig& config, bool restarts = false) : config_(config), restarts_(restarts) {
    restart();
  }
  void pass(int64_t ms) {
    const int64_t end = clock_.now().mono_ms + ms;
    while (clock_.now().mono_ms < end) {
      const int64_t wakeup = bus_->next_wakeup_ms().value_or(INT64_MAX);
      clock_.advance(std::max<int64_t>(1, std::min(wakeup, end) - clock_.now().mono_ms));
      bus_->begin_turn(clock_.now());
      end_turn();
    }
  }
  // In one turn, one after another; a view of an operation lives until this returns.
  std::vector<test::Value> ask(const std::vector<core::Operation>& operations) {
    bus_->begin_turn(clock_.now());
    for (const core::Operation& operation : operations) bus_->apply(1, operation, outbox_);
    end_turn();
    std::vector<test::Value> values;
    for (test::Reply& reply : outbox_.take()) values.push_back(std::move(reply.value));
    if (values.size() != operations.size()) FAIL("something waits");
    if (restarts_) restart();
    return values;
  }
  test::Value ask(const core::Operation& operation) { return std::move(ask(std::vector{operation}).front()); }
  void restart() {
    bus_.reset();
    guards_ = guards::make_guard_chain();
    ops_ = make_ops();
    bus_ = std::move(*core::Bus::open(store_, config_, *guards_, ops_.get()));
    bus_->begin_turn(clock_.now());
    end_turn();
  }

  // As RELOAD does; or with a restart.
  void configure(const core::BusConfig& config, bool at_start) {
    config_ = config;
    if (at_start) return restart();
    bus_->begin_turn(clock_.now());
    bus_->reconfigure(config_, "notify", "tests");
    end_turn();
  }

  void close(std::string_view incident) { ask(op::IncidentClose{incident, "mended"}); }
  void beat(std::string_view state = "") {
    op::Beat beat;
    beat.state = state;
    beat.daemon = "slack";
    beat.boot = "b1";
    beat.interval_ms = 1000;
    ask(beat);
  }
  // All of a kind.
  std::vector<test::Value> events(std::string_view kind) {
    std::vector<test::Value> all;
    op::Events events;
    events.after = 0;
    events.count = 1000;
    events.kind = kind;
    for (;;) {
      test::Value page = ask(events);
      std::vector<test::Value>& entries = page.items.at(1).items;
      if (entries.empty()) return all;
      std::move(entries.begin(), entries.end(), std::back_inserter(all));
      events.after = static_cast<uint64_t>(page.items.at(0).number);
    }
  }
  std::string row(std::string_view key) {
    std::string value;
    store_.get(core::Table::ops, key, value);
    return value;
  }
  int64_t wall_ms() const { return clock_.now().wall_ms; }
  // Over the bytes of every batch so far.
  core::ChainLink chain() const { return store_.chain(); }

 private:
  void end_turn() {
    bus_->tick(outbox_);
    for (int i = 0; i < 3 && bus_->has_changes(); ++i) {
      if (!store_.write(bus_->seal())) FAIL("a batch could not be written");
      bus_->committed();
    }
  }

  core::BusConfig config_;
  bool restarts_;
  test::MemoryStore store_;
  test::FakeClock clock_;
  test::RecordingOutbox outbox_;
  std::unique_ptr<guards::GuardChain> guards_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<core::Bus> bus_;
};

}  // namespace pawl::ops
