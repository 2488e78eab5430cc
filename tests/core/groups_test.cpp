// Groups: one head at a time, in push order.
#include <catch2/catch.hpp>
#include <string>

#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

void play_both(const std::string& table) {
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("only the head of a group can be claimed") {
  play_both(R"(
    push r a group=g            | g1
    push r b group=g pri=9      | g2
    push r c group=g            | g3
    push r d group=h            | h1
    push r e                    | m1
    get g2                      | state=ready
    list r ready n=2            | g1 h1 m1 g2 g3
    role r                      | ready=5
    claim d r n=9               | g1 h1 m1
    claim d r                   | none
    ack g1                      | OK
    # now head, its priority counts
    push r f                    | m2
    claim d r n=9               | g2 m2
    fail g2 bad_input x         | state=dead
    claim d r n=9               | g3
    cancel g3                   | claimed
    push r g group=g            | g4
    claim d r                   | none
    release g3                  | OK
    claim d r                   | g4
    ack g4                      | OK
    push r h group=g            | g5
    claim d r                   | g5
  )");
}

TEST_CASE("a delayed or backing-off head holds its group") {
  play_both(R"(
    push r a group=g delay=1000 | g1
    push r b group=g            | g2
    push r c group=g at=500     | g3
    push r d group=g delay=9000 | g4
    get g3                      | state=scheduled
    role r                      | ready=1 scheduled=3
    claim d r n=9               | none
    +500ms
    get g3                      | state=ready
    explain g3                  | group
    claim d r n=9               | none
    +500ms
    claim d r n=9               | g1
    fail g1 transient x in=700  | state=scheduled
    claim d r n=9               | none
    +700ms
    claim d r n=9               | g1
    release g1 delay=100        | OK
    claim d r n=9               | none
    +100ms
    claim d r lease=200         | g1
    +200ms
    claim d r n=9               | g1
    ack g1                      | OK
    claim d r n=9               | g2
    ack g2                      | OK
    claim d r n=9               | g3
    ack g3                      | OK
    # promoted before its time, it holds the group
    get g4                      | state=scheduled
    push r e group=g            | g5
    claim d r n=9               | none
    +9s
    claim d r n=9               | g4
    ack g4                      | OK
    claim d r n=9               | g5
  )");
}

TEST_CASE("cancel and expire free a group and leave gaps in it") {
  play_both(R"(
    push r a group=g             | g1
    push r b group=g             | g2
    push r c group=g expire=1000 | g3
    push r d group=g             | g4
    push r e group=g delay=500   | g5
    cancel g2                    | cancelled
    +1s
    get g3                       | state=expired
    cancel g1                    | cancelled
    claim d r n=9                | g4
    ack g4                       | OK
    cancel g5                    | cancelled
    push r f group=g             | g6
    claim d r n=9                | g6
  )");
}

TEST_CASE("entering a group by replay never displaces its head") {
  play_both(R"(
    push r a group=g             | g1
    push r b group=g             | g2
    push r c group=g             | g3
    claim d r                    | g1
    fail g1 bad_input x          | state=dead
    replay g1                    | matched=1 conflicts=0
    get g1                       | state=ready
    explain g1                   | group
    claim d r n=9                | g2
    ack g2                       | OK
    # it waits by its original push
    claim d r n=9                | g1
    ack g1                       | OK
    claim d r n=9                | g3
    fail g3 bad_input x          | state=dead
    replay g3                    | matched=1
    claim d r n=9                | g3
  )");
}

TEST_CASE("two dead heads of one group replayed together") {
  play_both(R"(
    push r a group=g             | g1
    push r b group=g             | g2
    claim d r                    | g1
    fail g1 bad_input x          | state=dead
    claim d r                    | g2
    fail g2 bad_input x          | state=dead
    replay g2 g1                 | matched=2
    claim d r n=9                | g2
    ack g2                       | OK
    claim d r n=9                | g1
  )");
}

TEST_CASE("moving to another role promotes here and joins there") {
  play_both(R"(
    push q z group=g             | q0
    push r a group=g             | g1
    push r b group=g             | g2
    push q c group=g             | q1
    push q d                     | q2
    move g1 to=q                 | OK
    get g1                       | role=q state=ready
    claim d r n=9                | g2
    claim d q n=9                | q0 q2
    ack q0                       | OK
    # pushed before q1
    claim d q n=9                | g1
    ack g1                       | OK
    claim d q n=9                | q1
    move g2 to=q                 | !STATE
    push r x group=g delay=400   | g3
    release g2 delay=0           | OK
    move g3 to=q                 | OK
    get g3                       | role=q state=scheduled
    ack q1                       | OK
    claim d q n=9                | none
    +400ms
    claim d q n=9                | g3
  )");
}

TEST_CASE("a moved member becomes head where there is none") {
  play_both(R"(
    push r a group=g             | g1
    push r b group=g delay=1000  | g2
    push r c group=g             | g3
    move g2 to=p                 | OK
    move g3 to=p                 | OK
    claim d p n=9                | none
    claim d r n=9                | g1
    +1s
    claim d p n=9                | g2
    ack g2                       | OK
    claim d p n=9                | g3
    ack g1                       | OK
    push r d group=g             | g4
    claim d r n=9                | g4
  )");
}

TEST_CASE("a new priority counts for a waiter once it is head") {
  play_both(R"(
    push r a group=g             | g1
    push r b group=g             | g2
    push r c                     | m1
    push r d group=g             | g3
    move g2 pri=9                | OK
    move g3 pri=9                | OK
    claim d r n=9                | g1 m1
    release m1 delay=0           | OK
    ack g1                       | OK
    claim d r n=9                | g2 m1
    move g3 pri=0                | OK
    push r e pri=1               | m2
    ack g2                       | OK
    claim d r n=9                | m2 g3
  )");
}

TEST_CASE("a waiting member with a unique key and an expiry") {
  play_both(R"(
    push r a group=g                       | g1
    push r b group=g unique=k expire=1000  | g2
    push r c unique=k                      | g2
    cancel g2                              | cancelled
    push r c unique=k                      | m1
    push r d group=g expire=500            | g3
    +500ms
    get g3                                 | state=expired
    claim d r n=9                          | g1 m1
    ack g1                                 | OK
    push r e group=g                       | g4
    claim d r                              | g4
  )");
}

TEST_CASE("groups of the same name in two roles are two, and names do not run into each other") {
  play_both(R"(
    push r a group=g             | g1
    push q a group=g             | q1
    push r b group=gg            | h1
    push r c group=g             | g2
    push r d group=gg            | h2
    claim d r n=9                | g1 h1
    claim d q n=9                | q1
    ack g1                       | OK
    claim d r n=9                | g2
    ack h1                       | OK
    claim d r n=9                | h2
  )");
}

TEST_CASE("replay into a group of another role") {
  play_both(R"(
    push q z group=g             | q1
    push r a group=g             | g1
    push r b group=g             | g2
    claim d r                    | g1
    fail g1 bad_input x          | state=dead
    replay g1 to=q               | matched=1
    get g1                       | role=q state=ready
    claim d q n=9                | q1
    claim d r n=9                | g2
    ack q1                       | OK
    claim d q n=9                | g1
    role r                       | dead=0 claimed=1
    role q                       | claimed=1 done=1
  )");
}

}  // namespace
}  // namespace pawl::core
