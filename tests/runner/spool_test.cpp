// Outcomes on disk.
#include "runner/spool.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "runner/files.h"
#include "tests/support/temp_directory.h"

using namespace pawl::runner;
using pawl::test::TempDirectory;

namespace {

SpooledOutcome outcome(const std::string& id, int64_t at_ms) {
  return {id,
          "t1",
          "research",
          "2",
          "r@boot",
          "handled",
          {"ACK", id, "t1", "RESULT", std::string("a\0b\xff\n", 5), "TOKENS", "7"},
          at_ms};
}

Spool opened(const std::string& folder) {
  auto spool = Spool::open(folder);
  INFO((spool ? "" : spool.error().text));
  REQUIRE(spool);
  return std::move(*spool);
}

}  // namespace

TEST_CASE("spool: what is put is there, oldest first, until it is removed") {
  const TempDirectory folder;
  std::vector<std::string> complaints;
  {
    Spool spool = opened(folder.path() + "/a/b");
    REQUIRE(spool.put(outcome("00000000000000a1", 20)));
    REQUIRE(spool.put(outcome("00000000000000a0", 30)));
    REQUIRE(spool.put(outcome("00000000000000a2", 10)));
  }
  Spool spool = opened(folder.path() + "/a/b");
  const auto loaded = spool.load(&complaints);
  REQUIRE(loaded.size() == 3);
  CHECK(loaded[0].id == "00000000000000a2");
  CHECK(loaded[1].id == "00000000000000a1");
  CHECK(loaded[2].id == "00000000000000a0");
  const SpooledOutcome want = outcome("00000000000000a1", 20);
  CHECK(loaded[1].settle == want.settle);
  CHECK(loaded[1].token == want.token);
  CHECK(loaded[1].role == want.role);
  CHECK(loaded[1].delivery == want.delivery);
  CHECK(loaded[1].daemon == want.daemon);
  CHECK(loaded[1].ending == want.ending);
  CHECK(loaded[1].at_ms == want.at_ms);
  for (const SpooledOutcome& one : loaded) spool.remove(one.id, one.token);
  CHECK(spool.load(&complaints).empty());
  CHECK(complaints.empty());
}

TEST_CASE("spool: every damage is put aside with a word, and stops nothing") {
  const TempDirectory folder;
  Spool spool = opened(folder.path());
  REQUIRE(spool.put(outcome("00000000000000a1", 1)));
  const std::string path = folder.path() + "/00000000000000a1-t1.outcome";
  const auto whole = read_file(path, 100'000);
  REQUIRE(whole);
  const size_t end = whole->rfind('}');
  for (size_t length = 0; length <= end; length += 7) {
    INFO(length);
    REQUIRE(write_file(path, whole->substr(0, length), 0600, false));
    std::vector<std::string> complaints;
    CHECK(spool.load(&complaints).empty());
    CHECK(complaints.size() == 1);
    CHECK(access(path.c_str(), F_OK) != 0);
    CHECK(access((path + ".damaged").c_str(), F_OK) == 0);
  }
}

TEST_CASE("spool: a report that does not go with its ending is damage") {
  struct Row {
    const char* ending;
    pawl::client::Command settle;
    bool good;
  };
  const std::string id = "00000000000000a1";
  const Row rows[] = {{"handled", {"ACK", id, "t"}, true},
                      {"released", {"RELEASE", id, "t", "DELAY", "0"}, true},
                      {"failed", {"FAIL", id, "t", "auth", "text"}, true},
                      {"cancelled", {"FAIL", id, "t", "cancelled", ""}, true},
                      {"failed", {"FAIL", id, "t", "auth"}, false},
                      {"failed", {"ACK", id, "t"}, false},
                      {"handled", {"FAIL", id, "t", "auth", "text"}, false},
                      {"handled", {"ACK", id, "other"}, false},
                      {"handled", {"ACK", "00000000000000a2", "t"}, false},
                      {"handled", {"ACK", id}, false},
                      {"", {"SHUTDOWN", id, "t"}, false}};
  for (const Row& row : rows) {
    INFO(row.ending << " " << row.settle[0] << " " << row.settle.size());
    const TempDirectory folder;
    Spool spool = opened(folder.path());
    REQUIRE(spool.put({id, "t", "r", "1", "d@b", row.ending, row.settle, 1}));
    std::vector<std::string> complaints;
    CHECK(spool.load(&complaints).size() == (row.good ? 1 : 0));
    CHECK(complaints.size() == (row.good ? 0 : 1));
  }
}

TEST_CASE("spool: one process at a time, and one that can be written") {
  const TempDirectory folder;
  const Spool first = opened(folder.path() + "/r");
  const auto second = Spool::open(folder.path() + "/r");
  REQUIRE_FALSE(second);
  CHECK(second.error().text.find("is in use by process " + std::to_string(getpid())) != std::string::npos);
  CHECK(Spool::open(folder.path() + "/s").ok());
  std::ofstream(folder.path() + "/file") << "x";
  for (const std::string& bad :
       {folder.path() + "/file", folder.path() + "/file/below", std::string("/proc/spool")}) {
    const auto spool = Spool::open(bad);
    REQUIRE_FALSE(spool);
    CHECK(spool.error().text.find("the spool cannot be used: ") == 0);
    CHECK(spool.error().text.find("[run] spool or --spool") != std::string::npos);
  }
}

TEST_CASE("files: whole or not there, and nothing half beside them") {
  const TempDirectory folder;
  const std::string path = folder.path() + "/f";
  REQUIRE(write_file(path, "one", 0600, true));
  REQUIRE(write_file(path, "two", 0400, false));
  CHECK(*read_file(path, 3) == "two");
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0400);
  CHECK(names_in(folder.path()) == std::vector<std::string>{"f"});
  CHECK(read_file(path, 2).error().text.find("larger than 2 bytes") != std::string::npos);
  CHECK_FALSE(read_file(folder.path(), 100));
  CHECK_FALSE(read_file(path + "x", 100));
  CHECK_FALSE(write_file(folder.path() + "/no/f", "x", 0600, false));
  REQUIRE(mkdir((folder.path() + "/taken").c_str(), 0700) == 0);
  CHECK_FALSE(write_file(folder.path() + "/taken", "x", 0600, false));
  CHECK(names_in(folder.path()) == std::vector<std::string>{"f", "taken"});
}
