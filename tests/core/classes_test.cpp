// The policy of each error class: which retry, after how long, and which are dead at once.
#include <catch2/catch.hpp>
#include <string>

#include "bus/core/words.h"
#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

std::string fail_once(std::string_view error_class, const std::string& expected) {
  return "push r a | m1\nclaim d r | m1\nfail m1 " + std::string(error_class) + " x | " + expected + "\n";
}

TEST_CASE("classes: by default bad_input is dead at once and every other retries") {
  for (size_t i = 0; i < class_count; ++i) {
    const auto error_class = static_cast<ErrorClass>(i);
    INFO(class_name(error_class));
    const bool dead = error_class == ErrorClass::bad_input;
    const std::string expected = dead ? "state=dead -at" : "state=scheduled at=+1000..2000";
    // Being told to stop is no failure.
    const int spent = error_class == ErrorClass::cancelled || dead ? 0 : 1;
    const std::string after = dead ? "get m1 | state=dead" : "get m1 | spent=" + std::to_string(spent);
    CHECK(play(fail_once(class_name(error_class), expected) + after) == "");
  }
}

TEST_CASE("classes: each as configured, and the others as they were") {
  for (size_t i = 0; i < class_count; ++i) {
    INFO(class_names[i]);
    BusConfig dies;
    dies.defaults.classes[i] = {true, 0, 0};
    CHECK(play(fail_once(class_names[i], "state=dead -at"), dies) == "");
    BusConfig slow;
    slow.defaults.classes[i] = {false, 30'000, 40'000};
    CHECK(play(fail_once(class_names[i], "state=scheduled at=+30000..60000"), slow) == "");
    const size_t other = i == 0 ? 1 : 0;
    CHECK(play(fail_once(class_names[other], "state=scheduled at=+1000..2000"), slow) == "");
  }
}

TEST_CASE("classes: back-off grows to the class's own cap") {
  BusConfig config;
  config.defaults.classes[static_cast<size_t>(ErrorClass::rate_limited)] = {false, 1000, 3000};
  config.defaults.backoff_base_ms = 10;
  config.defaults.backoff_max_ms = 20;
  CHECK(play(R"(
    push r a max=9               | m1
    claim d r                    | m1
    fail m1 rate_limited x       | at=+1000..2000
    +2s
    claim d r                    | m1
    fail m1 rate_limited x       | at=+2000..3000
    +3s
    claim d r                    | m1
    fail m1 rate_limited x       | at=+3000..4000
    +4s
    claim d r                    | m1
    fail m1 timeout x            | at=+20..30
  )",
             config) == "");
}

TEST_CASE("classes: one role's policy is not another's; DEAD and RETRYIN override") {
  BusConfig config;
  config.roles["strict"].classes[static_cast<size_t>(ErrorClass::timeout)] = {true, 0, 0};
  config.roles["strict"].classes[static_cast<size_t>(ErrorClass::lease_expired)] = {true, 0, 0};
  CHECK(play(R"(
    push strict a                | s1
    push strict b                | s2
    push strict c                | s3
    push r a                     | m1
    push r b                     | m2
    claim d strict n=2           | s1 s2
    claim d r n=2                | m1 m2
    fail s1 timeout x in=5       | state=dead
    fail s2 transient x dead     | state=dead
    fail m1 timeout x in=5       | state=scheduled at=+5
    fail m2 timeout x dead in=5  | state=dead
    claim d strict lease=1000    | s3
    +1s
    get s3                       | state=dead error_class=lease_expired
  )",
             config) == "");
}

}  // namespace
}  // namespace pawl::core
