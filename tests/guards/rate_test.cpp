#include "guards/rate.h"

#include <catch2/catch.hpp>

#include "tests/guards/fake_desk.h"
#include "tests/sim/rng.h"

namespace pawl::guards {
namespace {

// A bus of one role with a rate, and the guard over its rows.
struct Rig {
  explicit Rig(core::RateConfig rate) {
    configure(rate);
    guard.open(desk);
  }
  void configure(core::RateConfig rate) {
    desk.bus.roles["research"].rate = rate;
    desk.make("research").config.rate = rate;
  }
  core::Verdict ask() {
    const core::RoleFacts facts = FakeDesk::facts(desk.make("research"));
    return guard.admit_claim({facts, "d1", desk.time}, desk).verdict();
  }
  bool take() {
    const core::RoleFacts facts = FakeDesk::facts(desk.make("research"));
    const core::Candidate candidate{facts, "d1", desk.time};
    if (!guard.admit_claim(candidate, desk).allowed()) return false;
    core::Reservation reserved;
    guard.taken(candidate, reserved, desk);
    guard.sealing(desk);
    return true;
  }
  int take_all() {
    int taken = 0;
    while (take()) ++taken;
    return taken;
  }
  FakeDesk desk;
  Rate guard;
};

TEST_CASE("rate: no rate, no limit and no row") {
  Rig rig({0, 0});
  for (int i = 0; i < 1000; ++i) CHECK(rig.take());
  CHECK(rig.desk.rows.empty());
}

TEST_CASE("rate: a full bucket, then a token at a time") {
  Rig rig({10, 1000});
  CHECK(rig.take_all() == 10);
  const core::Verdict verdict = rig.ask();
  CHECK(verdict.empty);
  CHECK(verdict.code == Code::busy);
  CHECK(verdict.subject == "role:research");
  CHECK(verdict.limit == 10);
  CHECK(verdict.retry_at_ms == rig.desk.time.wall_ms + 100);
  rig.desk.pass(99);
  CHECK_FALSE(rig.take());
  CHECK(rig.ask().retry_at_ms == rig.desk.time.wall_ms + 1);
  rig.desk.pass(1);
  CHECK(rig.take_all() == 1);
  rig.desk.pass(1'000'000);
  CHECK(rig.take_all() == 10);
}

// A third of a second is no whole number of milliseconds: the time that is told is the next one.
TEST_CASE("rate: at the time that a refusal names there is a token") {
  Rig rig({3, 1000});
  CHECK(rig.take_all() == 3);
  for (int i = 0; i < 10; ++i) {
    const core::Verdict verdict = rig.ask();
    REQUIRE(verdict.retry_at_ms);
    rig.desk.pass(*verdict.retry_at_ms - rig.desk.time.wall_ms - 1);
    CHECK_FALSE(rig.take());
    rig.desk.pass(1);
    CHECK(rig.take_all() == 1);
  }
}

TEST_CASE("rate: bus time, not wall time") {
  Rig rig({1, 1000});
  CHECK(rig.take());
  rig.desk.time.wall_ms += 1'000'000;
  rig.desk.time.lease_ms += 1'000'000;
  CHECK_FALSE(rig.take());
  rig.desk.time.bus_ms += 1000;
  CHECK(rig.take());
}

TEST_CASE("rate: never a claim too many, never one too few, in the long run") {
  struct Row {
    core::RateConfig rate;
    int64_t step_max;
  };
  for (const Row& row : {Row{{3, 1000}, 400}, Row{{7, 60'000}, 9000}, Row{{1000, 3'600'000}, 5000},
                         Row{{999'999'937, 1000}, 1}, Row{{7, 1000}, 1}}) {
    INFO(row.rate.count << " in " << row.rate.per_ms);
    Rig rig(row.rate);
    // The bucket has been drained, so that what comes is what the rate brings.
    const bool fast = row.rate.count > 100'000;
    int64_t taken = 0;
    if (!fast) CHECK(rig.take_all() == row.rate.count);
    sim::Rng rng(static_cast<uint64_t>(row.rate.count));
    int64_t passed = 0;
    for (int i = 0; i < 2000; ++i) {
      const int64_t step = rng.between(1, row.step_max);
      rig.desk.pass(step);
      passed += step;
      if (fast) {
        taken += rig.take() ? 1 : 0;
      } else {
        // Drained at every step, so nothing is lost to a full bucket.
        taken += rig.take_all();
        CHECK(taken == passed * row.rate.count / row.rate.per_ms);
      }
    }
    if (fast) CHECK(taken == 2000);
  }
}

TEST_CASE("rate: the bucket outlives a restart") {
  Rig rig({5, 1000});
  CHECK(rig.take_all() == 5);
  rig.desk.pass(400);
  Rate next;
  next.open(rig.desk);
  const core::RoleFacts facts = FakeDesk::facts(rig.desk.make("research"));
  const core::Candidate candidate{facts, "d1", rig.desk.time};
  core::Reservation reserved;
  CHECK(next.admit_claim(candidate, rig.desk).allowed());
  next.taken(candidate, reserved, rig.desk);
  CHECK(next.admit_claim(candidate, rig.desk).allowed());
  next.taken(candidate, reserved, rig.desk);
  CHECK_FALSE(next.admit_claim(candidate, rig.desk).allowed());
}

TEST_CASE("rate: one row a batch, however many claims are in it") {
  Rig rig({100, 1000});
  const core::RoleFacts facts = FakeDesk::facts(rig.desk.make("research"));
  core::Reservation reserved;
  for (int i = 0; i < 10; ++i) rig.guard.taken({facts, "d1", rig.desk.time}, reserved, rig.desk);
  CHECK(rig.desk.rows.empty());
  rig.guard.sealing(rig.desk);
  CHECK(rig.desk.rows.size() == 1);
  CHECK(rig.take_all() == 90);
}

TEST_CASE("rate: a changed rate finds the bucket as full as it was; a removed one has no row") {
  Rig rig({10, 1000});
  for (int i = 0; i < 5; ++i) CHECK(rig.take());
  SECTION("half full of more") {
    rig.configure({1000, 1000});
    rig.guard.configured(rig.desk);
    CHECK(rig.take_all() == 500);
  }
  SECTION("half full of the largest that there is") {
    rig.configure({1'000'000'000, 3'600'000});
    rig.guard.configured(rig.desk);
    CHECK(rig.take());
    rig.configure({10, 1000});
    rig.guard.configured(rig.desk);
    CHECK(rig.take_all() == 4);
  }
  SECTION("the same again changes nothing") {
    rig.guard.configured(rig.desk);
    CHECK(rig.take_all() == 5);
  }
  SECTION("removed") {
    rig.configure({0, 0});
    rig.guard.configured(rig.desk);
    CHECK(rig.desk.rows.empty());
    CHECK(rig.take());
    rig.configure({10, 1000});
    rig.guard.configured(rig.desk);
    CHECK(rig.take_all() == 10);
  }
  SECTION("changed while the bus was down") {
    rig.configure({20, 1000});
    rig.guard.open(rig.desk);
    CHECK(rig.take_all() == 10);
  }
}

TEST_CASE("rate: a role that was made anew starts full") {
  Rig rig({2, 1000});
  CHECK(rig.take_all() == 2);
  rig.desk.make("research").number = 99;
  SECTION("at once") { CHECK(rig.take_all() == 2); }
  SECTION("after a restart") {
    rig.guard.open(rig.desk);
    CHECK(rig.desk.rows.empty());
    CHECK(rig.take_all() == 2);
  }
}

TEST_CASE("rate: an empty bucket does not go into debt where nobody asks") {
  Rig rig({2, 1000});
  const core::RoleFacts facts = FakeDesk::facts(rig.desk.make("research"));
  core::Reservation reserved;
  for (int i = 0; i < 100; ++i) rig.guard.taken({facts, "d1", rig.desk.time}, reserved, rig.desk);
  CHECK_FALSE(rig.take());
  rig.desk.pass(500);
  CHECK(rig.take());
}

TEST_CASE("rate: a damaged row is refused") {
  Rig rig({2, 1000});
  CHECK(rig.take());
  std::string& row = rig.desk.rows.at("rate/research");
  const std::string sound = row;
  for (const std::string& damaged :
       {std::string(), sound + "x", sound.substr(0, sound.size() - 1), "\x02" + sound.substr(1)}) {
    row = damaged;
    Rate next;
    CHECK_THROWS(next.open(rig.desk));
  }
}

}  // namespace
}  // namespace pawl::guards
