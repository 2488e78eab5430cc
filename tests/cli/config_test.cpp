#include "cli/config.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
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

std::vector<std::string> quotas_of(const std::vector<core::QuotaConfig>& quotas) {
  std::vector<std::string> all;
  for (const core::QuotaConfig& one : quotas) {
    std::string text(core::quota_kind_names[static_cast<size_t>(one.what)]);
    text += " " + std::to_string(one.cap) + " per " + std::to_string(one.per_ms);
    if (one.estimate) text += " estimate " + std::to_string(*one.estimate);
    all.push_back(std::move(text));
  }
  return all;
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
disk_low = "2GiB"
disk_critical = "64MiB"
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
  CHECK(config.disk_low == uint64_t{2} << 30);
  CHECK(config.disk_critical == uint64_t{64} << 20);
  CHECK(config.notices.empty());
  CHECK(good("[bus]\npassword = \"plain\"\n").password == "plain");
}

TEST_CASE("config: every key of a role") {
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
rate         = "100/m"
backlog      = 100000
backlog_bytes = "2GiB"
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
  CHECK(role.concurrency == 4);
  CHECK(role.rate.count == 100);
  CHECK(role.rate.per_ms == 60'000);
  CHECK(role.backlog_max == 100'000);
  CHECK(role.backlog_bytes_max == uint64_t{2} << 30);
  CHECK(role.needs == std::vector<std::string>{"slack"});
  CHECK(quotas_of(role.quotas) == std::vector<std::string>{"tokens 200000 per 3600000 estimate 200000",
                                                           "cost 20500000 per 86400000",
                                                           "cost 3000000 per 3600000"});
  CHECK(config.bus.role("a.b:c-d").lease_ms == 3'600'000);
  CHECK(config.bus.role("a.b:c-d").concurrency == 0);
  CHECK(config.bus.role("a.b:c-d").quotas.empty());
  CHECK(config.bus.role("other").lease_ms == limits::lease_ms_default);
  CHECK(role.limp);
  CHECK(config.run.roles[0].limp == std::vector<std::string>{"./agents/research-lite.sh"});
  CHECK(config.run.roles[0].limp_place == "pawl.toml:10");
  CHECK_FALSE(config.bus.role("a.b:c-d").limp);
  CHECK(config.notices.empty());
}

TEST_CASE("config: caps of the whole fleet") {
  const FileConfig config = good(R"([system]
quota = [ { what = "calls", cap = 1000, per = "60ms" }, { what = "cost_usd", cap = 100, per = "366d", estimate = 0 } ]
)");
  CHECK(quotas_of(config.bus.system_quotas) ==
        std::vector<std::string>{"calls 1000 per 60", "cost 100000000 per 31622400000 estimate 0"});
  CHECK(config.notices.empty());
  CHECK(good("[system]\nquota = []\n").bus.system_quotas.empty());
}

TEST_CASE("config: dollars become micro-dollars, to the nearest") {
  struct Case {
    std::string_view dollars;
    int64_t micro;  // 0: refused
  };
  const std::vector<Case> cases = {
      {"1", 1'000'000},
      {"20.0", 20'000'000},
      {"0.1", 100'000},
      {"20.1", 20'100'000},
      {"0.000001", 1},
      {"1e-6", 1},
      {"0.0000005", 1},
      {"0.0000004", 0},
      {"0.1234564", 123'456},
      {"0.1234566", 123'457},
      {"1.005", 1'005'000},
      {"4.35", 4'350'000},
      {"999999999.999999", 999'999'999'999'999},
      {"9007199254", 9'007'199'254'000'000},
      {"9007199254.740992", limits::quota_cap_max},
      {"9007199255", 0},
      {"9007199255.0", 0},
      {"9223372036854775807", 0},
      {"1e300", 0},
      {"0", 0},
      {"-0.0", 0},
      {"-1", 0},
      {"-0.5", 0},
      {"inf", 0},
      {"-inf", 0},
      {"nan", 0},
  };
  for (const Case& one : cases) {
    INFO(one.dollars);
    const std::string text = "[role.a]\nquota = [ { what = \"cost_usd\", cap = " + std::string(one.dollars) +
                             ", per = \"1h\" } ]\n";
    const auto config = parse_config(text, "pawl.toml");
    if (one.micro == 0) {
      CHECK(!config);
      if (!config) {
        CHECK(config.error().text ==
              "pawl.toml:2: role.a.quota[0].cap is out of range; in dollars it must lie between $0.000001 "
              "and $9007199254.740992");
      }
      continue;
    }
    if (!config) FAIL(config.error().text);
    CHECK(config->bus.role("a").quotas.at(0).cap == one.micro);
  }
}

TEST_CASE("config: every key of [guards]") {
  const FileConfig config = good(R"([guards]
shed        = "observe"
pause       = "off"
breaker     = "enforce"
concurrency = "observe"
rate        = "off"
quota       = "enforce"
poison      = "observe"
velocity    = "enforce"
poison_crashes        = 7
outage_messages       = 9
outage_window         = "2m"
cooldown              = "7s"
cooldown_max          = "1h"
velocity_factor       = 20
velocity_pushes_floor = 50
velocity_tokens_floor = 0
velocity_cost_floor   = 2.5
shed_from_percent     = 100
)");
  const core::GuardsConfig& guards = config.bus.guards;
  const std::map<std::string, core::GuardMode, std::less<>> modes = {
      {"shed", core::GuardMode::observe},    {"pause", core::GuardMode::off},
      {"breaker", core::GuardMode::enforce}, {"concurrency", core::GuardMode::observe},
      {"rate", core::GuardMode::off},        {"quota", core::GuardMode::enforce},
      {"poison", core::GuardMode::observe},  {"velocity", core::GuardMode::enforce}};
  CHECK(guards.modes == modes);
  CHECK(guards.poison_crashes == 7);
  CHECK(guards.outage_messages == 9);
  CHECK(guards.outage_window_ms == 120'000);
  CHECK(guards.cooldown_ms == 7'000);
  CHECK(guards.cooldown_max_ms == 3'600'000);
  CHECK(guards.velocity_factor == 20);
  CHECK(guards.velocity_pushes_floor == 50);
  CHECK(guards.velocity_tokens_floor == 0);
  CHECK(guards.velocity_cost_floor == 2'500'000);
  CHECK(guards.shed_from_percent == 100);
  CHECK(config.notices.empty());
  CHECK(good("[guards]\ncooldown = \"5m\"\n").bus.guards.cooldown_ms == 300'000);
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
       "pawl.toml:1: unknown section [something_else]; this file has [bus], [role.NAME], [system] and "
       "[guards]"},
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
      {"[bus]\ndisk_low = 0\n", "pawl.toml:2: bus.disk_low is 0 bytes; it must lie between 1048576 and…"},
      {"[bus]\ndisk_low = -1\n", "pawl.toml:2: bus.disk_low is -1 bytes…"},
      {"[bus]\ndisk_low = \"5%\"\n", "pawl.toml:2: bus.disk_low is \"5%\"; a size is written…"},
      {"[bus]\ndisk_critical = \"1KiB\"\n", "pawl.toml:2: bus.disk_critical is 1024 bytes…"},
      {"[bus]\ndisk_low = \"1GiB\"\ndisk_critical = \"1GiB\"\n",
       "pawl.toml:1: bus.disk_critical is not below bus.disk_low…"},
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
       "pawl.toml:2: role.a.quota[0].cap is 0; it must lie between 1 and 9007199254740992"},
      {"[role.a]\nquota = [ { what = \"tokens\", cap = -1, per = \"1h\" } ]\n",
       "pawl.toml:2: role.a.quota[0].cap is -1…"},
      {"[role.a]\nquota = [ { what = \"tokens\", cap = 9007199254740993, per = \"1h\" } ]\n",
       "pawl.toml:2: role.a.quota[0].cap is 9007199254740993…"},
      {"[role.a]\nquota = [ { what = \"tokens\", cap = 99999999999999999999, per = \"1h\" } ]\n",
       "pawl.toml:2: …"},
      {"[role.a]\nquota = [ { what = \"tokens\", cap = 5, per = \"0s\" } ]\n",
       "pawl.toml:2: role.a.quota[0].per is \"0s\"; the least is \"60ms\""},
      {"[role.a]\nquota = [ { what = \"tokens\", cap = 5, per = \"59ms\" } ]\n",
       "pawl.toml:2: role.a.quota[0].per is \"59ms\"; the least is \"60ms\""},
      {"[role.a]\nquota = [ { what = \"tokens\", cap = 5, per = \"367d\" } ]\n",
       "pawl.toml:2: role.a.quota[0].per is \"367d\"; the most is \"366d\""},
      {"[role.a]\nquota = [ { what = \"tokens\", cap = 5, per = \"1h\", estimate = 6 } ]\n",
       "pawl.toml:2: role.a.quota[0].estimate is above its cap…"},
      {"[role.a]\nquota = [ { what = \"tokens\", cap = 5, per = \"1h\", estimate = -1 } ]\n",
       "pawl.toml:2: role.a.quota[0].estimate is -1…"},
      {"[role.a]\nquota = [ { what = \"cost_usd\", cap = 5, per = \"1h\", estimate = 5.000001 } ]\n",
       "pawl.toml:2: role.a.quota[0].estimate is above its cap…"},
      {"[role.a]\nquota = [ { what = \"calls\", cap = 5, per = \"1h\", estimate = 1 } ]\n",
       "pawl.toml:2: role.a.quota[0].estimate is of no use: a claim is one call; leave it out"},
      {"[role.a]\nquota = [ { what = \"calls\", cap = 5, per = \"1h\", estimat = 1 } ]\n",
       "pawl.toml:2: unknown key 'estimat' in [role.a.quota[0]]; did you mean 'estimate'?"},
      {"[system]\nquota = [ { what = \"calls\", cap = 5, per = \"1h\" },\n { what = \"calls\", cap = 5, per "
       "= "
       "\"1h\" } ]\n",
       "pawl.toml:3: system.quota[1] repeats the quota of calls per 1h"},
      {"[system]\nquotas = []\n", "pawl.toml:2: unknown key 'quotas' in [system]; did you mean 'quota'?"},
      {"system = []\n", "pawl.toml:1: system is an array; write something like [system]"},
      {"[role.a]\nneeds = [\"slack\", \"slack\"]\n", "pawl.toml:2: role.a.needs holds \"slack\" twice"},
      {"[role.a]\nbacklog = 0\n",
       "pawl.toml:2: role.a.backlog is 0; it must lie between 1 and 1000000000000"},
      {"[role.a]\nbacklog_bytes = \"0\"\n", "pawl.toml:2: role.a.backlog_bytes is 0 bytes…"},
      {"[role.a]\nconcurrency = 0\n", "pawl.toml:2: role.a.concurrency is 0; it must lie between 1 and…"},
      {"[guards]\nvelocity = \"observed\"\n",
       "pawl.toml:2: guards.velocity is \"observed\"; a mode is one of \"off\" \"observe\" \"enforce\""},
      {"[guards]\nvelocity = true\n", "pawl.toml:2: guards.velocity is true or false; write something like…"},
      {"[guards]\nfreeze = \"off\"\n",
       "pawl.toml:2: guards.freeze has no mode: this guard always enforces; leave the line out"},
      {"[guards]\nauthorisation = \"off\"\n", "pawl.toml:2: guards.authorisation has no mode…"},
      {"[guards]\nsize = \"off\"\n", "pawl.toml:2: guards.size has no mode…"},
      {"[guards]\nsweep = \"off\"\n", "pawl.toml:2: guards.sweep has no mode…"},
      {"[guards]\nfreese = \"off\"\n", "pawl.toml:2: unknown key 'freese' in [guards]…"},
      {"[guards]\nquota = \"off\"\nquota = \"enforce\"\n", "pawl.toml:3: …"},
      {"[guards]\ncooldown = \"10m\"\n",
       "pawl.toml:1: guards.cooldown is 10m, above guards.cooldown_max, 5m; raise cooldown_max or lower "
       "cooldown"},
      {"[guards]\ncooldown_max = \"1s\"\n",
       "pawl.toml:1: guards.cooldown is 5s, above guards.cooldown_max, 1s; raise cooldown_max or lower "
       "cooldown"},
      {"[guards]\ncooldown = \"0s\"\n", "pawl.toml:2: guards.cooldown is \"0s\"; the least is \"1ms\""},
      {"[guards]\ncooldown_max = \"25h\"\n",
       "pawl.toml:2: guards.cooldown_max is \"25h\"; the most is \"1d\""},
      {"[guards]\noutage_window = \"0s\"\n", "pawl.toml:2: guards.outage_window is \"0s\"…"},
      {"[guards]\noutage_messages = 1\n",
       "pawl.toml:2: guards.outage_messages is 1; it must lie between 2 and 10000"},
      {"[guards]\npoison_crashes = 0\n", "pawl.toml:2: guards.poison_crashes is 0…"},
      {"[guards]\npoison_crashes = 4294967296\n", "pawl.toml:2: guards.poison_crashes is 4294967296…"},
      {"[guards]\nvelocity_factor = 1\n", "pawl.toml:2: guards.velocity_factor is 1…"},
      {"[guards]\nvelocity_pushes_floor = -1\n", "pawl.toml:2: guards.velocity_pushes_floor is -1…"},
      {"[guards]\nvelocity_tokens_floor = 1.5\n", "pawl.toml:2: guards.velocity_tokens_floor is a fraction…"},
      {"[guards]\nvelocity_cost_floor = -0.1\n", "pawl.toml:2: guards.velocity_cost_floor is out of range…"},
      {"[guards]\nshed_from_percent = 0\n", "pawl.toml:2: guards.shed_from_percent is 0…"},
      {"[guards]\nshed_from_percent = 101\n", "pawl.toml:2: guards.shed_from_percent is 101…"},
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
