#include "guards/quota_breaker.h"

#include <catch2/catch.hpp>

#include "tests/guards/quota_rig.h"

namespace pawl::guards {
namespace {

using Kind = core::QuotaKind;
using core::Outcome;
using Claim = QuotaRig::Claim;

TEST_CASE("quota: no cap, no row, no reservation") {
  QuotaRig rig;
  for (int i = 0; i < 100; ++i) CHECK(rig.work("research", 1'000'000));
  rig.guard->sealing(rig.desk);
  rig.guard->tick(rig.desk);
  CHECK(rig.desk.rows.empty());
  CHECK(rig.desk.events.empty());
  CHECK_FALSE(rig.guard->next_wakeup_ms().has_value());
  CHECK(rig.get().items.empty());
}

TEST_CASE("quota: what used, reserved and estimate make of a claim") {
  struct Row {
    const char* what;
    int64_t cap;
    std::optional<int64_t> estimate;
    uint64_t used;  // by a claim that is over
    int live;       // claims in flight, without a report
    bool allowed;
  };
  const std::vector<Row> rows = {
      {"nothing used", 100, 10, 0, 0, true},
      {"up to the cap", 100, 10, 90, 0, true},
      {"one over the cap", 100, 10, 91, 0, false},
      {"reserved counts", 100, 10, 80, 1, true},
      {"reserved fills it", 100, 10, 80, 2, false},
      {"reserved alone", 100, 10, 0, 9, true},
      {"reserved alone fills it", 100, 10, 0, 10, false},
      {"as large as the cap", 100, 100, 0, 0, true},
      {"as large as the cap, twice", 100, 100, 0, 1, false},
      {"an estimate of nothing", 100, 0, 99, 50, true},
      {"an estimate of nothing, full", 100, 0, 100, 0, false},
      {"an estimate of nothing, over", 100, 0, 150, 0, false},
      {"the smallest cap", 1, 1, 0, 0, true},
      {"the smallest cap, full", 1, 1, 0, 1, false},
      {"the largest cap", limits::quota_cap_max, limits::quota_cap_max, 0, 0, true},
      {"the largest cap, full", limits::quota_cap_max, limits::quota_cap_max, 0, 1, false},
      {"used beyond all counting", 100, 10, UINT64_MAX / 2, 1, false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    QuotaRig rig({tokens(row.cap, row.estimate)});
    Claim over = rig.force("research");
    rig.report(over, row.used, 0);
    rig.end(over);
    for (int i = 0; i < row.live; ++i) rig.force("research");
    const core::Verdict verdict = rig.ask("research");
    CHECK(verdict.allowed == row.allowed);
    if (row.allowed) continue;
    CHECK(verdict.code == Code::quota);
    CHECK_FALSE(verdict.empty);
    CHECK(verdict.subject == "role:research");
    CHECK(verdict.limit == row.cap);
    CHECK(verdict.reason.find("QUOTA SET research tokens") != std::string::npos);
    // Other roles go on.
    CHECK(rig.ask("other").allowed);
  }
}

TEST_CASE("quota: a report turns reserved into used; the end gives the rest back") {
  QuotaRig rig({tokens(100, 30)}, {tokens(1000)});
  Claim claim = *rig.take("research");
  CHECK(claim.reserved.tokens == 30);
  for (const char* who : {"research", "*"}) {
    INFO(who);
    CHECK(rig.shown(who, "reserved") == 30);
    CHECK(rig.shown(who, "used") == 0);
  }
  rig.report(claim, 20, 0);
  CHECK(rig.shown("research", "reserved") == 10);
  CHECK(rig.shown("research", "used") == 20);
  rig.report(claim, 20, 0);
  CHECK(rig.shown("research", "used") == 20);
  SECTION("ended with less than estimated") {
    rig.end(claim);
    CHECK(rig.shown("research", "used") == 20);
    CHECK(rig.shown("*", "used") == 20);
  }
  SECTION("used more than estimated: the cap is passed, and nothing is left to give back") {
    rig.report(claim, 130, 0);
    CHECK(rig.shown("research", "reserved") == 0);
    CHECK(rig.shown("research", "used") == 130);
    CHECK(rig.shown("research", "percent") == 130);
    CHECK_FALSE(rig.ask("research").allowed);
    rig.end(claim);
    CHECK(rig.shown("research", "used") == 130);
  }
  SECTION("released, failed, cancelled: what was reported stays used") {
    rig.end(claim, GENERATE(Outcome::released, Outcome::failed, Outcome::cancelled, Outcome::expired));
    CHECK(rig.shown("research", "used") == 20);
  }
  SECTION("reported after the end: only what is new") {
    rig.end(claim, Outcome::failed);
    rig.report(claim, 25, 0, false);
    CHECK(rig.shown("research", "used") == 25);
    rig.report(claim, 25, 0, false);
    CHECK(rig.shown("research", "used") == 25);
  }
  SECTION("lapsed: the larger of estimate and report, whenever it comes") {
    rig.end(claim, Outcome::lapsed);
    CHECK(rig.shown("research", "used") == 30);
    CHECK(rig.shown("*", "used") == 30);
    rig.report(claim, 29, 0, false);
    CHECK(rig.shown("research", "used") == 30);
    rig.report(claim, 41, 0, false);
    CHECK(rig.shown("research", "used") == 41);
    rig.report(claim, 45, 0, false);
    CHECK(rig.shown("research", "used") == 45);
    CHECK(rig.shown("*", "used") == 45);
  }
  CHECK((rig.shown("research", "reserved") == 0 && rig.shown("*", "reserved") == 0));
}

TEST_CASE("quota: calls are used by the claim, whatever becomes of it") {
  QuotaRig rig({{Kind::calls, 3, hour_ms, std::nullopt}});
  for (const Outcome outcome : {Outcome::done, Outcome::released, Outcome::lapsed}) {
    auto claim = rig.take("research");
    REQUIRE(claim);
    CHECK(claim->reserved.empty());
    rig.end(*claim, outcome);
  }
  CHECK_FALSE(rig.take("research"));
  CHECK(rig.shown("research", "used", Kind::calls) == 3);
  CHECK(rig.shown("research", "percent", Kind::calls) == 100);
  CHECK(rig.shown("research", "estimate", Kind::calls) == -1);
}

TEST_CASE("quota: windows slide in 60 buckets, the oldest counted whole") {
  struct Row {
    int64_t per_ms;
    int64_t used_at_ms;  // wall
    int64_t free_at_ms;
  };
  // A bucket is per_ms / 60 long and counts until 61 of them have passed.
  const std::vector<Row> rows = {
      {60'000, 60'000, 121'000},
      {60'000, 60'999, 121'000},
      {60'000, 61'000, 122'000},
      {60, 1000, 1061},
      {90, 1000, 1091},
      {100, 999, 1100},
      {day_ms, day_ms, 2 * day_ms + day_ms / 60},
  };
  for (const Row& row : rows) {
    INFO(row.per_ms << " used at " << row.used_at_ms);
    QuotaRig rig;
    rig.desk.time.wall_ms = row.used_at_ms;
    rig.desk.bus.roles["research"].quotas = {tokens(100, 10, row.per_ms)};
    rig.open();
    REQUIRE(rig.work("research", 95));
    CHECK(rig.ask("research").retry_at_ms == row.free_at_ms);
    CHECK(rig.shown("research", "frees_at") == row.free_at_ms);
    // Never sooner than the length of the window, never later than a bucket more.
    CHECK(row.free_at_ms > row.used_at_ms + row.per_ms);
    CHECK(row.free_at_ms <= row.used_at_ms + row.per_ms + row.per_ms / 60 + 2);
    rig.desk.time.wall_ms = row.free_at_ms - 1;
    CHECK_FALSE(rig.ask("research").allowed);
    rig.desk.time.wall_ms = row.free_at_ms;
    CHECK(rig.ask("research").allowed);
    CHECK(rig.shown("research", "used") == 0);
    CHECK(rig.shown("research", "frees_at") == -1);
  }
}

TEST_CASE("quota: when a refused claim will fit") {
  QuotaRig rig;
  rig.desk.time.wall_ms = 600'000;
  rig.desk.bus.roles["research"].quotas = {tokens(100, 20, 60'000)};
  rig.open();
  for (int i = 0; i < 4; ++i) {
    REQUIRE(rig.work("research", 20));
    rig.desk.time.wall_ms += 5000;
  }
  // 80 are used, at 600, 605, 610 and 615 s.
  Claim claim = *rig.take("research");
  SECTION("as soon as enough has slid out") {
    CHECK(rig.ask("research").retry_at_ms == 661'000);
    rig.report(claim, 45, 0);
    CHECK(rig.ask("research").retry_at_ms == 671'000);
  }
  SECTION("not by itself while what is reserved is in the way") {
    rig.set("research", Kind::tokens, 30, 60'000, 20);
    const core::Verdict verdict = rig.ask("research");
    CHECK_FALSE(verdict.retry_at_ms);
    CHECK(verdict.reason.find("claims in flight") != std::string::npos);
    rig.end(claim);
    CHECK(rig.ask("research").retry_at_ms == 676'000);
  }
}

TEST_CASE("quota: of two caps that refuse the later one counts") {
  QuotaRig rig;
  rig.desk.time.wall_ms = 600'000;
  rig.configure("research", {tokens(100, 20, 60'000)});
  rig.configure("*", {tokens(100, std::nullopt, 600'000)});
  REQUIRE(rig.work("research", 100));
  const core::Verdict verdict = rig.ask("research");
  CHECK(verdict.scope == core::Scope::fleet);
  CHECK(verdict.subject.empty());
  CHECK(verdict.retry_at_ms == 1'210'000);
  // Nothing passes sooner than what waits for claims in flight.
  rig.configure("*", {});
  REQUIRE(rig.ask("research").retry_at_ms == 661'000);
  rig.configure("research", {tokens(100, 20, 60'000), {Kind::cost, 10, 60'000, 6}});
  rig.desk.time.wall_ms = 661'000;
  Claim claim = *rig.take("research");
  rig.report(claim, 100, 0);
  CHECK_FALSE(rig.ask("research").retry_at_ms);
}

TEST_CASE("quota: an estimate as large as its cap fits an empty window") {
  QuotaRig rig;
  rig.desk.time.wall_ms = 600'000;
  rig.configure("research", {tokens(100, 100, 60'000)});
  REQUIRE(rig.work("research", 1));
  const core::Verdict verdict = rig.ask("research");
  CHECK(verdict.retry_at_ms == 661'000);
  CHECK(verdict.reason.find("as the window slides") != std::string::npos);
  rig.desk.time.wall_ms = 661'000;
  CHECK(rig.take("research"));
}

TEST_CASE("quota: an estimate above the cap never fits, and the refusal says so") {
  QuotaRig rig({tokens(1000, 500), tokens(100, std::nullopt, day_ms)});
  const core::Verdict verdict = rig.ask("research");
  CHECK_FALSE(verdict.allowed);
  CHECK_FALSE(verdict.retry_at_ms);
  CHECK(verdict.limit == 100);
  CHECK(verdict.reason.find("none ever fits") != std::string::npos);
}

TEST_CASE("quota: where the estimate comes from") {
  struct Row {
    const char* what;
    std::vector<core::QuotaConfig> role;
    std::vector<core::QuotaConfig> fleet;
    std::vector<uint64_t> endings;
    uint64_t reserved;
  };
  std::vector<uint64_t> hundred;
  for (uint64_t i = 1; i <= 100; ++i) hundred.push_back(i);
  const std::vector<Row> rows = {
      {"nothing is known", {tokens(1'000'000)}, {}, {}, 0},
      {"one ending", {tokens(1'000'000)}, {}, {7}, 7},
      {"the 95th percentile of the last 64", {tokens(1'000'000)}, {}, hundred, 97},
      {"its own word", {tokens(1'000'000, 5)}, {tokens(1'000'000, 9)}, {7}, 5},
      {"the largest of its own words", {tokens(1'000'000, 5), tokens(1'000'000, 6, day_ms)}, {}, {7}, 6},
      {"the fleet's word", {tokens(1'000'000)}, {tokens(1'000'000, 9)}, {7}, 9},
      {"the fleet's word, held to the role's cap", {tokens(8)}, {tokens(1'000'000, 9)}, {}, 8},
      {"a role without a cap, under the fleet's", {}, {tokens(1'000'000)}, {7, 7}, 7},
      {"a role without a cap, under the fleet's word", {}, {tokens(1'000'000, 9)}, {7}, 9},
      {"learned, held to the role's cap", {tokens(1000, std::nullopt, 60'000)}, {}, {5000}, 1000},
      {"learned, held to the fleet's",
       {tokens(1'000'000)},
       {tokens(1000, std::nullopt, 60'000)},
       {5000},
       1000},
      {"a cap of another kind", {{Kind::cost, 1'000'000, hour_ms, 5}}, {}, {7}, 0},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    QuotaRig rig(row.role, row.fleet);
    for (const uint64_t value : row.endings) {
      Claim claim = rig.force("research");
      rig.report(claim, value, 0);
      rig.end(claim);
    }
    rig.desk.pass(2 * day_ms);
    const auto claim = rig.take("research");
    REQUIRE(claim);
    CHECK(claim->reserved.tokens == row.reserved);
    // The same after a restart, and of no other role.
    rig.guard->sealing(rig.desk);
    Claim over = *claim;
    rig.open({&over});
    CHECK(rig.force("research").reserved.tokens == row.reserved);
  }
}

TEST_CASE("quota: what was handed back, or lapsed unheard, teaches nothing") {
  QuotaRig rig({tokens(1'000'000)});
  const auto ending = [&](uint64_t value, Outcome outcome) {
    Claim claim = rig.force("research");
    rig.report(claim, value, 0);
    rig.end(claim, outcome);
  };
  ending(50, Outcome::done);
  for (int i = 0; i < 64; ++i) {
    ending(0, Outcome::released);
    ending(0, Outcome::lapsed);
    ending(0, Outcome::cancelled);
  }
  CHECK(rig.shown("research", "estimate") == 50);
  for (int i = 0; i < 64; ++i) ending(0, Outcome::done);
  CHECK(rig.shown("research", "estimate") == 0);
}

TEST_CASE("quota: sums stop at the top") {
  QuotaRig rig({tokens(100, 10)}, {tokens(100)});
  for (int i = 0; i < 3; ++i) {
    Claim claim = rig.force("research");
    rig.report(claim, UINT64_MAX / 2, 0);
    rig.end(claim, Outcome::lapsed);
  }
  CHECK(rig.shown("research", "used") == INT64_MAX);
  CHECK(rig.shown("research", "percent") == INT64_MAX);
  CHECK(rig.ask("research").retry_at_ms);
  rig.guard->sealing(rig.desk);
  rig.open();
  CHECK(rig.shown("*", "used") == INT64_MAX);
  // Reservations of many claims of the largest estimate, where nobody refuses.
  rig.set("research", Kind::tokens, limits::quota_cap_max, hour_ms, limits::quota_cap_max);
  std::vector<Claim> claims;
  for (int i = 0; i < 3000; ++i) claims.push_back(rig.force("research"));
  CHECK(rig.shown("research", "reserved") == INT64_MAX);
  for (Claim& claim : claims) rig.end(claim);
  CHECK(rig.shown("research", "reserved") == 0);
}

}  // namespace
}  // namespace pawl::guards
