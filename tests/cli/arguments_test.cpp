#include "cli/arguments.h"

#include <catch2/catch.hpp>

#include "cli/exit_codes.h"

using pawl::cli::Arguments;
using pawl::cli::parse_arguments;
using Words = std::vector<std::string>;

namespace {

Arguments parsed(const Words& argv) {
  auto outcome = parse_arguments(argv);
  INFO(outcome.text);
  REQUIRE(outcome.arguments.has_value());
  return *outcome.arguments;
}

std::string refused(const Words& argv) {
  auto outcome = parse_arguments(argv);
  CHECK_FALSE(outcome.arguments.has_value());
  CHECK(outcome.exit_code == pawl::cli::exit_usage);
  return outcome.text;
}

}  // namespace

TEST_CASE("arguments: a payload arrives as it was typed") {
  const std::string payloads[] = {"[1,2]",
                                  "[]",
                                  "[[a],[b]]",
                                  "{\"a\":1}",
                                  "{\"a\":[1,2]}",
                                  "",
                                  " ",
                                  "a b",
                                  "'quoted'",
                                  "\"q\"",
                                  "a,b",
                                  "-5",
                                  "-",
                                  "@file",
                                  "--",
                                  "-x",
                                  "--help",
                                  "--json",
                                  "push",
                                  "status",
                                  "%s\\n",
                                  "\xff\xfe",
                                  "\x01"
                                  "0",
                                  "=",
                                  "--lines=[a]",
                                  "line\nline",
                                  "[1,2",
                                  "1,2]",
                                  "#",
                                  "a=b",
                                  "ünïcödé",
                                  "help"};
  for (const std::string& payload : payloads) {
    INFO(payload);
    const Arguments behind_dashes = parsed({"push", "role", "--", payload});
    CHECK(behind_dashes.words == Words{"role", payload});
    const bool needs_dashes =
        payload.size() > 1 && payload[0] == '-' && !(payload[1] >= '0' && payload[1] <= '9');
    if (needs_dashes) continue;
    CHECK(parsed({"push", "role", payload}).words == Words{"role", payload});
    CHECK(parsed({"push", "role", payload, "--priority", "7"}).words == Words{"role", payload});
    CHECK(parsed({"push", payload, payload}).words == Words{payload, payload});
  }
}

TEST_CASE("arguments: an option's value arrives as it was typed") {
  const std::string values[] = {"[1,2]",
                                "{\"a\":1}",
                                "",
                                "-x",
                                "--json",
                                "a=b",
                                "push",
                                "\x01"
                                "7",
                                "a,b",
                                "-5"};
  for (const std::string& value : values) {
    INFO(value);
    const Arguments spaced = parsed({"fail", "id", "token", "--text", value});
    CHECK(spaced.text("text") == value);
    CHECK(spaced.words == Words{"id", "token"});
    CHECK_FALSE(spaced.json);
    CHECK(parsed({"fail", "id", "token", "--text=" + value}).text("text") == value);
  }
}

TEST_CASE("arguments: global options before and after the command") {
  for (const Words& argv : {Words{"--url", "tcp://a:1", "--json", "-q", "--timeout", "2s", "get", "id"},
                            Words{"get", "id", "--url=tcp://a:1", "--json", "--quiet", "--timeout=2s"},
                            Words{"--json", "get", "--url", "tcp://a:1", "id", "-q", "--timeout", "2s"}}) {
    const Arguments arguments = parsed(argv);
    CHECK(arguments.url == "tcp://a:1");
    CHECK(arguments.json);
    CHECK(arguments.quiet);
    CHECK(arguments.timeout_ms == 2000);
    CHECK(arguments.words == Words{"id"});
  }
}

TEST_CASE("arguments: --timeout behind exec is the command's, before it the bus's") {
  const Arguments arguments = parsed(
      {"--timeout", "2s", "exec", "a", "b", "--timeout", "9s", "-j", "4", "--", "sh", "-c", "--timeout 1s"});
  CHECK(arguments.timeout_ms == 2000);
  CHECK(arguments.number("timeout") == 9000);
  CHECK(arguments.number("jobs") == 4);
  CHECK(arguments.words == Words{"a", "b"});
  CHECK(arguments.rest == Words{"sh", "-c", "--timeout 1s"});
  CHECK(parsed({"exec", "a", "-j8", "--", "[", "a,b", "]"}).number("jobs") == 8);
  CHECK(parsed({"exec", "a", "--", "x", "--", "y"}).rest == Words{"x", "--", "y"});
}

TEST_CASE("arguments: repeated and optional values") {
  const Arguments push = parsed({"push", "r", "p", "--header", "a=[1,2]", "--header", "b=x=y"});
  CHECK(push.all("header") == Words{"a=[1,2]", "b=x=y"});
  const Arguments wait = parsed({"claim", "--wait", "5s", "r"});
  CHECK(wait.number("wait") == 5000);
  CHECK(wait.words == Words{"r"});
  const Arguments bare = parsed({"claim", "--wait", "r"});
  CHECK(bare.number("wait") == 86'400'000);
  CHECK(bare.words == Words{"r"});
  CHECK(parsed({"claim", "r", "--wait"}).number("wait") == 86'400'000);
  CHECK_FALSE(parsed({"claim", "r"}).number("wait").has_value());
}

TEST_CASE("arguments: values by kind") {
  struct Row {
    Words argv;
    const char* option;
    int64_t value;  // -1: refused
  };
  const Row rows[] = {
      {{"push", "r", "p", "--priority", "9"}, "priority", 9},
      {{"push", "r", "p", "--priority", "10"}, "priority", -1},
      {{"push", "r", "p", "--priority", "-1"}, "priority", -1},
      {{"push", "r", "p", "--delay", "10s"}, "delay", 10'000},
      {{"push", "r", "p", "--delay", "10"}, "delay", -1},
      {{"push", "r", "p", "--delay", "-10s"}, "delay", -1},
      {{"push", "r", "p", "--delay", "99999999999d"}, "delay", -1},
      {{"push", "r", "p", "--max-attempts", "0"}, "max-attempts", -1},
      {{"push", "r", "p", "--max-attempts", "2"}, "max-attempts", 2},
      {{"push", "r", "p", "--at", "1700000000000"}, "at", 1'700'000'000'000},
      {{"push", "r", "p", "--at", "2023-11-14T22:13:20Z"}, "at", 1'700'000'000'000},
      {{"push", "r", "p", "--at", "tomorrow"}, "at", -1},
      {{"push", "r", "p", "--header", "novalue"}, "header", -1},
      {{"ack", "i", "t", "--cost", "0.0125"}, "cost", 12'500},
      {{"ack", "i", "t", "--cost", "0.0000001"}, "cost", -1},
      {{"ack", "i", "t", "--tokens", "18446744073709551616"}, "tokens", -1},
      {{"extend", "i", "t", "--progress", "101"}, "progress", -1},
      {{"claim", "r", "--wait", "10"}, "wait", -1},
      {{"fail", "i", "t", "--class", "nonsense"}, "class", -1},
      {{"cancel", "--role", "r", "--state", "ready!"}, "state", -1},
      {{"--timeout", "x", "roles"}, "timeout", -1},
  };
  for (const Row& row : rows) {
    INFO(row.argv[0] << " " << row.argv.back());
    if (row.value >= 0) {
      CHECK(parsed(row.argv).number(row.option) == row.value);
    } else {
      CHECK(refused(row.argv).find(std::string("--") + row.option) != std::string::npos);
    }
  }
}

TEST_CASE("arguments: every mistake is exit 2 and says what to do") {
  struct Row {
    Words argv;
    const char* says;
  };
  const Row rows[] = {
      {{}, "a command is missing"},
      {{"psh"}, "did you mean 'push'"},
      {{"sweeep"}, "did you mean 'sweep'"},
      {{"quota"}, "quota show"},
      {{"quota", "st"}, "did you mean 'quota set'"},
      {{"quota", "drop", "r"}, "usage: pawl quota drop ROLE|*"},
      {{"kill", "--scope", "everything"}, "takes one of intake claims all"},
      {{"kill", "--for", "soon"}, "takes a duration"},
      {{"exec", "r", "--on-freeze", "ignore", "--", "x"}, "takes one of pause terminate finish"},
      {{"ops", "restart"}, "usage: pawl ops restart NAME"},
      {{"dead", "lst"}, "did you mean 'dead list'"},
      {{"dead"}, "dead replay"},
      {{"push"}, "usage: pawl push ROLE"},
      {{"push", "a", "b", "c"}, "too many arguments from 'c'"},
      {{"push", "a", "b", "--", "c"}, "too many arguments from 'c'"},
      {{"ack", "id"}, "usage: pawl ack ID TOKEN"},
      {{"push", "a", "b", "--priorty", "3"}, "did you mean '--priority'"},
      {{"push", "a", "-text"}, "unknown option '-text'"},
      {{"push", "a", "b", "--priority", "1", "--priority", "2"}, "twice"},
      {{"push", "a", "b", "--priority"}, "--priority"},
      {{"roles", "--json=yes"}, "--json"},
      {{"exec", "a"}, "the command is missing"},
      {{"exec", "--", "cmd"}, "too few"},
      {{"--priority", "1", "push", "a"}, "unknown option '--priority'"},
  };
  for (const Row& row : rows) {
    const std::string text = refused(row.argv);
    INFO(text);
    CHECK(text.find(row.says) != std::string::npos);
  }
}

TEST_CASE("arguments: of a sweep, mistakes are exit 3: who calls it takes 2 for an ultra") {
  for (const Words& argv :
       {Words{"sweep", "--sinc", "2h"}, Words{"sweep", "--since", "soon"}, Words{"sweep", "now"},
        Words{"--timeout", "x", "sweep"}, Words{"--bogus", "sweep"}}) {
    const auto outcome = parse_arguments(argv);
    INFO(outcome.text);
    CHECK_FALSE(outcome.arguments.has_value());
    CHECK(outcome.exit_code == 3);
  }
  CHECK(parse_arguments({"sweep", "--help"}).exit_code == 0);
  CHECK(parsed({"sweep", "--since", "2h"}).number("since") == 7'200'000);
}

TEST_CASE("arguments: help is for stdout and exit 0, and knows only what there is") {
  for (const Words& argv :
       {Words{"--help"}, Words{"-h"}, Words{"help"}, Words{"push", "--help"}, Words{"push", "-h", "x"},
        Words{"help", "dead", "list"}, Words{"dead", "--help"}, Words{"dead", "list", "--help"},
        Words{"exec", "--help"}, Words{"push", "--help", "--nonsense"}}) {
    const auto outcome = parse_arguments(argv);
    INFO(outcome.text);
    CHECK_FALSE(outcome.arguments.has_value());
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.text.find("usage: pawl") != std::string::npos);
  }
  const std::string all = parse_arguments({"--help"}).text;
  for (const char* later : {"backup"}) {
    INFO(later);
    CHECK(all.find(std::string("\n  ") + later + " ") == std::string::npos);
  }
  for (const char* now :
       {"serve", "up", "push", "exec", "ops restart", "dead import", "kill", "quota set", "guards",
        "cron set", "incident open", "insights", "graph", "incident classify", "completion"}) {
    CHECK(all.find(std::string("\n  ") + now) != std::string::npos);
  }
  CHECK(parsed({"--version"}).command->name == "version");
}
