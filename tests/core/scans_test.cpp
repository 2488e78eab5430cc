// What scans step over: rows that are gone leave tombstones in a real store, and a scan that begins before
// them pays for each. Regression tests: both made the bus slower the longer it ran.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

#include "bus/core/bus.h"
#include "tests/scenario/pause_gate.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::core {
namespace {

// Counts the rows that once stood where a scan looks.
class TombstoneStore final : public test::MemoryStore {
 public:
  void scan(Table table, std::string_view from, std::string_view to, const RowSink& sink) const override {
    std::string first;
    MemoryStore::scan(table, from, to, [&](std::string_view key, std::string_view) {
      first = std::string(key);
      return false;
    });
    const auto seen = seen_.find(table);
    if (seen != seen_.end()) {
      const auto begin = seen->second.lower_bound(from);
      const auto end = first.empty() ? (to.empty() ? seen->second.end() : seen->second.lower_bound(to))
                                     : seen->second.lower_bound(first);
      size_t& most = stepped_over_[table];
      most = std::max(most, static_cast<size_t>(std::distance(begin, end)));
    }
    MemoryStore::scan(table, from, to, sink);
  }
  Status write(const Batch& batch) override {
    const Status status = MemoryStore::write(batch);
    for (const Table table : {Table::ended, Table::group}) {
      MemoryStore::scan(table, "", "", [&](std::string_view key, std::string_view) {
        seen_[table].emplace(key);
        return true;
      });
    }
    return status;
  }
  // The most rows that one scan of the table had to step over.
  size_t stepped_over(Table table) const { return stepped_over_[table]; }
  size_t seen(Table table) { return seen_[table].size(); }

 private:
  std::map<Table, std::set<std::string, std::less<>>> seen_;
  mutable std::map<Table, size_t> stepped_over_;
};

class Driver {
 public:
  explicit Driver(const BusConfig& config) {
    auto opened = Bus::open(store, config, gate_);
    REQUIRE(opened.ok());
    bus_ = std::move(*opened);
  }
  test::Value ask(const Operation& operation) {
    clock_.advance(1);
    bus_->begin_turn(clock_.now());
    bus_->apply(1, operation, outbox_);
    bus_->tick(outbox_);
    while (bus_->has_changes()) {
      REQUIRE(store.write(bus_->seal()).ok());
      bus_->committed();
    }
    const auto replies = outbox_.take();
    REQUIRE(replies.size() == 1);
    return replies[0].value;
  }
  void push(const std::string& payload, const std::string& group = "") {
    op::Push push;
    push.role = "r";
    push.payload = payload;
    if (!group.empty()) push.group = group;
    ask(push);
  }
  // Claims one message and acknowledges it.
  void work() {
    op::Claim claim;
    claim.daemon = "d";
    claim.roles = {"r"};
    const test::Value claims = ask(claim);
    REQUIRE(claims.items.size() == 1);
    op::Ack ack;
    ack.id = claims.items[0].field("id")->text;
    ack.token = claims.items[0].field("token")->text;
    ask(ack);
  }

  TombstoneStore store;

 private:
  PauseGate gate_;
  test::FakeClock clock_;
  test::RecordingOutbox outbox_;
  std::unique_ptr<Bus> bus_;
};

TEST_CASE("retention does not step over what it took before, once the room for ended messages is full") {
  BusConfig config;
  config.done_bytes_max = 10'000;
  Driver driver(config);
  for (int i = 0; i < 300; ++i) {
    driver.push(std::string(1000, 'x'));
    driver.work();
  }
  REQUIRE(driver.store.seen(Table::ended) > 250);
  CHECK(driver.store.stepped_over(Table::ended) <= 2);
}

TEST_CASE("a promotion does not step over those of its group that were promoted before") {
  Driver driver(BusConfig{});
  for (int i = 0; i < 300; ++i) driver.push("x", "g");
  for (int i = 0; i < 300; ++i) driver.work();
  REQUIRE(driver.store.seen(Table::group) > 250);
  CHECK(driver.store.stepped_over(Table::group) <= 2);
}

}  // namespace
}  // namespace pawl::core
