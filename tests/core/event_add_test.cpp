// EVENT ADD: entries of the chronicle that others than the bus write, each once.
#include <catch2/catch.hpp>
#include <string>

#include "tests/scenario/scenario.h"

namespace pawl::core {
namespace {

TEST_CASE("event add: what is told is in the chronicle, once for each number of a source") {
  CHECK(play(R"(
    note note text=hello                     | 1
    note note text=hello                     | 2
    note launcher.ready source=l number=1    | 3
    note launcher.ready source=l number=1    | 0
    # gaps are the source's own affair; what is below its last number is known
    note launcher.ready source=l number=5    | 4
    note launcher.ready source=l number=4    | 0
    note launcher.ready source=k number=1    | 5
    & note launcher.ready source=k number=1  | 0
    events 0                                 | note note launcher.ready launcher.ready launcher.ready
    events 0 kind=launcher                   | launcher.ready launcher.ready launcher.ready
  )") == "");
}

TEST_CASE("event add: it passes a freeze of everything, and wakes who follows the chronicle") {
  CHECK(play(R"(
    killhard drill                           | freeze=hard
    note note text=x source=l number=1       | 2
    note note text=x source=l number=1       | 0
    events 0                                 | kill.set note
    events 2 wait=60000 as=c1                | parked
    note launcher.ended                      | 3
    reply c1                                 | launcher.ended
  )") == "");
}

TEST_CASE("event add: with its last entry a source is forgotten, not before") {
  BusConfig config;
  config.keep_dead_ms = 3'600'000;
  CHECK(play(R"(
    note note source=l number=1              | 1
    note note source=k number=1              | 2
    +30m
    note note source=l number=2              | 3
    +31m
    events 0                                 | gap note
    note note source=l number=2              | 0
    note note source=k number=1              | 4
    +2h
    note note source=l number=2              | 5
  )",
             config) == "");
}

}  // namespace
}  // namespace pawl::core
