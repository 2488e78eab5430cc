#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/guards/quota_rig.h"

namespace pawl::guards {
namespace {

using Kind = core::QuotaKind;
using core::Outcome;
using Claim = QuotaRig::Claim;

TEST_CASE("quota: 80 per cent warns once per crossing") {
  QuotaRig rig({tokens(100, 10)});
  const auto warned = [&] { return rig.desk.count("quota.warn"); };
  REQUIRE(rig.work("research", 69));
  CHECK(warned() == 0);
  Claim claim = *rig.take("research");
  CHECK(warned() == 0);
  rig.report(claim, 11, 0);
  REQUIRE(warned() == 1);
  const FakeDesk::Event& event = rig.desk.events.back();
  CHECK(event.field("role") == "research");
  CHECK(event.field("what") == "tokens");
  CHECK(event.field("per_ms") == "3600000");
  CHECK(event.field("cap") == "100");
  CHECK(event.field("used") == "80");
  CHECK(event.field("reserved") == "0");
  rig.report(claim, 15, 0);
  rig.end(claim);
  CHECK(warned() == 1);
  // Not again after a restart.
  rig.guard->sealing(rig.desk);
  rig.open();
  REQUIRE(rig.work("research", 1));
  CHECK(warned() == 1);
  REQUIRE(rig.guard->next_wakeup_ms());
  rig.desk.pass(2 * hour_ms);
  rig.guard->tick(rig.desk);
  CHECK(rig.shown("research", "used") == 0);
  CHECK_FALSE(rig.guard->next_wakeup_ms());
  REQUIRE(rig.work("research", 80));
  CHECK(warned() == 2);
}

TEST_CASE("quota: a load that stays right at the mark is warned of once") {
  QuotaRig rig({tokens(100, 10)});
  REQUIRE(rig.work("research", 80));
  REQUIRE(rig.desk.count("quota.warn") == 1);
  for (int i = 0; i < 200; ++i) {
    rig.desk.pass(1000);
    rig.guard->tick(rig.desk);
  }
  REQUIRE(rig.work("research", 0));
  CHECK(rig.desk.count("quota.warn") == 1);
}

TEST_CASE("quota: a cap re-arms when what it refused fits to the last token") {
  QuotaRig rig;
  rig.desk.time.wall_ms = 600'000;
  rig.configure("research", {tokens(100, 40, 60'000)});
  REQUIRE(rig.work("research", 40));
  rig.desk.pass(5000);
  REQUIRE(rig.work("research", 60));
  CHECK_FALSE(rig.take("research"));
  rig.guard->tick(rig.desk);
  REQUIRE(rig.desk.count("quota.trip") == 1);
  // The first 40 slide out.
  rig.desk.pass(56'000);
  rig.guard->tick(rig.desk);
  CHECK(rig.desk.count("quota.rearm") == 1);
  CHECK(rig.take("research"));
}

TEST_CASE("quota: the first refusal trips, and it re-arms as the window slides") {
  QuotaRig rig({tokens(100, 10)});
  REQUIRE(rig.work("research", 100));
  const auto count = [&](const char* kind) { return rig.desk.count(kind); };
  // EXPLAIN asks for nobody and changes nothing.
  CHECK_FALSE(rig.ask("research", "").allowed);
  rig.guard->tick(rig.desk);
  CHECK(count("quota.trip") == 0);
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(rig.take("research"));
    CHECK(rig.guard->next_wakeup_ms());
    rig.guard->tick(rig.desk);
    rig.desk.pass(500);
  }
  CHECK(count("quota.trip") == 1);
  CHECK(rig.shown("research", "trips") == 1);
  CHECK(count("quota.rearm") == 0);
  SECTION("by itself") {
    // Not without the bus looking at it, and it looks no more than once a second.
    int looks = 0;
    while (rig.guard->next_wakeup_ms() && looks < 100'000) {
      const int64_t next_ms = *rig.guard->next_wakeup_ms();
      REQUIRE(next_ms >= rig.desk.time.bus_ms);
      rig.desk.pass(std::max<int64_t>(next_ms - rig.desk.time.bus_ms, 1));
      rig.guard->tick(rig.desk);
      ++looks;
    }
    CHECK(looks <= hour_ms / 1000 + 130);
    CHECK(count("quota.rearm") == 1);
    CHECK(rig.take("research"));
    REQUIRE(rig.desk.events.back().kind == "quota.rearm");
  }
  SECTION("over a restart") {
    rig.guard->sealing(rig.desk);
    rig.open();
    CHECK_FALSE(rig.take("research"));
    rig.guard->tick(rig.desk);
    CHECK(count("quota.trip") == 1);
    rig.desk.pass(2 * hour_ms);
    rig.guard->tick(rig.desk);
    CHECK(count("quota.rearm") == 1);
    CHECK(rig.shown("research", "trips") == 1);
  }
  SECTION("by an operator who raises the cap") {
    CHECK(rig.set("research", Kind::tokens, 1000, hour_ms, 10).text == "OK");
    CHECK(std::count(rig.desk.woken.begin(), rig.desk.woken.end(), "research") == 1);
    CHECK(rig.take("research"));
    rig.desk.pass(60'000);
    rig.guard->tick(rig.desk);
    CHECK(count("quota.rearm") == 1);
  }
  SECTION("nothing is chronicled under a freeze, and nothing spins") {
    rig.desk.standing.kind = core::FreezeKind::soft;
    rig.desk.standing.scope = core::FreezeScope::all;
    rig.desk.pass(2 * hour_ms);
    rig.guard->tick(rig.desk);
    CHECK(count("quota.rearm") == 0);
    REQUIRE(rig.guard->next_wakeup_ms());
    CHECK(*rig.guard->next_wakeup_ms() >= rig.desk.time.bus_ms + 1000);
    rig.desk.standing.kind = core::FreezeKind::none;
    rig.desk.pass(1000);
    rig.guard->tick(rig.desk);
    CHECK(count("quota.rearm") == 1);
  }
}

TEST_CASE("quota: a cap that sways with every claim is not chronicled with every claim") {
  QuotaRig rig({tokens(100, 60)});
  for (int i = 0; i < 600; ++i) {
    Claim claim = *rig.take("research");
    CHECK_FALSE(rig.take("research"));
    rig.guard->tick(rig.desk);
    rig.end(claim);
    rig.desk.pass(100);
    rig.guard->tick(rig.desk);
  }
  CHECK(rig.desk.events.size() == 1);
}

TEST_CASE("quota: room under the fleet's cap wakes whom it refused, in bounds") {
  QuotaRig rig({}, {tokens(100, 50)});
  Claim first = *rig.take("a");
  Claim second = *rig.take("b");
  CHECK_FALSE(rig.take("c"));
  CHECK_FALSE(rig.take("d"));
  rig.desk.pass(1000);
  CHECK(rig.desk.woken.empty());
  rig.end(first);
  CHECK(rig.desk.woken == std::vector<std::string>{"c", "d"});
  // Within a tenth of a second it is left to the next turn.
  CHECK(rig.take("c"));
  CHECK_FALSE(rig.take("d"));
  rig.end(second);
  CHECK(rig.desk.woken.size() == 2);
  REQUIRE(rig.guard->next_wakeup_ms());
  rig.desk.pass(100);
  rig.guard->tick(rig.desk);
  CHECK(rig.desk.woken == std::vector<std::string>{"c", "d", "d"});
  CHECK(rig.take("d"));
}

TEST_CASE("quota: a role that its own cap refused is woken by its own claims' ends, not by the guard") {
  QuotaRig rig({tokens(100, 100)}, {tokens(1000)});
  Claim claim = *rig.take("research");
  CHECK_FALSE(rig.take("research"));
  rig.desk.pass(1000);
  rig.end(claim);
  CHECK(rig.desk.woken.empty());
}

TEST_CASE("quota: a lapse makes no room, so it wakes nobody") {
  QuotaRig rig({}, {tokens(100, 100)});
  Claim claim = *rig.take("a");
  CHECK_FALSE(rig.take("b"));
  rig.desk.pass(1000);
  rig.end(claim, Outcome::lapsed);
  CHECK(rig.desk.woken.empty());
  CHECK_FALSE(rig.take("b"));
}

}  // namespace
}  // namespace pawl::guards
