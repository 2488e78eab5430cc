// [monitor] of pawl.toml.
#include <catch2/catch.hpp>
#include <string>

#include "cli/config.h"

namespace pawl::cli {
namespace {

FileConfig good(const std::string& text) {
  auto config = parse_config(text, "pawl.toml");
  INFO((config ? "" : config.error().text));
  REQUIRE(config.ok());
  return std::move(*config);
}

std::string bad(const std::string& text) {
  const auto config = parse_config(text, "pawl.toml");
  return config.ok() ? "no error" : config.error().text;
}

}  // namespace

TEST_CASE("config: [monitor] makes a schedule; without it there is none") {
  CHECK(good("[bus]\n").bus.crons.empty());
  CHECK_FALSE(good("[bus]\n").rules.monitor.on);
  const FileConfig plain = good("[monitor]\n");
  CHECK(plain.rules.monitor.on);
  CHECK(plain.notices.empty());
  REQUIRE(plain.bus.crons.count("monitor") == 1);
  const core::CronConfig& cron = plain.bus.crons.at("monitor");
  CHECK(cron.schedule == "@every 2h");
  CHECK(cron.role == "monitor");
  CHECK(cron.catch_up == core::CatchUp::once);
  const FileConfig own = good("[monitor]\nevery = \"90m\"\nrole = \"watch\"\n");
  CHECK(own.bus.crons.at("monitor").schedule == "@every 90m");
  CHECK(own.bus.crons.at("monitor").role == "watch");
  const FileConfig off =
      good("[cron.monitor]\nschedule = \"@daily\"\nrole = \"x\"\n[monitor]\nrole = \"off\"\n");
  CHECK(off.rules.monitor.on);
  CHECK(off.rules.monitor.role.empty());
  CHECK(off.bus.crons.at("monitor").schedule == "@daily");
}

TEST_CASE("config: [monitor] says what is too much") {
  const ops::MonitorLimits limits = good(R"([monitor]
errors_least = 7
errors_factor = 4
dead_growth = 3
dead_backlog = 50
long_claim = "8h"
stuck_claim = "20m"
oldest_ready = "30m"
quota_percent = 90
quota_ahead = "6h"
freeze_long = "10m"
limits = { restart_daemon = { max = 1, per = "1h" } }
)")
                                        .rules.monitor.limits;
  CHECK(limits.errors_least == 7);
  CHECK(limits.errors_factor == 4);
  CHECK(limits.dead_growth == 3);
  CHECK(limits.dead_backlog == 50);
  CHECK(limits.long_claim_ms == 8 * 3'600'000);
  CHECK(limits.stuck_claim_ms == 20 * 60'000);
  CHECK(limits.oldest_ready_ms == 30 * 60'000);
  CHECK(limits.quota_percent == 90);
  CHECK(limits.quota_ahead_ms == 6 * 3'600'000);
  CHECK(limits.freeze_long_ms == 600'000);
}

TEST_CASE("config: a limit of an action keeps its limit of the fleet, or has its own") {
  const auto fleet = [](const std::string& limit) {
    const auto caps = good("[monitor]\nlimits = { " + limit + " }\n").rules.caps;
    for (const auto& cap : caps) {
      if (cap) return cap->fleet;
    }
    return UINT32_MAX;
  };
  CHECK(fleet(R"(restart_daemon = { max = 1, per = "1h" })") == 10);
  CHECK(fleet(R"(restart_daemon = { max = 50, per = "1h" })") == 50);
  CHECK(fleet(R"(restart_daemon = { max = 50, per = "1h", fleet = 20 })") == 20);
  CHECK(fleet(R"(restart_daemon = { max = 1, per = "1h", fleet = 0 })") == 0);
  CHECK(fleet(R"(retry_later = { max = 1, per = "1h" })") == 0);
}

TEST_CASE("config: mistakes in [monitor] say what to do") {
  struct Row {
    const char* text;
    const char* says;
  };
  const Row rows[] = {
      {"[monitor]\nevry = \"2h\"\n", "pawl.toml:2: unknown key 'evry' in [monitor]; did you mean 'every'?"},
      {"[monitor]\nevery = \"1s\"\n", "pawl.toml:2: monitor.every"},
      {"[monitor]\nevery = 2\n", "pawl.toml:2: monitor.every"},
      {"[monitor]\nrole = \"a b\"\n", "is no name of a role"},
      {"[monitor]\nquota_percent = 101\n", "monitor.quota_percent"},
      {"[monitor]\nerrors_factor = 1\n", "monitor.errors_factor"},
      {"[monitor]\n[cron.monitor]\nschedule = \"@daily\"\nrole = \"x\"\n",
       "a schedule of this name is [monitor]'s own"},
      {"[bus]\nstrict_roles = true\n[monitor]\n",
       "pawl.toml:3: [monitor] pushes to role 'monitor', which strict_roles"},
      {"monitor = 1\n", "[monitor]"},
  };
  for (const Row& row : rows) {
    const std::string error = bad(row.text);
    INFO(error);
    CHECK(error.find(row.says) != std::string::npos);
  }
}

}  // namespace pawl::cli
