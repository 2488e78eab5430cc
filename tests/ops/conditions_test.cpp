#include "bus/ops/conditions.h"

#include <catch2/catch.hpp>

namespace pawl::ops {
namespace {

TEST_CASE("conditions: globs match, and cover one another") {
  struct Row {
    const char* glob;
    const char* text;
    bool matches;
  };
  const Row rows[] = {{"*", "", true},      {"*", "a", true},
                      {"a*", "a", true},    {"a*", "ba", false},
                      {"?", "", false},     {"?", "a", true},
                      {"a?c", "abc", true}, {"*b*", "abc", true},
                      {"*b", "abc", false}, {"team-*.mail", "team-a.mail", true},
                      {"**", "x", true},    {"", "", true},
                      {"", "x", false}};
  for (const Row& row : rows) {
    INFO(row.glob << " over " << row.text);
    CHECK(glob_matches(row.glob, row.text) == row.matches);
  }
  struct Pair {
    const char* wide;
    const char* narrow;
    bool covers;
  };
  const Pair pairs[] = {{"*", "*", true},    {"*", "a*", true},    {"a*", "*", false},    {"a*", "ab*", true},
                        {"?", "a", true},    {"a", "?", false},    {"?", "*", false},     {"*", "?", true},
                        {"a?", "a*", false}, {"*a*", "bac", true}, {"*-x", "a*-x", true}, {"?*", "*", false}};
  for (const Pair& pair : pairs) {
    INFO(pair.wide << " covers " << pair.narrow);
    CHECK(glob_covers(pair.wide, pair.narrow) == pair.covers);
  }
}

TEST_CASE("conditions: ranges") {
  CHECK(span_from("64")->least == 64);
  CHECK(span_from("64-78")->most == 78);
  for (const char* bad : {"", "x", "-1", "1-", "1-x", "78-64"}) {
    INFO(bad);
    CHECK_FALSE(span_from(bad));
  }
  CHECK(span_from("78-64").error().text == "\"78-64\" is empty: write the smaller number first, \"64-78\"");
  CHECK(span_text({}) == "anything");
  CHECK(span_text({3, 3}) == "3");
  CHECK(spans_text({{1, 2}, {5, 5}, {7, Span{}.most}}) == "1-2, 5 or at least 7");
  CHECK(spans_cover({}, {{1, 2}}));
  CHECK(spans_cover({{1, 5}}, {{1, 2}, {4, 5}}));
  CHECK_FALSE(spans_cover({{1, 5}}, {}));
  CHECK_FALSE(spans_cover({{1, 5}}, {{4, 6}}));
}

}  // namespace
}  // namespace pawl::ops
