// Who may come in: [bus] password and users, the check of hashes, what a dropped user loses.
#include "bus/server/access.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "bus/server/session.h"
#include "bus/server/verifier.h"
#include "guards/registry.h"
#include "tests/server/fixture.h"

namespace pawl::test {
namespace {

bool begins(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

const std::string wrong = "-NOAUTH wrong user or password; users stand in pawl.toml";

// Hashes that no library made: whoever checks them is the test.
core::UserConfig user(const std::string& name, const std::string& rights) {
  core::UserConfig config;
  config.name = name;
  config.password_hash = "hash of " + name + "-pw";
  config.producer = rights.find('p') != std::string::npos;
  config.worker = rights.find('w') != std::string::npos;
  config.operates = rights.find('o') != std::string::npos;
  config.admin = rights.find('a') != std::string::npos;
  return config;
}

core::BusConfig with_users() {
  core::BusConfig config;
  for (const core::UserConfig& one : {user("ann", "pw"), user("ben", "o"), user("eve", "a")}) {
    config.users[one.name] = one;
  }
  core::UserConfig team = user("tim", "pwo");
  team.roles = {"team.", "mail"};
  config.users["tim"] = team;
  return config;
}

// Checks as told: counts, and stands still while it is told to.
class Checker {
 public:
  server::CheckPassword function() {
    return [this](const std::string& hash, std::string_view password) {
      std::unique_lock<std::mutex> lock(mutex_);
      ++calls_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !held_; });
      return hash == "hash of " + std::string(password);
    };
  }
  void hold() { set(true); }
  void let_go() { set(false); }
  void wait_for_calls(int n) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return calls_ >= n; });
  }
  int calls() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return calls_;
  }

 private:
  void set(bool held) {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  int calls_ = 0;
};

server::ServerOptions options_of(Checker& checker, const std::string& password = "") {
  server::ServerOptions options;
  options.password = password;
  options.check_password = checker.function();
  return options;
}

RawClient as(ServerFixture& server, const std::string& name) {
  RawClient client = server.client();
  REQUIRE(client.ask({"AUTH", name, name + "-pw"}) == "+OK");
  return client;
}

TEST_CASE("access: users come in with AUTH or HELLO, and others all hear the same") {
  Checker checker;
  ServerFixture server(options_of(checker), with_users());
  RawClient client = server.client();
  CHECK(client.ask({"PING"}) == "-NOAUTH authenticate first: AUTH user password");
  CHECK(begins(client.ask({"HELLO", "3"}), "-NOAUTH authenticate first"));
  for (const std::vector<std::string>& command : {std::vector<std::string>{"AUTH", "ann", "x"},
                                                  {"AUTH", "ann", ""},
                                                  {"AUTH", "nobody", "ann-pw"},
                                                  {"AUTH", "ANN", "ann-pw"},
                                                  {"AUTH", "ann-pw"},
                                                  {"AUTH", "", "ann-pw"},
                                                  {"AUTH", "default", "x"},
                                                  {"HELLO", "3", "AUTH", "ann", "ben-pw"},
                                                  {"AUTH", "ann", "ann-pw" + std::string(2000, 'x')}}) {
    RawClient stranger = server.client();
    INFO(command[1]);
    CHECK(stranger.ask(command) == wrong);
    CHECK(begins(stranger.ask({"PING"}), "-NOAUTH"));
  }
  CHECK(client.ask({"AUTH", "ann", "ann-pw"}) == "+OK");
  CHECK(client.ask({"PING"}) == "+PONG");
  CHECK(client.ask({"ECHO", std::string(100'000, 'x')}).size() == 100'000);
  RawClient three = server.client();
  CHECK(begins(three.ask({"HELLO", "3", "AUTH", "ben", "ben-pw", "SETNAME", "b"}), "{server: pawl"));
  CHECK(three.ask({"CLIENT", "GETNAME"}) == "b");
  CHECK(three.ask({"RESET"}) == "+RESET");
  CHECK(begins(three.ask({"PING"}), "-NOAUTH"));
  CHECK(three.ask({"AUTH", "ben", "ben-pw"}) == "+OK");
}

TEST_CASE("access: [bus] password stands beside users, with every right") {
  Checker checker;
  ServerFixture server(options_of(checker, "secret"), with_users());
  RawClient client = server.client();
  CHECK(client.ask({"AUTH", "nope"}) == wrong);
  CHECK(client.ask({"AUTH", "ann", "secret"}) == wrong);
  CHECK(client.ask({"AUTH", "secret"}) == "+OK");
  CHECK(begins(client.ask({"VERIFY"}), "[ok, :1"));
  CHECK(client.ask({"KILL", "SET", "drill"}).find("by, default") != std::string::npos);
  CHECK(as(server, "ann").ask({"PING"}) == "+PONG");
}

TEST_CASE("access: a password is checked elsewhere; its connection waits and the others go on") {
  Checker checker;
  ServerFixture server(options_of(checker, "secret"), with_users());
  RawClient other = server.client();
  REQUIRE(other.ask({"AUTH", "secret"}) == "+OK");
  checker.hold();
  RawClient waiting = server.client();
  waiting.send(RawClient::encode({"AUTH", "ann", "ann-pw"}) + RawClient::encode({"PUSH", "r", "x"}) +
               RawClient::encode({"CLIENT", "ID"}));
  checker.wait_for_calls(1);
  for (int i = 0; i < 100; ++i) CHECK(other.ask({"PUSH", "r", "y"})[0] != '-');
  CHECK(waiting.silent(20));
  checker.let_go();
  CHECK(waiting.read() == "+OK");
  CHECK(waiting.read()[0] != '-');
  CHECK(waiting.read()[0] == ':');
}

TEST_CASE("access: a password that matched is known again; a wrong one is checked each time") {
  Checker checker;
  ServerFixture server(options_of(checker), with_users());
  for (int i = 0; i < 5; ++i) as(server, "ann");
  CHECK(checker.calls() == 1);
  for (int i = 0; i < 3; ++i) {
    RawClient stranger = server.client();
    CHECK(stranger.ask({"AUTH", "ann", "x"}) == wrong);
    CHECK(stranger.ask({"AUTH", "nobody", "x"}) == wrong);
  }
  CHECK(checker.calls() == 7);
  as(server, "ann");
  CHECK(checker.calls() == 7);

  // Those who wait behind the first of a fleet need no check of their own.
  checker.hold();
  std::vector<RawClient> fleet;
  for (int i = 0; i < 20; ++i) {
    fleet.push_back(server.client());
    fleet.back().command({"AUTH", "ben", "ben-pw"});
  }
  checker.wait_for_calls(8);
  checker.let_go();
  for (RawClient& one : fleet) CHECK(one.read() == "+OK");
  CHECK(checker.calls() == 8);
}

TEST_CASE("access: a crowd that waits has an end") {
  Checker checker;
  ServerFixture server(options_of(checker), with_users());
  const RawClient in_before = as(server, "eve");
  checker.hold();
  std::vector<RawClient> crowd;
  for (size_t i = 0; i < limits::password_checks_max; ++i) {
    crowd.push_back(server.client());
    crowd.back().command({"AUTH", "ann", "guess " + std::to_string(i)});
  }
  // Connections are read in any order: ask until the crowd is complete.
  std::string answer;
  for (int tries = 0; tries < 50 && !begins(answer, "-BUSY"); ++tries) {
    RawClient late = server.client();
    late.command({"AUTH", "ann", "ann-pw"});
    answer = late.read(100);
  }
  CHECK(answer == "-BUSY too many are authenticating; try again retry-after-ms=1000");
  // Who is known needs no check, so no crowd keeps him out.
  RawClient known = server.client();
  CHECK(known.ask({"AUTH", "eve", "eve-pw"}) == "+OK");
  checker.let_go();
  for (RawClient& one : crowd) CHECK(one.read() == wrong);
  as(server, "ann");
}

TEST_CASE("access: the third wrong password closes the connection") {
  Checker checker;
  ServerFixture server(options_of(checker, "secret"), with_users());
  for (const std::string name : {"ann", "nobody", "default"}) {
    INFO(name);
    RawClient client = server.client();
    client.send(RawClient::encode({"AUTH", name, "1"}) + RawClient::encode({"AUTH", name, "2"}) +
                RawClient::encode({"HELLO", "3", "AUTH", name, "3"}) + RawClient::encode({"AUTH", "secret"}));
    for (int i = 0; i < 3; ++i) CHECK(client.read() == wrong);
    CHECK(client.read() == "(closed)");
  }
  RawClient client = server.client();
  for (int round = 0; round < 3; ++round) {
    CHECK(client.ask({"AUTH", "ann", "1"}) == wrong);
    CHECK(client.ask({"AUTH", "ann", "2"}) == wrong);
    CHECK(client.ask({"AUTH", "ann", "ann-pw"}) == "+OK");
  }
}

TEST_CASE("access: each command needs its right; the text names user and right") {
  Checker checker;
  ServerFixture server(options_of(checker), with_users());
  RawClient ann = as(server, "ann");
  RawClient ben = as(server, "ben");
  RawClient eve = as(server, "eve");
  CHECK(ann.ask({"PUSH", "r", "x"})[0] != '-');
  CHECK(ben.ask({"PUSH", "r", "x"}) ==
        "-DENIED user ben: the right producer is needed; add \"producer\" to its rights in pawl.toml");
  CHECK(begins(ann.ask({"PAUSE", "r"}), "-DENIED user ann: the right operator"));
  CHECK(ben.ask({"PAUSE", "r"}) == "+OK");
  CHECK(begins(ben.ask({"ROLE", "DROP", "r"}), "-DENIED user ben: the right admin"));
  for (const std::vector<std::string>& command : {std::vector<std::string>{"VERIFY"}, {"SHUTDOWN"}}) {
    CHECK(ben.ask(command) == "-DENIED user ben: " + command[0] +
                                  " needs the right admin; add \"admin\" to its rights in pawl.toml");
  }
  CHECK(begins(eve.ask({"VERIFY"}), "[ok, :1"));
  CHECK(begins(eve.ask({"PUBLISH", "pawl.freeze", "x"}), "-DENIED"));
  CHECK(begins(ann.ask({"ROLES"}), "[[role, r"));
  CHECK(begins(ann.ask({"INFO"}), "# Server"));
  // Who did it, as the chronicle has it, is the user and not what the client calls itself.
  CHECK(ben.ask({"CLIENT", "SETNAME", "somebody-else"}) == "+OK");
  CHECK(ben.ask({"KILL", "SET", "drill"}).find("by, ben") != std::string::npos);
  CHECK(ben.ask({"KILL", "CLEAR", "over"})[0] != '-');

  CHECK(ben.ask({"MULTI"}) == "+OK");
  CHECK(ben.ask({"PUSH", "r", "x"}) == "+QUEUED");
  const std::string refused = ben.ask({"EXEC"});
  CHECK(begins(refused, "-DENIED user ben"));
  CHECK(refused.find("at=0") != std::string::npos);
}

TEST_CASE("access: role prefixes limit what is shown, listened to and claimed") {
  Checker checker;
  ServerFixture server(options_of(checker), with_users());
  RawClient eve = as(server, "eve");
  RawClient tim = as(server, "tim");
  for (const char* role : {"mail", "mailbox", "team.a", "teams"}) eve.ask({"PUSH", role, "x"});
  const std::string foreign = eve.ask({"PUSH", "other", "x"});
  const std::string own = eve.ask({"PUSH", "mail", "x"});
  const std::string shown = tim.ask({"ROLES"});
  for (const char* role : {"mail", "mailbox", "team.a"}) {
    CHECK(shown.find("[role, " + std::string(role) + ",") != std::string::npos);
  }
  CHECK(shown.find("teams") == std::string::npos);
  CHECK(shown.find("other") == std::string::npos);
  CHECK(tim.ask({"GET", foreign}) == "-DENIED user tim: role other is not among its roles: team.* mail*");
  CHECK(begins(tim.ask({"GET", own}), "[id, " + own));
  CHECK(begins(tim.ask({"CLAIM", "d", "mail", "other"}), "-DENIED user tim"));
  CHECK(begins(tim.ask({"EVENTS", "0"}), "-DENIED"));

  CHECK(begins(tim.ask({"SUBSCRIBE", "news", "pawl.role.other"}), "-DENIED user tim: pawl.role.other"));
  for (const char* pattern : {"*", "pawl.*", "pawl.role.*", "pawl.role.m*", "p?wl.role.other", "[p]*"}) {
    INFO(pattern);
    CHECK(begins(tim.ask({"PSUBSCRIBE", pattern}), "-DENIED"));
  }
  CHECK(tim.ask({"SUBSCRIBE", "pawl.role.team.a"}) == "[subscribe, pawl.role.team.a, :1]");
  CHECK(tim.ask({"SUBSCRIBE", "pawl.freeze"}) == "[subscribe, pawl.freeze, :2]");
  CHECK(tim.ask({"PSUBSCRIBE", "pawl.role.mail*"}) == "[psubscribe, pawl.role.mail*, :3]");
  CHECK(tim.ask({"PSUBSCRIBE", "news.*"}) == "[psubscribe, news.*, :4]");
}

TEST_CASE("access: a bus that others can reach needs a password or users") {
  struct Row {
    const char* host;
    const char* password;
    bool users;
    bool fine;
  };
  for (const Row& row : {Row{"127.0.0.1", "", false, true},
                         {"0.0.0.0", "", false, false},
                         {"0.0.0.0", "secret", false, true},
                         {"0.0.0.0", "", true, true}}) {
    server::ServerOptions options;
    options.tcp = server::Address{row.host, 0};
    options.password = row.password;
    const Status status = server::check_options(options, row.users ? with_users() : core::BusConfig());
    CHECK(status.ok() == row.fine);
    if (!status.ok()) CHECK(status.error().text.find("[user.NAME]") != std::string::npos);
  }
}

// ---- Another pawl.toml -------------------------------------------------------------

// Without sockets, so that the test's configuration is the present one.
struct AccessStage {
  explicit AccessStage(const std::string& password = "")
      : access(
            config, password, [] {}, checker.function()) {
    REQUIRE(engine.start().ok());
    pipeline.set_session(session);
    pipeline.begin_turn({1'700'000'000'000, 1000});
    pipeline.add(client);
  }
  ~AccessStage() { pipeline.remove(client); }

  // The reply's first line, once it has come.
  std::string ask(const std::vector<std::string>& words) {
    client.in += RawClient::encode(words);
    return answer();
  }
  std::string answer() {
    for (;;) {
      pipeline.run_commands(client);
      pipeline.end_turn(false);
      while (!engine.wait_for_commit(1'000'000)) {
      }
      pipeline.begin_turn({1'700'000'000'000, 1000});
      access.poll(pipeline);
      pipeline.take_runnable();
      pipeline.take_dirty();
      client.dirty = false;
      const std::string bytes(client.replies.to_send());
      if (bytes.empty() && client.wait != server::Wait::core) continue;
      client.replies.sent(bytes.size());
      return bytes.substr(0, bytes.find('\r'));
    }
  }

  Disk disk;
  core::BusConfig config = with_users();
  Checker checker;
  std::unique_ptr<guards::GuardChain> guards = guards::make_guard_chain();
  server::Engine engine{config, *guards, disk.opener(), [] {}};
  server::Verifier verifier{[] {}};
  server::Pipeline pipeline{engine, {}};
  server::Access access;
  server::Session session{pipeline, verifier, access, {}};
  server::Client client{1};
};

TEST_CASE("access: who has gone costs no check") {
  AccessStage stage;
  stage.checker.hold();
  stage.client.in = RawClient::encode({"AUTH", "ann", "ann-pw"});
  stage.pipeline.run_commands(stage.client);
  server::Client gone(2);
  stage.pipeline.add(gone);
  gone.in = RawClient::encode({"AUTH", "ben", "ben-pw"});
  stage.pipeline.run_commands(gone);
  CHECK(gone.wait == server::Wait::verify);
  stage.pipeline.remove(gone);
  stage.checker.let_go();
  CHECK(stage.answer() == "+OK");
  CHECK(stage.ask({"AUTH", "eve", "eve-pw"}) == "+OK");
  CHECK(stage.checker.calls() == 2);
}

TEST_CASE("reload: what becomes of connections") {
  AccessStage stage("secret");
  SECTION("a user who is dropped, and comes back") {
    CHECK(stage.ask({"AUTH", "ann", "ann-pw"}) == "+OK");
    CHECK(stage.ask({"PUSH", "r", "x"})[0] == '$');
    stage.config.users.erase("ann");
    CHECK(stage.ask({"PUSH", "r", "x"}) ==
          "-NOAUTH user ann has gone from pawl.toml or has another password; AUTH again");
    CHECK(begins(stage.ask({"AUTH", "ann", "ann-pw"}), "-NOAUTH"));
    stage.config.users["ann"] = user("ann", "w");
    CHECK(begins(stage.ask({"PUSH", "r", "x"}), "-DENIED"));
  }
  SECTION("a user whose password changes") {
    CHECK(stage.ask({"AUTH", "ann", "ann-pw"}) == "+OK");
    stage.config.users["ann"].password_hash = "hash of new";
    CHECK(begins(stage.ask({"PING"}), "-NOAUTH user ann"));
    CHECK(begins(stage.ask({"AUTH", "ann", "ann-pw"}), "-NOAUTH"));
    CHECK(stage.ask({"AUTH", "ann", "new"}) == "+OK");
    CHECK(stage.ask({"PING"}) == "+PONG");
  }
  SECTION("a user whose rights change") {
    CHECK(stage.ask({"AUTH", "ann", "ann-pw"}) == "+OK");
    stage.config.users["ann"].producer = false;
    CHECK(begins(stage.ask({"PUSH", "r", "x"}), "-DENIED"));
  }
  SECTION("all of them are dropped") {
    CHECK(stage.ask({"AUTH", "ann", "ann-pw"}) == "+OK");
    stage.config.users.clear();
    CHECK(begins(stage.ask({"PING"}), "-NOAUTH"));
    CHECK(stage.ask({"AUTH", "secret"}) == "+OK");
  }
  SECTION("[bus] password changes") {
    CHECK(stage.ask({"AUTH", "secret"}) == "+OK");
    CHECK(stage.ask({"PUSH", "r", "x"})[0] == '$');
    stage.access.set_password("new");
    CHECK(stage.ask({"PUSH", "r", "x"}) ==
          "-NOAUTH [bus] password has gone from pawl.toml or is another one; AUTH again");
    CHECK(begins(stage.ask({"AUTH", "secret"}), "-NOAUTH"));
    CHECK(stage.ask({"AUTH", "new"}) == "+OK");
    CHECK(stage.ask({"PING"}) == "+PONG");
    stage.access.set_password("");
    CHECK(begins(stage.ask({"PING"}), "-NOAUTH [bus] password has gone"));
    stage.config.users.clear();
    CHECK(stage.ask({"PING"}) == "+PONG");
  }
  SECTION("[bus] password changes and changes back") {
    CHECK(stage.ask({"AUTH", "secret"}) == "+OK");
    stage.access.set_password("new");
    stage.access.set_password("secret");
    CHECK(stage.ask({"PING"}) == "+PONG");
  }
  SECTION("while a password is being checked") {
    stage.checker.hold();
    stage.client.in += RawClient::encode({"AUTH", "ann", "ann-pw"});
    stage.pipeline.run_commands(stage.client);
    stage.checker.wait_for_calls(1);
    stage.config.users["ann"].password_hash = "hash of new";
    stage.checker.let_go();
    CHECK(begins(stage.answer(), "-NOAUTH"));
    CHECK(stage.checker.calls() == 2);
  }
}

TEST_CASE("reload: users where there were none") {
  AccessStage stage;
  const core::BusConfig configured = std::exchange(stage.config, core::BusConfig());
  CHECK(stage.ask({"PUSH", "r", "x"})[0] == '$');
  CHECK(begins(stage.ask({"AUTH", "ann", "ann-pw"}), "-ERR"));
  stage.config = configured;
  CHECK(begins(stage.ask({"PUSH", "r", "x"}), "-NOAUTH authenticate first"));
  CHECK(stage.ask({"AUTH", "ann", "ann-pw"}) == "+OK");
  stage.config = core::BusConfig();
  CHECK(stage.ask({"PUSH", "r", "x"})[0] == '$');
}

TEST_CASE("reload: who is turned out takes no work with him") {
  AccessStage stage;
  CHECK(stage.ask({"AUTH", "ann", "ann-pw"}) == "+OK");
  CHECK(stage.ask({"CLAIM", "d", "r", "WAIT", "60000"}).empty());
  CHECK(stage.pipeline.parked() == 1);
  stage.pipeline.turn_out(stage.client, make_error(Code::noauth, "gone"));
  CHECK(stage.answer() == "-NOAUTH gone");
  CHECK(stage.client.close_after_replies);
  CHECK(stage.pipeline.parked() == 0);
  server::Client other(2);
  stage.pipeline.add(other);
  other.in = RawClient::encode({"AUTH", "eve", "eve-pw"});
  while (other.replies.to_send().empty()) {
    stage.pipeline.run_commands(other);
    stage.access.poll(stage.pipeline);
  }
  other.in += RawClient::encode({"PUSH", "r", "x"}) + RawClient::encode({"LIST", "r", "ready"});
  stage.pipeline.run_commands(other);
  CHECK(stage.client.replies.idle());
  CHECK(stage.engine.bus()->totals().live_claims == 0);
  stage.pipeline.end_turn(false);
  while (!stage.engine.wait_for_commit(1'000'000)) {
  }
  stage.pipeline.remove(other);
}

}  // namespace
}  // namespace pawl::test
