// A disk that hangs, fails and comes back: who is answered, who is not, and when.
#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "tests/server/fixture.h"

namespace pawl::test {
namespace {

bool begins(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

// How long a reply took, in milliseconds.
int64_t ms_of(RawClient& client, const std::vector<std::string>& command, const std::string& start) {
  const auto begin = std::chrono::steady_clock::now();
  CHECK(begins(client.ask(command), start));
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin)
      .count();
}

TEST_CASE("work: push, claim, acknowledge") {
  ServerFixture server;
  RawClient client = server.client();
  const std::string id = client.ask({"PUSH", "research", "find it", "HEADER", "k", "v"});
  REQUIRE(id.size() == 16);
  const std::string claim = client.ask({"CLAIM", "d1", "research"});
  CHECK(field(claim, "id") == id);
  CHECK(field(claim, "payload") == "find it");
  CHECK(client.ask({"ACK", id, field(claim, "token"), "RESULT", "found"}) == "+OK");
  CHECK(begins(client.ask({"ACK", id, field(claim, "token")}), "-LOST"));
  CHECK(field(client.ask({"RESULT", id}), "result") == "found");
}

TEST_CASE("work: a parked claim gets what another connection pushes") {
  ServerFixture server;
  RawClient worker = server.client();
  RawClient pusher = server.client();
  worker.command({"CLAIM", "d1", "r", "WAIT", "30000"});
  CHECK(worker.silent(20));
  const std::string id = pusher.ask({"PUSH", "r", "x"});
  CHECK(field(worker.read(), "id") == id);
  // It holds back its own connection only, and its next command follows.
  worker.send(RawClient::encode({"CLAIM", "d1", "r", "WAIT", "30"}) + RawClient::encode({"PING"}));
  CHECK(worker.read() == "[]");
  CHECK(worker.read() == "+PONG");
}

TEST_CASE("slow disk: the operator's path answers while a commit hangs") {
  ServerFixture server;
  RawClient pusher = server.client();
  RawClient operators = server.client();
  REQUIRE(pusher.ask({"PUSH", "r", "first"}).size() == 16);
  server.disk().hang();
  pusher.command({"PUSH", "r", "second"});
  server.disk().wait_until_hanging();
  RawClient next = server.client();
  next.command({"PUSH", "r", "third"});
  CHECK(ms_of(operators, {"PING"}, "+PONG") < 100);
  CHECK(ms_of(operators, {"ROLES"}, "[") < 100);
  CHECK(ms_of(operators, {"ROLE", "r"}, "[") < 100);
  CHECK(ms_of(operators, {"INFO"}, "# Server") < 100);
  CHECK(pusher.silent(20));
  CHECK(next.silent(20));
  server.disk().let_go();
  CHECK(pusher.read().size() == 16);
  CHECK(next.read().size() == 16);
}

TEST_CASE("slow disk: replies of one connection keep their order") {
  ServerFixture server;
  RawClient client = server.client();
  server.disk().hang();
  client.send(RawClient::encode({"PUSH", "r", "x"}) + RawClient::encode({"PING"}));
  server.disk().wait_until_hanging();
  CHECK(client.silent(20));
  server.disk().let_go();
  CHECK(client.read().size() == 16);
  CHECK(client.read() == "+PONG");
}

TEST_CASE("slow disk: a read of what is not durable waits for it") {
  ServerFixture server;
  RawClient pusher = server.client();
  RawClient reader = server.client();
  const std::string id = pusher.ask({"PUSH", "r", "x"});
  server.disk().hang();
  pusher.command({"CANCEL", id});
  server.disk().wait_until_hanging();
  reader.command({"GET", id});
  CHECK(reader.silent(20));
  server.disk().let_go();
  CHECK(reader.read().find("cancelled") != std::string::npos);
}

TEST_CASE("failed disk: no answer, and the bus comes back") {
  const FailedWrite fate = GENERATE(FailedWrite::lost, FailedWrite::kept);
  ServerFixture server;
  RawClient client = server.client();
  RawClient idle = server.client();
  CHECK(idle.ask({"PING"}) == "+PONG");
  const std::string before = client.ask({"PUSH", "r", "before"});
  server.disk().fail_commit(1, fate);
  CHECK(client.ask({"PUSH", "r", "unknown"}) == "(closed)");
  // What did not touch the batch goes on, on the store that was opened again.
  CHECK(idle.ask({"PING"}) == "+PONG");
  const std::string after = idle.ask({"PUSH", "r", "after"});
  CHECK(after.size() == 16);
  const std::string all = idle.ask({"CLAIM", "d", "r", "COUNT", "9"});
  CHECK(all.find("before") != std::string::npos);
  CHECK(all.find("after") != std::string::npos);
  CHECK((all.find("unknown") != std::string::npos) == (fate == FailedWrite::kept));
  CHECK(field(idle.ask({"VERIFY"}), "ok") == ":1");
}

TEST_CASE("failed disk: first the durable replies, then the end") {
  ServerFixture server;
  RawClient client = server.client();
  server.disk().hang();
  client.command({"PUSH", "r", "durable"});
  server.disk().wait_until_hanging();
  client.send(RawClient::encode({"PUSH", "r", "lost"}) + RawClient::encode({"PING"}));
  server.disk().fail_commit(2);
  RawClient other = server.client();
  CHECK(other.ask({"PING"}) == "+PONG");
  server.disk().let_go();
  CHECK(client.read().size() == 16);
  CHECK(client.read() == "(closed)");
}

TEST_CASE("failed disk: parked commands that the batch did not touch stay parked") {
  ServerFixture server;
  RawClient first = server.client();
  RawClient second = server.client();
  RawClient result = server.client();
  RawClient pusher = server.client();
  const std::string id = pusher.ask({"PUSH", "other", "x"});
  first.command({"CLAIM", "d1", "r", "WAIT", "30000"});
  CHECK(first.silent(10));
  second.command({"CLAIM", "d2", "r", "WAIT", "30000"});
  CHECK(second.silent(10));
  result.command({"RESULT", id, "WAIT", "30000"});
  CHECK(result.silent(10));
  server.disk().fail_commit(1);
  CHECK(pusher.ask({"PUSH", "other", "lost"}) == "(closed)");
  RawClient again = server.client();
  // In the order in which they came.
  const std::string one = again.ask({"PUSH", "r", "one"});
  CHECK(field(first.read(), "id") == one);
  const std::string two = again.ask({"PUSH", "r", "two"});
  CHECK(field(second.read(), "id") == two);
  CHECK(again.ask({"CANCEL", id}) != "");
  CHECK(result.read().find("cancelled") != std::string::npos);
}

TEST_CASE("failed disk: a wait ends when it would have") {
  ServerFixture server;
  RawClient waiter = server.client();
  RawClient pusher = server.client();
  waiter.command({"CLAIM", "d1", "r", "WAIT", "400"});
  CHECK(waiter.silent(10));
  server.disk().fail_commit(1);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(pusher.ask({"PUSH", "other", "lost"}) == "(closed)");
  CHECK(waiter.read() == "[]");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(2000));
}

TEST_CASE("failed disk: read-only while it cannot be written, with the reason") {
  ServerFixture server;
  RawClient client = server.client();
  const std::string id = client.ask({"PUSH", "r", "x"});
  server.disk().refuse_writing(true);
  server.disk().fail_commit(1);
  CHECK(client.ask({"PUSH", "r", "lost"}) == "(closed)");
  RawClient reader = server.client();
  CHECK(field(reader.ask({"GET", id}), "state") == "ready");
  const std::string refused = reader.ask({"PUSH", "r", "y"});
  CHECK(begins(refused, "-READONLY"));
  CHECK(refused.find("the test's disk is broken") != std::string::npos);
  CHECK(refused.find("retry-after-ms=") != std::string::npos);
  CHECK(begins(reader.ask({"CLAIM", "d", "r", "WAIT", "10000"}), "-READONLY"));
  CHECK(field(reader.ask({"RESULT", id, "WAIT", "10000"}), "state") == "ready");
  CHECK(reader.ask({"INFO", "persistence"}).find("store:read") != std::string::npos);
  CHECK(reader.ask({"PING"}) == "+PONG");
  server.disk().refuse_writing(false);
  std::string pushed = "-";
  while (begins(pushed, "-READONLY") || pushed == "-") pushed = reader.ask({"PUSH", "r", "y"});
  CHECK(pushed.size() == 16);
}

TEST_CASE("failed disk: nothing can be opened at all, and then it can") {
  ServerFixture server;
  RawClient client = server.client();
  RawClient parked = server.client();
  const std::string id = client.ask({"PUSH", "r", "x"});
  parked.command({"CLAIM", "d", "empty", "WAIT", "30000"});
  CHECK(parked.silent(10));
  server.disk().refuse_writing(true);
  server.disk().refuse_reading(true);
  server.disk().fail_commit(1);
  CHECK(client.ask({"PUSH", "r", "lost"}) == "(closed)");
  RawClient reader = server.client();
  CHECK(begins(reader.ask({"GET", id}), "-READONLY"));
  CHECK(begins(reader.ask({"ROLES"}), "-READONLY"));
  CHECK(begins(reader.ask({"VERIFY"}), "-READONLY"));
  CHECK(reader.ask({"PING"}) == "+PONG");
  server.disk().refuse_writing(false);
  server.disk().refuse_reading(false);
  std::string pushed = "-READONLY";
  while (begins(pushed, "-READONLY")) pushed = reader.ask({"PUSH", "empty", "y"});
  CHECK(field(parked.read(), "id") == pushed);
}

TEST_CASE("failed disk: a read that fails is no answer either, and nothing hangs on it") {
  ServerFixture server;
  RawClient client = server.client();
  RawClient other = server.client();
  const std::string id = other.ask({"PUSH", "r", "x", "GROUP", "g"});
  server.disk().fail_reads();
  std::string answer;
  // Some commands are answered from memory; one that reads ends the connection.
  for (int i = 0; i < 50 && answer != "(closed)"; ++i) answer = client.ask({"GET", id});
  CHECK(answer == "(closed)");
  CHECK(field(other.ask({"GET", id}), "state") == "ready");
  CHECK(other.ask({"PUSH", "r", "y"}).size() == 16);
}

TEST_CASE("lost reply: the claims of a connection that went away are released, unspent") {
  ServerFixture server;
  RawClient pusher = server.client();
  const std::string id = pusher.ask({"PUSH", "r", "x", "MAXATTEMPTS", "1"});
  server.disk().hang();
  {
    RawClient gone = server.client();
    gone.command({"CLAIM", "d1", "r"});
    server.disk().wait_until_hanging();
  }
  server.disk().let_go();
  RawClient next = server.client();
  const std::string claim = next.ask({"CLAIM", "d2", "r", "WAIT", "5000"});
  CHECK(field(claim, "id") == id);
  CHECK(field(claim, "attempt") == ":1");
}

TEST_CASE("lost reply: also when the batch that was to release it fails") {
  ServerFixture server;
  RawClient pusher = server.client();
  const std::string id = pusher.ask({"PUSH", "r", "x", "MAXATTEMPTS", "1"});
  server.disk().hang();
  {
    RawClient gone = server.client();
    gone.command({"CLAIM", "d1", "r"});
    server.disk().wait_until_hanging();
  }
  server.disk().fail_commit(2);
  server.disk().let_go();
  std::string claim = "(closed)";
  while (claim == "(closed)") claim = server.client().ask({"CLAIM", "d2", "r", "WAIT", "5000"});
  CHECK(field(claim, "id") == id);
  CHECK(field(claim, "attempt") == ":1");
}

TEST_CASE("lost reply: also when the batch of the claim failed but is in the store") {
  ServerFixture server;
  RawClient worker = server.client();
  const std::string id = worker.ask({"PUSH", "r", "x", "MAXATTEMPTS", "1"});
  server.disk().fail_commit(1, FailedWrite::kept);
  CHECK(worker.ask({"CLAIM", "d1", "r"}) == "(closed)");
  RawClient next = server.client();
  const std::string claim = next.ask({"CLAIM", "d2", "r", "WAIT", "5000"});
  CHECK(field(claim, "id") == id);
  CHECK(field(claim, "attempt") == ":1");
}

TEST_CASE("gone while parked: the next waiter gets the work") {
  ServerFixture server;
  RawClient pusher = server.client();
  {
    RawClient gone = server.client();
    gone.command({"CLAIM", "d1", "r", "WAIT", "30000"});
    CHECK(gone.silent(20));
  }
  RawClient next = server.client();
  next.command({"CLAIM", "d2", "r", "WAIT", "30000"});
  CHECK(next.silent(20));
  const std::string id = pusher.ask({"PUSH", "r", "x"});
  CHECK(field(next.read(), "id") == id);
}

TEST_CASE("half-closed: what was sent is done and answered") {
  ServerFixture server;
  RawClient client = server.client();
  client.send(RawClient::encode({"PUSH", "r", "x"}) + RawClient::encode({"PING"}));
  client.half_close();
  CHECK(client.read().size() == 16);
  CHECK(client.read() == "+PONG");
  CHECK(client.read() == "(closed)");
}

TEST_CASE("stop: what has arrived is answered, parked commands end, nothing is lost") {
  ServerFixture server;
  RawClient pusher = server.client();
  RawClient parked = server.client();
  CHECK(pusher.ask({"PING"}) == "+PONG");
  parked.command({"CLAIM", "d1", "empty", "WAIT", "30000"});
  CHECK(parked.silent(20));
  server.disk().hang();
  std::string bytes;
  for (int i = 0; i < 50; ++i) bytes += RawClient::encode({"PUSH", "r", std::to_string(i)});
  pusher.send(bytes);
  server.disk().wait_until_hanging();
  std::thread stopping([&] { server.stop(); });
  CHECK(parked.read() == "(closed)");
  server.disk().let_go();
  int answered = 0;
  while (pusher.read().size() == 16) ++answered;
  CHECK(answered == 50);
  stopping.join();
}

TEST_CASE("stop: SHUTDOWN answers and ends the bus") {
  ServerFixture server;
  RawClient client = server.client();
  CHECK(client.ask({"PUSH", "r", "x"}).size() == 16);
  CHECK(client.ask({"SHUTDOWN"}) == "+OK");
  CHECK(client.read() == "(closed)");
  server.stop();
}

}  // namespace
}  // namespace pawl::test
