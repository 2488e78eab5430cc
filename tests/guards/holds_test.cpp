// Roles that guards hold, over a whole bus: what is told meanwhile, and who comes first when it is over.
#include <catch2/catch.hpp>
#include <string>

#include "guards/registry.h"
#include "tests/scenario/scenario.h"

namespace pawl::guards {
namespace {

std::string guarded(const std::string& table, const core::BusConfig& config) {
  return core::play(table, config, make_guard_chain);
}

TEST_CASE("holds: a pause is told at once, though a cap held the role before") {
  core::BusConfig config;
  config.defaults.concurrency = 1;
  CHECK(guarded(R"(
    push r a                        | m1
    push r b                        | m2
    claim w r                       | m1
    claim w r                       | none
    pause r                         | OK
    claim w r                       | !PAUSED
    ack m1                          | OK
    resume r                        | OK
    claim w r                       | m2
  )",
                config) == "");
}

TEST_CASE("holds: a pause that is only observed takes no waiter's wake-up away") {
  core::BusConfig config;
  config.defaults.rate = {1, 1000};
  config.guards.modes["pause"] = core::GuardMode::observe;
  CHECK(guarded(R"(
    push r a                        | m1
    push r b                        | m2
    claim w r                       | m1
    claim x r wait=60000 as=c1      | parked
    pause r                         | OK
    +1s
    reply c1                        | m2
  )",
                config) == "");
}

TEST_CASE("holds: who waits for the next token comes before who asks when it is there") {
  core::BusConfig config;
  config.defaults.rate = {1, 1000};
  CHECK(guarded(R"(
    push r a                        | m1
    push r b                        | m2
    push r c                        | m3
    claim w r                       | m1
    claim x r wait=60000 as=c1      | parked
    claim y r wait=60000 as=c2      | parked
    later 1s
    claim z r                       | none
    reply c1                        | m2
    silent c2
    +1s
    reply c2                        | m3
  )",
                config) == "");
}

}  // namespace
}  // namespace pawl::guards
