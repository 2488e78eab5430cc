// Windows that hold two or three keys: refills, shrinking, marks, and what they step over.
#include <catch2/catch.hpp>
#include <string>

#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

std::string push_many(const std::string& role, const std::string& prefix, int from, int to,
                      const std::string& options = "") {
  std::string table;
  for (int i = from; i <= to; ++i) {
    table += "push " + role + " x " + options + " | " + prefix + std::to_string(i) + "\n";
  }
  return table;
}
std::string range(const std::string& prefix, int from, int to) {
  std::string words;
  for (int i = from; i <= to; ++i) words += " " + prefix + std::to_string(i);
  return words;
}
std::string cancel_many(const std::string& prefix, int from, int to) {
  std::string table;
  for (int i = from; i <= to; ++i) table += "cancel " + prefix + std::to_string(i) + " | cancelled\n";
  return table;
}

TEST_CASE("a claim steps over a long run of cancelled heads") {
  const std::string table = push_many("r", "m", 1, 30) + cancel_many("m", 1, 25) + R"(
    claim d r          | m26
    claim d r n=9      |)" + range("m", 27, 30) +
                            R"(
    claim d r          | none
  )";
  CHECK(play(table) == "");
  CHECK(play(table, tiny_windows()) == "");
}

TEST_CASE("a claim that waits steps over them too") {
  CHECK(play(push_many("r", "m", 1, 30) + cancel_many("m", 4, 28) + R"(
    claim d r n=3 wait=1000 as=c1  | m1 m2 m3
    claim d r n=3 wait=60000 as=c1 | m29 m30
  )",
             tiny_windows()) == "");
}

TEST_CASE("next steps over them as well") {
  CHECK(play(push_many("r", "m", 1, 30) + cancel_many("m", 3, 20) + R"(
    claim d r               | m1
    ack m1 next=r           | m2
    ack m2 next=r           | m21
    ack m21 next=r n=2      | m22 m23
  )",
             tiny_windows()) == "");
}

TEST_CASE("pushes at the end of a full window") {
  CHECK(play(push_many("r", "m", 1, 10) + R"(
    claim d r n=2          | m1 m2
  )" + push_many("r", "m", 11, 14) +
                 R"(
    claim d r n=4          | m3 m4 m5 m6
    release m4 delay=0     | OK
    release m1 delay=0     | OK
    push r x               | m15
    claim d r n=20         | m1 m4 m7 m8 m9 m10 m11 m12 m13 m14 m15
    push r x               | m16
    claim d r              | m16
  )",
             tiny_windows()) == "");
}

TEST_CASE("many return at once into a full return window") {
  CHECK(play(push_many("r", "m", 1, 9) + "claim d r n=9 | " + range("m", 1, 9) + R"(
    release m9 delay=0     | OK
    release m8 delay=0     | OK
    release m7 delay=0     | OK
    release m6 delay=0     | OK
    release m5 delay=0     | OK
    release m1 delay=0     | OK
    push r x               | m10
    release m2 delay=0     | OK
    release m4 delay=0     | OK
    release m3 delay=0     | OK
    cancel m2              | cancelled
    cancel m7              | cancelled
    claim d r n=20         | m1 m3 m4 m5 m6 m8 m9 m10
  )",
             tiny_windows()) == "");
}

TEST_CASE("many lanes share few entries") {
  std::string table;
  for (int priority = 0; priority <= 9; ++priority) {
    const std::string name = "p" + std::to_string(priority) + "x";
    table += push_many("r", name, 1, 4, "pri=" + std::to_string(priority));
  }
  std::string all;
  for (int priority = 9; priority >= 0; --priority) all += range("p" + std::to_string(priority) + "x", 1, 4);
  CHECK(play(table + "list r ready n=3 | " + all + "\n claim d r n=40 | " + all + R"(
    claim d r              | none
    role r                 | claimed=40 ready=0
  )",
             tiny_windows()) == "");
}

TEST_CASE("moved, expired and replayed messages leave holes that a refill skips") {
  CHECK(play(push_many("r", "m", 1, 12) + R"(
    move m5 pri=9          | OK
    move m6 to=q           | OK
    move m7 pri=0          | OK
    move m7 pri=5          | OK
    cancel m8              | cancelled
    claim d r n=4          | m5 m1 m2 m3
    fail m2 bad_input x    | state=dead
    replay m2              | matched=1
    claim d r n=4          | m2 m4 m7 m9
    claim d r n=9          | m10 m11 m12
    claim d q n=9          | m6
  )",
             tiny_windows()) == "");
}

TEST_CASE("two waiters that both meet a window being filled are served in order") {
  CHECK(play(push_many("r", "m", 1, 40) + "claim d r n=2 | m1 m2\n" + cancel_many("m", 3, 38) + R"(
    claim d1 r wait=60000 as=c1  |
    claim d2 r wait=60000 as=c2  |
  )",
             tiny_windows()) == "");
  CHECK(play(push_many("r", "m", 1, 40) + "claim d r n=2 | m1 m2\n" + cancel_many("m", 3, 38) + R"(
    restart
    claim d1 r wait=60000 as=c1  | parked
    & claim d2 r wait=60000 as=c2  | parked
    & claim d3 r as=c3  | none
    +1ms
    reply c1 | m39
    reply c2 | m40
  )",
             tiny_windows()) == "");
}

}  // namespace
}  // namespace pawl::core
