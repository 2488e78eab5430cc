// RELOAD: another configuration, whole or not at all, through a real socket.
#include <catch2/catch.hpp>
#include <mutex>
#include <string>

#include "tests/server/fixture.h"

namespace pawl::test {
namespace {

bool begins(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

// What the next RELOAD finds; the server's thread asks, the test's says.
class File {
 public:
  void says(Result<server::NewConfig> next) {
    const std::lock_guard<std::mutex> lock(mutex_);
    next_ = std::move(next);
  }
  int reads() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return reads_;
  }
  server::ServerOptions options() {
    server::ServerOptions options;
    options.load_config = [this] {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++reads_;
      return next_;
    };
    return options;
  }

 private:
  mutable std::mutex mutex_;
  Result<server::NewConfig> next_ = server::NewConfig{};
  int reads_ = 0;
};

server::NewConfig payload_max(size_t bytes) {
  server::NewConfig config;
  config.bus.payload_max = bytes;
  config.changes = {"bus.payload_max is " + std::to_string(bytes)};
  return config;
}

size_t reloads_in_chronicle(RawClient& client) {
  const std::string events = client.ask({"EVENTS", "0", "KIND", "config.reload"});
  size_t found = 0;
  for (size_t at = 0; (at = events.find("config.reload", at)) != std::string::npos; ++at) ++found;
  return found;
}

}  // namespace

TEST_CASE("reload: the changes are applied, answered and chronicled") {
  File file;
  ServerFixture server(file.options());
  RawClient client = server.client();
  CHECK(client.ask({"PUSH", "r", "12345"}).size() == 16);
  CHECK(client.ask({"CLIENT", "SETNAME", "ada"}) == "+OK");
  server::NewConfig config = payload_max(4);
  config.bus.roles["new"].concurrency = 7;
  config.changes.emplace_back("role.new added");
  file.says(config);
  CHECK(client.ask({"RELOAD"}) == "[bus.payload_max is 4, role.new added]");
  CHECK(begins(client.ask({"PUSH", "r", "12345"}), "-TOOBIG"));
  CHECK(client.ask({"PUSH", "r", "1234"}).size() == 16);
  CHECK(field(client.ask({"ROLE", "new"}), "role") == "new");
  const std::string events = client.ask({"EVENTS", "0", "KIND", "config.reload"});
  CHECK(field(events, "by") == "ada");
  CHECK(events.find("bus.payload_max is 4; role.new added") != std::string::npos);
  CHECK(reloads_in_chronicle(client) == 1);
}

TEST_CASE("reload: nothing new is an empty answer and no entry; a faulty file changes nothing") {
  File file;
  ServerFixture server(file.options());
  RawClient client = server.client();
  CHECK(client.ask({"RELOAD"}) == "[]");
  file.says(make_error(Code::badarg, "pawl.toml:3: unknown key 'leese'"));
  CHECK(client.ask({"RELOAD"}) == "-BADARG pawl.toml:3: unknown key 'leese'");
  CHECK(client.ask({"PUSH", "r", "12345"}).size() == 16);
  CHECK(reloads_in_chronicle(client) == 0);
  CHECK(file.reads() == 2);
}

TEST_CASE("reload: a bus without a configuration file says so") {
  ServerFixture server;
  RawClient client = server.client();
  CHECK(client.ask({"RELOAD"}) ==
        "-STATE this bus was started without a configuration file; start it with --config FILE");
  CHECK(begins(client.ask({"RELOAD", "x"}), "-"));
  CHECK(client.ask({"MULTI"}) == "+OK");
  CHECK(begins(client.ask({"RELOAD"}), "-ERR RELOAD cannot stand in a MULTI"));
}

TEST_CASE("reload: the answer waits for the disk, what comes behind goes by the new configuration") {
  File file;
  ServerFixture server(file.options());
  RawClient client = server.client();
  RawClient other = server.client();
  CHECK(client.ask({"PUSH", "r", "x"}).size() == 16);
  file.says(payload_max(4));
  server.disk().hang();
  client.send(RawClient::encode({"RELOAD"}) + RawClient::encode({"PUSH", "r", "12345"}));
  server.disk().wait_until_hanging();
  CHECK(client.silent(30));
  CHECK(other.ask({"PING"}) == "+PONG");
  server.disk().let_go();
  CHECK(client.read() == "[bus.payload_max is 4]");
  CHECK(begins(client.read(), "-TOOBIG"));
}

TEST_CASE("reload: a failed commit gives no answer; the configuration holds and is chronicled once") {
  const FailedWrite fate = GENERATE(FailedWrite::lost, FailedWrite::kept);
  File file;
  ServerFixture server(file.options());
  RawClient client = server.client();
  CHECK(client.ask({"PUSH", "r", "x"}).size() == 16);
  file.says(payload_max(4));
  server.disk().fail_commit(1, fate);
  CHECK(client.ask({"RELOAD"}) == "(closed)");
  RawClient again = server.client();
  CHECK(again.ask({"PUSH", "r", "1"}).size() == 16);
  CHECK(begins(again.ask({"PUSH", "r", "12345"}), "-TOOBIG"));
  CHECK(reloads_in_chronicle(again) == 1);
  // A later opening has it too, and no second entry.
  server.disk().fail_commit(1);
  CHECK(again.ask({"PUSH", "r", "1"}) == "(closed)");
  RawClient last = server.client();
  CHECK(begins(last.ask({"PUSH", "r", "12345"}), "-TOOBIG"));
  CHECK(reloads_in_chronicle(last) == 1);
}

TEST_CASE("reload: a bus that cannot write does not look at the file") {
  File file;
  ServerFixture server(file.options());
  RawClient client = server.client();
  CHECK(client.ask({"PUSH", "r", "x"}).size() == 16);
  file.says(payload_max(4));
  server.disk().refuse_writing(true);
  server.disk().fail_commit(1);
  CHECK(client.ask({"PUSH", "r", "x"}) == "(closed)");
  RawClient again = server.client();
  CHECK(begins(again.ask({"RELOAD"}), "-READONLY"));
  CHECK(file.reads() == 0);
  server.disk().refuse_writing(false);
  std::string answer;
  do {
    answer = again.ask({"RELOAD"});
  } while (begins(answer, "-READONLY"));
  CHECK(answer == "[bus.payload_max is 4]");
}

TEST_CASE("reload: another password is asked of who comes, and of who came in with the old one") {
  File file;
  server::ServerOptions options = file.options();
  options.password = "old";
  options.request_deadline_ms = 40;  // those who only wait or listen are looked at twice in it
  ServerFixture server(options);
  RawClient client = server.client();
  CHECK(client.ask({"AUTH", "old"}) == "+OK");
  RawClient waiting = server.client();
  CHECK(begins(waiting.ask({"PING"}), "-NOAUTH"));
  RawClient listener = server.client();
  CHECK(listener.ask({"AUTH", "old"}) == "+OK");
  CHECK(begins(listener.ask({"SUBSCRIBE", "news"}), "["));
  RawClient claimer = server.client();
  CHECK(claimer.ask({"AUTH", "old"}) == "+OK");
  claimer.send(RawClient::encode({"CLAIM", "d", "r", "WAIT", "60000"}));
  CHECK(claimer.silent(10));
  server::NewConfig config;
  config.password = "new";
  config.changes = {"bus.password changed"};
  file.says(config);
  CHECK(client.ask({"RELOAD"}) == "[bus.password changed]");
  CHECK(begins(client.ask({"PING"}), "-NOAUTH [bus] password"));
  CHECK(client.ask({"AUTH", "new"}) == "+OK");
  CHECK(client.ask({"PING"}) == "+PONG");
  for (RawClient* turned_out : {&listener, &claimer}) {
    CHECK(begins(turned_out->read(), "-NOAUTH [bus] password"));
    CHECK(turned_out->read() == "(closed)");
  }
  CHECK(begins(waiting.ask({"AUTH", "old"}), "-NOAUTH"));
  CHECK(waiting.ask({"AUTH", "new"}) == "+OK");
  RawClient stranger = server.client();
  CHECK(begins(stranger.ask({"PING"}), "-NOAUTH"));
  config.password.clear();
  config.changes = {"bus.password removed"};
  file.says(config);
  CHECK(client.ask({"RELOAD"}) == "[bus.password removed]");
  CHECK(stranger.ask({"PING"}) == "+PONG");
  CHECK(server.client().ask({"PING"}) == "+PONG");
}

TEST_CASE("reload: a long list of changes is answered whole and chronicled in part") {
  File file;
  ServerFixture server(file.options());
  RawClient client = server.client();
  server::NewConfig config;
  for (int i = 0; i < 5000; ++i) config.changes.push_back("role.r" + std::to_string(i) + " added");
  file.says(config);
  CHECK(client.ask({"RELOAD"}).find("role.r4999 added") != std::string::npos);
  const std::string events = client.ask({"EVENTS", "0", "KIND", "config.reload"});
  CHECK(events.size() < 20'000);
  CHECK(events.find(" more") != std::string::npos);
}

}  // namespace pawl::test
