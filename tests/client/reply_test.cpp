#include "bus/client/reply.h"

#include <catch2/catch.hpp>

using pawl::Code;
using pawl::client::Reply;

TEST_CASE("reply: error lines are taken apart") {
  struct Row {
    const char* line;
    Code code;
    const char* text;
    int64_t retry;  // -1: none
  };
  const Row rows[] = {
      {"LOST the claim is no longer yours", Code::lost, "the claim is no longer yours", -1},
      {"PAUSED role a is paused retry-after-ms=1500", Code::paused, "role a is paused", 1500},
      {"BUSY retry-after-ms=7", Code::busy, "", 7},
      {"BADARG", Code::badarg, "", -1},
      {"ERR unknown command 'X'", Code::err, "unknown command 'X'", -1},
      {"WRONGPASS no", Code::err, "WRONGPASS no", -1},
      {"BUSY retry-after-ms=x", Code::busy, "retry-after-ms=x", -1},
      {"BUSY noretry-after-ms=5", Code::busy, "noretry-after-ms=5", -1},
      {"FROZEN a retry-after-ms=5 by=b", Code::frozen, "a retry-after-ms=5 by=b", 5},
      {"EXECABORT at=2", Code::execabort, "at=2", -1},
  };
  for (const Row& row : rows) {
    INFO(row.line);
    const pawl::Error error = Reply::make_error(row.line).error();
    CHECK(error.code == row.code);
    CHECK(error.text == row.text);
    CHECK(error.retry_after_ms.value_or(-1) == row.retry);
  }
}

TEST_CASE("reply: fields of a flat map") {
  const Reply map =
      Reply::make_array({Reply::make_text("id"), Reply::make_text("a1"), Reply::make_text("count"),
                         Reply::make_integer(7), Reply::make_text("nothing"), Reply::make_nil(),
                         Reply::make_text("digits"), Reply::make_text("42"), Reply::make_text("odd")});
  CHECK(map.text_of("id") == "a1");
  CHECK(map.text_of("count") == "7");
  CHECK(map.int_of("count") == 7);
  CHECK(map.int_of("digits") == 42);
  CHECK_FALSE(map.int_of("id").has_value());
  CHECK_FALSE(map.int_of("nothing").has_value());
  CHECK(map.text_of("missing", "none") == "none");
  CHECK(map.field("odd") == nullptr);
  CHECK(map.field("a1") == nullptr);  // a value is no name
  CHECK(Reply::make_integer(1).field("id") == nullptr);
}
