// The kill switch against a disk that does not keep its word, and as files.
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "bus/server/flag_files.h"
#include "tests/server/fixture.h"
#include "tests/support/temp_directory.h"

namespace pawl::test {
namespace {

namespace fs = std::filesystem;

bool begins(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

server::ServerOptions with_files(const TempDirectory& directory) {
  server::ServerOptions options;
  options.data_directory = directory.path();
  options.disk.ballast = false;
  return options;
}

// Until the bus can write again.
void wait_for_writes(RawClient& client) {
  while (begins(client.ask({"PAUSE", "probe"}), "-READONLY")) {
  }
}

TEST_CASE("freeze: a KILL whose commit fails holds in memory, says so, and begins anew with the store") {
  ServerFixture server;
  RawClient client = server.client();
  RawClient operators = server.client();
  REQUIRE(client.ask({"PUSH", "r", "x"}).size() == 16);
  server.disk().refuse_writing(true);
  server.disk().fail_commit(1);
  const std::string answer = operators.ask({"KILL", "SET", "FOR", "3600000", "disk drill"});
  CHECK(field(answer, "freeze") == "soft");
  CHECK(field(answer, "durable") == ":0");
  CHECK(field(operators.ask({"KILL", "STATUS"}), "durable") == ":0");
  server.disk().refuse_writing(false);
  RawClient later = server.client();
  wait_for_writes(later);
  CHECK(begins(later.ask({"PUSH", "r", "y"}), "-FROZEN"));
  const std::string status = later.ask({"KILL", "STATUS"});
  CHECK(field(status, "reason") == "disk drill");
  CHECK(field(status, "durable") == ":1");
  CHECK(field(later.ask({"KILL", "CLEAR", "over"}), "freeze") == "none");
  CHECK(later.ask({"PUSH", "r", "y"}).size() == 16);
}

TEST_CASE("freeze: KILL while nothing can be written") {
  const TempDirectory directory;
  ServerFixture server(with_files(directory));
  RawClient client = server.client();
  server.disk().refuse_writing(true);
  server.disk().fail_commit(1);
  CHECK(client.ask({"PUSH", "r", "lost"}) == "(closed)");
  RawClient operators = server.client();
  while (!begins(operators.ask({"PUSH", "r", "x"}), "-READONLY")) {
  }
  CHECK(field(operators.ask({"KILL", "HARD", "no disk"}), "durable") == ":0");
  CHECK(fs::exists(directory.path() + "/KILL_HARD"));
  CHECK(field(operators.ask({"KILL", "STATUS"}), "freeze") == "hard");
  CHECK(begins(operators.ask({"KILL", "CLEAR", "soft is not enough"}), "-"));
  server.disk().refuse_writing(false);
  wait_for_writes(operators);
  CHECK(begins(operators.ask({"PUSH", "r", "y"}), "-FROZEN"));
  CHECK(field(operators.ask({"KILL", "STATUS"}), "durable") == ":1");
  CHECK(field(operators.ask({"KILL", "CLEAR", "HARD", "done"}), "freeze") == "none");
  CHECK_FALSE(fs::exists(directory.path() + "/KILL"));
  CHECK_FALSE(fs::exists(directory.path() + "/KILL_HARD"));
}

TEST_CASE("freeze: a hanging disk keeps nobody from freezing") {
  ServerFixture server;
  RawClient pusher = server.client();
  RawClient operators = server.client();
  REQUIRE(pusher.ask({"PUSH", "r", "x"}).size() == 16);
  server.disk().hang();
  pusher.command({"PUSH", "r", "waits"});
  server.disk().wait_until_hanging();
  // Answered after two seconds without being durable, and it acts at once.
  operators.command({"KILL", "SET", "stop"});
  RawClient late = server.client();
  late.command({"PUSH", "r", "late"});
  CHECK(field(operators.read(), "durable") == ":0");
  server.disk().let_go();
  CHECK(pusher.read().size() == 16);
  CHECK(begins(late.read(), "-FROZEN"));
  CHECK(field(operators.ask({"KILL", "CLEAR", "over"}), "freeze") == "none");
}

TEST_CASE("freeze: what is not the kill's own answer closes the connection as ever") {
  ServerFixture server;
  RawClient client = server.client();
  REQUIRE(client.ask({"PUSH", "r", "x"}).size() == 16);
  server.disk().fail_commit(1);
  client.send(RawClient::encode({"PUSH", "r", "y"}) + RawClient::encode({"KILL", "SET", "both"}));
  CHECK(client.read() == "(closed)");
  RawClient later = server.client();
  wait_for_writes(later);
  CHECK(begins(later.ask({"PUSH", "r", "z"}), "-FROZEN"));
}

TEST_CASE("flag files: what they say") {
  using core::FreezeScope;
  struct Row {
    const char* text;
    uint64_t number;
    FreezeScope scope;
    int64_t until_ms;
    const char* reason;
  };
  const Row rows[] = {
      {"", 0, FreezeScope::all, 0, ""},
      {"deploy went wrong\n", 0, FreezeScope::all, 0, "deploy went wrong"},
      {"two\nlines", 0, FreezeScope::all, 0, "two lines"},
      {"reason=why\nscope=claims\nuntil=123\nfreeze=7\n", 7, FreezeScope::claims, 123, "why"},
      {"scope=intake", 0, FreezeScope::intake, 0, ""},
      {"scope=everything\nreason=x", 0, FreezeScope::all, 0, "x"},
      {"freeze=-3\nuntil=soon", 0, FreezeScope::all, 0, ""},
      {"freeze=99999999999999999999999", 0, FreezeScope::all, 0, ""},
      {"\x01\x02\xff", 0, FreezeScope::all, 0, "  \xff"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const server::FlagFile file = server::parse_flag(row.text);
    CHECK(file.number == row.number);
    CHECK(file.scope == row.scope);
    CHECK(file.until_ms == row.until_ms);
    CHECK(file.reason == row.reason);
  }
  core::FreezeRecord freeze;
  freeze.number = 4;
  freeze.kind = core::FreezeKind::soft;
  freeze.scope = FreezeScope::intake;
  freeze.reason = "one\nfreeze=9";
  freeze.until_ms = 5;
  const server::FlagFile back = server::parse_flag(server::format_flag(freeze));
  CHECK(back.number == 4);
  CHECK(back.reason == "one freeze=9");
  CHECK(back.scope == FreezeScope::intake);
  CHECK(back.until_ms == 5);
}

TEST_CASE("flag files: what is still being written when the freeze is cleared leaves no flag") {
  for (const core::FreezeKind kind : {core::FreezeKind::soft, core::FreezeKind::hard}) {
    const TempDirectory directory;
    core::FreezeRecord freeze;
    freeze.kind = kind;
    freeze.number = 4;
    {
      server::FlagFiles files(directory.path());
      files.write_later(freeze);
      files.remove(4);
    }  // the writing is over
    CHECK_FALSE(fs::exists(directory.path() + "/KILL"));
    CHECK_FALSE(fs::exists(directory.path() + "/KILL_HARD"));
    CHECK(fs::is_empty(directory.path()));
    // The other way round: written since the last look. Another's flag stays.
    server::FlagFiles files(directory.path());
    REQUIRE(files.write(freeze).ok());
    files.remove(3);
    CHECK(fs::exists(directory.path() + "/KILL"));
    files.remove(4);
    CHECK(fs::is_empty(directory.path()));
    // The next one is written again, whatever its number.
    REQUIRE(files.write(freeze).ok());
    CHECK(fs::exists(directory.path() + "/KILL"));
  }
}

TEST_CASE("flag files: a flag that cannot be read is a flag") {
  const TempDirectory directory;
  server::FlagFiles files(directory.path());
  const core::FreezeRecord none;
  CHECK_FALSE(files.look(none, none));
  fs::create_directory(directory.path() + "/KILL");
  const auto news = files.look(none, none);
  REQUIRE(news);
  CHECK(news->soft);
  CHECK(news->file.reason.find("cannot be read") != std::string::npos);
}

}  // namespace
}  // namespace pawl::test
