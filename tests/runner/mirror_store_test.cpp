// Positions, and lines that are written once.
#include "runner/mirror_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "runner/files.h"
#include "runner/line_file.h"
#include "tests/support/temp_directory.h"

using namespace pawl::runner;
using pawl::Code;
using pawl::test::TempDirectory;

namespace {

MirrorStore opened(const std::string& folder) {
  auto store = MirrorStore::open(folder);
  INFO((store ? "" : store.error().text));
  REQUIRE(store);
  return std::move(*store);
}

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("mirror store: a position is there for the next process") {
  const TempDirectory folder;
  const MirrorPosition position{4711, 2, 12, 1};
  {
    MirrorStore store = opened(folder / "a/b");
    const auto none = store.load("ops");
    REQUIRE(none);
    CHECK_FALSE(*none);
    REQUIRE(store.save("ops", position));
  }
  const auto kept = opened(folder / "a/b").load("ops");
  REQUIRE(kept);
  CHECK(*kept == position);
  CHECK(contents(folder / "a/b/ops.position") ==
        "{\"mirror\":1,\"seq\":4711,\"tries\":2,\"posted\":12,\"failed\":1}\n");
}

TEST_CASE("mirror store: what is no position is an error that says what to do") {
  const TempDirectory folder;
  const MirrorStore store = opened(folder.path());
  for (const std::string text :
       {"", "{", "{\"mirror\":2,\"seq\":1,\"tries\":0,\"posted\":0,\"failed\":0}",
        "{\"mirror\":1,\"seq\":-1,\"tries\":0,\"posted\":0,\"failed\":0}", "{\"mirror\":1,\"seq\":1}"}) {
    write(folder / "ops.position", text);
    const auto loaded = store.load("ops");
    INFO(text);
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().text.find("ops.position is damaged, or of another version of pawl; remove it") !=
          std::string::npos);
  }
}

TEST_CASE("mirror store: one mirror at a time, and a folder that can be written") {
  const TempDirectory folder;
  const MirrorStore store = opened(folder.path());
  const auto second = MirrorStore::open(folder.path());
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Code::state);
  CHECK(second.error().text.find("is in use by process " + std::to_string(getpid())) != std::string::npos);
  write(folder / "file", "");
  const auto unusable = MirrorStore::open(folder / "file/below");
  REQUIRE_FALSE(unusable);
  CHECK(unusable.error().text.find("--spool") != std::string::npos);
}

TEST_CASE("mirror store: posts that have failed are lines of JSON") {
  const TempDirectory folder;
  MirrorStore store = opened(folder.path());
  NotifyChannel channel;
  channel.name = "ops";
  NotifyEntry entry = test_notice(1, "here");
  REQUIRE(store.note_failed(channel, entry, "answered 404"));
  REQUIRE(store.note_failed(channel, entry, "answered 404"));  // by a process that was killed in between
  entry.at_ms = 2;
  REQUIRE(store.note_failed(channel, entry, "answered 410"));
  std::istringstream lines(contents(folder / "ops.failed"));
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  REQUIRE(all.size() == 2);
  CHECK(all[0].find("\"why\":\"answered 404\",\"entry\":{\"at\":1,") != std::string::npos);
}

TEST_CASE("mirror store: a line is appended once, whatever stood there") {
  struct Case {
    std::string before;
    std::string after;
  };
  const Case cases[] = {
      {"", "line\n"},
      {"other\n", "other\nline\n"},
      {"line\n", "line\n"},
      {"other\nline\n", "other\nline\n"},
      {"line\nother\n", "line\nother\nline\n"},
      {"outline\n", "outline\nline\n"},
      // Begun by a writer that was killed.
      {"other\nli", "other\nline\n"},
      {"line", "line\n"},
      // Begun by somebody else.
      {"other\nlo", "other\nlo\nline\n"},
      {"longer than the line", "longer than the line\nline\n"},
      {"\n", "\nline\n"},
  };
  for (const Case& one : cases) {
    const TempDirectory folder;
    const std::string path = folder / "lines";
    if (!one.before.empty()) write(path, one.before);
    INFO(one.before);
    const auto done = append_line(path, "line");
    INFO((done ? "" : done.error().text));
    REQUIRE(done);
    CHECK(contents(path) == one.after);
    REQUIRE(append_line(path, "line"));
    CHECK(contents(path) == one.after);
  }
}

TEST_CASE("mirror store: what is no plain file is not waited for") {
  const TempDirectory folder;
  const std::string pipe = folder / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_FALSE(append_line(pipe, "line"));
  CHECK_FALSE(append_line(folder.path(), "line"));
  CHECK_FALSE(append_line(folder / "none/lines", "line"));
  const auto device = append_line("/dev/null", "line");
  REQUIRE_FALSE(device);
  CHECK(device.error().text == "cannot write /dev/null: it is no plain file");
}
