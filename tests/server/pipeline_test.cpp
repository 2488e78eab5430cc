// The main path without sockets: budgets and soft limits, exactly.
#include <catch2/catch.hpp>

#include "bus/server/pipeline.h"
#include "bus/server/session.h"
#include "bus/server/verifier.h"
#include "guards/registry.h"
#include "tests/server/fixture.h"

namespace pawl::test {
namespace {

struct Stage {
  Disk disk;
  core::BusConfig config;
  std::unique_ptr<guards::GuardChain> guards = guards::make_guard_chain();
  server::Engine engine{config, *guards, disk.opener(), [] {}};
  server::Verifier verifier{[] {}};
  server::Pipeline pipeline{engine, {}};
  server::Access access{config, "", [] {}};
  server::Session session{pipeline, verifier, access, {}};

  Stage() {
    REQUIRE(engine.start().ok());
    pipeline.set_session(session);
    pipeline.begin_turn({1'700'000'000'000, 1000});
  }
  // Ends the turn and waits for its commit.
  void commit(int64_t mono_ms) {
    pipeline.end_turn(false);
    while (!engine.wait_for_commit(1'000'000)) {
    }
    pipeline.begin_turn({1'700'000'000'000, mono_ms});
  }
};

TEST_CASE("turn: one client runs its budget of commands, then the others have theirs") {
  Stage stage;
  server::Client client(1);
  stage.pipeline.add(client);
  constexpr size_t sent = limits::commands_per_turn * 2 + 10;
  for (size_t i = 0; i < sent; ++i) client.in += "PING\r\n";
  CHECK(stage.pipeline.run_commands(client));
  CHECK(stage.pipeline.commands() == limits::commands_per_turn);
  CHECK(stage.pipeline.run_commands(client));
  CHECK_FALSE(stage.pipeline.run_commands(client));
  CHECK(stage.pipeline.commands() == sent);
  CHECK(client.unparsed().empty());
  stage.pipeline.remove(client);
}

TEST_CASE("turn: and its budget of bytes") {
  Stage stage;
  server::Client client(1);
  stage.pipeline.add(client);
  const std::string half(limits::bytes_per_turn / 2, 'x');
  for (int i = 0; i < 5; ++i) client.in += RawClient::encode({"ECHO", half});
  CHECK(stage.pipeline.run_commands(client));
  CHECK(stage.pipeline.commands() == 2);
  stage.pipeline.remove(client);
}

TEST_CASE("turn: a client whose replies pile up is not run on") {
  Stage stage;
  server::Client client(1);
  stage.pipeline.add(client);
  const std::string text(limits::output_soft_bytes / 2, 'x');
  for (int i = 0; i < 3; ++i) client.in += RawClient::encode({"ECHO", text});
  while (stage.pipeline.run_commands(client)) {
  }
  CHECK(stage.pipeline.commands() == 2);
  client.replies.sent(client.replies.to_send().size());
  stage.pipeline.run_commands(client);
  CHECK(stage.pipeline.commands() == 3);
  stage.pipeline.remove(client);
}

TEST_CASE("turn: no reply leaves before its batch, everything of a turn is one batch") {
  Stage stage;
  server::Client one(1);
  server::Client two(2);
  stage.pipeline.add(one);
  stage.pipeline.add(two);
  one.in = RawClient::encode({"PUSH", "r", "a"}) + RawClient::encode({"PUSH", "r", "b"});
  two.in = RawClient::encode({"PUSH", "r", "c"});
  stage.pipeline.run_commands(one);
  stage.pipeline.run_commands(two);
  CHECK(one.replies.to_send().empty());
  CHECK(two.replies.to_send().empty());
  CHECK(one.last_sequence == two.last_sequence);
  CHECK(one.last_position == 1);
  CHECK(two.last_position == 2);
  stage.commit(1001);
  CHECK(one.replies.to_send().size() == 2 * 23);
  CHECK(two.replies.to_send().size() == 23);
  stage.pipeline.remove(one);
  stage.pipeline.remove(two);
}

TEST_CASE("turn: replies to clients that have gone go nowhere") {
  Stage stage;
  server::Client waiter(1);
  server::Client pusher(2);
  stage.pipeline.add(waiter);
  stage.pipeline.add(pusher);
  waiter.in = RawClient::encode({"CLAIM", "d", "r", "WAIT", "1000"});
  stage.pipeline.run_commands(waiter);
  CHECK(waiter.wait == server::Wait::core);
  CHECK(stage.pipeline.parked() == 1);
  stage.pipeline.remove(waiter);
  CHECK(stage.pipeline.parked() == 0);
  pusher.in = RawClient::encode({"PUSH", "r", "x"});
  stage.pipeline.run_commands(pusher);
  stage.commit(1002);
  CHECK(pusher.replies.to_send().size() == 23);
  stage.pipeline.remove(pusher);
}

}  // namespace
}  // namespace pawl::test
