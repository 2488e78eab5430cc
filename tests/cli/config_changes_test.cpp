#include "cli/config_changes.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace pawl::cli {
namespace {

FileConfig parsed(const std::string& text) {
  const auto config = parse_config(text, "pawl.toml");
  if (!config) FAIL(config.error().text);
  return *config;
}

std::vector<std::string> changes(const std::string& from, const std::string& to) {
  return config_changes(parsed(from), parsed(to));
}

using Lines = std::vector<std::string>;

struct Row {
  std::string key;
  std::string from;
  std::string to;
  std::string line;  // behind the section
};

const std::vector<Row> bus_rows = {
    {"strict_roles", "false", "true", "strict_roles false -> true"},
    {"payload_max", "\"1MiB\"", "\"64KiB\"", "payload_max 1MiB -> 64KiB"},
    {"done_bytes", "0", "1000", "done_bytes 0B -> 1000B"},
    {"dead_bytes", "\"1GiB\"", "\"1536MiB\"", "dead_bytes 1GiB -> 1536MiB"},
    {"chronicle_bytes", "\"2GiB\"", "\"1GiB\"", "chronicle_bytes 2GiB -> 1GiB"},
    {"disk_low", "\"2GiB\"", "\"512MiB\"", "disk_low 2GiB -> 512MiB"},
    {"disk_critical", "\"64MiB\"", "1048577", "disk_critical 64MiB -> 1048577B"},
    {"keep_dead", "\"30d\"", "\"7d\"", "keep_dead 30d -> 7d"},
    {"password", "\"one\"", "\"two\"", "password changed"},
};

const std::vector<Row> role_rows = {
    {"concurrency", "4", "8", "concurrency 4 -> 8"},
    {"lease", "\"1m\"", "\"90s\"", "lease 1m -> 90s"},
    {"max_attempts", "5", "6", "max_attempts 5 -> 6"},
    {"backoff", "{ base = \"1s\" }", "{ base = \"2s\", max = \"1h\" }",
     "backoff base 1s max 10m -> base 2s max 1h"},
    {"needs", "[\"a\"]", "[\"a\", \"b\"]", "needs a -> a b"},
    // Which command it is, is the runner's alone.
    {"limp", "[\"x\"]\nneeds = [\"a\"]", "[\"y\"]\nneeds = [\"a\"]", ""},
    {"quota", "[ { what = \"tokens\", cap = 5, per = \"1h\" } ]",
     "[ { what = \"tokens\", cap = 5, per = \"1h\", estimate = 2 } ]", "quota.tokens/1h 5 -> 5 estimate 2"},
    {"quota", "[ { what = \"calls\", cap = 5, per = \"1h\" } ]",
     "[ { what = \"calls\", cap = 5, per = \"60m\" } ]", ""},
    {"rate", "\"10/s\"", "\"10/m\"", "rate 10 per 1s -> 10 per 1m"},
    {"backlog", "10", "20", "backlog 10 -> 20"},
    {"backlog_bytes", "\"1KiB\"", "\"1MiB\"", "backlog_bytes 1KiB -> 1MiB"},
    {"retry", "{ timeout = \"dead\" }", "{ timeout = { base = \"5s\" } }", "retry.timeout dead -> base 5s"},
    {"retry", "{ timeout = { max = \"5s\" } }", "{}", "retry.timeout max 5s -> backoff"},
    {"keep_done", "\"10m\"", "\"0s\"", "keep_done 10m -> 0ms"},
};

const std::vector<Row> guard_rows = {
    {"shed", "\"off\"", "\"observe\"", "shed off -> observe"},
    {"pause", "\"off\"", "\"enforce\"", "pause off -> enforce"},
    {"breaker", "\"off\"", "\"observe\"", "breaker off -> observe"},
    {"concurrency", "\"off\"", "\"observe\"", "concurrency off -> observe"},
    {"rate", "\"off\"", "\"observe\"", "rate off -> observe"},
    {"quota", "\"off\"", "\"observe\"", "quota off -> observe"},
    {"poison", "\"off\"", "\"observe\"", "poison off -> observe"},
    {"velocity", "\"off\"", "\"observe\"", "velocity off -> observe"},
    {"poison_crashes", "3", "4", "poison_crashes 3 -> 4"},
    {"outage_messages", "5", "4", "outage_messages 5 -> 4"},
    {"outage_window", "\"1m\"", "\"2m\"", "outage_window 1m -> 2m"},
    {"cooldown", "\"5s\"", "\"6s\"", "cooldown 5s -> 6s"},
    {"cooldown_max", "\"5m\"", "\"6m\"", "cooldown_max 5m -> 6m"},
    {"velocity_factor", "10", "11", "velocity_factor 10 -> 11"},
    {"velocity_pushes_floor", "1", "2", "velocity_pushes_floor 1 -> 2"},
    {"velocity_tokens_floor", "1", "2", "velocity_tokens_floor 1 -> 2"},
    {"velocity_cost_floor", "1", "2.5", "velocity_cost_floor $1.00 -> $2.50"},
    {"shed_from_percent", "80", "100", "shed_from_percent 80 -> 100"},
};

const std::vector<Row> system_rows = {
    {"quota", "[ { what = \"cost_usd\", cap = 5, per = \"1h\" } ]",
     "[ { what = \"cost_usd\", cap = 5.5, per = \"1h\" } ]", "quota.cost/1h $5.00 -> $5.50"},
};

const std::vector<std::pair<std::string, const std::vector<Row>*>> sections = {
    {"bus", &bus_rows}, {"role.r", &role_rows}, {"guards", &guard_rows}, {"system", &system_rows}};

// The keys that the loader knows in a section, as it says itself.
std::vector<std::string> known_keys(const std::string& section) {
  const auto config = parse_config("[" + section + "]\nqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq = 1\n", "t");
  REQUIRE(!config);
  const std::string text = config.error().text;
  const std::string marker = "; known are ";
  const size_t at = text.find(marker);
  REQUIRE(at != std::string::npos);
  std::vector<std::string> keys;
  std::string word;
  for (const char c : text.substr(at + marker.size()) + " ") {
    if (c != ' ') {
      word += c;
    } else {
      keys.push_back(std::exchange(word, ""));
    }
  }
  return keys;
}

// As code: between backticks, alone or in a list.
bool names_key(const std::string& page, const std::string& key) {
  const auto edge = [](char c) { return c == '`' || c == ' '; };
  for (size_t at = 0; (at = page.find(key, at)) != std::string::npos; ++at) {
    if (at > 0 && edge(page[at - 1]) && edge(page[at + key.size()])) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("config changes: a line for each key, values as the file has them") {
  for (const auto& [section, rows] : sections) {
    for (const Row& row : *rows) {
      INFO(section << "." << row.key << " " << row.from << " " << row.to);
      const auto text = [&](const std::string& value) {
        return "[" + section + "]\n" + row.key + " = " + value + "\n";
      };
      const Lines expected = row.line.empty() ? Lines{} : Lines{section + "." + row.line};
      CHECK(changes(text(row.from), text(row.to)) == expected);
      CHECK(changes(text(row.from), text(row.from)).empty());
      // And back: no change is a change in one direction only.
      CHECK(changes(text(row.to), text(row.from)).size() == expected.size());
    }
  }
}

TEST_CASE("config changes: no key that the bus acts on is forgotten, here or in docs/config.md") {
  const std::vector<std::string> of_a_start = {"data", "listen", "http", "socket"};
  std::ifstream file(PAWL_SOURCE_ROOT "/docs/config.md");
  const std::string page{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  for (const auto& [section, rows] : sections) {
    for (const std::string& key : known_keys(section)) {
      INFO(section << "." << key);
      CHECK(names_key(page, key));
      const bool acted_on = parse_config("[" + section + "]\n", "t").ok();
      REQUIRE(acted_on);
      if (std::find(of_a_start.begin(), of_a_start.end(), key) != of_a_start.end()) continue;
      const bool tested =
          std::any_of(rows->begin(), rows->end(), [&](const Row& row) { return row.key == key; });
      // The bus does nothing with these: the runner looks for itself.
      const std::vector<std::string> foreign = {"command", "prompt", "timeout", "on_freeze",
                                                "shell",   "exit",   "patterns"};
      const bool of_runner =
          section == "role.r" && std::find(foreign.begin(), foreign.end(), key) != foreign.end();
      CHECK(tested != of_runner);
    }
  }
}

TEST_CASE("config changes: what came and what went") {
  CHECK(changes("", "").empty());
  CHECK(changes("", "[role.a]\n") == Lines{"role.a added"});
  CHECK(changes("[role.a]\n", "") == Lines{"role.a removed"});
  CHECK(changes("", "[role.a]\nlease = \"1m\"\nbacklog = 5\nretry = { auth = \"dead\" }\n") ==
        Lines{"role.a added", "role.a.backlog none -> 5", "role.a.lease 15m -> 1m",
              "role.a.retry.auth backoff -> dead"});
  CHECK(changes("[role.a]\nneeds = [\"x\"]\nrate = \"1/h\"\n", "[role.b]\n") ==
        Lines{"role.a removed", "role.a.needs x -> none", "role.a.rate 1 per 1h -> none", "role.b added"});
  CHECK(changes("[role.a]\nneeds = [\"x\"]\n", "[role.a]\nneeds = [\"x\"]\nlimp = [\"y\"]\n") ==
        Lines{"role.a.limp none -> true"});
  CHECK(changes("[system]\nquota = [ { what = \"calls\", cap = 5, per = \"1h\" } ]\n",
                "[system]\nquota = [ { what = \"calls\", cap = 5, per = \"2h\" } ]\n") ==
        Lines{"system.quota.calls/1h 5 -> none", "system.quota.calls/2h none -> 5"});
  CHECK(changes("[guards]\nvelocity = \"off\"\n", "") == Lines{"guards.velocity off -> default"});
  CHECK(changes("[bus]\npassword = \"secret-one\"\n", "") == Lines{"bus.password removed"});
  CHECK(changes("", "[bus]\npassword = \"secret-one\"\n") == Lines{"bus.password added"});
  CHECK(
      changes("[bus]\ndata = \"a\"\nlisten = \"h:1\"\n", "[bus]\ndata = \"b\"\nlisten = \"h:2\"\n").empty());
}

TEST_CASE("config changes: users, of whom no password is shown") {
  FileConfig from;
  FileConfig to;
  from.bus.users["ada"] = {"ada", "hash-one", true, false, false, false, {}};
  from.bus.users["bob"] = {"bob", "hash-two", false, true, false, false, {}};
  to.bus.users["ada"] = {"ada", "hash-three", true, true, false, false, {"mail."}};
  to.bus.users["eve"] = {"eve", "hash-four", false, false, true, true, {"x.", "y."}};
  CHECK(config_changes(from, to) == Lines{"user.ada.rights producer -> producer worker",
                                          "user.ada.roles all -> mail.", "user.bob removed",
                                          "user.bob.rights worker -> none", "user.eve added",
                                          "user.eve.rights none -> operator admin",
                                          "user.eve.roles all -> x. y.", "user.ada.password changed"});
}

}  // namespace pawl::cli
