#include "bus/core/lanes.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <vector>

namespace pawl::core {
namespace {

LaneEntry entry(uint64_t sequence) { return LaneEntry{sequence, BirthKey{1, 8, sequence}}; }

std::vector<uint64_t> drain(Lane& lane) {
  std::vector<uint64_t> out;
  while (!lane.empty()) {
    out.push_back(lane.front().sequence);
    lane.pop_front();
  }
  return out;
}

Lane covering_all() {
  Lane lane;
  lane.set_loaded_through(Lane::everything);
  return lane;
}

TEST_CASE("a new lane covers nothing") {
  Lane lane;
  CHECK(lane.empty());
  CHECK(lane.needs_refill());
  CHECK(lane.offer(entry(5), 3) == 0);
  CHECK(lane.empty());
}

TEST_CASE("a lane that covers everything takes what is offered, in order") {
  Lane lane = covering_all();
  for (const uint64_t n : {5, 2, 9, 7}) CHECK(lane.offer(entry(n), 10) == 1);
  CHECK(lane.complete());
  CHECK(drain(lane) == std::vector<uint64_t>{2, 5, 7, 9});
  CHECK_FALSE(lane.needs_refill());
}

TEST_CASE("an offer behind a full window lowers what it covers") {
  Lane lane = covering_all();
  for (const uint64_t n : {1, 2, 3}) lane.offer(entry(n), 3);
  CHECK(lane.offer(entry(4), 3) == 0);
  CHECK(lane.loaded_through() == 3);
  CHECK(lane.offer(entry(5), 3) == 0);
  lane.pop_front();
  CHECK(lane.offer(entry(6), 3) == 0);
  CHECK(drain(lane) == std::vector<uint64_t>{2, 3});
  CHECK(lane.needs_refill());
}

TEST_CASE("an offer inside a full window pushes the last out") {
  Lane lane = covering_all();
  for (const uint64_t n : {10, 20, 30}) lane.offer(entry(n), 3);
  CHECK(lane.offer(entry(15), 3) == 0);
  CHECK(lane.loaded_through() == 20);
  CHECK(lane.size() == 3);
  CHECK(drain(lane) == std::vector<uint64_t>{10, 15, 20});
}

TEST_CASE("removing and shrinking") {
  Lane lane = covering_all();
  for (uint64_t n = 1; n <= 6; ++n) lane.offer(entry(n), 10);
  CHECK(lane.remove(1));
  CHECK(lane.remove(4));
  CHECK_FALSE(lane.remove(4));
  CHECK_FALSE(lane.remove(99));
  CHECK(lane.shrink(10) == 0);
  CHECK(lane.shrink(0) == 0);
  CHECK(lane.shrink(2) == 2);
  CHECK(lane.loaded_through() == 3);
  CHECK(drain(lane) == std::vector<uint64_t>{2, 3});
}

// The invariant in the header: every claimable row at or below loaded_through() stands in the window.
TEST_CASE("a lane never forgets a row that it says it covers") {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    std::mt19937 rng(seed);
    const auto below = [&](uint64_t n) { return static_cast<uint64_t>(rng()) % n; };
    Lane lane = covering_all();
    std::set<uint64_t> rows;
    uint64_t next = 100;
    for (int step = 0; step < 400; ++step) {
      const uint64_t what = below(10);
      if (what < 4) {
        const uint64_t n = below(3) == 0 ? below(100) + 1 : next++;
        if (!rows.insert(n).second) continue;
        const size_t before = lane.size();
        const int change = lane.offer(entry(n), 4);
        REQUIRE(lane.size() == before + static_cast<size_t>(change));
      } else if (what < 7) {
        if (lane.needs_refill()) {
          for (auto at = rows.upper_bound(lane.loaded_through()); at != rows.end() && lane.size() < 2; ++at) {
            lane.append(entry(*at));
          }
          lane.set_loaded_through(lane.size() < 2 ? Lane::everything
                                                  : *std::next(rows.upper_bound(lane.loaded_through())));
        }
        if (lane.empty()) {
          REQUIRE((rows.empty() || !lane.complete()));
          continue;
        }
        REQUIRE(lane.front().sequence == *rows.begin());
        rows.erase(rows.begin());
        lane.pop_front();
      } else if (what < 9 && !rows.empty()) {
        const uint64_t n = *std::next(rows.begin(), static_cast<std::ptrdiff_t>(below(rows.size())));
        rows.erase(n);
        REQUIRE(lane.remove(n) == (n <= lane.loaded_through()));
      } else {
        lane.shrink(1);
      }
      REQUIRE(lane.size() == static_cast<size_t>(std::count_if(rows.begin(), rows.end(), [&](uint64_t n) {
                return n <= lane.loaded_through();
              })));
    }
  }
}

}  // namespace
}  // namespace pawl::core
