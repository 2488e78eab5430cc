#include "bus/base/result.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

namespace pawl {
namespace {

TEST_CASE("an error shows as one line that begins with its code") {
  CHECK(error_line(make_error(Code::state, "it is done")) == "STATE it is done");
  CHECK(error_line(make_error(Code::badarg, "no\r\nnew\nlines")) == "BADARG no  new lines");
  Error refusal = make_error(Code::paused, "role 'r' is paused");
  refusal.retry_after_ms = 1500;
  CHECK(error_line(refusal) == "PAUSED role 'r' is paused retry-after-ms=1500");
  refusal.retry_after_ms = 0;
  CHECK(error_line(refusal) == "PAUSED role 'r' is paused retry-after-ms=0");
}

TEST_CASE("every code has a name of its own") {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Code::execabort); ++i) names.insert(code_name(static_cast<Code>(i)));
  CHECK(names.size() == static_cast<size_t>(Code::execabort) + 1);
  CHECK(code_name(Code::err) == "ERR");
}

TEST_CASE("a result is a value or an error") {
  Result<std::string> good = std::string("value");
  REQUIRE(good.ok());
  CHECK(*good == "value");
  CHECK(good->size() == 5);
  const Result<std::string> bad = make_error(Code::lost, "gone");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code == Code::lost);
  const Status fine;
  CHECK(fine.ok());
  const Status failed = make_error(Code::busy, "later");
  CHECK_FALSE(failed);
  CHECK(failed.error().text == "later");
}

}  // namespace
}  // namespace pawl
