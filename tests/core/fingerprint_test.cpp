#include "bus/core/fingerprint.h"

#include <catch2/catch.hpp>
#include <string>

namespace pawl::core {
namespace {

TEST_CASE("what differs from case to case is taken out") {
  struct Case {
    std::string text;
    std::string normalised;
  };
  const Case cases[] = {
      {"", ""},
      {"plain words", "plain words"},
      {"open '/tmp/a17': timed out after 30s", "open '?': timed out after #s"},
      {"host 17 down", "host # down"},
      {"status=503, took 1.25 s", "status=#, took #.# s"},
      {"user \"ann\" unknown", "user \"?\" unknown"},
      {"can't read it", "can't read it"},
      {"id 0f8a3b2c91 gone", "id # gone"},
      {"id 123e4567-e89b-12d3-a456-426614174000 gone", "id # gone"},
      {"feedface is a word", "feedface is a word"},
      {"  spaces \t and\ttabs  ", "spaces and tabs"},
      {"first line\nsecond 12", "first line"},
      {"unclosed 'quote", "unclosed 'quote"},
      {"\n", ""},
  };
  for (const Case& c : cases) CHECK(normalised_text(c.text) == c.normalised);
}

TEST_CASE("alike errors share a fingerprint, others do not") {
  const auto of = [](const char* text) { return fingerprint(ErrorClass::transient, text); };
  CHECK(of("host 17 down") == of("host 99 down"));
  CHECK(of("open '/a' failed") == of("open '/b/c' failed"));
  CHECK(of("host 17 down") != of("host 17 up"));
  CHECK(of("x") != fingerprint(ErrorClass::timeout, "x"));
  CHECK(of("") != 0);
}

TEST_CASE("a fingerprint is sixteen hex digits") {
  CHECK(fingerprint_text(0) == "0000000000000000");
  CHECK(fingerprint_text(0x0123456789abcdefU) == "0123456789abcdef");
}

TEST_CASE("hostile texts stay bounded") {
  for (const std::string& text :
       {std::string(100'000, '\''), std::string(100'000, '"'), std::string(100'000, 'a'),
        std::string(100'000, '1'), std::string(100'000, ' '), std::string(100'000, '-'),
        std::string(5000, '\xff'), std::string(1000, '\0')}) {
    CHECK(normalised_text(text).size() <= 210);
    CHECK(fingerprint(ErrorClass::unknown, text) != 0);
  }
}

}  // namespace
}  // namespace pawl::core
