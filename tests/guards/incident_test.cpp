// The incident of the seeds, to the millisecond: a service drifts, slows down, falls silent and comes back;
// one role waits for it, another one goes on in limp mode.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bus/core/bus.h"
#include "guards/registry.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::guards {
namespace {

namespace op = core::op;
using test::Value;

// A bus whose clock stops wherever it has asked to be woken.
class Incident {
 public:
  Incident() {
    core::BusConfig config;
    config.guards.cooldown_ms = 5000;
    config.roles["digest"].needs = {"slack"};
    config.roles["digest"].limp = true;
    config.roles["notify"].needs = {"slack"};
    bus_ = std::move(*core::Bus::open(store_, config, *chain_));
    bus_->begin_turn(clock_.now());
    end_turn();
  }

  int64_t now() const { return clock_.now().mono_ms - begin_ms; }
  // Times are of the incident, in milliseconds.
  void until(int64_t time_ms) {
    while (now() < time_ms) {
      const int64_t wakeup = bus_->next_wakeup_ms().value_or(INT64_MAX) - begin_ms;
      clock_.advance(std::max<int64_t>(1, std::min(wakeup, time_ms) - now()));
      bus_->begin_turn(clock_.now());
      end_turn();
    }
  }
  Value ask(const core::Operation& operation, core::ClientId client = 1) {
    bus_->begin_turn(clock_.now());
    bus_->apply(client, operation, outbox_);
    end_turn();
    return reply_to(client);
  }
  // Nil: none has come yet.
  Value reply_to(core::ClientId client) {
    for (auto at = inbox_.begin(); at != inbox_.end(); ++at) {
      if (at->client != client) continue;
      Value value = std::move(at->value);
      inbox_.erase(at);
      return value;
    }
    return Value::nil();
  }
  // The answer's interval and colour, "5000 green".
  std::string beat() {
    op::Beat beat;
    beat.daemon = "slack";
    beat.boot = boot;
    beat.interval_ms = 5000;
    const Value reply = ask(beat);
    return std::to_string(reply.field("interval")->number) + " " + reply.field("colour")->text;
  }
  void push(std::string_view role) {
    op::Push push;
    push.role = role;
    push.payload = "x";
    ask(push);
  }
  static op::Claim claim_of(std::string_view daemon, std::string_view role) {
    op::Claim claim;
    claim.daemon = daemon;
    claim.roles = {role};
    return claim;
  }
  Value claim(std::string_view role) { return ask(claim_of("w@1", role)); }
  void ack(const Value& claim) {
    op::Ack ack;
    ack.id = claim.field("id")->text;
    ack.token = claim.field("token")->text;
    CHECK(ask(ack).text == "OK");
  }
  // "TIME KIND FIELDS" of each entry, pushes and the like left out.
  std::vector<std::string> chronicle() {
    op::Events events;
    events.after = 0;
    events.count = 1000;
    std::vector<std::string> lines;
    const Value reply = ask(events);
    for (const Value& entry : reply.items.at(1).items) {
      std::string line =
          std::to_string(entry.field("at")->number - wall_begin_ms) + " " + entry.field("kind")->text;
      for (const char* name : {"from", "jitter_ms", "jitter_baseline_ms", "missed", "circuit", "cooldown_ms",
                               "role", "state", "without", "outcome", "lasted_ms"}) {
        if (const Value* field = entry.field(name)) line += " " + std::string(name) + "=" + field->text;
      }
      lines.push_back(std::move(line));
    }
    return lines;
  }

  std::string boot = "b1";

 private:
  static constexpr int64_t begin_ms = 5000;  // of FakeClock
  static constexpr int64_t wall_begin_ms = 1'700'000'000'000;

  void end_turn() {
    do {
      bus_->tick(outbox_);
      for (test::Reply& reply : outbox_.take()) inbox_.push_back(std::move(reply));
      if (bus_->has_changes()) {
        REQUIRE(store_.write(bus_->seal()));
        bus_->committed();
      }
      if (bus_->more_work()) bus_->begin_turn(clock_.now());
    } while (bus_->more_work());
  }

  std::unique_ptr<GuardChain> chain_ = make_guard_chain();
  test::MemoryStore store_;
  test::FakeClock clock_;
  test::RecordingOutbox outbox_;
  std::vector<test::Reply> inbox_;
  std::unique_ptr<core::Bus> bus_;
};

TEST_CASE("the seeds' incident: drift, yellow, red, open, limp mode, probe, closed") {
  // tidy: long-function because the steps of one story stand in its order
  Incident incident;
  int64_t last = 0;
  std::string said = incident.beat();
  const auto beats = [&](int count, int64_t interval_ms, int64_t off_ms) {
    for (int i = 0; i < count; ++i) {
      incident.until(last += interval_ms + off_ms);
      said = incident.beat();
    }
  };
  beats(16, 5000, 8);
  CHECK(said == "5000 green");
  beats(2, 5000, 45);
  CHECK(said == "5000 green");
  beats(2, 5000, 120);
  CHECK(last == 100'458);
  CHECK(said == "10000 yellow");
  for (int i = 0; i < 4; ++i) incident.push("digest");
  incident.push("notify");
  // Yellow warns, no more.
  const Value before = incident.claim("digest");
  REQUIRE(before.items.size() == 1);
  CHECK(before.items[0].field("limp") == nullptr);
  incident.ack(before.items[0]);

  // Silent for more than three of the intervals that it was told.
  incident.until(130'458);
  CHECK(incident.ask(op::RoleInfo{"digest"}).field("breaker")->text == "closed");
  incident.until(130'459);
  const Value role = incident.ask(op::RoleInfo{"digest"});
  CHECK(role.field("breaker")->text == "open");
  CHECK(role.field("limp")->text == "slack");
  CHECK(incident.claim("notify").is_error(Code::open));
  const Value limping = incident.claim("digest");
  REQUIRE(limping.items.size() == 1);
  CHECK(limping.items[0].field("limp")->text == "slack");
  incident.ack(limping.items[0]);
  op::Claim waits = Incident::claim_of("v@1", "notify");
  waits.wait_ms = 60'000;
  CHECK(incident.ask(waits, 2).kind == Value::Kind::nil);

  // Restarted, and well again; the circuit stays open for its cooldown.
  incident.until(133'000);
  incident.boot = "b2";
  CHECK(incident.beat() == "5000 green");
  incident.until(135'458);
  CHECK(incident.ask(op::RoleInfo{"digest"}).field("breaker")->text == "open");
  // The one who waited longest is the probe; who can goes on without.
  incident.until(135'459);
  const Value probe = incident.reply_to(2);
  REQUIRE(probe.items.size() == 1);
  CHECK(probe.items[0].field("limp") == nullptr);
  const Value other = incident.claim("digest");
  REQUIRE(other.items.size() == 1);
  CHECK(other.items[0].field("limp")->text == "slack");
  incident.until(135'600);
  incident.ack(other.items[0]);
  CHECK(incident.ask(op::RoleInfo{"digest"}).field("breaker")->text == "half_open");
  incident.until(136'000);
  incident.ack(probe.items[0]);
  const Value after = incident.claim("digest");
  REQUIRE(after.items.size() == 1);
  CHECK(after.items[0].field("limp") == nullptr);
  incident.ack(after.items[0]);

  // Between the silence that is told and the probe that works again: the cooldown, and what the probe took.
  CHECK(incident.chronicle() ==
        std::vector<std::string>{
            "0 daemon.register",
            "90218 daemon.drift jitter_ms=45 jitter_baseline_ms=8",
            "100458 daemon.yellow from=green jitter_ms=120 jitter_baseline_ms=8 missed=0",
            "130459 daemon.red from=yellow jitter_ms=120 jitter_baseline_ms=8 missed=3",
            "130459 breaker.open circuit=needs:slack cooldown_ms=5000",
            "130459 role.limp role=digest state=begin without=slack",
            "130459 guard.refuse",
            "133000 daemon.boot",
            "133000 daemon.green from=red jitter_ms=0 jitter_baseline_ms=8 missed=0",
            "135459 breaker.half_open circuit=needs:slack cooldown_ms=5000",
            "136000 breaker.probe circuit=needs:slack outcome=done",
            "136000 breaker.close circuit=needs:slack",
            "136000 role.limp role=digest state=end without=slack lasted_ms=5541",
        });
}

}  // namespace
}  // namespace pawl::guards
