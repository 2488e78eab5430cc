#include "runner/outcome.h"

#include <catch2/catch.hpp>
#include <csignal>

using namespace pawl::runner;

TEST_CASE("outcome: exit codes become error classes") {
  struct Row {
    int code;
    const char* error_class;
  };
  const Row rows[] = {{75, "transient"}, {65, "bad_input"}, {69, "dependency_down"}, {77, "auth"},
                      {124, "timeout"},  {1, "unknown"},    {2, "unknown"},          {255, "unknown"}};
  for (const Row& row : rows) {
    HandlerResult ended;
    ended.code = row.code;
    const Outcome outcome = outcome_of(ended, {}, {}, 0);
    CHECK_FALSE(outcome.ok);
    CHECK(outcome.error_class == row.error_class);
    CHECK(outcome.error_text == "exit code " + std::to_string(row.code));
  }
}

TEST_CASE("outcome: success keeps stdout, failure the tail of stderr") {
  HandlerResult ended;
  ended.output = "result";
  ended.output_bytes = 6;
  ended.error_tail = "warning\n";
  const Outcome good = outcome_of(ended, {}, {}, 0);
  CHECK(good.ok);
  CHECK(good.result == "result");
  ended.code = 1;
  const Outcome bad = outcome_of(ended, {}, {}, 0);
  CHECK(bad.error_text == "warning");
  ended.error_tail =
      "\x82\xac"
      "cut char\n\n";
  CHECK(outcome_of(ended, {}, {}, 0).error_text == "cut char");
}

TEST_CASE("outcome: signals, time, a dependency's name, the handler's own word") {
  HandlerResult ended;
  ended.signalled = true;
  ended.code = SIGSEGV;
  ended.error_tail = "oops\n";
  CHECK(outcome_of(ended, {}, {}, 0).error_class == "crash");
  CHECK(outcome_of(ended, {}, {}, 0).error_text == "killed by signal 11 (SIGSEGV)\noops");
  ended.timed_out = true;
  CHECK(outcome_of(ended, {}, {}, 5000).error_class == "timeout");
  CHECK(outcome_of(ended, {}, {}, 5000).error_text == "ran longer than 5s\noops");
  HandlerResult down;
  down.code = 69;
  down.error_first_line = "slack: refused";
  down.error_tail = "much later";
  CHECK(outcome_of(down, {}, {}, 0).error_text == "slack: refused\n…much later");
  down.error_tail = "slack: refused\n";
  CHECK(outcome_of(down, {}, {}, 0).error_text == "slack: refused");
  HandlerReport report;
  report.error_class = "rate_limited";
  report.retry_in_ms = 30'000;
  const Outcome own = outcome_of(down, report, {}, 0);
  CHECK(own.error_class == "rate_limited");
  CHECK(own.retry_in_ms == 30'000);
  HandlerResult late;  // its deadline came, and it still ended well: too late all the same
  late.timed_out = true;
  CHECK_FALSE(outcome_of(late, {}, {}, 100).ok);
}

TEST_CASE("outcome: a long result is cut and says so") {
  CHECK(cut_with_mark("abc", 3, 10) == "abc");
  const std::string cut = cut_with_mark(std::string(200, 'x'), 5000, 100);
  CHECK(cut.size() == 100);
  CHECK(cut.find("5000 bytes in all") != std::string::npos);
  const std::string accents = cut_with_mark(std::string(100, 'x') + "üüüüüüüüüüüüüüüüüüüü", 140, 121);
  CHECK(accents.size() <= 121);
}

TEST_CASE("report: lines of descriptor 3") {
  HandlerReport report;
  REQUIRE(take_report_line(R"({"tokens": 120, "cost_usd": 0.0125})", &report).ok());
  REQUIRE(take_report_line(R"({"tokens": 200, "progress": 40, "note": "half", "later": [1]})", &report).ok());
  REQUIRE(take_report_line(R"({"class": "auth", "retry_in_ms": 1500.4})", &report).ok());
  CHECK(report.tokens == 200);
  CHECK(report.cost_micro == 12'500);
  CHECK(report.progress == 40);
  CHECK(report.note == "half");
  CHECK(report.error_class == "auth");
  CHECK(report.retry_in_ms == 1500);
  for (const char* bad : {"", "nope", "[]", "1", R"({"tokens": -1})", R"({"tokens": "5"})",
                          R"({"progress": 101})", R"({"cost_usd": 1e300})", R"({"class": "odd"})",
                          R"({"class": 1})", R"({"note": 1})", R"({"tokens": 7, "progress": 101})"}) {
    INFO(bad);
    CHECK_FALSE(take_report_line(bad, &report).ok());
  }
  CHECK(report.tokens == 200);  // a bad line changes nothing
}

EndingRules::Pattern pattern(std::string_view expression, std::string error_class,
                             std::optional<int64_t> retry_in_ms = {}) {
  return {*pawl::Pattern::compile(expression), std::move(error_class), retry_in_ms};
}

TEST_CASE("outcome: every exit code, by the contract's table, a role's own, and its patterns") {
  EndingRules rules;
  rules.exits = {{3, "rate_limited"}, {65, "transient"}};
  rules.patterns = {pattern("Too +Many", "rate_limited", 9000), pattern("\\bmany\\?", "auth")};
  for (int code = 1; code < 256; ++code) {
    INFO(code);
    HandlerResult ended;
    ended.code = code;
    const std::string plain = outcome_of(ended, {}, {}, 0).error_class;
    const std::string ruled = outcome_of(ended, {}, rules, 0).error_class;
    CHECK(ruled == (code == 3 ? "rate_limited" : code == 65 ? "transient" : plain));
    ended.error_tail = "HTTP 429: TOO MANY requests";
    const Outcome first = outcome_of(ended, {}, rules, 0);
    CHECK(first.error_class == "rate_limited");
    CHECK(first.retry_in_ms == 9000);
    ended.error_tail = "how many?";
    CHECK(outcome_of(ended, {}, rules, 0).error_class == "auth");
    // One that a long stderr pushed out is known by the first line still.
    ended.error_first_line = "too many";
    CHECK(outcome_of(ended, {}, rules, 0).error_class == "rate_limited");
    HandlerReport report;
    report.error_class = "quota";
    report.retry_in_ms = 5;
    const Outcome own = outcome_of(ended, report, rules, 0);
    CHECK(own.error_class == "quota");
    CHECK(own.retry_in_ms == 5);
  }
}

TEST_CASE("outcome: a time-out, a signal and a lack of memory are what they are") {
  EndingRules rules;
  rules.exits = {{9, "auth"}, {137, "auth"}};
  rules.patterns = {pattern("x", "auth")};
  HandlerReport report;
  report.error_class = "quota";
  HandlerResult ended;
  ended.error_tail = "x";
  ended.signalled = true;
  ended.code = SIGKILL;
  CHECK(outcome_of(ended, report, rules, 0).error_class == "crash");
  ended.out_of_memory = true;
  const Outcome memory = outcome_of(ended, report, rules, 0);
  CHECK(memory.error_class == "out_of_memory");
  CHECK(memory.error_text == "killed by signal 9 (SIGKILL) by the kernel, out of memory\nx");
  ended.timed_out = true;
  CHECK(outcome_of(ended, report, rules, 1).error_class == "timeout");
}
