// Parked commands: claims, results and events that wait.
#include <catch2/catch.hpp>
#include <string>

#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

TEST_CASE("waiting claims are served in order of arrival") {
  CHECK(play(R"(
    claim d1 r wait=60000 as=c1      | parked
    claim d2 r wait=60000 n=2 as=c2  | parked
    claim d3 r q wait=60000 as=c3    | parked
    push r a                         | m1
    reply c1                         | m1
    silent c2
    push q b                         | m2
    reply c3                         | m2
    mpush r c d e                    | m3 m4 m5
    reply c2                         | m3 m4
    claim d4 r                       | m5
    claim d4 r wait=1000 as=c4       | parked
    +999ms
    silent c4
    +1ms
    reply c4                         | none
    claim d4 r wait=0                | none
  )") == "");
}

TEST_CASE("order of arrival over several roles at once") {
  CHECK(play(R"(
    # the later waiter could take both at once; the earlier one is served first
    claim d1 b wait=60000 as=c1         | parked
    claim d2 a b n=2 wait=60000 as=c2   | parked
    exec push a x ; push b y            | m1 m2
    reply c1                            | m2
    reply c2                            | m1
  )") == "");
  CHECK(play(R"(
    # d2's turn is at b, where the other one waits already
    mpush a x                           | m0
    claim d2 a b                        | m0
    claim d1 b wait=60000 as=c1         | parked
    claim d2 a b wait=60000 as=c2       | parked
    exec push a x ; push b y            | m1 m2
    reply c1                            | m2
    reply c2                            | m1
  )") == "");
}

TEST_CASE("everything that makes work ready wakes a waiter") {
  CHECK(play(R"(
    push r a delay=500             | m1
    push q b                       | m2
    push r c group=g               | m3
    push r d group=g               | m4
    push r e                       | m5
    claim w r n=9                  | m3 m5
    claim d r wait=600000 as=c1    | parked
    +500ms
    reply c1                       | m1
    claim d r wait=600000 as=c1    | parked
    move m2 to=r                   | OK
    reply c1                       | m2
    claim d r wait=600000 as=c1    | parked
    ack m3                         | OK
    reply c1                       | m4
    claim d r wait=600000 as=c1    | parked
    release m5 delay=0             | OK
    reply c1                       | m5
    claim d r wait=600000 as=c1    | parked
    fail m1 transient x in=100     | state=scheduled
    +100ms
    reply c1                       | m1
    claim d r wait=600000 as=c1    | parked
    fail m5 bad_input x            | state=dead
    replay m5                      | matched=1
    reply c1                       | m5
    extend m1 lease=50             | cancel=0
    claim d r wait=600000 as=c1    | parked
    +50ms
    reply c1                       | m1
    claim d r wait=600000 as=c1    | parked
    exec ack m1 ; push r z         | OK m6
    reply c1                       | m6
    claim d r wait=600000 as=c1    | parked
    unclaim m6
    reply c1                       | m6
  )") == "");
}

TEST_CASE("a wait that ends while every role is held answers why") {
  CHECK(play(R"(
    push r a                       | m1
    pause r                        | OK
    claim d r wait=1000 as=c1      | parked
    claim d r q wait=1000 as=c2    | parked
    +1s
    reply c1                       | !PAUSED
    reply c2                       | none
    claim d r wait=1000 as=c1      | parked
    claim d r wait=1000 as=c2      | parked
    resume r                       | OK
    reply c1                       | m1
    silent c2
    pause r                        | OK
    push r b                       | m2
    silent c2
    release m1 delay=0             | OK
    +1s
    reply c2                       | !PAUSED
  )") == "");
}

TEST_CASE("a client that goes away waits no more") {
  CHECK(play(R"(
    claim d r wait=60000 as=c1     | parked
    claim d r wait=60000 as=c2     | parked
    gone c1
    push r a                       | m1
    silent c1
    reply c2                       | m1
    claim d r wait=60000 as=c1     | parked
    gone c1
    push r b                       | m2
    get m2                         | state=ready
  )") == "");
}

TEST_CASE("result waits for the end") {
  CHECK(play(R"(
    mpush r a b c d e              | m1 m2 m3 m4 m5
    result m1                      | state=ready -result
    result m1 wait=1000 as=c1      | parked
    result m1 wait=60000 as=c2     | parked
    +1s
    reply c1                       | state=ready
    claim d r n=3 lease=600000     | m1 m2 m3
    result m1                      | state=claimed
    silent c2
    ack m1 result=ok               | OK
    reply c2                       | state=done result=ok
    result m1 wait=1000            | state=done result=ok
    result m2 wait=60000 as=c2     | parked
    fail m2 transient x in=1000    | state=scheduled
    silent c2
    +1s
    claim d r                      | m2
    fail m2 bad_input x            | state=dead
    reply c2                       | state=dead -result
    result m4 wait=60000 as=c2     | parked
    cancel m4                      | cancelled
    reply c2                       | state=cancelled
    push r f expire=1000           | m6
    result m6 wait=60000 as=c2     | parked
    +1s
    reply c2                       | state=expired
    result m3 wait=60000 as=c2     | parked
    cancel m3                      | claimed
    silent c2
    mack m3                        | OK
    reply c2                       | state=done
    result ? wait=1000             | nil
    replay m2                      | matched=1
    result m2 wait=500 as=c2       | parked
    +500ms
    reply c2                       | state=ready
  )") == "");
}

TEST_CASE("events by cursor, kind and wait") {
  CHECK(play(R"(
    events 0                       | none
    events $                       | none
    pause r one                    | OK
    resume r                       | OK
    pause q two                    | OK
    push r a                       | m1
    cancel m1 why                  | cancelled
    events 0                       | role.pause role.resume role.pause message.cancel
    events 0 n=1                   | role.pause role.resume role.pause message.cancel
    events 2                       | role.pause message.cancel
    events 0 kind=message          | message.cancel
    events 0 kind=role.pause n=1   | role.pause role.pause
    events 0 kind=rol              | none
    events 4                       | none
    events 0 wait=1000 kind=nope as=c1 | parked
    events 4 wait=60000 as=c2      | parked
    events $ wait=60000 kind=role as=c3 | parked
    push r b                       | m2
    silent c2
    cancel m2                      | cancelled
    reply c2                       | message.cancel
    silent c3
    +1s
    reply c1                       | none
    resume q                       | OK
    reply c3                       | role.resume
  )") == "");
}

TEST_CASE("events tell of a gap that retention left") {
  BusConfig config;
  config.chronicle_bytes_max = 300;
  std::string table;
  for (int i = 0; i < 10; ++i) table += "pause r 'reason that takes some room'\n resume r\n";
  CHECK(play(table + R"(
    +30s
    events 0       |
    events 1 n=1   | gap role.resume
  )",
             config) == "");
}

}  // namespace
}  // namespace pawl::core
