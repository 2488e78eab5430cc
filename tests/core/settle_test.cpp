// Leaving a claim: ACK, MACK, FAIL, EXTEND, RELEASE, lapse, and what is charged.
#include <catch2/catch.hpp>
#include <string>

#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

TEST_CASE("ack ends a message, once") {
  CHECK(play(R"(
    push r a            | m1
    ack m1@1            | !LOST
    claim d r           | m1
    ack m1@999          | !LOST
    ack ?@1             | !LOST
    ack m1 result=fine  | OK
    get m1              | state=done result=fine ended_at=+0 outcomes=done -daemon
    result m1           | state=done result=fine
    ack m1              | !LOST
    fail m1 transient x | !LOST
    extend m1           | !LOST
    release m1          | !LOST
    role r              | done=1 done_total=1 claimed=0
    result ?            | nil
  )") == "");
}

TEST_CASE("mack answers item by item") {
  CHECK(play(R"(
    mpush r a b c              | m1 m2 m3
    claim d r n=2              | m1 m2
    mack m1 m3@5 m2 m1 ?@7     | OK LOST OK LOST LOST
    role r                     | done=2 ready=1
  )") == "");
}

TEST_CASE("ack and next in one go") {
  const std::string table = R"(
    mpush a 1 2 3                | a1 a2 a3
    mpush b 1 2                  | b1 b2
    claim d a                    | a1
    ack a1 next=a,b n=2          | b1 a2
    pause a
    ack a2 next=a                | none
    ack b1 next=a,b n=3          | b2
    ack b1 next=b                | !LOST
    ack b2 next=nowhere          | none
    role b                       | done=2 claimed=0
    role a                       | done=2 claimed=0 ready=1
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("fail backs off by powers of two and spends") {
  CHECK(play(R"(
    push r a max=4           | m1
    claim d r                | m1
    fail m1 transient x      | state=scheduled at=+1000..2000
    get m1                   | state=scheduled spent=1 attempt=2 error_class=transient error_text=x
    +2s
    claim d r                | m1
    fail m1 timeout x        | state=scheduled at=+2000..3000
    +3s
    claim d r                | m1
    fail m1 unknown x        | state=scheduled at=+4000..5000
    claim d r                | none
    +5s
    claim d r                | m1
    fail m1 crash x          | state=dead -at
    get m1                   | state=dead spent=4 deliveries=4 outcomes=failed,failed,failed,failed
    fail m1 crash x          | !LOST
    role r                   | dead=1 failed_total=4 dead_total=1
    events 0                 | message.retry message.retry message.retry message.dead
  )") == "");
}

TEST_CASE("the longest backoff holds, plus the jitter of one base") {
  BusConfig config;
  config.defaults.backoff_base_ms = 100;
  config.defaults.backoff_max_ms = 250;
  CHECK(play(R"(
    push r a max=9                | m1
    claim d r                     | m1
    fail m1 transient x           | at=+100..200
    +200ms
    claim d r                     | m1
    fail m1 transient x           | at=+200..300
    +300ms
    claim d r                     | m1
    fail m1 transient x           | at=+250..350
  )",
             config) == "");
}

TEST_CASE("fail by class and by option") {
  BusConfig config;
  config.defaults.classes[static_cast<size_t>(ErrorClass::rate_limited)] = {false, 30'000, 60'000};
  CHECK(play(R"(
    mpush r a b c d e f g h     | m1 m2 m3 m4 m5 m6 m7 m8
    claim d r n=8               | m1 m2 m3 m4 m5 m6 m7 m8
    fail m1 bad_input x         | state=dead
    fail m2 rate_limited x      | state=scheduled at=+30000..60000
    fail m3 transient x in=7    | state=scheduled at=+7
    fail m4 bad_input x in=7    | state=dead
    fail m5 transient x dead    | state=dead
    # a handler told to stop has not failed
    fail m6 cancelled x in=5    | state=scheduled at=+5
    get m6                      | spent=0 attempt=1
    fail m7 transient x in=0    | state=scheduled at=+0
    fail m8 lease_expired x in=0 | state=scheduled
    +1ms
    list r ready                | m7 m8
    +10ms
    list r ready                | m3 m6 m7 m8
  )",
             config) == "");
}

TEST_CASE("a retry without delay in the very first turn of a bus") {
  CHECK(play(R"(
    push r a                 | m1
    claim d r                | m1
    fail m1 transient x in=0 | state=scheduled
    claim d r                | m1
    get m1                   | deliveries=2 spent=1
  )") == "");
}

TEST_CASE("extend keeps a claim alive, for ever if need be") {
  CHECK(play(R"(
    push r a                              | m1
    claim d r lease=1000                  | m1
    +900ms
    extend m1                             | deadline=+1000 cancel=0 freeze=none
    +900ms
    extend m1 lease=5000 progress=40 note=half | deadline=+5000
    get m1                                | progress=40 note=half state=claimed
    +4s
    extend m1                             | deadline=+5000
    +10m
    get m1                                | state=ready spent=1
    extend m1.1                           | !LOST
    claim d2 r                            | m1
    extend m1.1                           | !LOST
    get m1                                | -progress -note deliveries=2
    cancel m1 why                         | claimed
    extend m1                             | cancel=1
  )") == "");
}

TEST_CASE("leases: the command's, the message's, the role's") {
  BusConfig config;
  config.roles["r"].lease_ms = 7000;
  CHECK(play(R"(
    push r a             | m1
    push r b lease=3000  | m2
    push q c             | m3
    claim d r            | m1
    get m1               | deadline=+7000
    claim d r            | m2
    get m2               | deadline=+3000
    claim d q            | m3
    get m3               | deadline=+900000
    release m2 delay=0   | OK
    claim d r lease=50   | m2
    get m2               | deadline=+50
  )",
             config) == "");
}

TEST_CASE("release is not spent, and its default delay doubles for the same daemon") {
  CHECK(play(R"(
    push r a             | m1
    claim d r            | m1
    release m1           | OK
    get m1               | state=scheduled due=+1000 spent=0 attempt=1 deliveries=1 outcomes=released
    +1s
    claim d r            | m1
    release m1           | OK
    get m1               | due=+2000
    +2s
    claim d@boot2 r      | m1
    release m1           | OK
    get m1               | due=+4000
    +4s
    claim e r            | m1
    release m1           | OK
    get m1               | due=+1000
    +1s
    claim e r            | m1
    release m1 delay=50  | OK
    get m1               | due=+50
    +50ms
    claim e r            | m1
    release m1 delay=0   | OK
    get m1               | state=ready -due spent=0
    claim d r            | m1
    get m1               | attempt=1 deliveries=7
    role r               | released_total=6
  )") == "");
}

TEST_CASE("an undelivered claim goes back, not spent") {
  CHECK(play(R"(
    push r a             | m1
    claim d r            | m1
    unclaim m1
    get m1               | state=ready spent=0 attempt=1 -due
    ack m1               | !LOST
    claim d r            | m1
    ack m1               | OK
    unclaim m1
    get m1               | state=done
  )") == "");
}

TEST_CASE("a lapse spends, and kills at the last attempt") {
  CHECK(play(R"(
    push r a max=2          | m1
    claim d r lease=100     | m1
    +100ms
    get m1                  | state=ready spent=1
    claim d r lease=100     | m1
    +99ms
    get m1                  | state=claimed
    +1ms
    get m1                  | state=dead spent=2 error_class=lease_expired
    ack m1                  | !LOST
    deadlist class=lease_expired | m1
  )") == "");
}

TEST_CASE("what arrived before a sweep is applied first") {
  CHECK(play(R"(
    mpush r a b c d e            | m1 m2 m3 m4 m5
    claim d r n=5 lease=100      | m1 m2 m3 m4 m5
    later 100ms
    ack m1                       | OK
    & extend m2 lease=1000       | cancel=0
    & release m3 delay=0         | OK
    & fail m4 transient x in=500 | state=scheduled
    get m1                       | state=done
    get m2                       | state=claimed
    get m3                       | state=ready spent=0
    get m4                       | spent=1
    get m5                       | state=ready spent=1
    ack m5                       | !LOST
  )") == "");
}

TEST_CASE("usage is the total of a delivery, charged once") {
  CHECK(play(R"(
    push r a                          | m1
    claim d r                         | m1
    extend m1 tokens=10 cost=3        | cancel=0
    extend m1 tokens=10 cost=3        | cancel=0
    extend m1 tokens=8                | cancel=0
    role r                            | tokens_total=10 cost_total=3
    fail m1 transient x in=1 tokens=25 | state=scheduled
    role r                            | tokens_total=25 cost_total=3
    # a late report on the delivery that is over
    extend m1.1 tokens=30 cost=5      | !LOST
    extend m1.1 tokens=30 cost=5      | !LOST
    role r                            | tokens_total=30 cost_total=5
    +1ms
    claim d r                         | m1
    ack m1.1 tokens=31                | !LOST
    ack m1.1 tokens=31                | !LOST
    role r                            | tokens_total=31
    ack m1 tokens=7                   | OK
    role r                            | tokens_total=38 cost_total=5
    get m1                            | deliveries=2 invocations=2 outcomes=failed,done
  )") == "");
}

TEST_CASE("a LOST in a transaction charges its usage and does nothing else") {
  CHECK(play(R"(
    mpush r a b c                                            | m1 m2 m3
    claim d r n=3                                            | m1 m2 m3
    fail m1 transient x tokens=3                             | state=scheduled
    exec ack m2 tokens=100 ; ack m1.1 tokens=10 ; fail m3 transient x tokens=100 | !LOST at=1
    role r                                                   | tokens_total=10 claimed=2
    # told again it is no more; its neighbours are charged when they end
    exec ack m2 tokens=100 ; fail m1.1 transient x tokens=10 | !LOST at=1
    role r                                                   | tokens_total=10
    exec push r x ; ack m2 tokens=100 ; ack m2 tokens=200    | !LOST at=2
    role r                                                   | tokens_total=10 claimed=2
    exec ack m2 tokens=100 ; fail m3 transient x tokens=100  | OK scheduled
    role r                                                   | tokens_total=210
  )") == "");
}

TEST_CASE("usage reported after the ack is charged once and leaves no row behind") {
  CHECK(play(R"(
    push r a                  | m1
    claim d r                 | m1
    ack m1 tokens=5           | OK
    ack m1 tokens=9           | !LOST
    ack m1 tokens=9           | !LOST
    fail m1 transient x tokens=9 | !LOST
    role r                    | tokens_total=9
    get m1                    | invocations=1 outcomes=done
    +11m
    get m1                    | nil
  )") == "");
}

TEST_CASE("a token that never was charges nothing") {
  CHECK(play(R"(
    push r a delay=60000      | m1
    ack m1@0 tokens=5         | !LOST
    ack m1@0 tokens=5         | !LOST
    ack m1@77 tokens=5        | !LOST
    ack ?@0 tokens=5          | !LOST
    push r b                  | m2
    ack m2@0 tokens=5         | !LOST
    claim d r                 | m2
    ack m2@0 tokens=5         | !LOST
    ack m1.1@1 tokens=5       | !LOST
    role r                    | tokens_total=0
    release m2 delay=0        | OK
    ack m2 tokens=6           | !LOST
    ack m2@0 tokens=50        | !LOST
    role r                    | tokens_total=6
  )") == "");
}

TEST_CASE("usage of a dead letter and of a replayed one") {
  CHECK(play(R"(
    push r a max=1            | m1
    claim d r                 | m1
    fail m1 crash x tokens=4  | state=dead
    ack m1 tokens=6           | !LOST
    role r                    | tokens_total=6
    replay m1                 | matched=1
    ack m1.1 tokens=7         | !LOST
    role r                    | tokens_total=7
    claim d r                 | m1
    ack m1.1 tokens=7         | !LOST
    ack m1 tokens=1           | OK
    role r                    | tokens_total=8
  )") == "");
}

TEST_CASE("keep_done of zero keeps none") {
  BusConfig config;
  config.roles["r"].keep_done_ms = 0;
  CHECK(play(R"(
    mpush r a b c d           | m1 m2 m3 m4
    push r e unique=k         | m5
    claim d r n=3             | m1 m2 m3
    ack m1                    | OK
    get m1                    | nil
    result m1                 | nil
    ack m1                    | !LOST
    fail m2 transient x in=1  | state=scheduled
    +1ms
    claim d r                 | m2
    ack m2                    | OK
    get m2                    | nil
    cancel m4                 | cancelled
    get m4                    | nil
    result m3 wait=60000 as=c1 | parked
    ack m3 result=here        | OK
    reply c1                  | state=done result=here
    +1ms
    get m3                    | nil
    role r                    | done=0 cancelled=0 ready=1 done_total=3
    cancel m5                 | cancelled
    push r f unique=k         | m6
  )",
             config) == "");
}

}  // namespace
}  // namespace pawl::core
