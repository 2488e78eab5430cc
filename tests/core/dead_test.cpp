// Dead letters: looking, editing, replaying, dropping, retention.
#include <catch2/catch.hpp>
#include <string>

#include "bus/core/fingerprint.h"
#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

void play_both(const std::string& table) {
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

const char* const five_dead = R"(
    mpush r alpha beta gamma        | m1 m2 m3
    push q delta                    | m4
    push q eps                      | m5
    claim d r n=3                   | m1 m2 m3
    claim d q n=2                   | m4 m5
    fail m1 crash 'host 17 down' dead      | state=dead
    +1s
    fail m2 crash 'host 99 down' dead      | state=dead
    fail m3 timeout 'host 1 down' dead     | state=dead
    fail m4 crash 'host 2 down' dead       | state=dead
    +1s
    fail m5 bad_input 'no such field'      | state=dead
)";

TEST_CASE("dead letters by filter and cursor") {
  const std::string print = fingerprint_text(fingerprint(ErrorClass::crash, "host 5 down"));
  play_both(std::string(five_dead) + R"(
    deadlist                   | m1 m2 m3 m4 m5
    deadlist n=1               | m1 m2 m3 m4 m5
    deadlist n=2               | m1 m2 m3 m4 m5
    deadlist role=r n=1        | m1 m2 m3
    deadlist class=crash       | m1 m2 m4
    deadlist role=q class=crash | m4
    deadlist match=amm         | m3
    deadlist match='host 9' n=1 | m2
    deadlist match=nothing n=1 | none
    deadlist role=nowhere      | none
    deadlist fp=)" +
            print + R"( | m1 m2 m4
    deadlist since=1           | m1 m2 m3 m4 m5
    deadlist since=4000000000000 | none
    deadcount                  | 5
    deadcount role=r           | 3
    deadcount role=nowhere     | 0
    deadcount class=crash      | 3
    deadcount role=q match=eps | 1
    deadgroups                 | 2 1 1 1
    deadgroups role=r          | 2 1
    deadgroups class=bad_input | 1
    deadget m1                 | state=dead error_class=crash payload=alpha outcomes=failed fingerprint=)" +
            print + R"(
    deadget ?                  | nil
    push r live                | m9
    deadget m9                 | nil
    list r dead n=1            | m1 m2 m3
  )");
}

TEST_CASE("replay keeps id and history and zeroes the attempts") {
  play_both(std::string(five_dead) + R"(
    replay m1 m4 dry           | matched=2 conflicts=0 -replay
    deadcount                  | 5
    replay m1 m4               | matched=2 conflicts=0
    get m1                     | state=ready spent=0 attempt=1 deliveries=1 outcomes=failed error_class=crash
    deadget m1                 | nil
    replay m1                  | !STATE
    replay m2 ?                | !NOTFOUND
    get m2                     | state=dead
    claim d r                  | m1
    get m1                     | deliveries=2
    fail m1 crash again dead   | state=dead
    deadlist                   | m2 m3 m5 m1
    replay role=r limit=2      | matched=2
    deadlist                   | m5 m1
    replay role=r              | matched=1 conflicts=0
    replay role=r              | matched=0
    claim d r n=9              | m1 m2 m3
    claim d q n=9              | m4
    role r                     | dead=0
    role q                     | dead=1 claimed=1
  )");
}

TEST_CASE("replay skips what conflicts") {
  play_both(R"(
    push r a unique=k          | m1
    push r b expire=5000       | m2
    push r c unique=u for=1000 | m3
    claim d r n=3              | m1 m2 m3
    fail m1 bad_input x        | state=dead
    fail m2 bad_input x        | state=dead
    fail m3 bad_input x        | state=dead
    push r d unique=k          | m4
    replay m1                  | matched=1 conflicts=1
    get m1                     | state=dead
    cancel m4                  | cancelled
    replay m1                  | matched=1 conflicts=0
    push r e unique=k          | m1
    +5s
    replay m2                  | matched=1 conflicts=1
    replay m2 reset            | matched=1 conflicts=0
    get m2                     | state=ready -expires_at
    +1m
    get m2                     | state=ready
    # a key that ran out is not taken again
    replay m3                  | conflicts=0
    push r f unique=u          | m5
  )");
}

TEST_CASE("replay before the expiry keeps it") {
  play_both(R"(
    push r a expire=5000       | m1
    claim d r                  | m1
    fail m1 bad_input x        | state=dead
    replay m1                  | conflicts=0
    get m1                     | expires_at=+5000
    +5s
    get m1                     | state=expired
  )");
}

TEST_CASE("two dead letters under one key: the first takes it") {
  play_both(R"(
    push r a unique=k          | m1
    claim d r                  | m1
    fail m1 bad_input x        | state=dead
    push r b unique=k          | m2
    claim d r                  | m2
    fail m2 bad_input x        | state=dead
    replay role=r dry          | matched=2 conflicts=1
    replay role=r              | matched=2 conflicts=1
    get m1                     | state=ready
    get m2                     | state=dead
  )");
}

TEST_CASE("replay to another role") {
  play_both(R"(
    push r a unique=k             | m1
    push r b unique=u for=60000   | m2
    push q z unique=k             | q1
    claim d r n=2                 | m1 m2
    fail m1 bad_input x           | state=dead
    fail m2 bad_input x           | state=dead
    replay m1 to=q                | conflicts=1
    replay m1 to=p                | conflicts=0
    get m1                        | role=p state=ready
    push p y unique=k             | m1
    replay m2 to=p                | conflicts=0
    push p y unique=u             | m2
    push r y unique=u             | m3
    +60s
    push p y unique=u             | m4
    role r                        | dead=0 ready=1
    role p                        | ready=3
  )");
}

TEST_CASE("an error replays nothing and makes no role") {
  play_both(R"(
    push r a                   | m1
    replay m1 to=newrole       | !STATE
    replay ? to=other          | !NOTFOUND
    roles                      | r
    claim d r                  | m1
    fail m1 bad_input x        | state=dead
    replay m1 to=third dry     | matched=1
    roles                      | r
  )");
}

TEST_CASE("edit and drop") {
  play_both(std::string(five_dead) + R"(
    edit m1 mended             | OK
    edit ? x                   | !NOTFOUND
    push r y                   | m9
    edit m9 x                  | !STATE
    deadget m1                 | payload=mended error_class=crash deliveries=1
    replay m1                  | matched=1
    claim d r                  | m1
    get m1                     | payload=mended
    deaddrop m2                | 1
    get m2                     | nil
    deaddrop m2                | !NOTFOUND
    deaddrop m3 m9             | !STATE
    get m3                     | state=dead
    deaddrop role=q            | 2
    deaddrop role=q            | 0
    deadlist                   | m3
    deaddrop match=gam         | 1
    deadcount                  | 0
    role q                     | dead=0 dead_total=2
    drop q                     | OK
  )");
}

TEST_CASE("dead letters go by age") {
  BusConfig config;
  config.keep_dead_ms = 60'000;
  CHECK(play(R"(
    mpush r a b             | m1 m2
    claim d r n=2           | m1 m2
    fail m1 bad_input x     | state=dead
    +40s
    fail m2 bad_input x     | state=dead
    +50s
    get m1                  | nil
    get m2                  | state=dead
    role r                  | dead=1
    +60s
    get m2                  | nil
    deadcount               | 0
  )",
             config) == "");
}

TEST_CASE("dead letters alarm before they go by size") {
  BusConfig config;
  config.dead_bytes_max = 10'000;
  const std::string payload(3000, 'p');
  std::string table;
  for (int i = 1; i <= 4; ++i) table += "push r " + payload + " | m" + std::to_string(i) + "\n";
  CHECK(play(table + R"(
    claim d r n=4           | m1 m2 m3 m4
    fail m1 bad_input x     | state=dead
    fail m2 bad_input x     | state=dead
    +20s
    events 0 kind=retention | none
    fail m3 bad_input x     | state=dead
    +20s
    events 0 kind=retention | retention.alarm
    get m1                  | state=dead
    fail m4 bad_input x     | state=dead
    +20s
    get m1                  | nil
    get m2                  | state=dead
    events 0 kind=retention.dead | retention.dead
  )",
             config) == "");
}

}  // namespace
}  // namespace pawl::core
