// [daemon.NAME] of pawl.toml, and what pawl up makes of it.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "cli/config.h"
#include "cli/up.h"

using namespace pawl;
using namespace pawl::cli;
using runner::ReadyBy;

namespace {

FileConfig parsed(const std::string& text) {
  const auto config = parse_config(text, "pawl.toml");
  INFO((config ? "" : config.error().text));
  REQUIRE(config.ok());
  return *config;
}

std::string fault(const std::string& text) {
  const auto config = parse_config(text, "pawl.toml");
  return config ? "" : config.error().text;
}

std::string plan_fault(const std::string& text) {
  const auto plan = plan_launcher(parsed(text), "/bin/true", "/tmp/pawl.toml");
  return plan ? "" : plan.error().text;
}

const std::string a = "[daemon.a]\ncommand = [\"sleep\", \"300\"]\n";

}  // namespace

TEST_CASE("config daemons: the defaults") {
  const FileConfig config = parsed(a);
  REQUIRE(config.daemons.size() == 1);
  const runner::DaemonSpec& daemon = config.daemons[0];
  CHECK(daemon.name == "a");
  CHECK(daemon.command == std::vector<std::string>{"sleep", "300"});
  CHECK(daemon.after == std::vector<std::string>{"bus"});
  CHECK(daemon.needs.empty());
  CHECK(daemon.ready == ReadyBy::started);
  CHECK_FALSE(daemon.heartbeat_ms);
  CHECK(daemon.ready_within_ms == 30'000);
  CHECK(daemon.stop_within_ms == 10'000);
  CHECK(daemon.restart.base_ms == 1'000);
  CHECK(daemon.restart.max_ms == 30'000);
  CHECK(daemon.restart.stable_after_ms == 60'000);
  CHECK(daemon.restart.restarts_max == 10);
  CHECK(daemon.restart.restarts_per_ms == 600'000);
  CHECK(daemon.log_bytes_max == 10 << 20);
  CHECK(daemon.log_files == 5);
  CHECK(daemon.log_bytes_per_second == 1 << 20);
  CHECK(daemon.source == "pawl.toml:1");
  CHECK(config.notices.empty());
}

TEST_CASE("config daemons: every key") {
  const FileConfig config = parsed(a + R"(after = ["x"]
needs = ["y", "x"]
heartbeat = "2s"
ready = "notify"
ready_within = "1m"
stop_within = "3s"
restarts = { max = 2, per = "5m" }
backoff = { base = "2s", max = "8s" }
stable_after = "90s"
env = { ONE = "1", TWO = { env = "HOME" } }
dir = "/tmp"
log = { size = "1MiB", files = 2, rate = "64KiB" }
)");
  const runner::DaemonSpec& daemon = config.daemons[0];
  CHECK(daemon.after == std::vector<std::string>{"x", "y"});  // what it needs, it comes after
  CHECK(daemon.needs == std::vector<std::string>{"y", "x"});
  CHECK(daemon.heartbeat_ms == 2'000);
  CHECK(daemon.ready == ReadyBy::notify);
  CHECK(daemon.ready_within_ms == 60'000);
  CHECK(daemon.stop_within_ms == 3'000);
  CHECK(daemon.restart.restarts_max == 2);
  CHECK(daemon.restart.restarts_per_ms == 300'000);
  CHECK(daemon.restart.base_ms == 2'000);
  CHECK(daemon.restart.max_ms == 8'000);
  CHECK(daemon.restart.stable_after_ms == 90'000);
  REQUIRE(daemon.environment.size() == 2);
  CHECK(daemon.environment[0] == std::pair<std::string, std::string>("ONE", "1"));
  CHECK(daemon.environment[1].second == getenv("HOME"));
  CHECK(daemon.directory == "/tmp");
  CHECK(daemon.log_bytes_max == 1 << 20);
  CHECK(daemon.log_files == 2);
  CHECK(daemon.log_bytes_per_second == 64 << 10);
}

TEST_CASE("config daemons: what readiness follows from") {
  const auto ready = [](const std::string& more) { return parsed(a + more).daemons[0].ready; };
  CHECK(ready("heartbeat = \"5s\"\n") == ReadyBy::heartbeat);
  CHECK(ready("ready_command = [\"true\"]\n") == ReadyBy::command);
  CHECK(ready("ready = \"started\"\nheartbeat = \"5s\"\n") == ReadyBy::started);
  CHECK(parsed(a + "ready = \"heartbeat\"\n").daemons[0].heartbeat_ms == 5'000);
}

TEST_CASE("config daemons: an empty after is after nobody") {
  CHECK(parsed(a + "after = []\n").daemons[0].after.empty());
}

TEST_CASE("config daemons: mistakes have a line and a way out") {
  struct Row {
    std::string text;
    std::string says;
  };
  const Row rows[] = {
      {"[daemon.a]\n", "pawl.toml:1: daemon.a has no command; write command = [\"./services/slack\"]"},
      {"[daemon.a]\ncommand = []\n", "pawl.toml:2: daemon.a.command is empty"},
      {"[daemon.a]\ncommand = \"sleep 3\"\n", "pawl.toml:2: daemon.a.command is a text"},
      {a + "readi = \"x\"\n", "pawl.toml:3: unknown key 'readi' in [daemon.a]; did you mean 'ready'?"},
      {a + "ready = \"x\"\n", "pawl.toml:3: daemon.a.ready is \"x\"; it is one of"},
      {a + "ready = \"command\"\n",
       "pawl.toml:3: daemon.a.ready is \"command\", but there is no ready_command"},
      {a + "ready = \"notify\"\nready_command = [\"true\"]\n",
       "pawl.toml:4: daemon.a.ready_command stands beside"},
      {a + "heartbeat = \"1ms\"\n", "the least is \"100ms\""},
      {a + "restarts = 3\n", "pawl.toml:3: daemon.a.restarts is an integer; write something like { max = 10"},
      {a + "restarts = { mx = 3 }\n", "unknown key 'mx' in [daemon.a.restarts]; did you mean 'max'?"},
      {a + "restarts = { max = -1 }\n", "it must lie between 0 and"},
      {a + "backoff = { base = \"1h\" }\n", "pawl.toml:3: daemon.a.backoff starts above its max"},
      {a + "env = { PAWL_BOOT = \"x\" }\n", "daemon.a.env.PAWL_BOOT is set by the launcher"},
      {a + "env = { \"A=B\" = \"x\" }\n", "is no name of an environment variable"},
      {a + "env = { A = { env = \"PAWL_SURELY_NOT_SET\" } }\n", "PAWL_SURELY_NOT_SET, which is not set"},
      {a + "log = { files = 0 }\n", "it must lie between 1 and"},
      {a + "log = { size = \"1B\" }\n", "it must lie between 4096 and"},
      {a + "log = { rotate = 3 }\n", "unknown key 'rotate' in [daemon.a.log]"},
      {"[daemon.runner]\n", "pawl.toml:1: daemon 'runner': pawl up starts its own of this name"},
      {"[daemon.\"..\"]\n", "pawl.toml:1: daemon '..': a name is 1 to 128"},
      {"[daemon.\"a/b\"]\n", "pawl.toml:1: daemon 'a/b': a name is 1 to 128"},
      {"[daemon]\na = 3\n", "daemon.a is an integer; write something like [daemon.slack]"},
      {"daemon = 3\n", "write something like [daemon.slack]"},
  };
  for (const Row& row : rows) {
    const std::string said = fault(row.text);
    INFO(row.text << said);
    CHECK(said.find(row.says) != std::string::npos);
  }
}

TEST_CASE("config daemons: the plan") {
  const auto plan = plan_launcher(parsed("[bus]\ndata = \"/tmp/x\"\n" + a), "/bin/true", "/tmp/pawl.toml");
  REQUIRE(plan.ok());
  CHECK(plan->folder == "/tmp/x/up");
  CHECK(plan->bus.text() == "unix:///tmp/x/pawl.sock");
  CHECK(plan->relaunch == "pawl ops relaunch --data /tmp/x ");
  REQUIRE(plan->daemons.size() == 2);
  CHECK(plan->daemons[0].name == "bus");
  CHECK(plan->daemons[0].command ==
        std::vector<std::string>{"/bin/true", "serve", "--config", "/tmp/pawl.toml"});
  CHECK(plan->daemons[0].ready == ReadyBy::answers);
  CHECK(plan->daemons[1].name == "a");
}

TEST_CASE("config daemons: who comes after nobody, or after himself") {
  CHECK(plan_fault(a + "after = [\"b\"]\n") ==
        "pawl.toml:1: daemon.a.after names \"b\", which nobody starts; there are bus");
  CHECK(plan_fault(a + "needs = [\"a\"]\n").find("closes a circle: a after a") != std::string::npos);
  CHECK(plan_fault("[daemon.a]\ncommand = [\"/no/such/program\"]\n") ==
        "pawl.toml:1: daemon.a.command: there is no program '/no/such/program' that may be run; check the "
        "path and "
        "its mode");
}

TEST_CASE("config daemons: whose password the launcher has") {
  CHECK(plan_launcher(parsed("[bus]\npassword = \"secret\"\n"), "/bin/true", "/p")->bus.password == "secret");
}

TEST_CASE("config daemons: units quote what they must") {
  const UnitPlan plan{"/opt/my pawl/pawl", "/etc/100%/<pawl>.toml", "/srv", "/srv/d", 20'000};
  const std::string service = systemd_unit(plan);
  CHECK(service.find("ExecStart=\"/opt/my pawl/pawl\" up --config /etc/100%%/<pawl>.toml\n") !=
        std::string::npos);
  CHECK(service.find("TimeoutStopSec=35\n") != std::string::npos);
  CHECK(launchd_unit(plan).find("<string>/etc/100%/&lt;pawl&gt;.toml</string>") != std::string::npos);
}
