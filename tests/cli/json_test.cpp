#include "cli/json.h"

#include <catch2/catch.hpp>

#include "cli/shapes.h"

using namespace pawl::cli;
using pawl::client::Reply;

TEST_CASE("json: what is printed") {
  struct Row {
    Json value;
    const char* text;
  };
  const Row rows[] = {
      {Json(), "null"},
      {Json(true), "true"},
      {Json(int64_t{-5}), "-5"},
      {Json(0.5), "0.5"},
      {Json("a\"\\\n\t\r\x1b[31m\x7f"), R"("a\"\\\n\t\r\u001b[31m\u007f")"},
      {Json("ü€😀"), R"("ü€😀")"},
      {Json("\xc2\x9b"), R"("\u009b")"},
      {Json("\xff\x00"), R"({"base64":"/w=="})"},
      {Json(std::string("\xff\x00\xfe", 3)), R"({"base64":"/wD+"})"},
      {Json(std::string("\x00", 1)), R"("\u0000")"},
      {Json(Json::Array{}), "[]"},
      {Json(Json::Object{}), "{}"},
      {Json(Json::Array{Json(int64_t{1}), Json("a")}), R"([1,"a"])"},
      {Json(Json::Object{{"b", Json(int64_t{1})}, {"a", Json()}}), R"({"b":1,"a":null})"},
  };
  for (const Row& row : rows) {
    CHECK(dump(row.value) == row.text);
    const auto back = parse_json(dump(row.value));
    REQUIRE(back.ok());
    CHECK(dump(*back) == row.text);
  }
}

TEST_CASE("json: a payload that is no UTF-8 comes back byte for byte") {
  std::string bytes;
  for (int length = 0; length < 70; ++length) {
    bytes += static_cast<char>(255 - length * 3);
    const auto back = parse_json(dump(Json(bytes)));
    REQUIRE(back.ok());
    const auto same = bytes_of(*back);
    REQUIRE(same.ok());
    CHECK(*same == bytes);
  }
  CHECK_FALSE(bytes_of(Json(int64_t{1})).ok());
  CHECK_FALSE(decode_base64("abc").ok());
  CHECK_FALSE(decode_base64("ab!=").ok());
  CHECK_FALSE(decode_base64("=aaa").ok());
  CHECK_FALSE(decode_base64("aa==aaaa").ok());
}

TEST_CASE("json: UTF-8 is judged strictly") {
  const char* good[] = {"", "a", "ü", "€", "😀", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf"};
  for (const char* text : good) CHECK(is_utf8(text));
  const char* bad[] = {"\x80",
                       "\xc0\x80",
                       "\xc1\xbf",
                       "\xc3",
                       "\xe0\x80\x80",
                       "\xed\xa0\x80",
                       "\xf0\x80\x80\x80",
                       "\xf4\x90\x80\x80",
                       "\xf5\x80\x80\x80",
                       "a\xff",
                       "\xe2\x82"};
  for (const char* text : bad) CHECK_FALSE(is_utf8(text));
}

TEST_CASE("json: what is no JSON is refused") {
  for (const char* text : {"", "{", "nope", "[1,]", "{\"a\":1}x", "\"\xff\""}) {
    INFO(text);
    CHECK_FALSE(parse_json(text).ok());
  }
  CHECK_FALSE(parse_json(std::string(100'000, '[')).ok());
  CHECK_FALSE(parse_json(std::string(200, '[') + std::string(200, ']')).ok());
}

TEST_CASE("json: replies by shape") {
  const Reply headers = Reply::make_array({Reply::make_text("k"), Reply::make_text("v")});
  const Reply invocation = Reply::make_array({Reply::make_text("delivery"), Reply::make_integer(1)});
  const Reply message = Reply::make_array(
      {Reply::make_text("id"), Reply::make_text("a1"), Reply::make_text("payload"), Reply::make_text("\xff"),
       Reply::make_text("headers"), headers, Reply::make_text("invocations"), Reply::make_array({invocation}),
       Reply::make_text("later"), Reply::make_array({Reply::make_integer(1), Reply::make_integer(2)}),
       Reply::make_text("none"), Reply::make_nil()});
  CHECK(
      dump(map_to_json(message)) ==
      R"({"id":"a1","payload":{"base64":"/w=="},"headers":{"k":"v"},"invocations":[{"delivery":1}],"later":[1,2],"none":null})");
  CHECK(dump(maps_to_json(Reply::make_array({invocation, invocation}))) ==
        R"([{"delivery":1},{"delivery":1}])");
  const Reply no_headers = Reply::make_array({Reply::make_text("headers"), Reply::make_array({})});
  CHECK(dump(map_to_json(no_headers)) == R"({"headers":{}})");
}
