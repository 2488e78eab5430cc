#include "bus/base/parse.h"

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

namespace pawl {
namespace {

using Cases = std::vector<std::pair<std::string, std::optional<int64_t>>>;

TEST_CASE("whole numbers") {
  const Cases cases = {{"0", 0},
                       {"-0", 0},
                       {"42", 42},
                       {"-7", -7},
                       {"007", 7},
                       {"9223372036854775807", INT64_MAX},
                       {"-9223372036854775808", INT64_MIN},
                       {"9223372036854775808", {}},
                       {"99999999999999999999999", {}},
                       {"", {}},
                       {"-", {}},
                       {"+1", {}},
                       {" 1", {}},
                       {"1 ", {}},
                       {"1.5", {}},
                       {"1e3", {}},
                       {"0x10", {}},
                       {"ten", {}},
                       {std::string("1\0", 2), {}}};
  for (const auto& [text, number] : cases) {
    INFO(text);
    CHECK(parse_int(text) == number);
  }
}

TEST_CASE("durations") {
  const Cases cases = {{"0", 0},
                       {"500ms", 500},
                       {"30s", 30'000},
                       {"15m", 900'000},
                       {"2h", 7'200'000},
                       {"7d", 604'800'000},
                       {"0s", 0},
                       {"5", {}},
                       {"-1s", {}},
                       {"1.5s", {}},
                       {"1 s", {}},
                       {"s", {}},
                       {"", {}},
                       {"1S", {}},
                       {"1sec", {}},
                       {"1h30m", {}},
                       {"9223372036854775807ms", INT64_MAX},
                       {"9223372036854775807s", {}},
                       {"106751991168d", {}},
                       {"99999999999999999999s", {}}};
  for (const auto& [text, ms] : cases) {
    INFO(text);
    CHECK(parse_duration_ms(text) == ms);
  }
}

TEST_CASE("sizes") {
  const Cases cases = {{"0", 0},
                       {"512", 512},
                       {"512B", 512},
                       {"64KiB", 65'536},
                       {"1MiB", 1'048'576},
                       {"2GiB", 2'147'483'648},
                       {"64KB", {}},
                       {"64kib", {}},
                       {"-1", {}},
                       {"", {}},
                       {"KiB", {}},
                       {"1.5MiB", {}},
                       {"9223372036854775807", INT64_MAX},
                       {"9223372036854775807KiB", {}},
                       {"8589934592GiB", {}}};
  for (const auto& [text, bytes] : cases) {
    INFO(text);
    CHECK(parse_bytes(text) == bytes);
  }
}

TEST_CASE("a duration is written in the largest unit that divides it, and reads back") {
  const std::pair<int64_t, const char*> cases[] = {
      {0, "0ms"},       {1, "1ms"},        {1500, "1500ms"},   {1000, "1s"},       {90'000, "90s"},
      {900'000, "15m"}, {3'600'000, "1h"}, {86'400'000, "1d"}, {604'800'000, "7d"}};
  for (const auto& [ms, text] : cases) {
    CHECK(format_duration(ms) == text);
    CHECK(parse_duration_ms(text) == ms);
  }
}

TEST_CASE("words without regard to case, ASCII only") {
  CHECK(same_word("PUSH", "push"));
  CHECK(same_word("", ""));
  CHECK_FALSE(same_word("push", "pushy"));
  CHECK_FALSE(same_word("@", "`"));
  CHECK_FALSE(same_word("[", "{"));
}

TEST_CASE("the nearest word, or none") {
  const std::array<std::string, 4> words = {"lease", "timeout", "backoff", "command"};
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("same", "SAME") == 0);
  CHECK(nearest_word("leese", words) == "lease");
  CHECK(nearest_word("time_out", words) == "timeout");
  CHECK(nearest_word("comand", words) == "command");
  CHECK(nearest_word("zzzzzz", words).empty());
  CHECK(nearest_word("", words).empty());
}

}  // namespace
}  // namespace pawl
