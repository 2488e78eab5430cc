// DEPLOY: versions of what a role runs, what claims and ROLE tell of them, and what is kept.
#include <catch2/catch.hpp>
#include <string>

#include "bus/base/limits.h"
#include "bus/core/bus.h"
#include "tests/scenario/pause_gate.h"
#include "tests/scenario/scenario.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::core {
namespace {

TEST_CASE("deploy: a version runs from the next claim on, and a rollback follows what ran before") {
  CHECK(play(R"(
    push r a                             | m1
    push r b                             | m2
    push r c                             | m3
    push r d                             | m4
    role r                               | -deployed -deployed_hash -version
    deployed r                           | nil
    claim d r                            | m1
    deploy r command=./a,--fast why=one  | version=1 before=0 changed=1 hash=0dcfd581b8c54af1
    role r                               | deployed=1 deployed_hash=0dcfd581b8c54af1
    deployed r                           | version=1 current=1 before=0 reason=one -prompt -prompt_bytes
    claim d r                            | m2
    deploy r prompt=think                | version=2 before=1 changed=1
    deployed r                           | version=2 prompt=think prompt_bytes=5 -reason
    deploy r prompt=think                | version=2 before=2 changed=0
    deploy r prompt=act                  | version=3 before=2 changed=1
    rollback r why=worse                 | version=2 before=3 changed=1
    rollback r                           | version=1 before=2 changed=1
    rollback r                           | version=0 before=1 changed=1 -hash
    role r                               | -deployed -deployed_hash
    deployed r                           | nil
    rollback r                           | !STATE nothing to go back to
    rollback r to=3                      | version=3 before=0 changed=1
    rollback r to=3                      | version=3 before=3 changed=0
    deploy r prompt=rest                 | version=4 before=3 changed=1
    rollback r                           | version=3 before=4 changed=1
    rollback r to=9                      | !NOTFOUND no version 9
    deployed r version=4                 | version=4 current=0 prompt=rest
    deployed r version=9                 | !NOTFOUND no version 9
    rollback r to=1                      | version=1 before=3
    deploy r prompt=on                   | version=5 before=1
    rollback r                           | version=1 before=5
    rollback r to=3                      | version=3
    rollback r to=0                      | version=0 before=3 changed=1
    rollback r to=0                      | version=0 before=0 changed=0
    rollback nowhere                     | !NOTFOUND no role 'nowhere'
    deployed nowhere                     | !NOTFOUND no role 'nowhere'
    versions nowhere                     | !NOTFOUND no role 'nowhere'
    deploy new command=./b               | version=1 before=0 changed=1
  )") == "");
}

TEST_CASE("deploy: what is not said stays as it runs, and one hash is one content") {
  CHECK(play(R"(
    deploy r command=./a prompt=x   | version=1 hash=da33715ae033babe
    deploy r prompt=y               | version=2
    deploy r command=./b            | version=3
    deployed r                      | version=3 prompt=y
    deploy r command=./a prompt=x   | version=4 changed=1 hash=da33715ae033babe
    deploy r command=./a            | version=4 changed=0
    deploy r command=./,a           | version=5 changed=1
    deploy r command=./a            | version=6 hash=da33715ae033babe
  )") == "");
}

TEST_CASE("deploy: every change is chronicled with who, when and why") {
  CHECK(play(R"(
    deploy r command=./a why=try      | version=1
    deploy r command=./a              | changed=0
    deploy r command=./b              | version=2
    rollback r why=slow               | version=1
    rollback r to=0                   | version=0
    rollback r to=0                   | changed=0
    events 0 kind=role                | role.deploy role.deploy role.rollback role.rollback
  )") == "");
}

TEST_CASE("deploy: a claim says which version to run it with, a role what its newest claim said") {
  test::MemoryStore store;
  PauseGate gate;
  test::FakeClock clock;
  test::RecordingOutbox outbox;
  auto opened = Bus::open(store, BusConfig{}, gate);
  REQUIRE(opened.ok());
  Bus& bus = **opened;
  bus.begin_turn(clock.now());
  const auto ask = [&](const Operation& operation) {
    bus.apply(1, operation, outbox);
    return outbox.take().back().value;
  };
  const auto commit = [&] {
    bus.tick(outbox);
    REQUIRE(store.write(bus.seal()).ok());
    bus.committed();
    bus.begin_turn(clock.now());
  };
  const auto version_of_role = [&] {
    commit();
    const test::Value role = ask(op::RoleInfo{"r"});
    const test::Value* version = role.field("version");
    return version == nullptr ? "" : version->text;
  };
  op::Push push;
  push.role = "r";
  for (int i = 0; i < 4; ++i) ask(push);
  op::Claim claim{"d", {"r"}, 1, {}, {}};
  CHECK(ask(claim).items.at(0).field("deployed") == nullptr);
  CHECK(version_of_role().empty());
  op::DeploySet set;
  set.role = "r";
  set.command = {"./a"};
  ask(set);
  claim.version = "old";
  const test::Value claimed = ask(claim).items.at(0);
  REQUIRE(claimed.field("deployed") != nullptr);
  CHECK(claimed.field("deployed")->number == 1);
  CHECK(version_of_role() == "old");
  // Who runs it with another one says so; a word that says nothing new tells nothing of the newest.
  op::Extend extend;
  extend.id = claimed.field("id")->text;
  extend.token = claimed.field("token")->text;
  extend.version = "new";
  ask(extend);
  CHECK(version_of_role() == "new");
  claim.version = "newer";
  ask(claim);
  ask(extend);
  CHECK(version_of_role() == "newer");
  ask(op::DeployRollback{"r", 0, {}});
  CHECK(ask(claim).items.at(0).field("deployed") == nullptr);
}

TEST_CASE("deploy: only the newest versions are kept, and what ran before the newest") {
  std::string table = "deploy r command=./first | version=1\n";
  const auto deploy = [&](uint64_t number) {
    table += "deploy r prompt=p" + std::to_string(number) + " | version=" + std::to_string(number) + "\n";
  };
  const uint64_t most = limits::deploy_versions_max;
  for (uint64_t number = 2; number <= most; ++number) deploy(number);
  table += "deployed r version=1 | version=1\n";
  deploy(most + 1);
  table += "deployed r version=1 | !NOTFOUND\nrollback r to=1 | !NOTFOUND not kept\n";
  table += "deployed r version=2 | version=2 prompt=p2\nrollback r to=2 | version=2\n";
  // The second version runs: it stays as what to go back to, and the third goes.
  deploy(most + 2);
  table += "deployed r version=2 | version=2\ndeployed r version=3 | !NOTFOUND\nrollback r | version=2\n";
  table += "rollback r | !STATE not kept any more\nrollback r to=0 | version=0\n";
  deploy(most + 3);
  table += "deployed r version=2 | !NOTFOUND\n";
  CHECK(play(table) == "");
}

TEST_CASE("deploy: a dropped role takes its versions along, a new one of that name starts over") {
  CHECK(play(R"(
    deploy r command=./a prompt=x   | version=1
    deploy r command=./b            | version=2
    drop r                          | OK
    deployed r                      | !NOTFOUND
    push r y                        | m1
    role r                          | -deployed
    deployed r                      | nil
    rollback r to=1                 | !NOTFOUND
    deploy r command=./c            | version=1
    deployed r                      | version=1 -prompt
  )") == "");
  BusConfig strict;
  strict.strict_roles = true;
  strict.roles["known"] = {};
  CHECK(play(R"(
    deploy r command=./a       | !NOTFOUND not in pawl.toml
    deploy known command=./a   | version=1
  )",
             strict) == "");
}

}  // namespace
}  // namespace pawl::core
