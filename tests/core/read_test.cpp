// Looking: LIST in every state, EXPLAIN, ROLE.
#include <catch2/catch.hpp>
#include <string>

#include "bus/core/bus.h"
#include "tests/scenario/pause_gate.h"
#include "tests/scenario/scenario.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::core {
namespace {

TEST_CASE("list walks every state by cursor, each message once") {
  const std::string table = R"(
    push r a                     | m1
    push r b pri=9               | m2
    push r c group=g             | m3
    push r d group=g             | m4
    push r e group=g             | m5
    push r f delay=10000         | m6
    push r g at=10000            | m7
    push r h group=g delay=10000 | m8
    push r i pri=0               | m9
    push q z                     | q1
    push q z delay=10000         | q2
    mpush r j k l m n            | n1 n2 n3 n4 n5
    claim d r n=3                | m2 m1 m3
    release m1 delay=0           | OK
    release m2 delay=0           | OK
    list r ready                 | m2 m1 n1 n2 n3 n4 n5 m9 m4 m5
    list r ready n=1             | m2 m1 n1 n2 n3 n4 n5 m9 m4 m5
    list r ready n=2             | m2 m1 n1 n2 n3 n4 n5 m9 m4 m5
    list r ready n=3             | m2 m1 n1 n2 n3 n4 n5 m9 m4 m5
    list r scheduled             | m6 m8 m7
    list r scheduled n=1         | m6 m8 m7
    list r claimed n=1           | m3
    claim d r n=9                | m2 m1 n1 n2 n3 n4 n5 m9
    list r claimed n=1           | m1 m2 m3 m9 n1 n2 n3 n4 n5
    list r claimed n=2           | m1 m2 m3 m9 n1 n2 n3 n4 n5
    list r ready                 | m4 m5
    ack n1                       | OK
    ack n2                       | OK
    & ack n3                     | OK
    & list r done n=1            | n1 n2 n3
    list r done n=1              | n1 n2 n3
    list r done n=2              | n1 n2 n3
    fail n4 bad_input x          | state=dead
    list r dead n=1              | n4
    list r cancelled             | none
    list nowhere ready           | none
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("explain says what holds a message") {
  CHECK(play(R"(
    push r a                     | m1
    explain m1                   | none
    push r b delay=1000          | m2
    explain m2                   | delay
    push r c group=g             | m3
    push r d group=g delay=500   | m4
    explain m4                   | delay group
    claim d r n=2                | m1 m3
    explain m1                   | claim
    fail m1 transient x          | state=scheduled
    explain m1                   | backoff
    push r e expire=99000        | m5
    explain m5                   | expiry
    pause r why                  | OK
    explain m2                   | delay pause
    explain m5                   | expiry pause
    ack m3                       | OK
    explain m3                   | end
    explain ?                    | nil
  )") == "");
}

TEST_CASE("role counts") {
  CHECK(play(R"(
    mpush r a b c d            | m1 m2 m3 m4
    +5s
    role r                     | ready=4 oldest_ms=5000 waiting=0
    claim d r n=3              | m1 m2 m3
    role r                     | ready=1 claimed=3 oldest_ms=5000
    ack m1                     | OK
    fail m2 transient x        | state=scheduled
    release m3                 | OK
    cancel m4                  | cancelled
    role r                     | ready=0 scheduled=2 done=1 cancelled=1 pushed_total=4 claimed_total=3 done_total=1 failed_total=1 released_total=1 -oldest_ms
    claim d r wait=60000 as=c1 | parked
    role r                     | waiting=1
    role nowhere               | !NOTFOUND
  )") == "");
}

size_t bytes_in(const test::Value& value) {
  size_t bytes = value.text.size();
  for (const test::Value& item : value.items) bytes += bytes_in(item);
  return bytes;
}

TEST_CASE("lists end early at the bound of a reply") {
  PauseGate gate;
  test::MemoryStore store;
  test::FakeClock clock;
  auto opened = Bus::open(store, BusConfig{}, gate);
  REQUIRE(opened.ok());
  Bus& bus = **opened;
  test::RecordingOutbox outbox;
  const std::string text(limits::error_text_bytes_max, 'e');
  constexpr size_t messages = 700;
  bus.begin_turn(clock.now());
  for (size_t i = 0; i < messages; ++i) {
    op::Push push;
    push.role = "r";
    bus.apply(1, push, outbox);
    bus.apply(1, op::Claim{"d", {"r"}, 1, {}, {}}, outbox);
    const auto claims = outbox.take().back().claims;
    REQUIRE(claims.size() == 1);
    op::Fail fail;
    fail.id = claims[0].first;
    fail.token = claims[0].second;
    fail.text = text;
    fail.dead = true;
    bus.apply(1, fail, outbox);
  }
  bus.tick(outbox);
  outbox.take();
  const Operation lists[] = {op::List{"r", MessageState::dead, "0", messages},
                             op::DeadList{{}, "0", messages}};
  for (const Operation& list : lists) {
    bus.apply(1, list, outbox);
    const auto replies = outbox.take();
    REQUIRE(replies.size() == 1);
    CHECK(bytes_in(replies[0].value) <= limits::reply_bytes_max + limits::error_text_bytes_max);
    CHECK(replies[0].value.items[1].items.size() < messages);
    CHECK(replies[0].value.items[0].text != "0");
  }
}

}  // namespace
}  // namespace pawl::core
