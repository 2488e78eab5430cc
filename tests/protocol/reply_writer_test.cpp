#include "bus/protocol/reply_writer.h"

#include <catch2/catch.hpp>
#include <functional>
#include <limits>

namespace pawl::protocol {

TEST_CASE("values in both versions of RESP") {
  struct Row {
    std::function<void(RespWriter&)> write;
    std::string two;
    std::string three;
  };
  const Row rows[] = {
      {[](RespWriter& w) { w.nil(); }, "$-1\r\n", "_\r\n"},
      {[](RespWriter& w) { w.integer(-7); }, ":-7\r\n", ":-7\r\n"},
      {[](RespWriter& w) { w.integer(std::numeric_limits<int64_t>::min()); }, ":-9223372036854775808\r\n",
       ":-9223372036854775808\r\n"},
      {[](RespWriter& w) { w.bulk(""); }, "$0\r\n\r\n", "$0\r\n\r\n"},
      {[](RespWriter& w) { w.bulk(std::string_view("a\r\n\0b", 5)); }, std::string("$5\r\na\r\n\0b\r\n", 11),
       std::string("$5\r\na\r\n\0b\r\n", 11)},
      {[](RespWriter& w) { w.simple("OK"); }, "+OK\r\n", "+OK\r\n"},
      {[](RespWriter& w) { w.simple("O\r\nK"); }, "+O  K\r\n", "+O  K\r\n"},
      {[](RespWriter& w) { w.array(0); }, "*0\r\n", "*0\r\n"},
      {[](RespWriter& w) {
         w.map(2);
         w.bulk("a");
         w.integer(1);
         w.bulk("headers");
         w.map(1);
         w.bulk("k");
         w.bulk("v");
       },
       "*4\r\n$1\r\na\r\n:1\r\n$7\r\nheaders\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n",
       "%2\r\n$1\r\na\r\n:1\r\n$7\r\nheaders\r\n%1\r\n$1\r\nk\r\n$1\r\nv\r\n"},
      {[](RespWriter& w) { w.message("c", "hi"); }, "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
       ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n"},
      {[](RespWriter& w) { w.pattern_message("c*", "c", "hi"); },
       "*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$2\r\nhi\r\n",
       ">4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$2\r\nhi\r\n"},
      {[](RespWriter& w) { w.error(make_error(Code::lost, "gone")); }, "-LOST gone\r\n", "-LOST gone\r\n"},
      {[](RespWriter& w) {
         w.error(Error{Code::paused, "by\r\nan operator", 250});
       },
       "-PAUSED by  an operator retry-after-ms=250\r\n", "-PAUSED by  an operator retry-after-ms=250\r\n"},
  };
  for (const Row& row : rows) {
    std::string two;
    std::string three;
    RespWriter writer(two);
    row.write(writer);
    writer.aim(three, RespVersion::three);
    row.write(writer);
    CHECK(two == row.two);
    CHECK(three == row.three);
  }
}

}  // namespace pawl::protocol
