#include "bus/core/home_cache.h"

#include <catch2/catch.hpp>
#include <string>

namespace pawl::core {
namespace {

HomeRecord row(const std::string& payload) {
  HomeRecord home;
  home.payload = payload;
  return home;
}

TEST_CASE("a cached home row is handed out once") {
  HomeCache cache(1 << 20);
  cache.put(7, row("seven"));
  CHECK_FALSE(cache.take(8));
  const auto taken = cache.take(7);
  REQUIRE(taken);
  CHECK(taken->payload == "seven");
  CHECK_FALSE(cache.take(7));
}

TEST_CASE("the home cache forgets the oldest rows first, and never holds more than it may") {
  constexpr size_t bytes_max = 100'000;
  constexpr uint64_t count = 1000;
  HomeCache cache(bytes_max);
  const std::string payload(1000, 'p');
  for (uint64_t i = 0; i < count; ++i) cache.put(i, row(payload));
  uint64_t first = 0;
  while (first < count && !cache.take(first)) ++first;
  CHECK(first > count - bytes_max / payload.size());
  for (uint64_t i = first + 1; i < count; ++i) CHECK(cache.take(i));
}

TEST_CASE("a home row larger than the cache is not kept") {
  HomeCache cache(1000);
  cache.put(1, row(std::string(2000, 'p')));
  CHECK_FALSE(cache.take(1));
  HomeCache none(0);
  none.put(1, row(""));
  CHECK_FALSE(none.take(1));
}

}  // namespace
}  // namespace pawl::core
