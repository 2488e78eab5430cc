// [run], and what a role says to the runner.
#include <catch2/catch.hpp>

#include "cli/config.h"

namespace runner = pawl::runner;
using pawl::cli::FileConfig;
using pawl::cli::parse_config;

namespace {

FileConfig good(const std::string& text) {
  auto parsed = parse_config(text, "pawl.toml");
  INFO((parsed ? "" : parsed.error().text));
  REQUIRE(parsed);
  return std::move(*parsed);
}

}  // namespace

TEST_CASE("config: what a role says to the runner, and [run]") {
  const FileConfig config = good(R"([run]
name      = "runner-a"
spool     = "/var/spool/pawl"
heartbeat = "2s"

[role.research]
command     = ["./agents/research.sh", "--fast"]
prompt      = "prompts/research.md"
concurrency = 4
timeout     = "5m"
needs       = ["slack"]
on_freeze   = "finish"
shell       = true
exit        = { 3 = "rate_limited", 64 = "bad_input" }
patterns    = [ { text = "429", class = "rate_limited", retry_in = "30s" }, { text = "No Auth", class = "auth" } ]

[role.none]
)");
  CHECK(config.run.name == "runner-a");
  CHECK(config.run.spool == "/var/spool/pawl");
  CHECK(config.run.heartbeat_ms == 2000);
  REQUIRE(config.run.roles.size() == 2);
  const runner::RoleConfig& role = config.run.roles[0];
  CHECK(role.name == "research");
  CHECK(role.place == "pawl.toml:6");
  CHECK(role.command == std::vector<std::string>{"./agents/research.sh", "--fast"});
  CHECK(role.command_place == "pawl.toml:7");
  CHECK(role.prompt == "prompts/research.md");
  CHECK(role.prompt_place == "pawl.toml:8");
  CHECK(role.concurrency == 4);
  CHECK(role.timeout_ms == 300'000);
  CHECK(role.needs == std::vector<std::string>{"slack"});
  CHECK(role.on_freeze == runner::OnFreeze::finish);
  CHECK(role.shell);
  CHECK(role.rules.exits == std::map<int, std::string>{{3, "rate_limited"}, {64, "bad_input"}});
  REQUIRE(role.rules.patterns.size() == 2);
  CHECK(role.rules.patterns[0].expression.text() == "429");
  CHECK(role.rules.patterns[0].error_class == "rate_limited");
  CHECK(role.rules.patterns[0].retry_in_ms == 30'000);
  CHECK_FALSE(role.rules.patterns[1].retry_in_ms);
  const runner::RoleConfig& none = config.run.roles[1];
  CHECK(none.command.empty());
  CHECK(none.concurrency == 1);
  CHECK(none.timeout_ms == 7'200'000);
  CHECK(none.on_freeze == runner::OnFreeze::pause);
}

TEST_CASE("config: mistakes in what the runner reads") {
  struct Row {
    const char* text;
    std::string error;  // up to an ellipsis
  };
  const Row rows[] = {
      {"[run]\nname = \"a b\"\n", "pawl.toml:2: run.name is no name…"},
      {"[run]\nheartbeat = \"1ms\"\n", "pawl.toml:2: run.heartbeat is \"1ms\"; the least is \"100ms\""},
      {"[run]\nspol = \"x\"\n", "pawl.toml:2: unknown key 'spol' in [run]; did you mean 'spool'?"},
      {"[role.a]\nexit = { 0 = \"auth\" }\n", "pawl.toml:2: role.a.exit.0 is no exit code from 1 to 255…"},
      {"[role.a]\nexit = { 256 = \"auth\" }\n", "pawl.toml:2: role.a.exit.256 is no exit code…"},
      {"[role.a]\nexit = { 3 = \"odd\" }\n", "pawl.toml:2: role.a.exit.3 is \"odd\"; a class is one of…"},
      {"[role.a]\nexit = [3]\n", "pawl.toml:2: role.a.exit is an array…"},
      {"[role.a]\nshell = 1\n", "pawl.toml:2: role.a.shell is an integer…"},
      {"[role.a]\npatterns = [ { text = \"x\" } ]\n", "pawl.toml:2: role.a.patterns[0] needs both…"},
      {"[role.a]\npatterns = [ { text = \"\", class = \"auth\" } ]\n",
       "pawl.toml:2: role.a.patterns[0].text: a pattern is a regular expression of 1 to 1024 bytes…"},
      {"[role.a]\npatterns = [ { text = \"HTTP (429\", class = \"auth\" } ]\n",
       "pawl.toml:2: role.a.patterns[0].text: \"HTTP (429\" is no regular expression: missing )…"},
      {"[role.a]\npatterns = [ { text = \"x\", class = \"auth\", in = 1 } ]\n",
       "pawl.toml:2: unknown key 'in' in [role.a.patterns[0]]…"},
      {"[role.a]\non_freeze = \"stop\"\n", "pawl.toml:2: role.a.on_freeze is \"stop\"; it is one of…"}};
  for (const Row& row : rows) {
    INFO(row.text);
    const auto parsed = parse_config(row.text, "pawl.toml");
    REQUIRE_FALSE(parsed);
    const size_t end = row.error.find("…");
    CHECK(parsed.error().text.substr(0, end) == row.error.substr(0, end));
  }
}
