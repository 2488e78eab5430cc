#include "bus/base/text.h"

#include <catch2/catch.hpp>
#include <vector>

namespace pawl {
namespace {

TEST_CASE("bytes in hex read back") {
  const std::string bytes("\x00\x7f\x80\xff a", 6);
  CHECK(hex_text(bytes) == "007f80ff2061");
  CHECK(bytes_from_hex(hex_text(bytes)) == bytes);
  CHECK(hex_text("").empty());
  CHECK(bytes_from_hex("") == "");
  for (const char* bad : {"0", "0g", "0A", " 0", "00 ", "-1"}) CHECK_FALSE(bytes_from_hex(bad));
}

TEST_CASE("words with something between") {
  CHECK(joined(std::vector<std::string>{}, ",").empty());
  CHECK(joined(std::vector<std::string>{"a"}, ",") == "a");
  CHECK(joined(std::vector<std::string_view>{"a", "b", "c"}, ", ") == "a, b, c");
}

}  // namespace
}  // namespace pawl
