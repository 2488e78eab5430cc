#include "cli/config.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cli/toml_tree.h"

namespace pawl::cli {
namespace {

FileConfig good(std::string_view text) {
  const auto config = parse_config(text, "pawl.toml");
  if (!config) FAIL(config.error().text);
  return *config;
}

std::string error_of(std::string_view text) {
  const auto config = parse_config(text, "pawl.toml");
  return config ? "" : config.error().text;
}

}  // namespace

TEST_CASE("config: an empty file is all defaults") {
  const FileConfig config = good("");
  CHECK(config.bus.payload_max == limits::payload_bytes_default);
  CHECK(config.bus.roles.empty());
  CHECK(!config.data);
  CHECK(!config.listen);
  CHECK(config.notices.empty());
}

TEST_CASE("config: every key of [bus]") {
  setenv("PAWL_CONFIG_TEST_PASSWORD", "open sesame", 1);
  const FileConfig config = good(R"(
[bus]
data = "/srv/pawl"
listen = "[::1]:7295"
http = "none"
socket = "/run/pawl.sock"
password = { env = "PAWL_CONFIG_TEST_PASSWORD" }
strict_roles = true
payload_max = "64KiB"
done_bytes = "0"
dead_bytes = "2GiB"
chronicle_bytes = 4194304
keep_dead = "7d"
)");
  unsetenv("PAWL_CONFIG_TEST_PASSWORD");
  CHECK(config.data == "/srv/pawl");
  CHECK(config.listen == "[::1]:7295");
  CHECK(config.http == "none");
  CHECK(config.socket == "/run/pawl.sock");
  CHECK(config.password == "open sesame");
  CHECK(config.bus.strict_roles);
  CHECK(config.bus.payload_max == 65536);
  CHECK(config.bus.done_bytes_max == 0);
  CHECK(config.bus.dead_bytes_max == uint64_t{2} << 30);
  CHECK(config.bus.chronicle_bytes_max == uint64_t{4} << 20);
  CHECK(config.bus.keep_dead_ms == 7 * 86'400'000);
  CHECK(config.notices.empty());
  CHECK(good("[bus]\npassword = \"plain\"\n").password == "plain");
}

TEST_CASE("config: every key of a role; what is not acted on gives a notice with its line") {
  const FileConfig config = good(R"([role.research]
command      = ["./agents/research.sh", ""]
prompt       = "prompts/research.md"
concurrency  = 4
lease        = "10ms"
timeout      = "2h"
max_attempts = 7
backoff      = { base = "2s", max = "1m" }
needs        = ["slack"]
limp         = ["./agents/research-lite.sh"]
on_freeze    = "finish"
quota        = [ { what = "tokens", cap = 200000, per = "1h", estimate = 200000 },
                 { what = "cost_usd", cap = 20.5, per = "24h" }, { what = "cost_usd", cap = 3, per = "1h" } ]
rate         = "10/s"
retry        = { transient = "dead", bad_input = { base = "5s" }, timeout = { base = "30s", max = "2h" } }
keep_done    = "0s"

["role"."a.b:c-d"]
lease = "1h"
)");
  REQUIRE(config.bus.roles.size() == 2);
  const core::RoleConfig& role = config.bus.role("research");
  CHECK(role.lease_ms == 10);
  CHECK(role.max_attempts == 7);
  CHECK(role.backoff_base_ms == 2000);
  CHECK(role.backoff_max_ms == 60'000);
  CHECK(role.keep_done_ms == 0);
  const auto policy = [&role](core::ErrorClass kind) { return role.classes[static_cast<size_t>(kind)]; };
  CHECK(policy(core::ErrorClass::transient).dead);
  CHECK_FALSE(policy(core::ErrorClass::bad_input).dead);  // the default of this class is overruled
  CHECK(policy(core::ErrorClass::bad_input).base_ms == 5000);
  CHECK(policy(core::ErrorClass::timeout).base_ms == 30'000);
  CHECK(policy(core::ErrorClass::timeout).max_ms == 7'200'000);
  CHECK(config.bus.role("a.b:c-d").lease_ms == 3'600'000);
  CHECK(config.bus.role("other").lease_ms == limits::lease_ms_default);
  const std::vector<std::string> expected = {
      "pawl.toml:2: role.research.command is not acted on yet",
      "pawl.toml:3: role.research.prompt is not acted on yet",
      "pawl.toml:4: role.research.concurrency is not acted on yet",
      "pawl.toml:6: role.research.timeout is not acted on yet",
      "pawl.toml:9: role.research.needs is not acted on yet",
      "pawl.toml:10: role.research.limp is not acted on yet",
      "pawl.toml:11: role.research.on_freeze is not acted on yet",
      "pawl.toml:12: role.research.quota is not acted on yet",
      "pawl.toml:14: role.research.rate is not acted on yet",
  };
  CHECK(config.notices == expected);
}

TEST_CASE("config: sections of later versions are noticed, not refused") {
  const FileConfig config =
      good("[bus]\n[monitor]\nevery = \"2h\"\n[[notify]]\nto = \"slack\"\n[cron.nightly]\nx = 1\n");
  const std::vector<std::string> expected = {"pawl.toml:2: [monitor] is not acted on yet",
                                             "pawl.toml:4: [notify] is not acted on yet",
                                             "pawl.toml:6: [cron] is not acted on yet"};
  CHECK(config.notices == expected);
}

TEST_CASE("config: mistakes are named with file, line and a way out") {
  struct Case {
    std::string_view text;
    std::string_view error;
  };
  // tidy: long-function because it is one table
  // Each text begins on line 1; the error is the whole of it, or where it ends in … its start.
  const std::vector<Case> cases = {
      {"\n[role.research]\nleese = \"1m\"\n",
       "pawl.toml:3: unknown key 'leese' in [role.research]; did you mean 'lease'?"},
      {"[bus]\nlissen = \"none\"\n", "pawl.toml:2: unknown key 'lissen' in [bus]; did you mean 'listen'?"},
      {"[role.a]\nzzzzzzzzzzzzz = 1\n",
       "pawl.toml:2: unknown key 'zzzzzzzzzzzzz' in [role.a]; known are command…"},
      {"[buss]\n", "pawl.toml:1: unknown section [buss]; did you mean [bus]?"},
      {"[something_else]\n",
       "pawl.toml:1: unknown section [something_else]; this file has [bus] and [role.NAME]"},
      {"lease = \"1m\"\n",
       "pawl.toml:1: key 'lease' outside of any section; put it under [bus] or [role.NAME]"},
      {"bus = 5\n", "pawl.toml:1: bus is an integer; write something like [bus]"},
      {"[[bus]]\n", "pawl.toml:1: bus is an array; write something like [bus]"},
      {"[role]\nlease = \"1m\"\n", "pawl.toml:2: role.lease is a text; write something like [role.research]"},
      {"[role.\"a b\"]\n", "pawl.toml:1: role 'a b': a name is…"},
      {"[role.Count]\n", "pawl.toml:1: role 'Count': this word ends a list of roles…"},
      {"[bus]\nlisten = 7295\n", "pawl.toml:2: bus.listen is an integer; write something like…"},
      {"[bus]\nlisten = \"localhost\"\n", "pawl.toml:2: bus.listen is \"localhost\"; write HOST:PORT…"},
      {"[bus]\nlisten = \"h:99999\"\n", "pawl.toml:2: bus.listen is \"h:99999\"; write HOST:PORT…"},
      {"[bus]\nlisten = \":7295\"\n", "pawl.toml:2: bus.listen is \":7295\"; write HOST:PORT…"},
      {"[bus]\nlisten = \"h:1\"\nhttp = \"h:1\"\n", "pawl.toml:1: bus.listen and bus.http are the same, h:1"},
      {"[bus]\ndata = \"\"\n", "pawl.toml:2: bus.data is empty…"},
      {"[bus]\nstrict_roles = \"yes\"\n",
       "pawl.toml:2: bus.strict_roles is a text; write something like true"},
      {"[bus]\npayload_max = \"5MiB\"\n",
       "pawl.toml:2: bus.payload_max is 5242880 bytes; it must lie between 1 and 4194304"},
      {"[bus]\npayload_max = 0\n", "pawl.toml:2: bus.payload_max is 0 bytes…"},
      {"[bus]\npayload_max = -1\n", "pawl.toml:2: bus.payload_max is -1 bytes…"},
      {"[bus]\npayload_max = \"1MB\"\n", "pawl.toml:2: bus.payload_max is \"1MB\"; a size is written…"},
      {"[bus]\npassword = { env = \"PAWL_CONFIG_TEST_UNSET\" }\n",
       "pawl.toml:2: bus.password names the environment variable PAWL_CONFIG_TEST_UNSET, which is not set"},
      {"[bus]\npassword = { file = \"x\" }\n", "pawl.toml:2: bus.password is a table of something else…"},
      {"[role.a]\nlease = 900\n", "pawl.toml:2: role.a.lease is an integer; write something like \"15m\""},
      {"[role.a]\nlease = \"0s\"\n", "pawl.toml:2: role.a.lease is \"0s\"; the least is \"10ms\""},
      {"[role.a]\nlease = \"9ms\"\n", "pawl.toml:2: role.a.lease is \"9ms\"; the least is \"10ms\""},
      {"[role.a]\nlease = \"31d\"\n", "pawl.toml:2: role.a.lease is \"31d\"; the most is \"30d\""},
      {"[role.a]\nlease = \"-5s\"\n", "pawl.toml:2: role.a.lease is \"-5s\"; a duration is written…"},
      {"[role.a]\nlease = \"15 minutes\"\n",
       "pawl.toml:2: role.a.lease is \"15 minutes\"; a duration is written…"},
      {"[role.a]\nkeep_done = \"99999999999d\"\n", "pawl.toml:2: role.a.keep_done is…"},
      {"[role.a]\ntimeout = \"0s\"\n", "pawl.toml:2: role.a.timeout is \"0s\"; the least is \"1ms\""},
      {"[role.a]\nmax_attempts = 0\n",
       "pawl.toml:2: role.a.max_attempts is 0; it must lie between 1 and 1000000"},
      {"[role.a]\nmax_attempts = 2.5\n", "pawl.toml:2: role.a.max_attempts is a fraction…"},
      {"[role.a]\nconcurrency = -1\n", "pawl.toml:2: role.a.concurrency is -1…"},
      {"[role.a]\nconcurrency = 1979-05-27\n", "pawl.toml:2: role.a.concurrency is a date or time…"},
      {"[role.a]\ncommand = \"run\"\n",
       "pawl.toml:2: role.a.command is a text; write something like [\"./agents…"},
      {"[role.a]\ncommand = []\n", "pawl.toml:2: role.a.command is empty…"},
      {"[role.a]\ncommand = [\"\"]\n", "pawl.toml:2: role.a.command[0] is empty…"},
      {"[role.a]\ncommand = [\n \"x\",\n 5]\n", "pawl.toml:4: role.a.command[1] is an integer…"},
      {"[role.a]\nneeds = [\"a b\"]\n", "pawl.toml:2: role.a.needs holds \"a b\"; a name is…"},
      {"[role.a]\non_freeze = \"stop\"\n", "pawl.toml:2: role.a.on_freeze is \"stop\"; it is one of…"},
      {"[role.a]\nbackoff = { base = \"2h\" }\n",
       "pawl.toml:2: role.a.backoff starts at 2h, above its max of 10m; raise max or lower base"},
      {"[role.a]\nbackoff = { first = \"2h\" }\n", "pawl.toml:2: unknown key 'first' in [role.a.backoff]…"},
      {"[role.a]\nbackoff = { base = \"0s\" }\n",
       "pawl.toml:2: role.a.backoff.base is \"0s\"; the least is \"1ms\""},
      {"[role.a]\nbackoff = \"1s\"\n", "pawl.toml:2: role.a.backoff is a text…"},
      {"[role.a]\nretry = { timeuot = \"dead\" }\n",
       "pawl.toml:2: unknown key 'timeuot' in [role.a.retry]; did you mean 'timeout'?"},
      {"[role.a]\nretry = { timeout = \"never\" }\n",
       "pawl.toml:2: role.a.retry.timeout is neither \"dead\" nor…"},
      {"[role.a]\nretry = { timeout = { base = \"1h\" } }\n",
       "pawl.toml:2: role.a.retry.timeout starts at 1h, above…"},
      {"[role.a]\nretry = \"dead\"\n", "pawl.toml:2: role.a.retry is a text…"},
      {"[role.a]\nrate = \"10\"\n", "pawl.toml:2: role.a.rate is \"10\"; a rate is written \"10/s\"…"},
      {"[role.a]\nrate = \"0/s\"\n", "pawl.toml:2: role.a.rate is \"0/s\"…"},
      {"[role.a]\nrate = \"1/d\"\n", "pawl.toml:2: role.a.rate is \"1/d\"…"},
      {"[role.a]\nrate = \"/s\"\n", "pawl.toml:2: role.a.rate is \"/s\"…"},
      {"[role.a]\nquota = { what = \"tokens\" }\n", "pawl.toml:2: role.a.quota is a table…"},
      {"[role.a]\nquota = [ { what = \"tokens\" } ]\n",
       "pawl.toml:2: role.a.quota[0] needs what, cap and per…"},
      {"[role.a]\nquota = [ { what = \"gold\", cap = 1, per = \"1h\" } ]\n",
       "pawl.toml:2: role.a.quota[0].what is \"gold\"; it is one of \"tokens\" \"cost_usd\" \"calls\""},
      {"[role.a]\nquota = [ { what = \"calls\", cap = 1.5, per = \"1h\" } ]\n",
       "pawl.toml:2: role.a.quota[0].cap is a fraction; write something like 200000"},
      {"[role.a]\nquota = [ { what = \"calls\", cap = 0, per = \"1h\" } ]\n",
       "pawl.toml:2: role.a.quota[0].cap is out…"},
      {"[role.a]\nquota = [ { what = \"cost_usd\", cap = nan, per = \"1h\" } ]\n",
       "pawl.toml:2: role.a.quota[0].cap is out…"},
      {"[role.a]\nquota = [ { what = \"cost_usd\", cap = inf, per = \"1h\" } ]\n",
       "pawl.toml:2: role.a.quota[0].cap is out…"},
      {"[role.a]\nquota = [ { what = \"calls\", cap = 5, per = \"1h\", estimate = 6 } ]\n",
       "pawl.toml:2: role.a.quota[0].estimate is above its cap…"},
      {"[role.a]\nquota = [ { what = \"calls\", cap = 5, per = \"1h\" }, { what = \"calls\", cap = 6, per = "
       "\"60m\" } ]\n",
       "pawl.toml:2: role.a.quota[1] repeats the quota of calls per 1h"},
      {"[role.a]\nlease = \n", "pawl.toml:2: …"},
      {"[role.a]\nlease = \"1s\"\nlease = \"2s\"\n", "pawl.toml:3: …"},
      {"[role.a]\n[role.a]\n", "pawl.toml:2: …"},
      {"[bus\n", "pawl.toml:1: …"},
      {"[bus]\ndata = \"\xff\"\n", "pawl.toml:2: …"},
  };
  constexpr std::string_view more = "…";
  for (const Case& wrong : cases) {
    INFO(wrong.text);
    const std::string error = error_of(wrong.text);
    if (wrong.error.ends_with(more)) {
      const std::string_view start = wrong.error.substr(0, wrong.error.size() - more.size());
      CHECK(error.substr(0, start.size()) == start);
    } else {
      CHECK(error == wrong.error);
    }
  }
}

TEST_CASE("config: all mistakes are told at once, by line") {
  CHECK(error_of("[role.b]\nlease = 1\n[bus]\ndata = 2\n[role.a]\nrate = 3\n") ==
        "pawl.toml:2: role.b.lease is an integer; write something like \"15m\"\n"
        "pawl.toml:4: bus.data is an integer; write something like \"./pawl-data\"\n"
        "pawl.toml:6: role.a.rate is an integer; write something like \"10/s\"");
}

TEST_CASE("config: files") {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("pawl-config-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const auto write = [&folder](const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return (folder / name).string();
  };
  const auto read = load_config(write("good.toml", "[role.a]\nlease = \"1s\"\n"));
  REQUIRE(read);
  CHECK(read->bus.role("a").lease_ms == 1000);
  CHECK(read->path == (folder / "good.toml").string());

  const std::string wrong = write("wrong.toml", "[role.a]\nlease = 1\n");
  CHECK(load_config(wrong).error().text.starts_with(wrong + ":2: role.a.lease"));

  const auto missing = load_config((folder / "none.toml").string());
  REQUIRE(!missing);
  CHECK(missing.error().code == Code::notfound);
  CHECK(missing.error().text ==
        "cannot read " + (folder / "none.toml").string() + ": No such file or directory");
  CHECK(!load_config(folder.string()));
  CHECK(!load_config(write("big.toml", std::string(2 << 20, '#'))));
  CHECK(load_config(write("empty.toml", "")));
  std::filesystem::remove_all(folder);
}

TEST_CASE("config: the example in the tree loads") {
  const auto config = load_config(PAWL_SOURCE_ROOT "/pawl.toml");
  if (!config) FAIL(config.error().text);
  CHECK(!config->bus.roles.empty());
}

}  // namespace pawl::cli
