#include "guards/velocity.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

constexpr int64_t minute_ms = 60'000;

// A bus that is looked at as often as the guard asks for.
struct Rig {
  explicit Rig(int64_t bus_ms = 600'000) {
    desk.time.bus_ms = bus_ms;
    desk.bus.guards.velocity_factor = 10;
    desk.bus.guards.velocity_pushes_floor = 50;
    desk.bus.guards.velocity_tokens_floor = 500;
    desk.bus.guards.velocity_cost_floor = 5000;
    counts();
    guard.open(desk);
    guard.tick(desk);
  }
  core::RoleCounts& counts(const std::string& role = "research") { return desk.make(role).counts; }
  // Something has happened: a turn, and whatever the guard wants to do later.
  void turn(int64_t ms = 0) {
    desk.pass(ms);
    guard.tick(desk);
  }
  // Time passes, and the bus sleeps as long as the guard lets it.
  void sleep(int64_t ms) {
    const int64_t until_ms = desk.time.bus_ms + ms;
    while (desk.time.bus_ms < until_ms) {
      const int64_t next_ms = std::min(guard.next_wakeup_ms().value_or(until_ms), until_ms);
      REQUIRE(next_ms > desk.time.bus_ms);
      turn(next_ms - desk.time.bus_ms);
      ++wakeups;
    }
  }
  // Whole minutes with so many pushes each, after the rest of the running one.
  void minutes(int count, uint64_t pushes) {
    for (int i = 0; i < count; ++i) {
      counts().pushed += pushes;
      turn();
      sleep(minute_ms - desk.time.bus_ms % minute_ms);
    }
  }
  core::Verdict ask(const std::string& role = "research") {
    const core::RoleFacts facts = FakeDesk::facts(desk.make(role));
    return guard.admit_claim({facts, "d1", desk.time}, desk).verdict();
  }
  FakeDesk desk;
  Velocity guard;
  int wakeups = 0;
};

TEST_CASE("velocity: observes unless it is told to enforce, and lets through when it fails") {
  CHECK(Velocity().default_mode() == core::GuardMode::observe);
  CHECK(Velocity().failure_direction() == FailureDirection::open);
}

TEST_CASE("velocity: over factor and floor, without a failure") {
  struct Row {
    const char* what;
    uint64_t mean;  // pushes in each of ten minutes before
    uint64_t pushes;
    uint64_t failed;
    uint64_t lapsed;
    bool trips;
  };
  const std::vector<Row> rows = {
      {"as usual", 10, 10, 0, 0, false},        {"ten times", 10, 100, 0, 0, false},
      {"one more", 10, 101, 0, 0, true},        {"at the floor", 1, 50, 0, 0, false},
      {"over the floor", 1, 51, 0, 0, true},    {"from nothing", 0, 51, 0, 0, true},
      {"with a failure", 10, 101, 1, 0, false}, {"with a lapse", 10, 101, 0, 1, false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    Rig rig;
    rig.minutes(10, row.mean);
    rig.counts().pushed += row.pushes;
    rig.counts().failed += row.failed;
    rig.counts().lapsed += row.lapsed;
    rig.turn();
    rig.sleep(1000);
    CHECK(rig.desk.count("velocity.trip") == (row.trips ? 1 : 0));
    const core::Verdict verdict = rig.ask();
    CHECK(verdict.allowed != row.trips);
    CHECK(rig.ask("other").allowed);
    if (!row.trips) continue;
    CHECK(verdict.code == Code::quota);
    CHECK(verdict.subject == "role:research");
    CHECK(verdict.value == static_cast<int64_t>(row.pushes));
    CHECK(verdict.limit == static_cast<int64_t>(std::max<uint64_t>(50, row.mean * 10)));
    CHECK(rig.desk.events.back().field("what") == "pushes");
  }
}

TEST_CASE("velocity: a whole minute that nobody looked at stayed under") {
  Rig rig;
  rig.minutes(10, 1);
  rig.counts().pushed += 51;
  rig.turn();
  rig.sleep(1000);
  REQUIRE_FALSE(rig.ask().allowed);
  rig.turn(3 * minute_ms);
  CHECK(rig.desk.count("velocity.clear") == 1);
  CHECK(rig.ask().allowed);
}

TEST_CASE("velocity: tokens and cost are looked at like pushes") {
  for (const bool cost : {false, true}) {
    Rig rig;
    rig.minutes(10, 1);
    (cost ? rig.counts().cost : rig.counts().tokens) += cost ? 5001 : 501;
    rig.turn();
    rig.sleep(1000);
    REQUIRE(rig.desk.count("velocity.trip") == 1);
    CHECK(rig.desk.events.back().field("what") == (cost ? "cost" : "tokens"));
    CHECK_FALSE(rig.ask().allowed);
  }
}

TEST_CASE("velocity: silent until five whole minutes are known") {
  Rig rig(630'000);
  // Half a minute, then four whole ones.
  rig.minutes(5, 1);
  rig.counts().pushed += 10'000;
  rig.turn();
  rig.sleep(1000);
  CHECK(rig.ask().allowed);
  rig.minutes(1, 0);
  rig.counts().pushed += 100'000;
  rig.turn();
  rig.sleep(1000);
  CHECK_FALSE(rig.ask().allowed);
}

TEST_CASE("velocity: clears after a whole minute that stays under") {
  Rig rig;
  rig.minutes(10, 10);
  rig.counts().pushed += 1000;
  rig.turn();
  rig.sleep(1000);
  REQUIRE_FALSE(rig.ask().allowed);
  const int64_t begin_ms = rig.desk.time.bus_ms / minute_ms * minute_ms;
  // The running minute cannot be the one, so the end of the next is.
  CHECK(*rig.ask().retry_at_ms - rig.desk.time.wall_ms == begin_ms + 2 * minute_ms - rig.desk.time.bus_ms);
  SECTION("the next one") {
    rig.sleep(begin_ms + 2 * minute_ms - 1 - rig.desk.time.bus_ms);
    CHECK_FALSE(rig.ask().allowed);
    rig.sleep(1);
    CHECK(rig.ask().allowed);
    CHECK(rig.desk.count("velocity.clear") == 1);
    CHECK(rig.desk.woken == std::vector<std::string>{"research"});
    // What ran away is no part of the mean.
    rig.counts().pushed += 101;
    rig.turn();
    rig.sleep(1000);
    CHECK_FALSE(rig.ask().allowed);
  }
  SECTION("not while it goes on, however long") {
    rig.sleep(begin_ms + minute_ms - rig.desk.time.bus_ms);
    rig.minutes(200, 1000);
    CHECK_FALSE(rig.ask().allowed);
    rig.minutes(1, 10);
    CHECK(rig.ask().allowed);
    CHECK(rig.desk.count("velocity.trip") == 1);
    CHECK(rig.desk.count("velocity.clear") == 1);
  }
}

TEST_CASE("velocity: the mean is of the last sixty minutes, silent ones too") {
  Rig rig;
  rig.minutes(60, 100);
  SECTION("all of them count") {
    rig.minutes(30, 0);
    // 50 in the mean
    rig.minutes(1, 500);
    CHECK(rig.desk.count("velocity.trip") == 0);
    rig.counts().pushed += 600;
    rig.turn();
    rig.sleep(1000);
    CHECK(rig.desk.count("velocity.trip") == 1);
  }
  SECTION("none older") {
    rig.sleep(59 * minute_ms);
    rig.counts().pushed += 30;
    rig.turn();
    rig.sleep(2 * minute_ms - 1000);
    rig.counts().pushed += 51;
    rig.turn();
    rig.sleep(1000);
    CHECK(rig.desk.count("velocity.trip") == 1);
  }
}

TEST_CASE("velocity: what is known outlives a restart, the running minute too") {
  Rig rig;
  rig.minutes(10, 10);
  rig.counts().pushed += 60;
  rig.turn();
  rig.sleep(5000);
  REQUIRE(rig.ask().allowed);
  rig.guard.open(rig.desk);
  rig.turn();
  CHECK(rig.ask().allowed);
  rig.counts().pushed += 41;
  rig.turn();
  rig.sleep(1000);
  REQUIRE_FALSE(rig.ask().allowed);
  rig.guard.open(rig.desk);
  CHECK_FALSE(rig.ask().allowed);
  rig.turn();
  CHECK(rig.desk.count("velocity.trip") == 1);
  rig.sleep(3 * minute_ms);
  CHECK(rig.ask().allowed);
  CHECK(rig.desk.count("velocity.clear") == 1);
}

TEST_CASE("velocity: a role that was made anew is another one") {
  Rig rig;
  rig.minutes(10, 10);
  rig.counts() = {};
  rig.desk.make("research").number = 77;
  rig.counts().pushed = 1000;
  SECTION("at once") {}
  SECTION("over a restart") { rig.guard.open(rig.desk); }
  rig.turn();
  rig.sleep(minute_ms);
  CHECK(rig.ask().allowed);
  CHECK(rig.desk.count("velocity.trip") == 0);
}

TEST_CASE("velocity: a freeze is not what is usual") {
  Rig rig;
  rig.minutes(10, 10);
  rig.desk.standing.kind = core::FreezeKind::soft;
  rig.desk.standing.scope = core::FreezeScope::all;
  rig.sleep(100 * minute_ms);
  rig.desk.standing.kind = core::FreezeKind::none;
  rig.counts().pushed += 90;
  rig.turn(1000);
  rig.sleep(2000);
  CHECK(rig.ask().allowed);
  rig.sleep(minute_ms);
  rig.counts().pushed += 101;
  rig.turn();
  rig.sleep(1000);
  CHECK_FALSE(rig.ask().allowed);
}

TEST_CASE(
    "velocity: an idle bus is left alone, a busy one looked at once a second, a row written once a minute") {
  Rig rig;
  rig.sleep(10 * minute_ms);
  // Each sleep of the bus is one wakeup of the test's own at least.
  CHECK(rig.wakeups <= 3);
  CHECK(rig.desk.rows.empty());
  rig.counts().pushed += 1;
  rig.turn();
  rig.wakeups = 0;
  rig.sleep(10 * minute_ms);
  CHECK(rig.wakeups <= 5);
  CHECK(rig.desk.rows.size() == 1);
  int writes = 0;
  int looks = 0;
  rig.desk.rows.clear();
  for (int i = 0; i < 60'000; ++i) {
    const auto before = rig.guard.next_wakeup_ms();
    rig.counts().pushed += i % 1400 == 0 ? 1 : 0;
    rig.turn(1);
    if (before && *before <= rig.desk.time.bus_ms) ++looks;
    if (!rig.desk.rows.empty()) ++writes;
    rig.desk.rows.clear();
  }
  CHECK(writes == 1);
  CHECK(looks <= 62);
}

TEST_CASE("velocity: sums stop at the top") {
  Rig rig;
  rig.desk.bus.guards.velocity_factor = INT64_MAX;
  for (int i = 0; i < 10; ++i) {
    rig.counts().cost += UINT64_MAX / 16;
    rig.minutes(1, 0);
  }
  rig.counts().cost += UINT64_MAX / 16;
  rig.turn();
  rig.sleep(1000);
  CHECK(rig.ask().allowed);
}

TEST_CASE("velocity: a damaged row is refused") {
  Rig rig;
  rig.minutes(3, 10);
  std::string& row = rig.desk.rows.at("velocity/research");
  const std::string sound = row;
  for (size_t length = 0; length < sound.size(); ++length) {
    row = sound.substr(0, length);
    CHECK_THROWS(Velocity().open(rig.desk));
  }
  row = sound + "x";
  CHECK_THROWS(Velocity().open(rig.desk));
  row = sound;
  row[0] = 2;
  CHECK_THROWS(Velocity().open(rig.desk));
}

}  // namespace
}  // namespace pawl::guards
