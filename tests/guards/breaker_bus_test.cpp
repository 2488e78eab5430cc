// Breaker, poison and sweep over a whole bus: attempts, holds, the chronicle, restarts.
#include <catch2/catch.hpp>
#include <string>

#include "guards/registry.h"
#include "tests/scenario/scenario.h"

namespace pawl::guards {
namespace {

std::string guarded(const std::string& table, const core::BusConfig& config = {}) {
  return core::play(table, config, make_guard_chain);
}

core::BusConfig quick() {
  core::BusConfig config;
  config.guards.outage_messages = 3;
  config.guards.cooldown_ms = 5000;
  config.guards.cooldown_max_ms = 15'000;
  config.roles["mail"].needs = {"smtp"};
  config.roles["post"].needs = {"smtp"};
  return config;
}

// Each table is also played with a restart after every line, and a restart forgets what is not yet an
// outage: what makes one comes in one turn.
TEST_CASE("breaker on a bus: an outage spends nothing, holds the role, and ends with a probe") {
  CHECK(guarded(R"(
    mpush r a b c d e               | m1 m2 m3 m4 m5
    push other x                    | x1
    claim w r n=4                   | m1 m2 m3 m4
    fail m1 timeout x in=100        | state=scheduled
    & fail m2 timeout x in=100      | state=scheduled
    & fail m3 timeout x in=100      | state=scheduled
    get m1                          | spent=0 attempt=1 deliveries=1 error_class=timeout
    get m2                          | spent=0 attempt=1
    get m3                          | spent=0 attempt=1
    # in flight when it opened
    fail m4 auth x in=0             | state=scheduled
    get m4                          | spent=0
    role r                          | breaker=open
    role other                      | breaker=closed -breaker_reason
    explain m5                      | breaker
    claim w r                       | !OPEN role:r
    claim w other r                 | x1
    +5s
    role r                          | breaker=half_open
    claim w r n=5                   | m1
    claim w r                       | !OPEN
    ack m1                          | OK
    role r                          | breaker=closed
    claim w r n=5                   | m2 m3 m4 m5
    events 0 kind=breaker           | breaker.open breaker.half_open breaker.probe breaker.close
    events 0 kind=message           | message.retry message.retry message.retry message.retry
  )",
                quick()) == "");
}

TEST_CASE("breaker on a bus: failures for good are no sign of an outage, and a probe's say nothing") {
  CHECK(guarded(R"(
    mpush r a b c d e f             | m1 m2 m3 m4 m5 m6
    claim w r n=6                   | m1 m2 m3 m4 m5 m6
    fail m1 timeout x dead          | state=dead
    & fail m2 timeout x dead        | state=dead
    & fail m3 timeout x in=0        | state=scheduled
    role r                          | breaker=closed
    get m3                          | spent=1
    fail m4 timeout x in=0          | state=scheduled
    & fail m5 timeout x in=0        | state=scheduled
    & fail m6 timeout x in=0        | state=scheduled
    role r                          | breaker=open
    +5s
    claim w r                       | m3
    fail m3 timeout x dead          | state=dead
    role r                          | breaker=half_open
    claim w r                       | m4
  )",
                quick()) == "");
}

TEST_CASE("breaker on a bus: an outage of hours kills nobody") {
  std::string table = R"(
    mpush r a b c                   | m1 m2 m3
    claim w r n=3                   | m1 m2 m3
    fail m1 transient x             | state=scheduled
    & fail m2 transient x in=86400000 | state=scheduled
    & fail m3 transient x in=86400000 | state=scheduled
  )";
  // While there is no other one to try, none rests.
  for (int i = 0; i < 30; ++i) table += "+40s\nclaim w r | m1\nfail m1 transient x | state=scheduled\n";
  table += R"(
    get m1                          | spent=0 attempt=1 deliveries=31
    +40s
    claim w r                       | m1
    ack m1                          | OK
    role r                          | breaker=closed dead=0
  )";
  CHECK(guarded(table, quick()) == "");
}

TEST_CASE("breaker on a bus: a parked claim is served when the probe is due") {
  CHECK(guarded(R"(
    mpush r a b c d                 | m1 m2 m3 m4
    claim w r n=3                   | m1 m2 m3
    fail m1 timeout x in=0          | state=scheduled
    & fail m2 timeout x in=0        | state=scheduled
    & fail m3 timeout x in=0        | state=scheduled
    claim w r wait=60000 as=c1      | parked
    claim v r wait=60000 as=c2      | parked
    claim v r wait=3000 as=c3       | parked
    +3s
    reply c3                        | !OPEN
    +1999ms
    silent c1
    +1ms
    reply c1                        | m1
    silent c2
    +1s
    silent c2
    ack m1                          | OK
    reply c2                        | m2
  )",
                quick()) == "");
}

TEST_CASE("breaker on a bus: a dependency that is down holds whoever needs it") {
  CHECK(guarded(R"(
    mpush mail a b                  | m1 m2
    mpush post c d                  | p1 p2
    push r e                        | r1
    claim w mail n=2                | m1 m2
    claim w post                    | p1
    fail m1 dependency_down 'smtp: refused'   | state=scheduled
    & fail m2 dependency_down 'smtp: refused' | state=scheduled
    & fail p1 dependency_down 'smtp: refused' | state=scheduled
    get m1                          | spent=0
    get m2                          | spent=0
    get p1                          | spent=0
    claim w mail post               | !OPEN needs:smtp
    explain p2                      | breaker
    claim w mail post r             | r1
    +5s
    claim w post                    | p1
    claim w mail                    | !OPEN
    # its own trouble, not the dependency's
    fail p1 bad_input x             | state=dead
    claim w mail                    | m1
    claim w post                    | !OPEN
    fail m1 dependency_down 'smtp: refused' in=0 | state=scheduled
    get m1                          | spent=0
    +9s
    claim w mail                    | !OPEN
    +1s
    claim w mail                    | m1
    ack m1                          | OK
    claim w mail post n=2           | p2 m2
  )",
                quick()) == "");
}

TEST_CASE("breaker on a bus: a probe that comes back, lapses or loses its connection frees the slot") {
  const std::string opened = R"(
    mpush r a b c d                 | m1 m2 m3 m4
    claim w r n=3                   | m1 m2 m3
    fail m1 timeout x in=0          | state=scheduled
    & fail m2 timeout x in=0        | state=scheduled
    & fail m3 timeout x in=0        | state=scheduled
    +5s
    claim w r lease=1000            | m1
    claim w r                       | !OPEN
  )";
  CHECK(guarded(opened + "release m1 delay=9000 | OK\nclaim w r | m2", quick()) == "");
  CHECK(guarded(opened + "unclaim m1\nclaim w r | m1", quick()) == "");
  CHECK(guarded(opened + "+1s\nget m1 | spent=1 state=ready\nclaim w r | m1\nclaim w r | !OPEN", quick()) ==
        "");
  CHECK(guarded(opened + "cancel m1 why | claimed\nrelease m1 | OK\nget m1 | state=cancelled\nclaim w r | m2",
                quick()) == "");
  CHECK(guarded(opened + "fail m1 unknown x in=9000 | state=scheduled\nget m1 | spent=1\nclaim w r | m2",
                quick()) == "");
}

TEST_CASE("breaker on a bus: those that kill their workers, first in their lane, let others try") {
  CHECK(guarded(R"(
    mpush r a b c d e               | m1 m2 m3 m4 m5
    claim w r n=3                   | m1 m2 m3
    fail m1 crash x in=0            | state=scheduled
    & fail m2 crash x in=0          | state=scheduled
    & fail m3 crash x in=0          | state=scheduled
    +5s
    claim w r                       | m1
    fail m1 crash x in=0            | state=scheduled at=+5000
    claim w r                       | m2
    fail m2 crash x in=0            | state=scheduled at=+5000
    claim w r                       | m3
    fail m3 crash x in=0            | state=scheduled at=+5000
    get m3                          | spent=0 state=scheduled
    claim w r                       | m4
    ack m4                          | OK
    role r                          | breaker=closed
    claim w r                       | m5
    ack m5                          | OK
    claim w r                       | none
    +5s
    claim w r n=3                   | m1 m2 m3
    get m1                          | spent=0
    fail m1 crash x in=0            | state=scheduled
    get m1                          | spent=1
  )",
                quick()) == "");
}

TEST_CASE("breaker on a bus: one that always fails first in its lane does not hold the others for ever") {
  CHECK(guarded(R"(
    mpush r a b c                   | m1 m2 m3
    claim w r n=3                   | m1 m2 m3
    fail m1 timeout x in=0          | state=scheduled
    & fail m2 timeout x in=0        | state=scheduled
    & fail m3 timeout x in=0        | state=scheduled
    +5s
    claim w r                       | m1
    fail m1 timeout x               | state=scheduled
    +10s
    claim w r                       | m1
    # it rests for as long as the outage has lasted
    fail m1 timeout x               | state=scheduled at=+15000
    claim w r                       | m2
    ack m2                          | OK
    claim w r                       | m3
    get m1                          | spent=0
  )",
                quick()) == "");
}

TEST_CASE("breaker on a bus: what mode observe lets through, and what off does not ask") {
  const std::string table = R"(
    mpush r a b c d                 | m1 m2 m3 m4
    guard breaker MODE              | OK
    claim w r n=3                   | m1 m2 m3
    fail m1 timeout x               | state=scheduled
    & fail m2 timeout x             | state=scheduled
    & fail m3 timeout x             | state=scheduled
    get m1                          | spent=1
    get m3                          | spent=1
    role r                          | breaker=open
    claim w r                       | m4
    guard breaker enforce           | OK
    claim w r                       | !OPEN
  )";
  for (const char* mode : {"off", "observe"}) {
    INFO(mode);
    std::string text = table;
    text.replace(text.find("MODE"), 4, mode);
    CHECK(guarded(text, quick()) == "");
  }
}

TEST_CASE("breaker on a bus: a transaction's failures count like any other") {
  CHECK(guarded(R"(
    mpush r a b c                   | m1 m2 m3
    claim w r n=3                   | m1 m2 m3
    exec fail m1 timeout x ; fail m2 timeout x ; fail m3 timeout x
    get m1                          | spent=0
    get m3                          | spent=0
    claim w r                       | !OPEN
  )",
                quick()) == "");
}

TEST_CASE("breaker on a bus: dead letters and replayed ones are not given back") {
  CHECK(guarded(R"(
    push r a max=1                  | m1
    mpush r b c d                   | m2 m3 m4
    claim w r n=4                   | m1 m2 m3 m4
    # its last attempt, before anybody knew
    fail m1 timeout x               | state=dead
    & fail m2 timeout x dead        | state=dead
    & fail m3 timeout x             | state=scheduled
    & fail m4 timeout x             | state=scheduled
    get m1                          | state=dead spent=1
    get m3                          | spent=0
    get m4                          | spent=0
    role r                          | breaker=open dead=2
  )",
                quick()) == "");
}

TEST_CASE("breaker on a bus: a cooldown goes on over a restart, also when nothing else happens") {
  core::BusConfig config = quick();
  config.guards.cooldown_ms = config.guards.cooldown_max_ms = 120'000;
  CHECK(guarded(R"(
    mpush r a b c                   | m1 m2 m3
    claim w r n=3                   | m1 m2 m3
    fail m1 timeout x in=0          | state=scheduled
    & fail m2 timeout x in=0        | state=scheduled
    & fail m3 timeout x in=0        | state=scheduled
    +90s
    restart down=1h
    role r                          | breaker=open
    # time is lost for at most the ten seconds between two marks
    +29s
    role r                          | breaker=open
    +11s
    role r                          | breaker=half_open
  )",
                config) == "");
}

TEST_CASE("poison on a bus: three crashes or lapses in a row, whatever max_attempts says") {
  core::BusConfig config;
  config.defaults.max_attempts = 100;
  CHECK(guarded(R"(
    push r a                        | m1
    claim w r                       | m1
    fail m1 crash x in=0            | state=scheduled
    claim w r lease=1000            | m1
    +1s
    get m1                          | state=ready spent=2
    claim w r                       | m1
    fail m1 crash x                 | state=dead
    get m1                          | state=dead spent=3
    events 0 kind=message           | message.retry message.lapse message.dead
    # replay begins the count anew
    replay m1                       | matched=1
    claim w r                       | m1
    fail m1 crash x in=0            | state=scheduled
    claim w r                       | m1
    # anything else in between as well
    fail m1 timeout x in=0          | state=scheduled
    claim w r                       | m1
    fail m1 crash x in=0            | state=scheduled
    claim w r                       | m1
    release m1 delay=0              | OK
    claim w r                       | m1
    fail m1 crash x in=0            | state=scheduled
    claim w r lease=1000            | m1
    +1s
    get m1                          | state=dead error_class=lease_expired
    deadcount                       | 1
  )",
                config) == "");
}

TEST_CASE("poison on a bus: what an outage did is not poison") {
  CHECK(guarded(R"(
    mpush r a b c                   | m1 m2 m3
    claim w r n=3                   | m1 m2 m3
    fail m1 crash x in=0            | state=scheduled
    & fail m2 crash x in=86400000 | state=scheduled
    & fail m3 crash x in=86400000 | state=scheduled
    +5s
    claim w r                       | m1
    fail m1 crash x in=0            | state=scheduled
    claim w r                       | m1
    fail m1 crash x in=0            | state=scheduled
    claim w r                       | m1
    fail m1 crash x in=0            | state=scheduled
    get m1                          | spent=0 state=ready
    guard breaker off               | OK
    claim w r                       | m1
    fail m1 crash x in=0            | state=scheduled
    get m1                          | spent=1
    guard poison off                | OK
  )",
                quick()) == "");
}

TEST_CASE("sweep on a bus: a storm of lapses is one entry") {
  core::BusConfig config;
  config.guards.lapse_storm = 2;
  CHECK(guarded(R"(
    hold strict
    mpush r a b c                   | m1 m2 m3
    claim w r n=3 lease=1000        | m1 m2 m3
    +1s
    events 0 kind=sweep             | none
    +60s
    events 0 kind=sweep             | sweep.storm
    guard sweep off                 | !BADARG
    flow
  )",
                config) == "");
}

}  // namespace
}  // namespace pawl::guards
