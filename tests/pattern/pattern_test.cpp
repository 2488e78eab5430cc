#include "bus/pattern/pattern.h"

#include <catch2/catch.hpp>
#include <string>

namespace pawl {
namespace {

bool found(std::string_view pattern, std::string_view text) {
  const auto compiled = Pattern::compile(pattern);
  REQUIRE(compiled);
  return compiled->found_in(text);
}

TEST_CASE("pattern: found anywhere, in any case, at line ends") {
  struct Row {
    const char* pattern;
    std::string text;
    bool found;
  };
  const Row rows[] = {
      {"429", "HTTP 429 Too Many", true},
      {"too MANY", "HTTP 429 Too Many", true},
      {"(?-i)too MANY", "HTTP 429 Too Many", false},
      {"^error:", "first\nError: second", true},
      {"done$", "done\nmore", true},
      {"a.b", "a\nb", false},
      {"a.b",
       "a\xff"
       "b",
       true},  // a byte that is no UTF-8
      {"^a\xc3\xa9$", "A\xc3\x89", true},
      {"x.y", "x\xc3\xa9y", true},
      {"x", "", false},
      {"x*", "", true},
      {"a\\.b", "a.b", true},
      {"a\\.b", "axb", false},
  };
  for (const Row& row : rows) {
    INFO(row.pattern << " in " << row.text);
    CHECK(found(row.pattern, row.text) == row.found);
  }
}

TEST_CASE("pattern: what is none is refused with the reason") {
  struct Row {
    std::string pattern;
    const char* says;
  };
  const Row rows[] = {{"", "1 to 1024 bytes, not 0"},
                      {std::string(1025, 'x'), "not 1025"},
                      {"a(b", "missing )"},
                      {"a)(b", "unexpected )"},
                      {"[", "missing ]"},
                      {"(a)\\1", "invalid escape"},
                      {"(?=a)", "invalid perl operator"},
                      {"((((x{100}){100}){100}){100})", "repetition"}};
  for (const Row& row : rows) {
    INFO(row.pattern.substr(0, 40));
    const auto compiled = Pattern::compile(row.pattern);
    REQUIRE_FALSE(compiled);
    CHECK(compiled.error().code == Code::badarg);
    INFO(compiled.error().text);
    CHECK(compiled.error().text.find(row.says) != std::string::npos);
  }
}

TEST_CASE("pattern: a huge text is looked at up to its bound, and no pattern explodes") {
  const std::string far = std::string(Pattern::text_bytes_max, 'a') + "needle";
  CHECK_FALSE(found("needle", far));
  CHECK(found("a", far));
  // What takes exponential time elsewhere.
  CHECK_FALSE(found("^(a+)+$", std::string(Pattern::text_bytes_max - 1, 'a') + "b"));
}

TEST_CASE("pattern: what it says of itself") {
  const auto of = [](std::string_view text) { return *Pattern::compile(text); };
  CHECK(of("timed out").literal());
  CHECK_FALSE(of("timed.out").literal());
  CHECK(of("^timed").anchored());
  CHECK(of("\\btimed").anchored());
  CHECK_FALSE(of("timed").anchored());
  CHECK(of("a") == of("a"));
  const std::string odd = R"(a.b (c) [d] {e} f|g ^h$ \i *j+ k?)";
  CHECK(found(quoted_pattern(odd), odd));
}

}  // namespace
}  // namespace pawl
