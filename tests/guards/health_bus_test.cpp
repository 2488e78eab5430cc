// Beats over a whole bus: who gets claims, which circuits open, what the chronicle says; and REAP.
#include <catch2/catch.hpp>
#include <string>

#include "guards/registry.h"
#include "tests/scenario/scenario.h"

namespace pawl::guards {
namespace {

std::string guarded(const std::string& table, const core::BusConfig& config = {}) {
  return core::play(table, config, make_guard_chain);
}

core::BusConfig needing() {
  core::BusConfig config;
  config.guards.cooldown_ms = 5000;
  config.roles["mail"].needs = {"slack"};
  return config;
}

// A restart begins every silence anew, so each line below that lets time pass is followed by a beat or by the
// whole silence.
TEST_CASE("health on a bus: a beat registers, its numbers are shown, forgetting it ends that") {
  CHECK(guarded(R"(
    beat w boot=b1 interval=1000 roles=r,s   | interval=1000 verbose=0 reduce=0 freeze=none colour=green
    daemon w                                 | boot=b1 colour=green state=running roles=r,s interval=1000
    daemons                                  | running
    role r                                   | !NOTFOUND
    push r x                                 | m1
    role r                                   | runners=1 -unserved
    beat w boot=b2 interval=1000 roles=r     | colour=green
    kill stop                                | freeze=soft
    beat w boot=b2                           | freeze=soft
    clear go                                 | freeze=none
    forget w                                 | OK
    forget w                                 | !NOTFOUND
    daemon w                                 | !NOTFOUND
    role r                                   | -runners
    events 0 kind=daemon                     | daemon.register daemon.boot daemon.forget
  )") == "");
}

TEST_CASE("health on a bus: a silent runner is red and gets no claims, its sibling goes on") {
  CHECK(guarded(R"(
    mpush r a b c d                          | m1 m2 m3 m4
    beat w1 boot=b1 interval=1000 roles=r    | colour=green
    beat w2 boot=b1 interval=3600000 roles=r | colour=green
    +3001ms
    daemon w1                                | colour=red missed=3..4
    claim w1@b1 r                            | !OPEN daemon w1 is red
    claim w1@b2 r                            | m1
    claim w2@b1 r                            | m2
    role r                                   | runners=1 -unserved breaker=closed
    beat w1 boot=b1                          | colour=green
    claim w1@b1 r                            | m3
    events 0 kind=daemon                     | daemon.register daemon.register daemon.red daemon.green
  )") == "");
}

TEST_CASE("health on a bus: a red daemon that waits keeps nobody else from the work") {
  CHECK(guarded(R"(
    beat w1 boot=b1 interval=1000            | colour=green
    +3001ms
    daemon w1                                | colour=red
    claim w1@b1 r wait=60000 as=c1           | parked
    claim w2@b1 r wait=60000 as=c2           | parked
    push r x                                 | m1
    reply c2                                 | m1
    silent c1
    push r x                                 | m2
    silent c1
    beat w1 boot=b1                          | colour=green
    reply c1                                 | m2
  )") == "");
}

TEST_CASE("health on a bus: a red service opens what needs it, a probe closes it") {
  CHECK(guarded(R"(
    mpush mail a b                           | m1 m2
    beat slack boot=b1 interval=1000         | colour=green
    +3001ms
    role mail                                | breaker=open
    claim w mail                             | !OPEN needs:slack
    explain m1                               | breaker
    +5s
    role mail                                | breaker=half_open
    claim w mail n=2                         | m1
    ack m1                                   | OK
    role mail                                | breaker=closed
    claim w mail                             | m2
    events 0 kind=daemon                     | daemon.register daemon.red
  )",
                needing()) == "");
}

TEST_CASE("health on a bus: a role whose runners are all gone is unserved, and whoever claims is served") {
  CHECK(guarded(R"(
    push r x                                 | m1
    beat w1 boot=b1 interval=1000 roles=r    | colour=green
    beat w2 boot=b1 interval=1000 roles=r    | colour=green
    beat w2 boot=b1 state=stopping           | colour=green
    role r                                   | runners=1 -unserved
    +3001ms
    role r                                   | runners=0 unserved=1
    claim other r                            | m1
    beat w1 boot=b1                          | colour=green
    role r                                   | runners=1 -unserved
    events 0 kind=role                       | role.unserved role.served
  )") == "");
}

TEST_CASE("health on a bus: red for long is told to a human, once") {
  CHECK(guarded(R"(
    beat w1 boot=b1 interval=1000            | colour=green
    +3001ms
    daemon w1                                | colour=red
    +301s
    +1h
    events 0 kind=daemon                     | daemon.register daemon.red daemon.escalate
  )") == "");
}

TEST_CASE("health on a bus: nor does a hang of the bus keep that from being told") {
  CHECK(guarded(R"(
    beat w1 boot=b1 interval=1000            | colour=green
    +3001ms
    daemon w1                                | colour=red
    jump 301s
    daemon w1                                | colour=red
    events 0 kind=daemon                     | daemon.register daemon.red daemon.escalate
  )") == "");
}

TEST_CASE("health on a bus: a red daemon that is forgotten is held no more") {
  CHECK(guarded(R"(
    beat w1 boot=b1 interval=1000            | colour=green
    +3001ms
    claim w1@b1 r wait=60000 as=c1           | parked
    push r x                                 | m1
    silent c1
    forget w1                                | OK
    reply c1                                 | m1
  )") == "");
}

TEST_CASE("health on a bus: a long hang of the bus makes nobody red") {
  CHECK(guarded(R"(
    hold
    beat w1 boot=b1 interval=1000            | colour=green
    jump 20s
    beat w1 boot=b1                          | colour=green
    flow
    events 0 kind=daemon                     | daemon.register
  )") == "");
}

TEST_CASE("health on a bus: off, nobody is held") {
  CHECK(guarded(R"(
    push r x                                 | m1
    guard health off                         | OK
    beat w1 boot=b1 interval=1000            | colour=green
    +3001ms
    claim w1@b1 r                            | m1
  )") == "");
}

TEST_CASE("reap: claims of that process end as crashes, spent, and are free at once") {
  CHECK(guarded(R"(
    mpush r a b c d                          | m1 m2 m3 m4
    claim w@b1 r n=2                         | m1 m2
    claim w@b2 r                             | m3
    claim w r                                | m4
    reap w b1                                | 2
    get m1                                   | state=ready spent=1 attempt=2 error_class=crash
    get m3                                   | state=claimed
    get m4                                   | state=claimed
    ack m1.1                                 | !LOST
    reap w b1                                | 0
    claim w@b3 r n=5                         | m1 m2
    get m1                                   | deliveries=2
    role r                                   | breaker=closed lapsed_total=2
    events 0 kind=message                    | message.crash message.crash
  )") == "");
}

TEST_CASE("reap: a third crash in a row is poison") {
  CHECK(guarded(R"(
    push r a max=9                           | m1
    claim w@b1 r                             | m1
    reap w b1                                | 1
    claim w@b2 r                             | m1
    reap w b2                                | 1
    claim w@b3 r                             | m1
    reap w b3                                | 1
    get m1                                   | state=dead spent=3
  )") == "");
}

TEST_CASE("reap: in a freeze it is recorded, and acts after the clear") {
  CHECK(guarded(R"(
    mpush r a b                              | m1 m2
    claim w@b1 r                             | m1
    kill stop                                | freeze=soft
    reap w b1                                | 1
    reap w b1                                | 1
    get m1                                   | state=claimed
    +1h
    get m1                                   | state=claimed
    clear go                                 | freeze=none
    get m1                                   | state=ready spent=1 error_class=crash
    claim w@b2 r n=5                         | m1 m2
    ack m1                                   | OK
  )") == "");
}

// 600 messages, all claimed by w@b1.
std::string six_hundred_claimed() {
  std::string pushes = "mpush r";
  std::string names;
  for (int i = 1; i <= 600; ++i) {
    pushes += " x";
    names += " m" + std::to_string(i);
  }
  return pushes + " |" + names + "\nclaim w@b1 r n=600 |" + names;
}

TEST_CASE("reap: more claims than a turn ends") {
  CHECK(guarded(six_hundred_claimed() + R"(
    reap w b1                                | 600
    +1ms
    role r                                   | claimed=0 ready=600 lapsed_total=600
  )") == "");
}

TEST_CASE("reap: of what is left to it, some has ended and some is another's when its turn comes") {
  std::string first;
  for (int i = 1; i <= 256; ++i) first += " m" + std::to_string(i);
  CHECK(guarded(six_hundred_claimed() + R"(
    reap w b1                                | 600
    & ack m300                               | OK
    & release m400 delay=0                   | OK
    & claim w@b2 r n=257                     |)" +
                first + R"( m400
    & push r late                            | late
    & claim w@b1 r                           | late
    +1ms
    get m400                                 | state=claimed deliveries=2
    get m300                                 | state=done
    role r                                   | claimed=257 ready=343 lapsed_total=599
  )") == "");
}

}  // namespace
}  // namespace pawl::guards
