// Three clocks: hangs, downtime, a wall clock that somebody sets.
#include <catch2/catch.hpp>
#include <string>

#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

TEST_CASE("a hang of minutes lapses nobody by more than ten seconds") {
  CHECK(play(R"(
    push r a                   | m1
    push r b                   | m2
    push r c delay=100000      | m3
    claim d r lease=11000      | m1
    claim d r lease=9000       | m2
    jump 10m
    get m1                     | state=claimed deadline=+1000
    get m2                     | state=ready spent=1
    # bus time went on: the delay is over
    get m3                     | state=ready
    +1s
    get m1                     | state=ready spent=1
  )") == "");
}

TEST_CASE("downtime re-delivers nothing and moves no delay") {
  CHECK(play(R"(
    push r a                   | m1
    push r b delay=5000        | m2
    push r c                   | m3
    claim d r lease=5000       | m1
    claim d r                  | m3
    fail m3 transient x in=3000 | state=scheduled
    restart down=2h
    get m1                     | state=claimed deadline=+5000
    get m2                     | state=scheduled due=+5000
    get m3                     | state=scheduled due=+3000
    claim d r                  | none
    +3s
    claim d r                  | m3
    +1999ms
    get m1                     | state=claimed
    get m2                     | state=scheduled
    +1ms
    get m1                     | state=ready spent=1
    get m2                     | state=ready
  )") == "");
}

TEST_CASE("wall times pass while the bus is down") {
  CHECK(play(R"(
    push r a at=5000           | m1
    push r b expire=5000       | m2
    push r c unique=k for=5000 | m3
    restart down=5s
    get m1                     | state=ready
    get m2                     | state=expired
    push r d unique=k          | m4
  )") == "");
}

TEST_CASE("setting the wall clock forth and back") {
  CHECK(play(R"(
    push r a at=3600000        | m1
    push r b delay=3600000     | m2
    push r c                   | m3
    push r d expire=3600000    | m4
    claim d r lease=60000      | m3
    wall +30m
    get m1                     | state=scheduled
    get m3                     | state=claimed
    wall +30m
    get m1                     | state=ready
    get m4                     | state=expired
    get m2                     | state=scheduled
    get m3                     | state=claimed
    # never backwards inside: a push now is not older than the one before
    wall -5h
    push r e at=1000           | m5
    get m5                     | state=ready pushed_at=+0
    push r f expire=1000       | m6
    push r g unique=k for=1000 | m7
    +1s
    get m6                     | state=ready
    push r h unique=k          | m7
    +59s
    get m3                     | state=ready spent=1
    wall +6h
    get m6                     | state=expired
    push r h unique=k          | m8
    get m2                     | state=scheduled
    +59m
    get m2                     | state=ready
  )") == "");
}

TEST_CASE("clocks ride along at least every ten seconds while a claim depends on them") {
  CHECK(play(R"(
    push r a                   | m1
    claim d r lease=60000      | m1
    +30s
    restart down=1h
    +19s
    get m1                     | state=claimed
    +11s
    get m1                     | state=ready
  )") == "");
}

TEST_CASE("an idle bus wakes for due work by itself") {
  CHECK(play(R"(
    push r a delay=1           | m1
    push r b at=2              | m2
    push r c expire=3          | m3
    +3ms
    get m1                     | state=ready
    get m2                     | state=ready
    get m3                     | state=expired
    +2h
    claim d r n=5              | m1 m2
  )") == "");
}

}  // namespace
}  // namespace pawl::core
