// CRON over a whole bus. The clock begins on 2023-11-14 22:13:20 UTC.
#include <catch2/catch.hpp>
#include <string>

#include "bus/ops/registry.h"
#include "guards/registry.h"
#include "tests/scenario/scenario.h"

namespace pawl::ops {
namespace {

std::string scheduled(const std::string& table, const core::BusConfig& config = {}) {
  return core::play(table, config, guards::make_guard_chain, make_ops);
}

core::BusConfig with_cron(const char* schedule, core::CatchUp catch_up = core::CatchUp::skip) {
  core::BusConfig config;
  config.crons["nightly"] = {schedule, "report", "{}", "", catch_up};
  return config;
}

}  // namespace

TEST_CASE("cron: one push a slot, with the name and the slot in its headers") {
  CHECK(scheduled(R"(
    cron c '15 * * * *' r hello    | name=c schedule='15 * * * *' role=r payload=hello zone=UTC catch_up=skip owner=bus next=1700000100000 fired=0 missed=0 -last
    list r ready                   | none
    +99s
    list r ready                   | none
    +2s
    list r ready                   | m1
    get m1                         | role=r state=ready
    +10m
    list r ready                   | m1
    +50m
    list r ready                   | m1 m2
    crons                          | c
    crondrop c                     | OK
    crons                          | none
    +3h
    list r ready                   | m1 m2
    events 0 kind=cron             | cron.set cron.drop
  )") == "");
}

TEST_CASE("cron: @every counts from when it was set, and setting it again begins nothing anew") {
  CHECK(scheduled(R"(
    cron c '@every 10m' r p        | next=1700000600000
    +9m
    cron c '@every 10m' r p        | next=1700000600000
    +59s
    list r ready                   | none
    +2s
    list r ready                   | m1
    cron c '@every 10m' r other    | next=1700001200000
    +10m
    list r ready                   | m1 m2
    cron c '@every 7m' r other     | next=1700001621000
  )") == "");
}

TEST_CASE("cron: slots missed while the bus was down follow CATCHUP") {
  CHECK(scheduled(R"(
    cron no '0 * * * *' a p
    cron one '0 * * * *' b p catchup=once
    cron each '0 * * * *' c p catchup=all
    restart down=5h
    +1s
    list a ready                   | none
    list b ready                   | b1
    list c ready                   | c1 c2 c3 c4 c5
    events 0 kind=cron.missed      | cron.missed cron.missed
    events 0 kind=cron.late        | cron.late cron.late cron.late cron.late cron.late cron.late
    +1h
    list a ready                   | a1
    list b ready                   | b1 b2
    list c ready                   | c1 c2 c3 c4 c5 c6
    restart
    +1s
    list a ready                   | a1
    list b ready                   | b1 b2
    list c ready                   | *6
  )") == "");
}

TEST_CASE("cron: a slot found within a minute has not been missed") {
  CHECK(scheduled(R"(
    cron c '15 * * * *' r p        | next=1700000100000
    restart down=140s
    +1s
    list r ready                   | m1
    events 0 kind=cron.missed      | none
    restart down=1h
    +1s
    list r ready                   | m1 m2
    events 0 kind=cron.missed      | none
    restart down=1h
    restart down=1m
    +1s
    list r ready                   | m1 m2 m3
    restart down=61m
    +1s
    list r ready                   | m1 m2 m3
    events 0 kind=cron.missed      | cron.missed
  )") == "");
}

TEST_CASE("cron: a catch-up is bounded, and the newest slots are the ones made up for") {
  CHECK(scheduled(R"(
    cron each '* * * * *' r p catchup=all
    cron every '@every 1s' s p catchup=all
    restart down=7d
    +1ms
    list r ready n=1000            | *100
    list s ready n=1000            | *100
    events 0 kind=cron.missed      | cron.missed cron.missed
  )") == "");
}

TEST_CASE("cron: what is missed in a freeze follows CATCHUP after it") {
  for (const char* scope : {"intake", "claims", "all"}) {
    INFO(scope);
    CHECK(scheduled(std::string(R"(
      cron no '0 * * * *' a p
      cron one '0 * * * *' b p catchup=once
      kill scope=)") +
                    scope + R"( drill
      +4h
      clear over
      +1s
      list a ready                   | none
      list b ready                   | b1
      events 0 kind=cron.missed      | cron.missed cron.missed
      +1h
      list a ready                   | a1
    )") == "");
  }
  // Over within a minute: nothing was missed.
  CHECK(scheduled(R"(
    cron c '15 * * * *' r p
    +90s
    kill drill
    +40s
    list r ready                   | none
    clear over
    list r ready                   | m1
    events 0 kind=cron.missed      | none
  )") == "");
}

TEST_CASE("cron: under a freeze of everything schedules stay as they are") {
  CHECK(scheduled(R"(
    cron c '0 * * * *' r p
    kill drill
    cron d '0 * * * *' r p         | !FROZEN
    crondrop c                     | !FROZEN
    crons                          | c
    clear over
    kill scope=claims drill
    crondrop c                     | OK
  )") == "");
}

TEST_CASE("cron: a refused push is tried again, and is missed when that lasts") {
  core::BusConfig config;
  config.roles["r"].backlog_max = 1;
  CHECK(scheduled(R"(
    push r other                   | m0
    cron c '15 * * * *' r p
    +2m
    list r ready                   | m0
    cancel m0                      | cancelled
    +20s
    list r ready                   | m1
    events 0 kind=cron.missed      | none
    +1h
    list r ready                   | m1
    events 0 kind=cron.missed      | none
    +1m
    events 0 kind=cron.missed      | cron.missed
    cancel m1                      | cancelled
    +1m
    list r ready                   | none
  )",
                  config) == "");
  CHECK(scheduled(R"(
    push r other                   | m0
    cron c '15 * * * *' r p catchup=once
    +30m
    list r ready                   | m0
    cancel m0                      | cancelled
    +31s
    list r ready                   | m1
    events 0 kind=cron.missed      | none
    events 0 kind=cron.late        | cron.late
  )",
                  config) == "");
}

TEST_CASE("cron: a push that is refused for good is a missed slot at once") {
  core::BusConfig config;
  config.payload_max = 4;
  config.roles["r"];
  config.crons["c"] = {"15 * * * *", "r", "too long", "", core::CatchUp::all};
  CHECK(scheduled(R"(
    +2m
    events 0 kind=cron.missed      | cron.missed
    list r ready                   | none
    crons                          | c
  )",
                  config) == "");
}

TEST_CASE("cron: a clock that is set forward misses, one that is set back waits") {
  CHECK(scheduled(R"(
    cron c '@every 10m' r p
    wall +1h
    list r ready                   | m1
    events 0 kind=cron.missed      | cron.missed
    wall -2h
    +90m
    list r ready                   | m1
    +41m
    list r ready                   | m1 m2
  )") == "");
}

TEST_CASE("cron: in a zone that is put forward and back") {
  CHECK(scheduled(R"(
    cron c '30 3 * * *' r p zone=Test/Zone | zone=Test/Zone next=1700015400000
    +5h
    list r ready                   | m1
    +22h
    list r ready                   | m1
    +47m
    list r ready                   | m1 m2
    cron d '30 7 * * *' s p zone=Test/Zone | next=1700112600000
    +4h
    list s ready                   | s1
    +23h
    list s ready                   | s1
    +1h
    list s ready                   | s1 s2
    +2h
    list s ready                   | s1 s2
    cron e '0 0 * * *' s p zone=No/Where | !BADARG No/Where
    cron e '@every 2h' s p zone=Test/Zone | !BADARG @every
  )") == "");
}

TEST_CASE("cron: errors change nothing") {
  core::BusConfig config;
  config.strict_roles = true;
  config.roles["r"];
  CHECK(scheduled(R"(
    cron c '0 3 * *' r p           | !BADARG 4 fields
    cron c '0 0 31 2 *' r p        | !BADARG never fires
    cron c '0 3 * * *' x p         | !NOTFOUND strict_roles
    crondrop c                     | !NOTFOUND CRON
    crons                          | none
    cron c '0 3 * * *' r p         | name=c
    cron c '61 3 * * *' r p        | !BADARG
    crons                          | c
  )",
                  config) == "");
}

TEST_CASE("cron: schedules of the file are the file's") {
  CHECK(scheduled(R"(
    crons                          | nightly
    cron nightly '0 4 * * *' r p   | !STATE [cron.nightly] RELOAD
    crondrop nightly               | !STATE
    +1h
    list report ready              | m1
    restart down=2h
    +1s
    list report ready              | m1 m2 m3
    events 0 kind=cron.set         | cron.set
  )",
                  with_cron("0 * * * *", core::CatchUp::all)) == "");
}

TEST_CASE("cron: a rare schedule waits for years") {
  CHECK(scheduled(R"(
    cron c '0 0 29 2 *' r p        | next=1709164800000
    +1d
    list r ready                   | none
  )") == "");
}

}  // namespace pawl::ops
