// What a connection answers by itself, through a real socket.
#include <catch2/catch.hpp>

#include "tests/server/fixture.h"

namespace pawl::test {
namespace {

bool begins(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

TEST_CASE("session: the commands that stock clients send") {
  ServerFixture server;
  struct Row {
    std::vector<std::string> command;
    std::string reply;
  };
  const std::vector<Row> rows = {
      {{"PING"}, "+PONG"},
      {{"ping", "hi"}, "hi"},
      {{"ECHO", "hello"}, "hello"},
      {{"SELECT", "0"}, "+OK"},
      {{"CLIENT", "SETNAME", "worker-1"}, "+OK"},
      {{"CLIENT", "GETNAME"}, "worker-1"},
      {{"CLIENT", "SETINFO", "LIB-NAME", "redis-py"}, "+OK"},
      {{"CONFIG", "GET", "save"}, "[]"},
      {{"MULTI"}, "+OK"},
      {{"DISCARD"}, "+OK"},
      {{"RESET"}, "+RESET"},
      {{"COMMITSEQ"}, "[:0, :-1]"},
  };
  RawClient client = server.client();
  for (const Row& row : rows) {
    INFO(row.command[0]);
    CHECK(client.ask(row.command) == row.reply);
  }
  const std::vector<Row> errors = {
      {{"NOSUCH"}, "-ERR unknown command"},
      {{"SELECT", "1"}, "-BADARG"},
      {{"CONFIG", "SET", "a", "b"}, "-"},
      {{"AUTH", "x"}, "-ERR"},
      {{"EXEC"}, "-ERR EXEC without MULTI"},
      {{"DISCARD"}, "-ERR DISCARD without MULTI"},
      {{"PUSH", "r"}, "-"},
      {{"PUBLISH", "pawl.role.x", "y"}, "-DENIED"},
  };
  for (const Row& row : errors) {
    INFO(row.command[0]);
    CHECK(begins(client.ask(row.command), row.reply));
  }
  CHECK(client.ask({"COMMAND", "COUNT"})[0] == ':');
  CHECK(client.ask({"COMMAND"})[0] == '[');
  client.send("PING\r\nECHO inline\r\n");
  CHECK(client.read() == "+PONG");
  CHECK(client.read() == "inline");
  CHECK(client.ask({"QUIT"}) == "+OK");
  CHECK(client.read() == "(closed)");
}

TEST_CASE("session: HELLO chooses the protocol") {
  ServerFixture server;
  RawClient client = server.client();
  const std::string two = client.ask({"HELLO"});
  CHECK(begins(two, "[server, pawl, version, 7.0.0, proto, :2"));
  CHECK(begins(client.ask({"HELLO", "4"}), "-"));
  const std::string three = client.ask({"HELLO", "3", "SETNAME", "n"});
  CHECK(begins(three, "{server: pawl, version: 7.0.0, proto: :3"));
  CHECK(client.ask({"CLIENT", "GETNAME"}) == "n");
  CHECK(client.ask({"CONFIG", "GET", "save"}) == "{}");
  CHECK(client.ask({"RESET"}) == "+RESET");
  CHECK(client.ask({"CONFIG", "GET", "save"}) == "[]");
}

TEST_CASE("session: INFO is sections of name:value") {
  ServerFixture server;
  RawClient client = server.client();
  const std::string all = client.ask({"INFO"});
  for (const char* part : {"# Server\r\n", "redis_version:7.0.0\r\n", "# Clients\r\nconnected_clients:1\r\n",
                           "# Memory", "# Persistence", "store:serving", "batch_sequence:"}) {
    INFO(part);
    CHECK(all.find(part) != std::string::npos);
  }
  const std::string one = client.ask({"INFO", "clients"});
  CHECK(begins(one, "# Clients"));
  CHECK(one.find("# Server") == std::string::npos);
}

TEST_CASE("session: with a password nothing else works before AUTH") {
  server::ServerOptions options;
  options.password = "secret";
  ServerFixture server(options);
  RawClient client = server.client();
  CHECK(begins(client.ask({"PING"}), "-NOAUTH"));
  CHECK(begins(client.ask({"PUSH", "r", "x"}), "-NOAUTH"));
  CHECK(begins(client.ask({"HELLO", "3"}), "-NOAUTH"));
  for (const char* wrong : {"", "Secret", "secre", "secrets", "secretsecret"}) {
    INFO(wrong);
    CHECK(begins(server.client().ask({"AUTH", wrong}), "-NOAUTH"));
  }
  CHECK(begins(client.ask({"AUTH", "root", "secret"}), "-NOAUTH"));
  CHECK(client.ask({"AUTH", "secret"}) == "+OK");
  CHECK(client.ask({"PING"}) == "+PONG");
  CHECK(client.ask({"RESET"}) == "+RESET");
  CHECK(begins(client.ask({"PING"}), "-NOAUTH"));
  CHECK(begins(client.ask({"HELLO", "3", "AUTH", "default", "secret"}), "{server: pawl"));
  CHECK(client.ask({"PING"}) == "+PONG");
}

TEST_CASE("session: MULTI queues and EXEC applies in one commit") {
  ServerFixture server;
  RawClient client = server.client();
  CHECK(client.ask({"MULTI"}) == "+OK");
  CHECK(client.ask({"PUSH", "r", "one"}) == "+QUEUED");
  CHECK(client.ask({"PUSH", "r", "two"}) == "+QUEUED");
  const std::string ids = client.ask({"EXEC"});
  REQUIRE(ids.size() == 2 + 16 + 2 + 16);
  const std::string place = client.ask({"COMMITSEQ"});
  const std::string first = ids.substr(1, 16);
  const std::string claims = client.ask({"CLAIM", "d", "r", "COUNT", "2"});
  CHECK(field(claims, "id") == first);
  CHECK(claims.find("two") != std::string::npos);
  CHECK(place.find(", :0]") != std::string::npos);

  SECTION("a malformed command makes EXEC abort") {
    CHECK(client.ask({"MULTI"}) == "+OK");
    CHECK(client.ask({"PUSH", "r", "x"}) == "+QUEUED");
    CHECK(begins(client.ask({"PUSH", "r"}), "-"));
    CHECK(begins(client.ask({"EXEC"}), "-EXECABORT"));
    CHECK(client.ask({"CLAIM", "d", "r"}) == "[]");
  }
  SECTION("so does one that may not stand there, and an unknown one") {
    for (const std::vector<std::string>& wrong :
         {std::vector<std::string>{"CLAIM", "d", "r"}, {"GET", first}, {"NOSUCH"}}) {
      CHECK(client.ask({"MULTI"}) == "+OK");
      CHECK(begins(client.ask(wrong), "-"));
      CHECK(begins(client.ask({"EXEC"}), "-EXECABORT"));
    }
  }
  SECTION("nested, empty, discarded") {
    CHECK(client.ask({"MULTI"}) == "+OK");
    CHECK(begins(client.ask({"MULTI"}), "-ERR"));
    CHECK(client.ask({"DISCARD"}) == "+OK");
    CHECK(client.ask({"MULTI"}) == "+OK");
    CHECK(client.ask({"EXEC"}) == "[]");
    CHECK(client.ask({"MULTI"}) == "+OK");
    CHECK(client.ask({"PUSH", "r", "x"}) == "+QUEUED");
    CHECK(client.ask({"DISCARD"}) == "+OK");
    CHECK(client.ask({"CLAIM", "d", "r"}) == "[]");
  }
  SECTION("a refusal is one error with its place, and nothing is done") {
    CHECK(client.ask({"MULTI"}) == "+OK");
    CHECK(client.ask({"PUSH", "r", "fits"}) == "+QUEUED");
    CHECK(client.ask({"PUSH", "r", std::string(limits::payload_bytes_default + 1, 'x')}) == "+QUEUED");
    const std::string error = client.ask({"EXEC"});
    CHECK(begins(error, "-TOOBIG"));
    CHECK(error.find("at=1") != std::string::npos);
    CHECK(client.ask({"CLAIM", "d", "r"}) == "[]");
  }
}

TEST_CASE("broadcast: channels and patterns in RESP2 and RESP3") {
  ServerFixture server;
  RawClient two = server.client();
  RawClient three = server.client();
  RawClient speaker = server.client();
  three.ask({"HELLO", "3"});
  CHECK(two.ask({"SUBSCRIBE", "news", "art"}) == "[subscribe, news, :1]");
  CHECK(two.read() == "[subscribe, art, :2]");
  CHECK(three.ask({"PSUBSCRIBE", "n*"}) == ">[psubscribe, n*, :1]");
  CHECK(speaker.ask({"PUBLISH", "news", "hello"}) == ":2");
  CHECK(two.read() == "[message, news, hello]");
  CHECK(three.read() == ">[pmessage, n*, news, hello]");
  CHECK(speaker.ask({"PUBLISH", "other", "x"}) == ":0");

  // RESP2 has no way to tell a reply from a message: few commands are allowed.
  CHECK(begins(two.ask({"ECHO", "x"}), "-ERR"));
  CHECK(two.ask({"PING"}) == "[pong, ]");
  CHECK(three.ask({"ECHO", "x"}) == "x");

  CHECK(two.ask({"UNSUBSCRIBE"}) == "[unsubscribe, art, :1]");
  CHECK(two.read() == "[unsubscribe, news, :0]");
  CHECK(two.ask({"UNSUBSCRIBE"}) == "[unsubscribe, (nil), :0]");
  CHECK(two.ask({"ECHO", "x"}) == "x");
  CHECK(three.ask({"PUNSUBSCRIBE", "n*"}) == ">[punsubscribe, n*, :0]");
  CHECK(speaker.ask({"PUBLISH", "news", "hello"}) == ":0");

  // Who goes away is forgotten.
  CHECK(two.ask({"SUBSCRIBE", "news"}) == "[subscribe, news, :1]");
  CHECK(two.ask({"QUIT"}) == "+OK");
  CHECK(two.read() == "(closed)");
  CHECK(speaker.ask({"PUBLISH", "news", "hello"}) == ":0");
}

TEST_CASE("VERIFY proves a running bus") {
  ServerFixture server;
  RawClient client = server.client();
  client.ask({"MPUSH", "r", "a", "b", "c"});
  client.ask({"CLAIM", "d", "r"});
  const std::string report = client.ask({"VERIFY"});
  CHECK(field(report, "ok") == ":1");
  CHECK(field(report, "messages") == ":3");
  CHECK(client.ask({"PING"}) == "+PONG");
}

TEST_CASE("COMMITSEQ: the batch of the reply before, and the place in it") {
  ServerFixture server;
  RawClient client = server.client();
  client.send(RawClient::encode({"PUSH", "r", "a"}) + RawClient::encode({"PUSH", "r", "b"}) +
              RawClient::encode({"COMMITSEQ"}));
  client.read();
  const std::string id = client.read();
  const std::string place = client.read();
  CHECK(place.find(", :1]") != std::string::npos);
  CHECK(begins(client.ask({"GET", id}), "[id"));
  const std::string read_place = client.ask({"COMMITSEQ"});
  CHECK(read_place == place.substr(0, place.find(',')) + ", :-1]");
}

}  // namespace
}  // namespace pawl::test
