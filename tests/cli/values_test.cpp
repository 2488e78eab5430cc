#include "cli/values.h"

#include <catch2/catch.hpp>

#include "cli/difference.h"
#include "cli/exit_codes.h"

using namespace pawl::cli;

TEST_CASE("exit codes: every error of the bus has its own") {
  using pawl::Code;
  struct Row {
    Code code;
    int exit;
  };
  const Row rows[] = {{Code::err, 1},      {Code::frozen, 3},   {Code::quota, 5},     {Code::paused, 5},
                      {Code::open, 5},     {Code::busy, 5},     {Code::lost, 6},      {Code::state, 1},
                      {Code::notfound, 4}, {Code::badarg, 2},   {Code::toobig, 2},    {Code::noauth, 8},
                      {Code::denied, 8},   {Code::readonly, 1}, {Code::notleader, 1}, {Code::execabort, 1}};
  for (const Row& row : rows) CHECK(exit_code_of(row.code) == row.exit);
}

TEST_CASE("values: times") {
  struct Row {
    const char* text;
    int64_t ms;  // -1: none
  };
  const Row rows[] = {{"0", 0},
                      {"1700000000000", 1'700'000'000'000},
                      {"2023-11-14T22:13:20Z", 1'700'000'000'000},
                      {"2023-11-14T22:13:20.5Z", 1'700'000'000'500},
                      {"2023-11-14T22:13:20.123456Z", 1'700'000'000'123},
                      {"2023-11-14t22:13:20z", 1'700'000'000'000},
                      {"2023-11-14 22:13:20Z", 1'700'000'000'000},
                      {"2023-11-15T00:13:20+02:00", 1'700'000'000'000},
                      {"2023-11-14T17:43:20-0430", 1'700'000'000'000},
                      {"2024-02-29T00:00Z", 1'709'164'800'000},
                      {"-1", -1},
                      {"", -1},
                      {"now", -1},
                      {"2023-02-29T00:00Z", -1},
                      {"2023-13-01T00:00Z", -1},
                      {"2023-11-14T24:00:00Z", -1},
                      {"2023-11-14T22:60:00Z", -1},
                      {"2023-11-14T22:13:20.Z", -1},
                      {"2023-11-14T22:13:20+25:00", -1},
                      {"2023-11-14T22:13:20Zjunk", -1},
                      {"1969-12-31T23:59:59Z", -1},
                      {"99999999999999999999", -1}};
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(parse_time_ms(row.text).value_or(-1) == row.ms);
  }
  CHECK(format_time(1'700'000'000'123) == "2023-11-14T22:13:20.123Z");
}

TEST_CASE("values: money and spans") {
  CHECK(parse_cost_micro("1") == 1'000'000);
  CHECK(parse_cost_micro("0.000001") == 1);
  CHECK(parse_cost_micro("12.5") == 12'500'000);
  for (const char* bad : {"", ".", ".5", "1.", "-1", "1e3", "0.0000001", "1,5", "9999999999999"}) {
    INFO(bad);
    CHECK_FALSE(parse_cost_micro(bad).has_value());
  }
  CHECK(format_cost(12'500) == "$0.0125");
  CHECK(format_cost(20'000'000) == "$20.00");
  CHECK(format_span(40) == "40ms");
  CHECK(format_span(1500) == "1.5s");
  CHECK(format_span(725'000) == "12m 5s");
  CHECK(format_span(90'000'000) == "1d 1h");
  CHECK(format_count(1'234'567) == "1,234,567");
  CHECK(format_count(-1234) == "-1,234");
  CHECK(format_count(123) == "123");
}

TEST_CASE("values: nothing that a stranger wrote drives the terminal") {
  struct Row {
    std::string bytes;
    const char* shown;
  };
  const Row rows[] = {{"plain ü€😀", "plain ü€😀"},
                      {"\x1b[31mred", "\\x1b[31mred"},
                      {"a\nb\tc\rd", "a\\nb\\tc\\x0dd"},
                      {std::string("\0", 1), "\\x00"},
                      {"\x7f", "\\x7f"},
                      {"\xff\xfe", "\\xff\\xfe"},
                      {"\xc2\x9b"
                       "31m",
                       "\\u{009b}31m"},
                      {"\xe2\x80\xae"
                       "evil",
                       "\\u{202e}evil"},
                      {"\xc0\x80", "\\xc0\\x80"},
                      {"\xe2\x82", "\\xe2\\x82"}};
  for (const Row& row : rows) CHECK(printable(row.bytes) == row.shown);
  CHECK(printable_lines("a\nb\tc\x1b") == "a\nb\tc\\x1b");
  CHECK(width_of("ü€a") == 3);
}

TEST_CASE("difference: lines before and after") {
  const auto shown = [](std::string_view before, std::string_view after) {
    std::string text;
    for (const DifferenceLine& line : difference(before, after)) text += line.mark + line.text + "|";
    return text;
  };
  CHECK(shown("a", "a").empty());
  CHECK(shown("a", "b") == "-a|+b|");
  CHECK(shown("", "b") == "+b|");
  CHECK(shown("a\nb\nc", "a\nx\nc") == " a|-b|+x| c|");
  CHECK(shown("a\nb\nc\nd", "b\nc\nd\ne") == "-a| b| c| d|+e|");
  CHECK(shown("1\n2\n3\n4\n5\n6\n7", "1\n2\n3\n4\n5\n6\nx") == " …| 5| 6|-7|+x|");
  std::string many;
  std::string other;
  for (int i = 0; i < 3000; ++i) {
    many += std::to_string(i) + "\n";
    other += "x" + std::to_string(i) + "\n";
  }
  CHECK(difference(many, other).size() == 6000);
}
