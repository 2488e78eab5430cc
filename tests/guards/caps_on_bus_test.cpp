// Concurrency, rate, quota and velocity over a whole bus: what clients are told, who is served when there is
// room again, and that a restart changes none of it.
#include <catch2/catch.hpp>
#include <string>

#include "guards/registry.h"
#include "tests/scenario/scenario.h"

namespace pawl::guards {
namespace {

using core::QuotaKind;

std::string guarded(const std::string& table, const core::BusConfig& config) {
  return core::play(table, config, make_guard_chain);
}

TEST_CASE("caps on a bus: at its concurrency a role looks empty, and every end serves who waits") {
  core::BusConfig config;
  config.roles["r"].concurrency = 2;
  CHECK(guarded(R"(
    mpush r a b c d e                        | m1 m2 m3 m4 m5
    claim w r n=5                            | m1 m2
    claim w r                                | none
    claim x r wait=60000 as=c1               | parked
    +5s
    silent c1
    ack m1                                   | OK
    reply c1                                 | m3
    claim x r wait=60000 as=c2               | parked
    release m2 delay=3600000                 | OK
    reply c2                                 | m4
    claim x r wait=60000 as=c3               | parked
    fail m3 bad_input x                      | state=dead
    reply c3                                 | m5
  )",
                config) == "");
}

TEST_CASE("caps on a bus: who waits for a rate is served with the next token") {
  core::BusConfig config;
  config.roles["r"].rate = {2, 1000};
  CHECK(guarded(R"(
    mpush r a b c d e                        | m1 m2 m3 m4 m5
    claim w r n=5                            | m1 m2
    claim w r                                | none
    claim x r wait=60000 as=c1               | parked
    +499ms
    silent c1
    +1ms
    reply c1                                 | m3
    claim w r                                | none
    +1s
    claim w r n=5                            | m4 m5
  )",
                config) == "");
}

TEST_CASE("caps on a bus: a quota refuses with a time, is explained, and lets go by itself") {
  core::BusConfig config;
  config.roles["r"].quotas = {{QuotaKind::tokens, 100, 60'000, 40}};
  CHECK(guarded(R"(
    mpush r a b c d e                        | m1 m2 m3 m4 m5
    push other x                             | m6
    claim w r n=5                            | m1 m2
    claim w r                                | !QUOTA
    claim w r other n=2                      | m6
    ack m1 tokens=90                         | OK
    ack m2 tokens=1                          | OK
    claim w r                                | !QUOTA retry-after-ms
    explain m3                               | quota
    role r                                   | quota=91
    role other                               | -quota
    claim x r wait=120000 as=c1              | parked
    +55s
    silent c1
    +7s
    reply c1                                 | m3
    role r                                   | quota=40
  )",
                config) == "");
}

TEST_CASE("caps on a bus: a held NEXT is empty, never an error") {
  core::BusConfig config;
  config.roles["r"].quotas = {{QuotaKind::calls, 1, 3'600'000, {}}};
  CHECK(guarded(R"(
    mpush r a b                              | m1 m2
    claim w r                                | m1
    ack m1 next=r                            | none
    get m1                                   | state=done
  )",
                config) == "");
}

TEST_CASE("caps on a bus: room under the fleet's cap goes to who has waited longest, whatever the role") {
  core::BusConfig config;
  config.system_quotas = {{QuotaKind::tokens, 100, 3'600'000, 100}};
  CHECK(guarded(R"(
    mpush a x x                              | m1 m2
    mpush b y y                              | m3 m4
    claim w a                                | m1
    claim x b wait=60000 as=c1               | parked
    claim y a wait=60000 as=c2               | parked
    +10s
    silent c1
    ack m1                                   | OK
    reply c1                                 | m3
    silent c2
    +1s
    ack m3                                   | OK
    reply c2                                 | m2
  )",
                config) == "");
}

// Once a minute a message of 10 tokens, then one of 5,000. Somebody waits all the while, so that no restart
// falls between the lines: a minute with one in it teaches nothing.
std::string runaway(const std::string& mode, const std::string& then) {
  std::string table = "guard velocity " + mode + " | OK\nclaim z idle wait=3600000 as=c9 | parked\n";
  for (int i = 1; i <= 8; ++i) {
    const std::string name = "m" + std::to_string(i);
    table += "push loop x | " + name + "\nclaim w loop | " + name + "\nack " + name +
             (i == 8 ? " tokens=5000 | OK\n+1s\n" : " tokens=10 | OK\n+60s\n");
  }
  return table + then;
}

TEST_CASE("caps on a bus: velocity holds a role that runs away, once it is told to enforce") {
  core::BusConfig config;
  config.guards.velocity_tokens_floor = 1000;
  CHECK(guarded(runaway("observe", R"(
    push loop x                              | m9
    claim w loop                             | m9
  )"),
                config) == "");
  CHECK(guarded(runaway("enforce", R"(
    push loop x                              | m9
    push other x                             | m10
    claim w loop                             | !QUOTA retry-after-ms
    claim w loop other n=2                   | m10
    claim x loop wait=600000 as=c1           | parked
    +55s
    silent c1
    +66s
    reply c1                                 | m9
  )"),
                config) == "");
}

}  // namespace
}  // namespace pawl::guards
