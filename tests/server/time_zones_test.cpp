#include "bus/server/time_zones.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

namespace pawl::server {
namespace {

constexpr int64_t in_2025_ms = 1'750'000'000'000;  // 15 June

}  // namespace

TEST_CASE("time zones: rules are the offsets of the years around now") {
  const auto rules = time_zone_rules("Europe/Berlin", in_2025_ms);
  REQUIRE(rules.ok());
  CHECK(rules->name == "Europe/Berlin");
  const std::vector<core::ZoneChange> first = {{1704067200, 3600},   // 2024 begins
                                               {1711846800, 7200},   // 31 March, 01:00 UTC
                                               {1729990800, 3600},   // 27 October, 01:00 UTC
                                               {1743296400, 7200}};  // 30 March 2025
  REQUIRE(rules->changes.size() > 20);
  CHECK(std::equal(first.begin(), first.end(), rules->changes.begin()));
  CHECK(rules->changes.back().from_s > 2'050'000'000);  // 2034
  // The same all year long: nothing is to be written anew each day.
  CHECK(time_zone_rules("Europe/Berlin", in_2025_ms + int64_t{190} * 86'400'000)->changes == rules->changes);
}

TEST_CASE("time zones: one without daylight saving has one offset") {
  const auto rules = time_zone_rules("Asia/Kolkata", in_2025_ms);
  REQUIRE(rules.ok());
  REQUIRE(rules->changes.size() == 1);
  CHECK(rules->changes[0].offset_s == 19800);
}

TEST_CASE("time zones: a name that is none is answered with the nearest") {
  for (const char* name : {"Europe/Berlyn", "europe/berlin"}) {
    const Status status = check_time_zone(name);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == Code::badarg);
    CHECK_THAT(status.error().text, Catch::Contains("did you mean Europe/Berlin?"));
  }
  CHECK_FALSE(check_time_zone("").ok());
  CHECK_FALSE(check_time_zone("../../etc/passwd").ok());
  CHECK_FALSE(time_zone_rules("Mars/Olympus", in_2025_ms).ok());
  CHECK(check_time_zone("UTC").ok());
  CHECK(check_time_zone("America/Argentina/Buenos_Aires").ok());
}

}  // namespace pawl::server
