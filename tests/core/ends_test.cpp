// Cancel, move and expire in every state; pausing and dropping roles; retention of what ended.
#include <catch2/catch.hpp>
#include <string>

#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

// One message in each state.
const char* const every_state = R"(
    push r s delay=50000      | scheduled
    push r c pri=9            | claimed
    push r o pri=9            | done
    push r d pri=9            | died
    push r x delay=1000000    | cancelled
    push r e expire=1         | expired
    push r y                  | ready
    claim w r n=3             | claimed done died
    ack done                  | OK
    fail died bad_input x     | state=dead
    cancel cancelled          | cancelled
    +1ms
    role r                    | scheduled=1 ready=1 claimed=1 done=1 dead=1 cancelled=1 expired=1
)";

TEST_CASE("cancel in every state") {
  CHECK(play(std::string(every_state) + R"(
    cancel scheduled why      | cancelled
    cancel ready why          | cancelled
    cancel claimed why        | claimed
    cancel claimed again      | claimed
    cancel done               | done
    cancel died               | dead
    cancel cancelled          | cancelled
    cancel expired            | expired
    cancel ?                  | !NOTFOUND
    get scheduled             | state=cancelled cancel_reason=why
    get ready                 | state=cancelled cancel_reason=why
    get claimed               | state=claimed cancel=1 cancel_reason=why
    extend claimed            | cancel=1
    role r                    | scheduled=0 ready=0 claimed=1 done=1 dead=1 cancelled=3 expired=1
    claim d r                 | none
    +2h
    claim d r                 | none
  )") == "");
}

TEST_CASE("move in every state") {
  CHECK(play(std::string(every_state) + R"(
    move scheduled pri=1      | OK
    move ready pri=1          | OK
    move claimed pri=1        | !STATE
    move done pri=1           | !STATE
    move died to=q            | !STATE
    move cancelled pri=1      | !STATE
    move expired to=q         | !STATE
    move ? pri=1              | !NOTFOUND
    get ready                 | priority=1 role=r
    get scheduled             | priority=1 state=scheduled due=+49999
    roles                     | r
    move ready to=q           | OK
    move scheduled to=q pri=8 | OK
    roles                     | q r
    get scheduled             | priority=8 role=q due=+49999
    list q ready              | ready
    list q scheduled          | scheduled
    list r ready              | none
    list r scheduled          | none
    +1m
    claim d q n=5             | scheduled ready
  )") == "");
}

TEST_CASE("after a cancel request the first commit wins") {
  CHECK(play(R"(
    mpush r a b c d e      | m1 m2 m3 m4 m5
    claim d r n=5 lease=60000 | m1 m2 m3 m4 m5
    cancel m1 stop         | claimed
    cancel m2 stop         | claimed
    cancel m3 stop         | claimed
    cancel m4 stop         | claimed
    cancel m5 stop         | claimed
    ack m1                 | OK
    get m1                 | state=done
    fail m2 transient x    | state=cancelled -at
    get m2                 | state=cancelled spent=0
    release m3             | OK
    get m3                 | state=cancelled
    fail m4 transient x dead | state=dead
    +1m
    get m5                 | state=cancelled spent=0
    role r                 | done=1 cancelled=3 dead=1 claimed=0 scheduled=0 ready=0
    # replay forgets the request
    replay m4              | matched=1
    get m4                 | state=ready -cancel
    claim d r              | m4
    extend m4              | cancel=0
    release m4 delay=0     | OK
    get m4                 | state=ready
  )") == "");
}

TEST_CASE("expire counts from the push and never interrupts a claim") {
  CHECK(play(R"(
    push r a expire=1000         | m1
    push r b expire=1000 delay=500000 | m2
    push r c expire=1000 group=g | m3
    push r d expire=1000 group=g | m4
    push r e group=g             | m5
    push r f expire=1000 pri=9   | m6
    push r g expire=1000 pri=9   | m7
    push r h expire=1000 pri=9   | m8
    push r i expire=1000 pri=9   | m9
    claim d r n=4 lease=5000     | m6 m7 m8 m9
    +999ms
    get m1                       | state=ready
    +1ms
    get m1                       | state=expired
    get m2                       | state=expired
    get m3                       | state=expired
    get m4                       | state=expired
    list r ready                 | m5
    get m6                       | state=claimed
    extend m6 lease=600000       | cancel=0
    ack m6                       | OK
    get m6                       | state=done
    fail m7 transient x          | state=expired
    get m7                       | state=expired spent=0
    release m8                   | OK
    get m8                       | state=expired
    +4s
    get m9                       | state=expired spent=0
    claim d r n=9                | m5
    role r                       | expired=7 done=1
  )") == "");
}

TEST_CASE("a failed message that waits for its retry expires on time") {
  CHECK(play(R"(
    push r a expire=1000 unique=k | m1
    claim d r                    | m1
    fail m1 transient x in=5000  | state=scheduled
    +1s
    get m1                       | state=expired
    push r b unique=k            | m2
    events 0                     | message.retry message.expire
  )") == "");
}

TEST_CASE("move with a unique key") {
  CHECK(play(R"(
    push r a unique=k              | m1
    push q b unique=k              | m2
    move m1 to=q                   | !STATE
    get m1                         | role=r state=ready
    move m1 to=p pri=9             | OK
    push p x unique=k              | m1
    push r y unique=k              | m3
    cancel m1                      | cancelled
    push p z unique=k              | m4
    push r t unique=u for=100000   | m5
    move m5 to=p                   | OK
    push p t unique=u              | m5
    push r t unique=u              | m6
    +100s
    push p t unique=u              | m7
    push r t unique=u              | m6
    get m5                         | role=p state=ready
    # a key that ran out does not hinder
    move m5 to=r                   | OK
    push r t unique=u              | m6
    cancel m6                      | cancelled
    push r t unique=u              | m8
  )") == "");
}

TEST_CASE("move keeps time, expiry, attempts and order") {
  const std::string table = R"(
    mpush r a b c d e          | m1 m2 m3 m4 m5
    push q x                   | q1
    push r f                   | m6
    claim d r                  | m1
    fail m1 transient x in=900 | state=scheduled
    move m1 pri=7              | OK
    get m1                     | state=scheduled due=+900 spent=1 priority=7
    move m3 pri=7              | OK
    move m2 pri=7              | OK
    move m2 pri=7              | OK
    +900ms
    claim d r n=2              | m1 m2
    move m6 to=q               | OK
    move m4 to=q               | OK
    claim d q n=9              | m4 q1 m6
    claim d r n=9              | m3 m5
    role r                     | ready=0
    role q                     | claimed=3
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("pause stops claims only") {
  CHECK(play(R"(
    push r a               | m1
    push r b               | m2
    claim d r              | m1
    pause r 'too hot'      | OK
    claim d r              | !PAUSED
    push r c               | m3
    ack m1                 | OK
    role r                 | paused=1 ready=2
    roles                  | r
    push q x               | q1
    claim d r q n=5        | q1
    claim d r q            | none
    claim d r nowhere      | none
    pause q                | OK
    claim d r q            | !PAUSED
    resume r               | OK
    resume r               | OK
    resume nowhere         | !NOTFOUND
    claim d r q n=5        | m2 m3
    role r                 | paused=0
    events 0               | role.pause role.pause role.resume
  )") == "");
}

TEST_CASE("a role is dropped only when nothing is left to do in it") {
  CHECK(play(R"(
    drop r                     | !NOTFOUND
    push r a                   | m1
    drop r                     | !STATE
    claim d r                  | m1
    drop r                     | !STATE
    fail m1 transient x        | state=scheduled
    drop r                     | !STATE
    +5s
    claim d r                  | m1
    fail m1 bad_input x        | state=dead
    drop r                     | !STATE
    replay m1                  | matched=1
    claim d r                  | m1
    ack m1                     | OK
    pause r                    | OK
    drop r                     | OK
    roles                      | none
    role r                     | !NOTFOUND
    get m1                     | state=done role=r
    # the name is free again, and a new role with it
    push r b                   | m2
    role r                     | ready=1 done=0 paused=0
    claim d r                  | m2
    list r done                | none
    +11m
    get m1                     | nil
    role r                     | claimed=1
  )") == "");
}

TEST_CASE("ended messages stay for keep_done") {
  BusConfig config;
  config.roles["q"].keep_done_ms = 1000;
  CHECK(play(R"(
    mpush r a b        | m1 m2
    mpush q a b        | q1 q2
    claim d r          | m1
    ack m1 result=x    | OK
    cancel m2          | cancelled
    claim d q          | q1
    ack q1             | OK
    list r done        | m1
    list q done        | q1
    list r cancelled   | m2
    +999ms
    get q1             | state=done
    +1ms
    get q1             | nil
    get m1             | state=done
    +599s
    get m1             | nil
    get m2             | nil
    role r             | done=0 cancelled=0 done_total=1
    list r done        | none
  )",
             config) == "");
}

TEST_CASE("ended messages go earlier when their space is full") {
  BusConfig config;
  config.done_bytes_max = 2500;
  const std::string kb(1000, 'k');
  CHECK(play("push r " + kb + " | m1\n push r " + kb + " | m2\n push r " + kb + " | m3\n push r " + kb +
                 R"( | m4
    claim d r n=4    | m1 m2 m3 m4
    ack m1           | OK
    ack m2           | OK
    get m1           | state=done
    ack m3           | OK
    push r tick      | m5
    get m1           | nil
    get m2           | state=done
    ack m4           | OK
    push r tick      | m6
    get m2           | nil
    get m4           | state=done
    list r done      | m3 m4
  )",
             config) == "");
}

TEST_CASE("a list of ended messages in the turn that drops them for space") {
  BusConfig config;
  config.done_bytes_max = 1500;
  config.roles["b"].keep_done_ms = 1000;
  const std::string kb(900, 'k');
  CHECK(play("push a " + kb + " | a1\n push b " + kb + R"( | b1
    claim d a        | a1
    ack a1           | OK
    claim d b        | b1
    ack b1           | OK
    & list b done    | b1
    push a x         | a2
    push a x         | a3
    role a           | ready=2
  )",
             config) == "");
}

TEST_CASE("retention finds what ended in a batch that stayed open long") {
  BusConfig config;
  config.roles["a"].keep_done_ms = 3000;
  config.roles["b"].keep_done_ms = 1000;
  CHECK(play(R"(
    push a x         | a1
    push b x         | b1
    claim d a        | a1
    ack a1           | OK
    +1s
    claim d b        | b1
    hold
    ack b1           | OK
    +5s
    flow
    push a y         | a2
    +1s
    get a1           | nil
    get b1           | nil
    role b           | done=0
  )",
             config) == "");
}

TEST_CASE("nothing spins while a batch waits for the disk") {
  BusConfig config;
  config.roles["b"].keep_done_ms = 1000;
  CHECK(play(R"(
    push b x         | b1
    claim d b        | b1
    hold strict
    ack b1           | OK
    +5s
    flow
    +1s
    get b1           | nil
  )",
             config) == "");
}

TEST_CASE("cancel by filter") {
  const std::string table = R"(
    mpush r a b c d e         | m1 m2 m3 m4 m5
    push r f delay=5000       | m6
    push r g at=5000          | m7
    claim d r                 | m1
    cancelall r state=ready limit=2 | 2
    list r ready n=1          | m4 m5
    cancelall r state=scheduled | 2
    cancelall r               | 3
    get m1                    | state=claimed cancel=1
    role r                    | ready=0 scheduled=0 claimed=1 cancelled=6
    cancelall nowhere         | !NOTFOUND
    ack m1                    | OK
    cancelall r               | 0
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("cancel by filter takes a whole group") {
  const std::string table = R"(
    push r a group=g           | m1
    push r b group=g           | m2
    push r c group=g           | m3
    push r d group=g pri=9     | m4
    push r e group=g           | m5
    push r f group=g delay=100 | m6
    push r g group=g           | m7
    cancelall r                | 7
    role r                     | ready=0 scheduled=0 cancelled=7
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

}  // namespace
}  // namespace pawl::core
