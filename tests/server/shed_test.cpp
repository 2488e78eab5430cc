// Guard "shed" under the whole bus: a full backlog on the wire, a full disk under claims that are asked and
// parked.
#include <catch2/catch.hpp>
#include <string>

#include "tests/server/fixture.h"

namespace pawl::test {
namespace {

bool begins(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

// The bulk string behind a name in a flat reply.
std::string bulk_of(const std::string& reply, const std::string& name) {
  const size_t at = reply.find("\r\n" + name + "\r\n$");
  if (at == std::string::npos) return "";
  const size_t begin = reply.find("\r\n", at + name.size() + 4) + 2;
  return reply.substr(begin, reply.find("\r\n", begin) - begin);
}

TEST_CASE("shed: a disk that runs full, and has room again") {
  Stage stage;
  StageClient client(stage, 1);
  for (int i = 0; i < 4; ++i) CHECK(begins(client.ask({"PUSH", "r", "x"}), "$16"));
  const std::string one = client.ask({"CLAIM", "d", "r"});
  const std::string two = client.ask({"CLAIM", "d", "r"});
  stage.pipeline.set_disk(core::DiskMark::low);
  CHECK(begins(client.ask({"PUSH", "r", "x"}), "-BUSY the disk"));
  CHECK(begins(client.ask({"CLAIM", "d", "r"}), "-BUSY the disk"));
  CHECK(begins(client.ask({"CLAIM", "d", "r", "WAIT", "60000"}), "-BUSY the disk"));
  // What is in flight may end; the claims that it asks for are none, and no error.
  CHECK(client.ask({"ACK", bulk_of(one, "id"), bulk_of(one, "token"), "NEXT", "r"}) == "*0\r\n");
  CHECK(begins(client.ask({"GET", bulk_of(one, "id")}), "*"));
  stage.pipeline.set_disk(core::DiskMark::critical);
  CHECK(begins(client.ask({"MOVE", bulk_of(two, "id"), "PRIORITY", "1"}), "-BUSY the disk"));
  CHECK(client.ask({"ACK", bulk_of(two, "id"), bulk_of(two, "token")}) == "+OK\r\n");
  CHECK(client.ask({"PAUSE", "other"}) == "+OK\r\n");
  CHECK(begins(client.ask({"KILL", "SET", "drill"}), "*"));
  CHECK(begins(client.ask({"KILL", "CLEAR", "over"}), "*"));
  stage.pipeline.set_disk(core::DiskMark::ample);
  stage.turn(1000);  // what was held is asked about again
  CHECK(begins(client.ask({"PUSH", "r", "x"}), "$16"));
  CHECK(begins(client.ask({"CLAIM", "d", "r"}), "*1"));
}

TEST_CASE("shed: a claim that waits when the disk runs full waits on, and is told at the end") {
  Stage stage;
  StageClient client(stage, 1);
  CHECK(begins(client.ask({"PUSH", "r", "x"}), "$16"));
  CHECK(begins(client.ask({"CLAIM", "d", "r"}), "*1"));
  CHECK(client.ask({"CLAIM", "d", "r", "WAIT", "5000"}).empty());
  stage.pipeline.set_disk(core::DiskMark::low);
  stage.turn(2000);
  CHECK(client.heard().empty());
  SECTION("no room to the end") {
    stage.turn(4000);
    stage.turn();
    CHECK(begins(client.heard(), "-BUSY the disk"));
  }
  SECTION("room again") {
    stage.pipeline.set_disk(core::DiskMark::ample);
    StageClient pusher(stage, 2);
    pusher.run({"PUSH", "r", "x"});
    stage.turn(1000);
    stage.turn(1000);
    CHECK(begins(client.heard(), "*1"));
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
