#include "guards/refusal_log.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

constexpr int64_t minute_ms = 60'000;
constexpr int scopes_max = 10'000;

core::Verdict held(const std::string& subject) {
  core::Verdict verdict;
  verdict.allowed = false;
  verdict.guard = "rate";
  verdict.subject = subject;
  verdict.reason = "why";
  return verdict;
}

TEST_CASE("refusals: each scope has its own minute, and is told when it is over") {
  FakeDesk desk;
  RefusalLog log;
  CHECK_FALSE(log.next_wakeup_ms());
  const int64_t start_ms = desk.time.bus_ms;
  log.note("guard.refuse", held("role:a"), desk);
  desk.pass(20'000);
  for (int i = 0; i < 3; ++i) log.note("guard.refuse", held("role:b"), desk);
  CHECK(log.next_wakeup_ms() == start_ms + minute_ms);
  desk.pass(39'999);
  log.tick(desk);
  CHECK(desk.events.size() == 2);
  desk.pass(1);
  log.tick(desk);
  // Of a there is nothing more to tell; it is forgotten.
  CHECK(desk.events.size() == 2);
  CHECK(log.next_wakeup_ms() == start_ms + 20'000 + minute_ms);
  desk.pass(20'000);
  log.tick(desk);
  REQUIRE(desk.count("guard.refuse.summary") == 1);
  CHECK(desk.events.back().field("scope") == "role:b");
  CHECK(desk.events.back().field("count") == "2");
  CHECK(log.next_wakeup_ms() == start_ms + 20'000 + 2 * minute_ms);
  // The next summary counts from there.
  log.note("guard.refuse", held("role:b"), desk);
  desk.pass(minute_ms);
  log.tick(desk);
  CHECK(desk.events.back().field("count") == "1");
  desk.pass(minute_ms);
  log.tick(desk);
  CHECK_FALSE(log.next_wakeup_ms());
  log.note("guard.refuse", held("role:b"), desk);
  CHECK(desk.count("guard.refuse") == 3);
  log.clear();
  CHECK_FALSE(log.next_wakeup_ms());
}

TEST_CASE("refusals: past the bound new scopes share one entry, the known ones keep theirs") {
  FakeDesk desk;
  RefusalLog log;
  for (int i = 0; i < scopes_max; ++i) log.note("guard.refuse", held("role:" + std::to_string(i)), desk);
  for (int i = 0; i < 5; ++i) log.note("guard.refuse", held("role:0"), desk);
  for (int i = 0; i < 7; ++i) log.note("guard.refuse", held("late:" + std::to_string(i)), desk);
  CHECK(desk.count("guard.refuse") == scopes_max + 1);
  CHECK(desk.events.back().field("scope") == "others");
  desk.events.clear();
  desk.pass(minute_ms);
  log.tick(desk);
  REQUIRE(desk.events.size() == 2);
  for (const FakeDesk::Event& event : desk.events) {
    CHECK(event.field("count") == (event.field("scope") == "others" ? "6" : "5"));
  }
}

}  // namespace
}  // namespace pawl::guards
