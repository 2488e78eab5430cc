#include "guards/stuck_claim_sweep.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

struct Swept {
  Swept() { desk.bus.guards.lapse_storm = 3; }
  void end(const std::string& role, core::Outcome outcome, std::string_view daemon = "d@1",
           core::ErrorClass error_class = core::ErrorClass::lease_expired) {
    const core::RoleFacts facts = FakeDesk::facts(desk.make(role));
    const core::Reservation reserved;
    core::Ending ending{.role = facts, .message = {}, .daemon = daemon, .reserved = reserved};
    ending.outcome = outcome;
    if (outcome == core::Outcome::lapsed) ending.error_class = error_class;
    guard.ended(ending, {}, desk);
  }
  void lapse(const std::string& role, int times, std::string_view daemon = "d@1") {
    for (int i = 0; i < times; ++i) end(role, core::Outcome::lapsed, daemon);
  }
  void pass(int64_t ms) {
    desk.pass(ms);
    guard.tick(desk);
  }
  FakeDesk desk;
  StuckClaimSweep guard;
};

TEST_CASE("sweep: a role that loses claims by the dozen is one entry a minute") {
  Swept swept;
  CHECK_FALSE(swept.guard.next_wakeup_ms().has_value());
  swept.lapse("storm", 2, "a@1");
  swept.pass(10'000);
  swept.lapse("storm", 2, "b@1");
  swept.lapse("calm", 3);
  for (int i = 0; i < 10; ++i) swept.end("other", core::Outcome::failed);
  swept.lapse("storm", 1, "b@1");
  CHECK(swept.guard.next_wakeup_ms() == swept.desk.time.bus_ms + 50'000);
  swept.pass(49'999);
  CHECK(swept.desk.events.empty());
  swept.pass(1);
  REQUIRE(swept.desk.events.size() == 1);
  const FakeDesk::Event& event = swept.desk.events[0];
  CHECK(event.kind == "sweep.storm");
  CHECK(event.field("role") == "storm");
  CHECK(event.field("count") == "5");
  CHECK(event.field("daemons") == "2");
  CHECK(event.field("most") == "b@1");
  CHECK(event.field("most_count") == "3");
  CHECK(swept.guard.next_wakeup_ms() == swept.desk.time.bus_ms + 10'000);
  swept.pass(10'000);
  CHECK(swept.desk.events.size() == 1);  // three are no storm
  CHECK_FALSE(swept.guard.next_wakeup_ms().has_value());
  // The next minute counts from nothing.
  swept.lapse("storm", 3);
  swept.pass(60'000);
  CHECK(swept.desk.events.size() == 1);
  swept.lapse("storm", 4);
  swept.pass(60'000);
  CHECK(swept.desk.events.size() == 2);
}

TEST_CASE("sweep: claims of a process that was reaped were not stuck") {
  Swept swept;
  for (int i = 0; i < 10; ++i) swept.end("r", core::Outcome::lapsed, "d@1", core::ErrorClass::crash);
  CHECK_FALSE(swept.guard.next_wakeup_ms().has_value());
  swept.lapse("r", 3);
  swept.pass(60'000);
  CHECK(swept.desk.events.empty());
}

TEST_CASE("sweep: counts no more daemons by name than it has room for") {
  Swept swept;
  for (int i = 0; i < 500; ++i) swept.lapse("storm", 1, "d" + std::to_string(i) + "@1");
  swept.pass(60'000);
  REQUIRE(swept.desk.events.size() == 1);
  CHECK(swept.desk.events[0].field("count") == "500");
  CHECK(swept.desk.events[0].field("daemons") == "100");
}

TEST_CASE("sweep: a restart begins a new minute") {
  Swept swept;
  swept.lapse("storm", 10);
  swept.guard.open(swept.desk);
  CHECK_FALSE(swept.guard.next_wakeup_ms().has_value());
  swept.pass(60'000);
  CHECK(swept.desk.events.empty());
}

}  // namespace
}  // namespace pawl::guards
