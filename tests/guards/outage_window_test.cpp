// One message's trouble, or an outage?
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <vector>

#include "guards/outage_window.h"
#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

struct Tried {
  explicit Tried(uint32_t messages = 3) {
    desk.bus.guards.outage_messages = messages;
    desk.bus.guards.outage_window_ms = 10'000;
  }
  OutageFailure failure(uint64_t message, const std::string& role = "r") {
    return {desk.time.bus_ms, BirthKey{1, 8, message}, 1, role, desk.make(role).counts.done, false};
  }
  bool fails(uint64_t message, const std::string& role = "r") {
    const bool outage = window.makes_outage(failure(message, role), desk);
    window.add(failure(message, role), desk.bus.guards);
    return outage;
  }
  void succeeds(uint64_t times, const std::string& role = "r") { desk.make(role).counts.done += times; }

  FakeDesk desk;
  OutageWindow window;
};

TEST_CASE("window: so many different messages, and not one less") {
  Tried tried;
  CHECK_FALSE(tried.fails(1));
  CHECK_FALSE(tried.fails(2));
  CHECK_FALSE(tried.fails(2));
  CHECK_FALSE(tried.fails(1));
  CHECK_FALSE(tried.fails(1));
  CHECK(tried.fails(3));
}

TEST_CASE("window: a failure counts for as long as the window, to the millisecond") {
  for (const int64_t after_ms : {9'999, 10'000}) {
    Tried tried;
    CHECK_FALSE(tried.fails(1));
    CHECK_FALSE(tried.fails(2));
    tried.desk.pass(after_ms);
    CHECK(tried.fails(3) == (after_ms == 9'999));
  }
  // The same message again renews it.
  Tried tried;
  CHECK_FALSE(tried.fails(1));
  tried.desk.pass(9'000);
  CHECK_FALSE(tried.fails(1));
  CHECK_FALSE(tried.fails(2));
  tried.desk.pass(9'000);
  CHECK(tried.fails(3));
  CHECK_FALSE(tried.window.over(tried.desk.time.bus_ms + 9'999, tried.desk.bus.guards));
  CHECK(tried.window.over(tried.desk.time.bus_ms + 10'000, tried.desk.bus.guards));
}

TEST_CASE("window: failures are an outage only where they are half of what ends") {
  struct Row {
    uint64_t done_before;  // before the first failure
    uint64_t done_between;
    uint32_t percent;
    bool outage;
  };
  const std::vector<Row> rows = {
      {1'000'000, 0, 50, true}, {0, 3, 50, true},   {0, 4, 50, false},  {0, 1, 75, true},
      {0, 2, 75, false},        {0, 0, 100, true},  {0, 1, 100, false}, {0, 1'000'000, 0, true},
      {0, 297, 1, true},        {0, 298, 1, false}, {0, 1, 999, false},
  };
  for (const Row& row : rows) {
    INFO(row.done_between << " done, " << row.percent << " %");
    Tried tried;
    tried.desk.bus.guards.outage_percent = row.percent;
    tried.succeeds(row.done_before);
    CHECK_FALSE(tried.fails(1));
    tried.succeeds(row.done_between);
    CHECK_FALSE(tried.fails(2));
    CHECK(tried.fails(3) == row.outage);
  }
}

TEST_CASE("window: a busy role with few failures is judged by its present") {
  Tried tried(5);
  // One in a hundred fails, all the time.
  for (uint64_t i = 0; i < 200; ++i) {
    tried.succeeds(99);
    tried.desk.pass(100);
    CHECK_FALSE(tried.fails(1000 + i));
  }
  // Now everything does: it takes no more than four times outage_messages.
  int failures = 1;
  while (!tried.fails(5000 + static_cast<uint64_t>(failures))) REQUIRE(++failures <= 20);
  CHECK(failures >= 5);
}

TEST_CASE("window: of a dependency, the successes of every role that blames it count") {
  for (const uint64_t done : {uint64_t{3}, uint64_t{4}}) {
    Tried tried;
    CHECK_FALSE(tried.fails(1, "a"));
    CHECK_FALSE(tried.fails(2, "b"));
    tried.succeeds(done, "b");
    tried.succeeds(1000, "stranger");
    CHECK(tried.fails(3, "a") == (done == 3));
  }
  // Roles that are dropped, or dropped and made again, do no harm.
  Tried tried;
  tried.succeeds(100, "a");
  tried.succeeds(100, "b");
  CHECK_FALSE(tried.fails(1, "a"));
  CHECK_FALSE(tried.fails(2, "b"));
  tried.desk.roles.erase("a");
  tried.desk.make("b").counts.done = 0;
  CHECK(tried.fails(3, "c"));
}

TEST_CASE("window: never more than it needs, whatever comes") {
  for (const uint32_t messages : {1U, 5U, 300U, 5000U}) {
    Tried tried(messages);
    tried.desk.bus.guards.outage_percent = 100;
    for (uint64_t i = 0; i < 20'000; ++i) {
      tried.succeeds(1);
      if (tried.fails(i)) REQUIRE(messages == 1);
    }
    CHECK(tried.window.failures().size() <= std::max<size_t>(messages, 1000));
    CHECK(tried.window.failures().size() >= messages);
  }
  Tried none(0);
  for (uint64_t i = 0; i < 100; ++i) CHECK_FALSE(none.fails(i));
  CHECK(none.window.failures().empty());
}

// The same question answered by counting everything each time.
bool counted(const std::vector<OutageFailure>& all, const FakeDesk& desk) {
  const core::GuardsConfig& config = desk.bus.guards;
  std::set<uint64_t> messages;
  std::map<std::string, uint64_t> before;
  uint64_t failures = 0;
  const size_t kept = size_t{config.outage_messages} * 4 + 1;  // those in the window, and the new one
  const size_t from = all.size() > kept ? all.size() - kept : 0;
  for (size_t i = from; i < all.size(); ++i) {
    if (all[i].at_ms <= desk.time.bus_ms - config.outage_window_ms) continue;
    messages.insert(all[i].message.sequence);
    before.try_emplace(all[i].role, all[i].done);
    ++failures;
  }
  uint64_t done = 0;
  for (const auto& [role, was] : before) done += desk.roles.at(role).counts.done - was;
  return messages.size() >= config.outage_messages &&
         failures * 100 >= (failures + done) * config.outage_percent;
}

TEST_CASE("window: agrees with counting everything, whatever comes") {
  int outages = 0;
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    std::mt19937 random(seed);
    Tried tried(2 + random() % 4);
    std::vector<OutageFailure> all;
    const std::array<std::string, 3> roles = {"a", "b", "c"};
    for (const std::string& role : roles) tried.desk.make(role);
    for (int i = 0; i < 300; ++i) {
      const std::string& role = roles[random() % 3];
      if (random() % 3 == 0) tried.succeeds(random() % 4, role);
      if (random() % 2 == 0) tried.desk.pass(random() % 4000);
      const uint64_t message = random() % 6;
      all.push_back(tried.failure(message, role));
      INFO("seed " << seed << ", step " << i);
      const bool outage = tried.fails(message, role);
      REQUIRE(outage == counted(all, tried.desk));
      outages += outage ? 1 : 0;
    }
  }
  CHECK(outages > 1000);
  CHECK(outages < 29'000);
}

}  // namespace
}  // namespace pawl::guards
