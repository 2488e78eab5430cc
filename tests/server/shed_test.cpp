// Guard "shed" under the whole bus: a full backlog on the wire, a full disk under claims that are asked and
// parked.
#include <catch2/catch.hpp>
#include <string>

#include "bus/server/pipeline.h"
#include "bus/server/session.h"
#include "bus/server/verifier.h"
#include "guards/registry.h"
#include "tests/server/fixture.h"

namespace pawl::test {
namespace {

bool begins(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

// A pipeline without sockets, one client, and a disk whose room the test says.
struct Stage {
  Disk disk;
  core::BusConfig config;
  std::unique_ptr<guards::GuardChain> guards = guards::make_guard_chain();
  server::Engine engine{config, *guards, disk.opener(), [] {}};
  server::Verifier verifier{[] {}};
  server::Pipeline pipeline{engine, {}};
  server::Access access{config, "", [] {}};
  server::Session session{pipeline, verifier, access, {}};
  server::Client client{1};
  int64_t mono_ms = 1000;

  Stage() {
    REQUIRE(engine.start().ok());
    pipeline.set_session(session);
    pipeline.begin_turn({1'700'000'000'000, mono_ms});
    pipeline.add(client);
  }
  ~Stage() { pipeline.remove(client); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // Ends the turn and waits for its commit, if there is one.
  void turn(int64_t ms = 1) {
    mono_ms += ms;
    pipeline.end_turn(false);
    while (!engine.wait_for_commit(1'000'000)) {
    }
    pipeline.begin_turn({1'700'000'000'000 + mono_ms, mono_ms});
  }
  void send(const std::vector<std::string>& words) {
    client.in += RawClient::encode(words);
    pipeline.run_commands(client);
    turn();
  }
  // As the bytes are.
  std::string replies() {
    const std::string all(client.replies.to_send());
    client.replies.sent(all.size());
    return all;
  }
  std::string ask(const std::vector<std::string>& words) {
    send(words);
    return replies();
  }
};

// The bulk string behind a name in a flat reply.
std::string bulk_of(const std::string& reply, const std::string& name) {
  const size_t at = reply.find("\r\n" + name + "\r\n$");
  if (at == std::string::npos) return "";
  const size_t begin = reply.find("\r\n", at + name.size() + 4) + 2;
  return reply.substr(begin, reply.find("\r\n", begin) - begin);
}

TEST_CASE("shed: a disk that runs full, and has room again") {
  Stage stage;
  for (int i = 0; i < 4; ++i) CHECK(begins(stage.ask({"PUSH", "r", "x"}), "$16"));
  const std::string one = stage.ask({"CLAIM", "d", "r"});
  const std::string two = stage.ask({"CLAIM", "d", "r"});
  stage.pipeline.set_disk(core::DiskMark::low);
  CHECK(begins(stage.ask({"PUSH", "r", "x"}), "-BUSY the disk"));
  CHECK(begins(stage.ask({"CLAIM", "d", "r"}), "-BUSY the disk"));
  CHECK(begins(stage.ask({"CLAIM", "d", "r", "WAIT", "60000"}), "-BUSY the disk"));
  // What is in flight may end; the claims that it asks for are none, and no error.
  CHECK(stage.ask({"ACK", bulk_of(one, "id"), bulk_of(one, "token"), "NEXT", "r"}) == "*0\r\n");
  CHECK(begins(stage.ask({"GET", bulk_of(one, "id")}), "*"));
  stage.pipeline.set_disk(core::DiskMark::critical);
  CHECK(begins(stage.ask({"MOVE", bulk_of(two, "id"), "PRIORITY", "1"}), "-BUSY the disk"));
  CHECK(stage.ask({"ACK", bulk_of(two, "id"), bulk_of(two, "token")}) == "+OK\r\n");
  CHECK(stage.ask({"PAUSE", "other"}) == "+OK\r\n");
  CHECK(begins(stage.ask({"KILL", "SET", "drill"}), "*"));
  CHECK(begins(stage.ask({"KILL", "CLEAR", "over"}), "*"));
  stage.pipeline.set_disk(core::DiskMark::ample);
  stage.turn(1000);  // what was held is asked about again
  CHECK(begins(stage.ask({"PUSH", "r", "x"}), "$16"));
  CHECK(begins(stage.ask({"CLAIM", "d", "r"}), "*1"));
}

TEST_CASE("shed: a claim that waits when the disk runs full waits on, and is told at the end") {
  Stage stage;
  CHECK(begins(stage.ask({"PUSH", "r", "x"}), "$16"));
  CHECK(begins(stage.ask({"CLAIM", "d", "r"}), "*1"));
  stage.send({"CLAIM", "d", "r", "WAIT", "5000"});
  CHECK(stage.replies().empty());
  stage.pipeline.set_disk(core::DiskMark::low);
  stage.turn(2000);
  CHECK(stage.replies().empty());
  SECTION("no room to the end") {
    stage.turn(4000);
    stage.turn();
    CHECK(begins(stage.replies(), "-BUSY the disk"));
  }
  SECTION("room again") {
    stage.pipeline.set_disk(core::DiskMark::ample);
    server::Client pusher(2);
    stage.pipeline.add(pusher);
    pusher.in = RawClient::encode({"PUSH", "r", "x"});
    stage.pipeline.run_commands(pusher);
    stage.turn(1000);
    stage.turn(1000);
    CHECK(begins(stage.replies(), "*1"));
    stage.pipeline.remove(pusher);
  }
}

}  // namespace

TEST_CASE("shed: a full backlog is BUSY on the wire, and passes by itself") {
  core::BusConfig config;
  config.roles["r"].backlog_max = 2;
  ServerFixture server({}, config);
  RawClient client = server.client();
  CHECK(client.ask({"PUSH", "r", "x"}).size() == 16);
  CHECK(begins(client.ask({"MPUSH", "r", "x", "x"}), "-BUSY role r has a backlog of 1 messages"));
  CHECK(client.ask({"PUSH", "r", "x"}).size() == 16);
  const std::string refused = client.ask({"PUSH", "r", "x", "PRIORITY", "9"});
  CHECK(begins(refused, "-BUSY role r has a backlog of 2 messages, the cap is 2;"));
  CHECK(refused.ends_with(" retry-after-ms=1000"));
  CHECK(client.ask({"PUSH", "other", "x"}).size() == 16);
  const std::string claim = client.ask({"CLAIM", "d", "r"});
  CHECK(client.ask({"PUSH", "r", "x"}).size() == 16);
  CHECK(begins(client.ask({"PUSH", "r", "x"}), "-BUSY"));
  // What is in flight ends, and a retry comes back over the cap.
  CHECK(begins(client.ask({"FAIL", field(claim, "id"), field(claim, "token"), "transient", "x"}), "["));
}

}  // namespace pawl::test
