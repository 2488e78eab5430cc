// Roles that guards hold, over a whole bus: what is told meanwhile, and who comes first when it is over.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "guards/guard.h"
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

// Refuses until a moment of wall time.
class Until final : public core::Gate {
 public:
  static inline size_t asked = 0;

  Answer admit_claim(const core::Candidate& candidate, const core::Desk& /*desk*/) const override {
    constexpr int64_t until_ms = 1'700'000'060'000;
    ++asked;
    if (candidate.clocks.wall_ms >= until_ms) return {};
    core::Verdict verdict = refuse(Code::quota, core::Scope::role, "not yet");
    verdict.retry_at_ms = until_ms;
    return verdict;
  }
  std::vector<core::Verdict> explain(const core::Candidate& /*candidate*/,
                                     const core::Desk& /*desk*/) const override {
    return {};
  }
};

// The moment is 5 ms away, and stays so until the wall clock has caught up.
TEST_CASE("holds: a wall clock that is set back makes no hold spin") {
  Until::asked = 0;
  CHECK(core::play(R"(
    push r a                        | m1
    claim w r wait=600000 as=c1     | parked
    +59995ms
    wall -1h
    +60s
    silent c1
    wall +1h
    +2s
    reply c1                        | m1
  )",
                   {}, [] { return std::make_unique<Until>(); }) == "");
  // However often the table is played.
  CHECK(Until::asked < 500);
}

}  // namespace
}  // namespace pawl::guards
