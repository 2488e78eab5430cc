// The chain of the chronicle: a known hash, across restarts and retention, and what EVENTS … HASHES tells of
// it.
#include "bus/core/chronicle.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "bus/core/bus.h"
#include "bus/core/keys.h"
#include "bus/core/verify.h"
#include "tests/scenario/pause_gate.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::core {
namespace {

using test::Value;

// `printf '0:,1:7,13:1700000000000,4:a.bc,1:x,2:yz,' | sha256sum`
constexpr std::string_view known = "f5416f5c3453bcef40aafe4886f1ddb8a5dafb41326336622219b384595de22e";

class Chronicled {
 public:
  explicit Chronicled(BusConfig config = {}) : config_(std::move(config)) { open(); }

  void open() {
    auto opened = Bus::open(store, config_, gate_);
    REQUIRE(opened.ok());
    bus_ = std::move(*opened);
  }
  // An entry each.
  void pause(const std::string& role, int64_t later_ms = 1) {
    clock_.advance(later_ms);
    bus_->begin_turn(clock_.now());
    bus_->apply(1, op::Pause{role, "why"}, outbox_);
    turn();
  }
  Value events(bool hashes, uint64_t after = 0, const char* kind = "") {
    bus_->begin_turn(clock_.now());
    bus_->apply(1, op::Events{after, 100, {}, kind, hashes}, outbox_);
    const Value reply = outbox_.take().back().value;
    turn();
    return reply;
  }

  // Of the same size for the head's books.
  void unhash(uint64_t number, bool ends_too = true) {
    std::string row;
    REQUIRE(store.get(Table::chronicle, keys::number(number), row));
    auto event = decode<EventRecord>(row);
    REQUIRE(event);
    event->hash.clear();
    event->fields.back().second += std::string(32, '.');
    const std::string bytes = encode(*event);
    REQUIRE(bytes.size() == row.size());
    Batch batch;
    if (ends_too) append_row(batch.rows, Table::meta, "chronicle", {});
    append_row(batch.rows, Table::chronicle, keys::number(number), bytes);
    const ChainLink last = store.chain();
    batch.link = {last.sequence + 1, last.term, last.hash,
                  hash_batch(last.hash, last.sequence + 1, last.term, batch.rows)};
    REQUIRE(store.write(batch).ok());
  }

  test::MemoryStore store;

 private:
  void turn() {
    bus_->tick(outbox_);
    if (bus_->has_changes()) {
      REQUIRE(store.write(bus_->seal()).ok());
      bus_->committed();
    }
    outbox_.take();
  }

  BusConfig config_;
  PauseGate gate_;
  test::FakeClock clock_;
  test::RecordingOutbox outbox_;
  std::unique_ptr<Bus> bus_;
};

// How the entries of a reply follow one another; the first one `before`.
bool follow(const Value& reply, std::string before) {
  const std::vector<Value>& entries = reply.items.at(1).items;
  for (size_t i = 1; i < entries.size(); ++i) {
    const std::vector<Value>& words = entries[i].items;
    Headers fields;
    for (size_t k = 6; k + 2 < words.size(); k += 2) fields.emplace_back(words[k].text, words[k + 1].text);
    const std::string expected =
        chronicle_hash(before, static_cast<uint64_t>(entries[i].field("seq")->number),
                       entries[i].field("at")->number, entries[i].field("kind")->text, fields);
    if (words.back().text != expected || words[words.size() - 2].text != "sha256") return false;
    before = expected;
  }
  return entries.size() > 1 && entries[0].field("sha256")->text == before;
}

TEST_CASE("the hash of an entry is the one that its page describes") {
  CHECK(chronicle_hash("", 7, 1'700'000'000'000, "a.bc", {{"x", "yz"}}) == known);
  CHECK(chronicle_hash(known, 7, 1'700'000'000'000, "a.bc", {{"x", "yz"}}) != known);
  // The lengths keep apart what would read the same in a row.
  CHECK(chronicle_hash("", 7, 1, "k", {{"ab", "c"}}) != chronicle_hash("", 7, 1, "k", {{"a", "bc"}}));
}

TEST_CASE("the chain goes on over restarts, and is told only to who asks") {
  Chronicled bus;
  bus.pause("a");
  bus.pause("b");
  bus.open();
  bus.pause("c");
  const Value reply = bus.events(true);
  CHECK(reply.items.at(1).items.size() == 4);
  CHECK(reply.items.at(1).items[0].field("from")->number == 1);
  CHECK(reply.items.at(1).items[0].field("to")->number == 3);
  CHECK(reply.items.at(1).items[0].field("chained_from")->number == 1);
  CHECK(reply.items.at(1).items[0].field("before") == nullptr);
  CHECK(follow(reply, ""));
  CHECK(verify(bus.store).problems == std::vector<std::string>{});
  CHECK(bus.events(false).items.at(1).items.size() == 3);
  CHECK(bus.events(false).items.at(1).items[0].field("sha256") == nullptr);
}

TEST_CASE("retention leaves the hash before the first entry that it keeps") {
  BusConfig config;
  config.chronicle_bytes_max = 300;
  Chronicled bus(config);
  for (int i = 0; i < 20; ++i) bus.pause("role-" + std::to_string(i), 1000);
  const Value reply = bus.events(true);
  const Value& gap = reply.items.at(1).items.at(1);
  CHECK(gap.field("kind")->text == "gap");
  const Value& chain = reply.items[1].items[0];
  CHECK(chain.field("from")->number == gap.field("to")->number + 1);
  const auto from = static_cast<uint64_t>(chain.field("from")->number);
  CHECK(follow(bus.events(true, from - 1), chain.field("before")->text));
  CHECK(verify(bus.store).problems == std::vector<std::string>{});
}

TEST_CASE("entries from before there were hashes stand as they are") {
  Chronicled bus;
  bus.pause("a");
  // As a version without hashes wrote it: the entry bare, no row of ends.
  bus.unhash(1);
  bus.open();
  CHECK(verify(bus.store).problems == std::vector<std::string>{});
  bus.pause("b");
  const Value reply = bus.events(true, 1);
  CHECK(reply.items.at(1).items[0].field("chained_from")->number == 2);
  CHECK(follow(reply, ""));
  CHECK(verify(bus.store).problems == std::vector<std::string>{});
  bus.unhash(2, false);
  CHECK_FALSE(verify(bus.store).ok);
}

}  // namespace
}  // namespace pawl::core
