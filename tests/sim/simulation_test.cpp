// A few seeds under Catch2, for the debugger; the thousand run as pawl_sim.
#include <catch2/catch.hpp>

#include "tests/sim/simulation.h"

using namespace pawl::sim;

TEST_CASE("simulation: ten seeds agree with the reference model") {
  for (uint64_t seed = 5001; seed <= 5010; ++seed) {
    const SimResult result = simulate(seed, 200);
    INFO((result.failure ? to_text(*result.failure) : ""));
    CHECK(!result.failure);
    CHECK(result.operations > 0);
  }
}
