// The flag files from outside the bus.
#include "cli/kill_flags.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "tests/support/temp_directory.h"

using namespace pawl;
using core::FreezeKind;
using core::FreezeRecord;
using core::FreezeScope;

namespace {

constexpr int64_t now = 1'700'000'000'000;

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool there(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

}  // namespace

TEST_CASE("kill flags: what a file says") {
  struct Row {
    const char* text;
    FreezeScope scope;
    const char* reason;
    int64_t until_ms;
  };
  const Row rows[] = {
      {"", FreezeScope::all, "", 0},
      {"the building is on fire\n", FreezeScope::all, "the building is on fire", 0},
      {"reason=r\nscope=intake\nuntil=1800000000000\n", FreezeScope::intake, "r", 1'800'000'000'000},
      {"scope=everything\nuntil=soon\n", FreezeScope::all, "", 0},
      // Made by hand with a time that is over: the bus counts it as well.
      {"reason=old\nuntil=1\n", FreezeScope::all, "old", 1},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const test::TempDirectory folder;
    write(folder.path() + "/KILL", row.text);
    const auto freeze = cli::read_kill_flags(folder.path(), now);
    REQUIRE(freeze.has_value());
    CHECK(freeze->kind == FreezeKind::soft);
    CHECK(freeze->scope == row.scope);
    CHECK(freeze->reason == row.reason);
    CHECK(freeze->until_ms == row.until_ms);
  }
}

TEST_CASE("kill flags: none, hard before soft, and what cannot be read counts as set") {
  const test::TempDirectory folder;
  CHECK_FALSE(cli::read_kill_flags(folder.path(), now).has_value());
  CHECK_FALSE(cli::read_kill_flags(folder.path() + "/nothing", now).has_value());
  write(folder.path() + "/KILL", "soft");
  write(folder.path() + "/KILL_HARD", "scope=intake\nuntil=5\nfreeze=2\nreason=hard\n");
  auto freeze = cli::read_kill_flags(folder.path(), now);
  REQUIRE(freeze.has_value());
  CHECK((freeze->kind == FreezeKind::hard && freeze->scope == FreezeScope::all && freeze->reason == "hard"));
  for (const bool as_folder : {true, false}) {
    const test::TempDirectory other;
    const std::string path = other.path() + "/KILL";
    REQUIRE((as_folder ? mkdir(path.c_str(), 0700) : mkfifo(path.c_str(), 0600)) == 0);
    freeze = cli::read_kill_flags(other.path(), now);
    REQUIRE(freeze.has_value());
    CHECK(freeze->all());
  }
}

TEST_CASE("kill flags: one of the bus's own whose time is over is none") {
  const test::TempDirectory folder;
  write(folder.path() + "/KILL", "reason=r\nuntil=" + std::to_string(now) + "\nfreeze=4\n");
  CHECK_FALSE(cli::read_kill_flags(folder.path(), now).has_value());
  CHECK(cli::read_kill_flags(folder.path(), now - 1).has_value());
}

TEST_CASE("kill flags: written and read back") {
  const test::TempDirectory folder;
  FreezeRecord freeze;
  freeze.kind = FreezeKind::soft;
  freeze.scope = FreezeScope::claims;
  freeze.reason = "two\nlines";
  freeze.until_ms = now + 1;
  REQUIRE(cli::write_kill_flags(folder.path(), freeze).ok());
  CHECK_FALSE(there(folder.path() + "/KILL_HARD"));
  auto back = cli::read_kill_flags(folder.path(), now);
  REQUIRE(back.has_value());
  CHECK((back->scope == FreezeScope::claims && back->reason == "two lines" && back->until_ms == now + 1));
  CHECK(back->number == 0);
  freeze.kind = FreezeKind::hard;
  REQUIRE(cli::write_kill_flags(folder.path(), freeze).ok());
  CHECK(there(folder.path() + "/KILL_HARD"));
  CHECK(cli::read_kill_flags(folder.path(), now)->kind == FreezeKind::hard);
  CHECK_FALSE(cli::write_kill_flags(folder.path() + "/nothing", freeze).ok());
}

TEST_CASE("kill flags: where nothing can be written, the flag is empty, and of all") {
  const test::TempDirectory folder;
  write(folder.path() + "/KILL", "scope=intake\n");
  // The place of the temporary file is taken, as if the disk had no room for it.
  REQUIRE(mkdir((folder.path() + "/KILL.new").c_str(), 0700) == 0);
  FreezeRecord freeze;
  freeze.kind = FreezeKind::soft;
  REQUIRE(cli::write_kill_flags(folder.path(), freeze).ok());
  CHECK(text_of(folder.path() + "/KILL").empty());
  CHECK(cli::read_kill_flags(folder.path(), now)->all());
}

TEST_CASE("kill flags: removing") {
  const test::TempDirectory folder;
  CHECK(*cli::remove_kill_flag(folder.path()) == cli::Removed::none);
  write(folder.path() + "/KILL", "");
  CHECK(*cli::remove_kill_flag(folder.path()) == cli::Removed::soft);
  CHECK_FALSE(there(folder.path() + "/KILL"));
  write(folder.path() + "/KILL", "");
  write(folder.path() + "/KILL_HARD", "");
  CHECK(*cli::remove_kill_flag(folder.path()) == cli::Removed::hard_stands);
  CHECK(there(folder.path() + "/KILL"));
}

TEST_CASE("kill flags: the folder of a socket is one with a lock") {
  const test::TempDirectory folder;
  client::Endpoint endpoint;
  endpoint.path = folder.path() + "/pawl.sock";
  CHECK(cli::folder_of(endpoint).empty());
  write(folder.path() + "/LOCK", "");
  CHECK(cli::folder_of(endpoint) == folder.path());
  endpoint.path = folder.path() + "/other.sock";
  CHECK(cli::folder_of(endpoint).empty());
  CHECK(cli::folder_of({}).empty());
}
