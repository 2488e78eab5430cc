#include "bus/base/ids.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "bus/base/limits.h"

namespace pawl {
namespace {

TEST_CASE("lanes and priorities") {
  CHECK(lane_of(9, false) == 0);
  CHECK(lane_of(0, true) == 19);
  for (int priority = 0; priority <= 9; ++priority) {
    for (const bool parked : {false, true}) {
      const uint8_t lane = lane_of(priority, parked);
      CHECK(priority_of_lane(lane) == priority);
      CHECK(lane_is_parked(lane) == parked);
    }
  }
}

TEST_CASE("ids go round") {
  const BirthKey keys[] = {{1, 0, 1},
                           {1, 19, 1},
                           {limits::role_number_max, 19, limits::sequence_max},
                           {77, 8, 123'456'789},
                           {limits::role_number_max, 0, 1},
                           {1, 0, limits::sequence_max}};
  for (const BirthKey& key : keys) {
    const std::string id = encode_id(key);
    CHECK(id.size() == 16);
    CHECK(well_formed_id(id));
    CHECK(decode_id(id) == key);
  }
}

TEST_CASE("ids sort by push") {
  CHECK(encode_id({5, 19, 1}) < encode_id({1, 0, 2}));
  CHECK(encode_id({1, 0, 31}) < encode_id({1, 0, 32}));
  CHECK(encode_id({1, 0, (uint64_t{1} << 40) - 1}) < encode_id({1, 0, uint64_t{1} << 40}));
}

TEST_CASE("what is no id") {
  const std::string good = encode_id({1, 0, 1});
  const std::string bad[] = {"",
                             "0",
                             good + "0",
                             good.substr(1),
                             "0000000000000000",
                             encode_id({0, 0, 1}),
                             encode_id({1, 0, 0}),
                             encode_id({1, 20, 1}),
                             encode_id({1, 31, 1}),
                             "w" + good.substr(1),
                             "A" + good.substr(1),
                             std::string(16, '\0'),
                             std::string(16, '\xff')};
  for (const std::string& id : bad) {
    INFO(id);
    CHECK_FALSE(decode_id(id));
  }
}

TEST_CASE("tokens go round without leading zeros") {
  for (const uint64_t token :
       {uint64_t{0}, uint64_t{1}, uint64_t{31}, uint64_t{32}, uint64_t{1} << 63, UINT64_MAX}) {
    const std::string text = encode_token(token);
    CHECK(decode_token(text) == token);
    CHECK(well_formed_id(text));
  }
  CHECK(encode_token(0) == "0");
  CHECK(encode_token(32) == "10");
}

TEST_CASE("what is no token") {
  for (const std::string text :
       {"", "01", "00", "w", "-1", " 1", "1 ", "A", "g000000000000", "vvvvvvvvvvvvv", "00000000000000"}) {
    INFO(text);
    CHECK_FALSE(decode_token(text));
  }
  // Two texts never mean one token.
  CHECK(decode_token("fvvvvvvvvvvvv") == UINT64_MAX);
}

TEST_CASE("well-formed ids, names and daemons") {
  CHECK(well_formed_id("z"));
  CHECK(well_formed_id(std::string(32, 'a')));
  for (const std::string& text : {std::string(), std::string(33, 'a'), std::string("A"), std::string("a b"),
                                  std::string("a\0b", 3), std::string("-1")}) {
    CHECK_FALSE(well_formed_id(text));
  }
  CHECK(well_formed_name("Research.v2:a_b-c"));
  CHECK(well_formed_name(std::string(128, 'n')));
  for (const std::string& text :
       {std::string(), std::string(129, 'n'), std::string("a b"), std::string("a@b"), std::string("a\nb"),
        std::string("\xc3\xa9"), std::string("a\0", 2)}) {
    CHECK_FALSE(well_formed_name(text));
  }
  CHECK(well_formed_daemon("worker"));
  CHECK(well_formed_daemon("worker@boot1"));
  for (const char* text : {"", "@", "worker@", "@boot", "a@b@c", "a b@c"})
    CHECK_FALSE(well_formed_daemon(text));
  // Each part is a name of up to 128.
  CHECK(well_formed_daemon(std::string(64, 'n') + "@" + std::string(63, 'b')));
}

}  // namespace
}  // namespace pawl
