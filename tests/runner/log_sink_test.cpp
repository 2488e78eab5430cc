// Output in files that stay small, whatever comes.
#include "runner/log_sink.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/temp_directory.h"

using namespace pawl::runner;

namespace {

struct Place {
  pawl::test::TempDirectory folder;
  LogRule rule;

  Place() { rule.path = folder.path() + "/a.log"; }

  std::string read(const std::string& suffix = "") const {
    std::ifstream file(rule.path + suffix);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
};

LogSink open(const LogRule& rule) {
  auto sink = LogSink::open(rule);
  REQUIRE(sink.ok());
  return std::move(*sink);
}

}  // namespace

TEST_CASE("log sink: lines in any pieces") {
  Place place;
  {
    LogSink sink = open(place.rule);
    sink.feed("one\ntw", 0);
    CHECK(place.read() == "one\n");
    sink.feed("o\n\nthr", 1);
    sink.settle(2);
    CHECK(place.read() == "one\ntwo\n\nthr\n");
    sink.feed("last", 3);
  }
  CHECK(place.read() == "one\ntwo\n\nthr\nlast\n");
  open(place.rule).feed("again\n", 0);  // appended
  CHECK(place.read() == "one\ntwo\n\nthr\nlast\nagain\n");
}

TEST_CASE("log sink: a line of a megabyte is broken") {
  Place place;
  LogSink sink = open(place.rule);
  sink.feed(std::string(200 << 10, 'x') + "\nend\n", 0);
  const std::string text = place.read();
  CHECK(std::count(text.begin(), text.end(), '\n') == 5);  // 64 + 64 + 64 + 8 KiB, end
  CHECK(std::count(text.begin(), text.end(), 'x') == 200 << 10);
}

TEST_CASE("log sink: rotation keeps so many files of so many bytes") {
  Place place;
  place.rule.bytes_max = 100;
  place.rule.files = 3;
  LogSink sink = open(place.rule);
  for (int i = 0; i < 100; ++i) sink.feed("line " + std::to_string(1000 + i) + "\n", i);
  CHECK(place.read().ends_with("line 1099\n"));
  CHECK(place.read(".1").ends_with("\n"));
  CHECK(place.read(".2").ends_with("\n"));
  CHECK_FALSE(std::filesystem::exists(place.rule.path + ".3"));
  for (const char* suffix : {"", ".1", ".2"}) CHECK(place.read(suffix).size() <= 100);
  // Nothing is missing between the files.
  const std::string all = place.read(".2") + place.read(".1") + place.read();
  const int first = std::stoi(all.substr(5, 4));
  std::string expected;
  for (int i = first; i < 1100; ++i) expected += "line " + std::to_string(i) + "\n";
  CHECK(all == expected);
}

TEST_CASE("log sink: one file only") {
  Place place;
  place.rule.bytes_max = 30;
  place.rule.files = 1;
  LogSink sink = open(place.rule);
  for (int i = 0; i < 10; ++i) sink.feed("line " + std::to_string(i) + "\n", i);
  CHECK(place.read().size() <= 30);
  CHECK(place.read().ends_with("line 9\n"));
  CHECK_FALSE(std::filesystem::exists(place.rule.path + ".1"));
}

TEST_CASE("log sink: a flood is dropped beyond the bound, counted, and told in the file") {
  Place place;
  place.rule.bytes_per_second = 100;
  LogSink sink = open(place.rule);
  for (int i = 0; i < 1000; ++i) sink.feed("123456789\n", 5000 + i % 10);
  CHECK(sink.dropped_lines() == 990);
  CHECK(sink.dropped_bytes() == 9900);
  CHECK(place.read().size() == 100);
  sink.feed("next second\n", 6010);
  const std::string text = place.read();
  CHECK(text.find("pawl: 990 lines (9900 bytes) dropped: more than 100 bytes a second\nnext second\n") ==
        100);
  // A quiet daemon hears of it too.
  for (int i = 0; i < 1000; ++i) sink.feed("123456789\n", 7050);
  sink.settle(7100);
  CHECK(place.read().find("dropped", text.size()) == std::string::npos);
  sink.settle(8050);
  CHECK(place.read().find("990 lines", text.size()) != std::string::npos);
}

TEST_CASE("log sink: a folder that cannot be written is said at once") {
  LogRule rule;
  rule.path = "/nowhere/at/all/a.log";
  const auto sink = LogSink::open(rule);
  REQUIRE_FALSE(sink.ok());
  CHECK(sink.error().text.find("cannot write /nowhere/at/all/a.log: No such file or directory") == 0);
}

TEST_CASE("log sink: a full disk is a drop, and what comes later is written") {
  struct stat device {};
  if (stat("/dev/full", &device) != 0) return;
  LogRule rule;
  rule.path = "/dev/full";
  LogSink sink = open(rule);
  sink.feed("lost\n", 0);
  CHECK(sink.dropped_lines() == 1);
}
