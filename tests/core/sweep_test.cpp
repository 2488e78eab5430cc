// The sweep of stuck claims: bounded, each claim once, against a late acknowledgement one winner.
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "bus/core/bus.h"
#include "tests/scenario/pause_gate.h"
#include "tests/scenario/scenario.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::core {
namespace {

class Swept {
 public:
  Swept() : bus_(std::move(*Bus::open(store_, BusConfig{}, gate_))) {}

  test::Value ask(const Operation& operation) {
    begin();
    bus_->apply(1, operation, outbox_);
    auto replies = outbox_.take();
    REQUIRE(replies.size() == 1);
    return std::move(replies[0].value);
  }
  // One turn: what was asked, one tick, one batch.
  void turn(int64_t later_ms = 0) {
    clock_.advance(later_ms);
    begin();
    bus_->tick(outbox_);
    open_ = false;
    if (!bus_->has_changes()) return;
    REQUIRE(store_.write(bus_->seal()));
    bus_->committed();
  }
  bool more_work() const { return bus_->more_work(); }
  int64_t count(std::string_view field) { return ask(op::RoleInfo{"r"}).field(field)->number; }
  // How often the lapse of each claim, "id daemon delivery", is in the chronicle.
  std::map<std::string, int> lapses() {
    std::map<std::string, int> found;
    op::Events events;
    events.after = 0;
    events.count = 10'000;
    events.kind = "message.lapse";
    const test::Value reply = ask(events);
    for (const test::Value& entry : reply.items.at(1).items) {
      ++found[entry.field("id")->text + " " + entry.field("daemon")->text + " " +
              entry.field("delivery")->text];
    }
    return found;
  }

 private:
  void begin() {
    if (!open_) bus_->begin_turn(clock_.now());
    open_ = true;
  }

  PauseGate gate_;
  test::MemoryStore store_;
  test::FakeClock clock_;
  test::RecordingOutbox outbox_;
  std::unique_ptr<Bus> bus_;
  bool open_ = false;
};

TEST_CASE("sweep: so many a tick, each claim once, and the chronicle says whose it was") {
  constexpr int64_t messages = 600;
  constexpr int64_t a_tick = limits::lapses_per_tick;
  Swept swept;
  const std::vector<std::string_view> payloads(messages, "x");
  swept.ask(op::MultiPush{"r", payloads});
  std::vector<std::string> claims;
  std::vector<std::string> tokens;
  for (const char* daemon : {"a@1", "b@2"}) {
    const test::Value reply = swept.ask(op::Claim{daemon, {"r"}, messages / 2, std::nullopt, 5000});
    for (const test::Value& claim : reply.items) {
      claims.push_back(claim.field("id")->text + " " + daemon + " 1");
      tokens.push_back(claim.field("token")->text);
    }
  }
  REQUIRE(claims.size() == messages);
  swept.turn();
  swept.turn(4999);
  CHECK(swept.count("lapsed_total") == 0);
  swept.turn();
  // The first tick takes the oldest; the last claim is acknowledged before its turn has come, and wins.
  swept.turn(1);
  CHECK(swept.more_work());
  const std::string last = claims.back().substr(0, claims.back().find(' '));
  const std::string first = claims.front().substr(0, claims.front().find(' '));
  op::Ack ack;
  ack.id = last;
  ack.token = tokens.back();
  CHECK(swept.ask(ack).text == "OK");
  // The first one's sweep was faster.
  ack.id = first;
  ack.token = tokens.front();
  CHECK(swept.ask(ack).is_error(Code::lost));
  swept.turn();
  swept.turn();
  CHECK_FALSE(swept.more_work());
  swept.turn(1);
  swept.turn(60'000);
  CHECK(swept.count("lapsed_total") == messages - 1);
  CHECK(swept.count("ready") == messages - 1);
  CHECK(swept.count("done") == 1);
  const auto lapses = swept.lapses();
  CHECK(lapses.size() == messages - 1);
  for (size_t i = 0; i + 1 < claims.size(); ++i) {
    const auto found = lapses.find(claims[i]);
    CHECK((found != lapses.end() && found->second == 1));
  }
  static_assert(messages > 2 * a_tick && messages < 3 * a_tick);
}

TEST_CASE("sweep: no tick takes more than its share") {
  Swept swept;
  const std::vector<std::string_view> payloads(2000, "x");
  swept.ask(op::MultiPush{"r", payloads});
  swept.ask(op::Claim{"a@1", {"r"}, 2000, std::nullopt, 5000});
  swept.turn();
  int64_t before = 0;
  swept.turn(5000);
  for (int turns = 1; turns <= 8; ++turns) {
    const int64_t now = swept.count("lapsed_total");
    const bool rest = turns == 8;
    CHECK(now - before ==
          (rest ? 2000 - 7 * int64_t{limits::lapses_per_tick} : int64_t{limits::lapses_per_tick}));
    CHECK(swept.more_work() == !rest);
    before = now;
    swept.turn();
  }
  CHECK(before == 2000);
  CHECK(swept.count("lapsed_total") == 2000);
}

TEST_CASE("sweep: an extended claim lives on for days") {
  std::string table = "push r a | m1\nclaim d r | m1\n";
  for (int i = 0; i < 3 * 24 * 5; ++i) table += "jump 5s\n+12m\nextend m1 | cancel=0\n";
  table += R"(
    get m1                      | state=claimed deliveries=1 spent=0
    ack m1                      | OK
  )";
  CHECK(play(table) == "");
}

}  // namespace
}  // namespace pawl::core
