// Entering and taking: options of PUSH, order, turns, unique keys, transactions.
#include <catch2/catch.hpp>
#include <string>

#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

TEST_CASE("push options show in the message") {
  CHECK(play(R"(
    push r work                                         | m1
    get m1      | role=r state=ready priority=5 attempt=1 spent=0 deliveries=0 max_attempts=5 lease=900000 payload=work pushed_at=+0
    get m1      | -due -expires_at -unique -group -daemon -error_class -result invocations=0
    push r x pri=9 max=2 lease=60000 expire=5000 unique=u group=g header=v | m2
    get m2      | priority=9 max_attempts=2 lease=60000 expires_at=+5000 unique=u group=g
    push r x delay=1500                                 | m3
    get m3      | state=scheduled due=+1500
    push r x at=2500                                    | m4
    get m4      | state=scheduled due=+2500
    push r x at=-10                                     | m5
    get m5      | state=ready -due
    push r x delay=0                                    | m6
    get m6      | state=ready -due
    mpush r a b c                                       | m7 m8 m9
    get m8      | payload=b state=ready
    list r ready n=2                                    | m2 m1 m5 m6 m7 m8 m9
    list r scheduled n=1                                | m3 m4
    role r      | ready=7 scheduled=2 claimed=0 pushed_total=9
    get ?       | nil
    get nonsense | nil
  )") == "");
}

TEST_CASE("strict roles are the file's only") {
  BusConfig config;
  config.strict_roles = true;
  config.roles["known"].max_attempts = 7;
  CHECK(play(R"(
    push known x                 | m1
    get m1                       | max_attempts=7
    push other x                 | !NOTFOUND
    mpush other x y              | !NOTFOUND
    move m1 to=other             | !NOTFOUND
    exec push known y ; push other x | !NOTFOUND at=1
    roles                        | known
    role known                   | ready=1 pushed_total=1
  )",
             config) == "");
}

TEST_CASE("claims come by priority, then by push") {
  const std::string table = R"(
    push r a          | m1
    push r b pri=9    | m2
    push r c pri=0    | m3
    push r d pri=9    | m4
    push r e          | m5
    claim d1 r        | m2
    claim d1 r n=3    | m4 m1 m5
    claim d1 r n=9    | m3
    claim d1 r        | none
    claim d1 nowhere  | none
    get m2            | state=claimed daemon=d1 deliveries=1 claimed_at=+0 deadline=+900000 invocations=1 outcomes=running
    role r            | claimed=5 ready=0 claimed_total=5
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("what becomes ready again takes its place by its push") {
  const std::string table = R"(
    mpush r a b c d e f g h        | m1 m2 m3 m4 m5 m6 m7 m8
    push r z delay=1000            | m9
    push r y                       | m10
    push r x delay=500 unique=k    | m11
    claim d r n=5                  | m1 m2 m3 m4 m5
    # released without delay, in a mixed order
    release m4 delay=0             | OK
    release m2 delay=0             | OK
    claim d r                      | m2
    claim d r                      | m4
    fail m3 transient x in=100     | state=scheduled
    +100ms
    claim d r                      | m3
    # due by delay: m11 was pushed after m10, m9 before
    +1s
    claim d r n=3                  | m6 m7 m8
    claim d r n=9                  | m9 m10 m11
    release m11 delay=0            | OK
    release m1 delay=0             | OK
    push r new                     | m12
    claim d r n=9                  | m1 m11 m12
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("a lapse comes back by its push") {
  const std::string table = R"(
    mpush r a b c d    | m1 m2 m3 m4
    claim d r lease=1000 | m1
    claim d r lease=500  | m2
    +500ms
    get m2             | state=ready spent=1 attempt=2 error_class=lease_expired outcomes=lapsed
    claim d r          | m2
    +500ms
    claim d r n=9      | m1 m3 m4
    get m1             | deliveries=2 spent=1
    role r             | lapsed_total=2
    events 0 n=1       | message.lapse message.lapse
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("claims take turns over roles, starting after the one served last") {
  const std::string table = R"(
    mpush a 1 2 3 4 5          | a1 a2 a3 a4 a5
    mpush b 1 2 3 4 5          | b1 b2 b3 b4 b5
    push c 1 pri=9             | c1
    claim d a b c n=3          | a1 b1 c1
    claim d a b c n=2          | a2 b2
    claim d a b c              | a3
    claim d@boot a b c         | b3
    claim e b a                | b4
    claim d b a n=3            | a4 b5 a5
    claim d b a                | none
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("a unique key is held while the message lives") {
  CHECK(play(R"(
    push r a unique=k          | m1
    push r b unique=k          | m1
    push other b unique=k      | m2
    claim d r                  | m1
    push r b unique=k          | m1
    fail m1 transient x in=50  | state=scheduled
    push r b unique=k          | m1
    +50ms
    claim d r                  | m1
    ack m1                     | OK
    push r b unique=k          | m3
    cancel m3                  | cancelled
    push r b unique=k          | m4
    claim d r                  | m4
    fail m4 bad_input x        | state=dead
    push r b unique=k          | m5
    role r                     | pushed_total=4
    get m1                     | payload=a
  )") == "");
}

TEST_CASE("a unique key with a time is held for that time, whatever the state") {
  CHECK(play(R"(
    push r a unique=k for=1000 | m1
    claim d r                  | m1
    ack m1                     | OK
    push r b unique=k          | m1
    +999ms
    push r b unique=k          | m1
    +1ms
    push r b unique=k          | m2
    +1h
    push r b unique=k          | m2
    claim d r                  | m2
    ack m2                     | OK
    push r b unique=k for=1000 | m3
    wall +1h
    push r b unique=k          | m4
    wall -2h
    push r b unique=k          | m4
  )") == "");
}

TEST_CASE("a transaction is all or nothing") {
  CHECK(play(R"(
    mpush r a b c                                   | m1 m2 m3
    claim d r n=3                                   | m1 m2 m3
    exec push r x ; ack m1 ; fail m2 transient boom | m4 OK scheduled
    get m1                                          | state=done
    get m2                                          | state=scheduled spent=1
    exec push s y ; ack m1.1 ; push r z             | !LOST at=1
    exec ack m3 ; ack m3                            | !LOST at=1
    get m3                                          | state=claimed
    exec push r q unique=k ; push r w unique=k      | m5 m5
    exec ack m3 result=yes ; push r n unique=k      | OK m5
    get m3                                          | state=done result=yes
    roles                                           | r
    role r                                          | ready=2 scheduled=1 done=2 pushed_total=5
  )") == "");
}

TEST_CASE("ack before push under the same key") {
  CHECK(play(R"(
    push r a unique=k                   | m1
    claim d r                           | m1
    exec push r b unique=k ; ack m1     | m1 OK
    push r a unique=k                   | m2
    claim d r                           | m2
    exec ack m2 ; push r b unique=k     | OK m3
    claim d r                           | m3
    exec fail m3 transient x dead ; push r b unique=k | dead m4
  )") == "");
}

TEST_CASE("a large payload rides in its own row") {
  const std::string big(5000, 'x');
  const std::string edited(6000, 'y');
  CHECK(play("push r " + big + " | m1\n get m1 | payload=" + big + R"(
    claim d r                 | m1
    fail m1 bad_input x       | state=dead
    edit m1 )" +
             edited + R"(  | OK
    deadlist match=yyyyy      | m1
    deadlist match=xxxxx      | none
    get m1                    | payload=)" +
             edited + R"(
    edit m1 small             | OK
    replay m1                 | matched=1
    claim d r                 | m1
    ack m1                    | OK
    +11m
    get m1                    | nil
  )") == "");
}

TEST_CASE("a claim reply ends early at its bound and takes no more than it carries") {
  std::string table;
  const std::string payload(size_t{1} << 20, 'p');
  for (int i = 1; i <= 9; ++i) table += "push r " + payload + "\n";
  CHECK(play(table + R"(
    claim d r n=100 |
    role r          | claimed=7 ready=2
  )") == "");
}

}  // namespace
}  // namespace pawl::core
