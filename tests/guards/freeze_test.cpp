// The kill switch over a whole bus: what stands still, what goes on, what ends it.
#include <catch2/catch.hpp>
#include <string>

#include "guards/registry.h"
#include "tests/scenario/scenario.h"

namespace pawl::guards {
namespace {

std::string guarded(const std::string& table, const core::BusConfig& config = {}) {
  return core::play(table, config, make_guard_chain);
}

TEST_CASE("freeze: a freeze of everything stops every write but the operator's") {
  CHECK(guarded(R"(
    push r a                        | m1
    push r b                        | m2
    push r c                        | m3
    claim w r n=2                   | m1 m2
    kill 'fire drill'               | freeze=soft scope=all reason='fire drill' durable=1 -until
    push r x                        | !FROZEN fire drill
    mpush r x                       | !FROZEN
    claim w r                       | !FROZEN
    claim w r wait=1000             | !FROZEN
    ack m1                          | !FROZEN
    ack m1 next=r                   | !FROZEN
    fail m1 transient               | !FROZEN
    release m1                      | !FROZEN
    cancel m1                       | !FROZEN
    move m3 pri=9              | !FROZEN
    exec ack m1 ; push r y          | !FROZEN at=0
    extend m1                       | freeze=soft cancel=0
    get m1                          | state=claimed
    pause r                         | OK
    resume r                        | OK
    clear over                      | freeze=none
    claim w r                       | m3
    ack m1                          | OK
    push r z                        | m4
    events 0 kind=kill              | kill.set kill.clear
  )") == "");
}

TEST_CASE("freeze: claims stops claims, and work in flight ends") {
  CHECK(guarded(R"(
    push r a                        | m1
    push r b                        | m2
    claim w r                       | m1
    kill scope=claims busy          | freeze=soft scope=claims
    push r c                        | !FROZEN freeze of claims
    claim w r                       | !FROZEN
    extend m1                       | freeze=none
    ack m1 next=r                   | none
    get m1                          | state=done
    clear over                      | freeze=none
    claim w r                       | m2
    release m2 delay=0              | OK
  )") == "");
}

TEST_CASE("freeze: intake stops what enters") {
  CHECK(guarded(R"(
    push r a                        | m1
    kill scope=intake full          | freeze=soft scope=intake
    push r b                        | !FROZEN freeze of intake
    claim w r                       | m1
    fail m1 bad_input x             | state=dead
    replay m1                       | !FROZEN
    replay m1 dry                   | matched=1
    clear over                      | freeze=none
    replay m1                       | matched=1
  )") == "");
}

TEST_CASE("freeze: leases stand still, and nothing is spent however long it stands") {
  CHECK(guarded(R"(
    push r a lease=1000             | m1
    claim w r                       | m1
    +900ms
    kill night                      | freeze=soft
    jump 1h
    +8h
    get m1                          | state=claimed spent=0 deliveries=1
    clear morning                   | freeze=none
    +90ms
    get m1                          | state=claimed
    +200ms
    get m1                          | state=ready spent=1
  )") == "");
}

TEST_CASE("freeze: delays, back-offs, expiries and retention wait, and come at once when it is over") {
  CHECK(guarded(R"(
    push r a delay=1000             | m1
    push r b expire=1000            | m2
    push r c                        | m3
    claim w r                       | m2
    ack m2                          | OK
    claim w r                       | m3
    fail m3 transient x in=1000  | state=scheduled
    kill pause                      | freeze=soft
    +1h
    get m1                          | state=scheduled
    get m3                          | state=scheduled
    get m2                          | state=done
    clear over                      | freeze=none
    claim w r n=5                   | m1 m3
    get m2                          | nil
  )") == "");
}

TEST_CASE("freeze: who waits for work is told at once") {
  CHECK(guarded(R"(
    claim w r wait=60000 as=c1      | parked
    claim w q wait=60000 as=c2      | parked
    kill scope=intake x             | freeze=soft
    silent c1
    kill scope=claims x             | freeze=soft scope=claims
    reply c1                        | !FROZEN
    reply c2                        | !FROZEN
  )") == "");
}

TEST_CASE("freeze: a result that is waited for, and events, are told meanwhile") {
  CHECK(guarded(R"(
    push r a                        | m1
    result m1 wait=5000 as=c1       | parked
    events $ wait=60000 as=c2       | parked
    kill x                          | freeze=soft
    reply c2                        | kill.set
    +4999ms
    silent c1
    +1ms
    reply c1                        | state=ready
  )") == "");
}

TEST_CASE("freeze: a soft one ends by its time, a hard one only by hand") {
  CHECK(guarded(R"(
    kill for=1000 short             | freeze=soft until=+1000
    push r a                        | !FROZEN retry-after-ms=1000
    +999ms
    push r a                        | !FROZEN
    +1ms
    push r a                        | m1
    killhard 'stop everything'      | freeze=hard scope=all -until
    kill scope=intake for=10 softer | freeze=hard scope=all
    clear no                        | !FROZEN hard
    files
    push r b                        | !FROZEN hard
    restart down=1h
    push r b                        | !FROZEN hard
    clearhard yes                   | freeze=none
    push r b                        | m2
    clear again                     | freeze=none
  )") == "");
}

TEST_CASE("freeze: the flag files set and clear a soft one, and set a hard one") {
  CHECK(guarded(R"(
    files soft
    push r a                        | !FROZEN 'set by file (by hand)'
    killstatus                      | freeze=soft by=file
    files soft hard
    push r a                        | !FROZEN hard
    files
    killstatus                      | freeze=hard by=file
    clearhard done                  | freeze=none
    files hard
    push r a                        | !FROZEN hard
    clearhard done                  | freeze=none
    kill x                          | freeze=soft
    files
    push r a                        | m1
  )") == "");
}

TEST_CASE("freeze: jobs that write wait, those that read go on") {
  CHECK(guarded(R"(
    mpush r a b c d e f             | m1 m2 m3 m4 m5 m6
    cancelall r as=c1               | parked
    & kill x                        | freeze=soft
    silent c1
    +1h
    silent c1
    get m6                          | state=ready
    deadcount                       | 0
    clear over                      | freeze=none
    reply c1                        | 6
    get m6                          | state=cancelled
  )",
                core::tiny_windows()) == "");
}

TEST_CASE("freeze: what a role runs can be taken back under a hard one") {
  CHECK(guarded(R"(
    deploy r command=./a   | version=1
    push r x               | m1
    killhard fire          | freeze=hard
    deploy r command=./b   | version=2
    rollback r             | version=1
    versions r             | current=1
    deployed r             | version=1
    rollback r to=0        | version=0
    claim d r              | !FROZEN
    clearhard over         | freeze=none
    claim d r              | m1
  )") == "");
}

}  // namespace
}  // namespace pawl::guards
