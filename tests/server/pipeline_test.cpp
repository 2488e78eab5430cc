// The main path without sockets: budgets and soft limits, exactly.
#include <catch2/catch.hpp>

#include "tests/server/fixture.h"

namespace pawl::test {
namespace {

TEST_CASE("turn: one client runs its budget of commands, then the others have theirs") {
  Stage stage;
  StageClient client(stage, 1);
  constexpr size_t sent = limits::commands_per_turn * 2 + 10;
  for (size_t i = 0; i < sent; ++i) client.in += "PING\r\n";
  CHECK(stage.pipeline.run_commands(client));
  CHECK(stage.pipeline.commands() == limits::commands_per_turn);
  CHECK(stage.pipeline.run_commands(client));
  CHECK_FALSE(stage.pipeline.run_commands(client));
  CHECK(stage.pipeline.commands() == sent);
  CHECK(client.unparsed().empty());
}

TEST_CASE("turn: and its budget of bytes") {
  Stage stage;
  StageClient client(stage, 1);
  const std::string half(limits::bytes_per_turn / 2, 'x');
  for (int i = 0; i < 5; ++i) client.in += RawClient::encode({"ECHO", half});
  CHECK(stage.pipeline.run_commands(client));
  CHECK(stage.pipeline.commands() == 2);
}

TEST_CASE("turn: a client whose replies pile up is not run on") {
  Stage stage;
  StageClient client(stage, 1);
  const std::string text(limits::output_soft_bytes / 2, 'x');
  for (int i = 0; i < 3; ++i) client.in += RawClient::encode({"ECHO", text});
  while (stage.pipeline.run_commands(client)) {
  }
  CHECK(stage.pipeline.commands() == 2);
  client.replies.sent(client.replies.to_send().size());
  stage.pipeline.run_commands(client);
  CHECK(stage.pipeline.commands() == 3);
}

TEST_CASE("turn: no reply leaves before its batch, everything of a turn is one batch") {
  Stage stage;
  StageClient one(stage, 1);
  StageClient two(stage, 2);
  one.in = RawClient::encode({"PUSH", "r", "a"}) + RawClient::encode({"PUSH", "r", "b"});
  two.in = RawClient::encode({"PUSH", "r", "c"});
  stage.pipeline.run_commands(one);
  stage.pipeline.run_commands(two);
  CHECK(one.replies.to_send().empty());
  CHECK(two.replies.to_send().empty());
  CHECK(one.last_sequence == two.last_sequence);
  CHECK(one.last_position == 1);
  CHECK(two.last_position == 2);
  stage.turn();
  CHECK(one.replies.to_send().size() == 2 * 23);
  CHECK(two.replies.to_send().size() == 23);
}

TEST_CASE("turn: replies to clients that have gone go nowhere") {
  Stage stage;
  auto waiter = std::make_unique<StageClient>(stage, 1);
  StageClient pusher(stage, 2);
  waiter->run({"CLAIM", "d", "r", "WAIT", "1000"});
  CHECK(waiter->wait == server::Wait::core);
  CHECK(stage.pipeline.parked() == 1);
  waiter.reset();
  CHECK(stage.pipeline.parked() == 0);
  CHECK(pusher.ask({"PUSH", "r", "x"}).size() == 23);
}

// A beat is answered at once from committed values; what it sets free for others is not.
TEST_CASE("turn: a claim that a beat sets free waits for its batch, the beat does not") {
  Stage stage;
  StageClient runner(stage, 1);
  StageClient waiter(stage, 2);
  CHECK(runner.ask({"BEAT", "w", "boot", "b1", "interval", "1000"}).find("green") != std::string::npos);
  for (int second = 0; second < 5; ++second) stage.turn(1000);
  CHECK(runner.ask({"PUSH", "r", "x"}).size() == 23);
  CHECK(waiter.ask({"CLAIM", "w@b1", "r", "WAIT", "60000"}).empty());
  REQUIRE(waiter.wait == server::Wait::core);

  runner.run({"BEAT", "w", "boot", "b1"});
  CHECK(runner.heard().find("green") != std::string::npos);
  CHECK(waiter.heard().empty());
  CHECK(waiter.wait == server::Wait::nothing);
  CHECK(waiter.last_sequence > stage.engine.durable());
  stage.turn();
  CHECK(waiter.heard().rfind("*1\r\n", 0) == 0);
}

}  // namespace
}  // namespace pawl::test
