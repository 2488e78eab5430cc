// The guard "health" on a desk without a bus: when its rows are written.
#include "guards/health.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/guards/fake_desk.h"
#include "tests/support/reply_tree.h"

namespace pawl::guards {
namespace {

struct Rig {
  Rig() {
    breaker.open(desk);
    health.open(desk);
  }
  void beat() {
    core::op::Beat beat;
    beat.daemon = "d";
    beat.boot = "b1";
    beat.interval_ms = 1000;
    test::TreeWriter writer;
    CHECK(health.command(beat, core::Caller(1), desk, writer));
  }
  std::string row() { return desk.rows["health/d"]; }

  FakeDesk desk;
  CircuitBreaker breaker;
  Health health{breaker};
};

TEST_CASE("health: what it learns is written every five minutes, with that of others, not with every beat") {
  Rig rig;
  rig.beat();
  const std::string first = rig.row();
  CHECK_FALSE(first.empty());
  for (int second = 1; second < 300; ++second) {
    rig.desk.pass(1000);
    rig.beat();
    REQUIRE(rig.row() == first);
  }
  rig.desk.pass(1000);
  rig.beat();
  CHECK(rig.row() == first);  // it waits for those of others
  CHECK(rig.health.next_wakeup_ms().value() <= rig.desk.time.bus_ms + 10'000);
  for (int second = 0; second < 10; ++second) {
    rig.desk.pass(1000);
    rig.beat();
    rig.health.tick(rig.desk);
  }
  const std::string second = rig.row();
  CHECK(second != first);
  for (int i = 0; i < 200; ++i) {
    rig.desk.pass(1000);
    rig.beat();
    rig.health.tick(rig.desk);
  }
  CHECK(rig.row() == second);
}

TEST_CASE("health: idle while nobody is red") {
  Rig rig;
  CHECK(rig.health.idle());
  rig.beat();
  CHECK(rig.health.idle());
  rig.desk.pass(3001);
  rig.health.tick(rig.desk);
  CHECK_FALSE(rig.health.idle());
  CHECK_FALSE(rig.health.admit_daemon("d@b1", rig.desk).allowed());
  rig.health.open(rig.desk);
  CHECK_FALSE(rig.health.idle());
  rig.beat();
  CHECK(rig.health.idle());
}

}  // namespace
}  // namespace pawl::guards
