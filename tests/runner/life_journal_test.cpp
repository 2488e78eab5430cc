// What a launcher owes the chronicle: in order, once, with its own time, over kills, and bounded.
#include "runner/life_journal.h"

#include <catch2/catch.hpp>

#include "tests/support/temp_directory.h"

using namespace pawl::runner;
using pawl::client::Command;

namespace {

struct Rig {
  pawl::test::TempDirectory folder;
  UpFolder up = std::move(*UpFolder::open(folder / "up"));
  std::string file() const {
    std::string text;
    for (const std::string& line : up.lines("chronicle")) text += line + "\n";
    return text;
  }
};

std::string text_of(const Command& command) {
  std::string text;
  for (const std::string& word : command) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

TEST_CASE("life journal: entries are told in order, numbered by their source, with their time") {
  Rig rig;
  LifeJournal journal(rig.up, "up-1");
  CHECK(journal.empty());
  REQUIRE(journal.add("ready", 1000, {{"daemon", "a"}, {"reason", ""}}));
  REQUIRE(journal.add("ending", 2000, {{"daemon", "a"}, {"reason", std::string(1023, 'x') + "\xc3\xa4"}}));
  CHECK(text_of(journal.next()) == "EVENT ADD launcher.ready source up-1 number 1 daemon a happened 1000");
  journal.not_told();
  CHECK(text_of(journal.next()) == "EVENT ADD launcher.ready source up-1 number 1 daemon a happened 1000");
  REQUIRE(journal.told());
  // Cut to what the bus takes, at a whole character.
  CHECK(text_of(journal.next()) == "EVENT ADD launcher.ending source up-1 number 2 daemon a reason " +
                                       std::string(1023, 'x') + " happened 2000");
  REQUIRE(journal.told());
  CHECK(journal.empty());
  CHECK(rig.file().empty());
}

TEST_CASE("life journal: what was not told is told by the next launcher, first and under its old number") {
  Rig rig;
  {
    LifeJournal journal(rig.up, "up-1");
    REQUIRE(journal.add("ready", 1, {{"daemon", "a"}}));
    REQUIRE(journal.add("ending", 2, {{"reason", "it said: \"\t\xff\""}}));
    REQUIRE(journal.add("backoff", 3, {}));
    journal.next();
    REQUIRE(journal.told());
    journal.next();  // on its way when it is killed
  }
  {
    // And a line that a power loss cut short.
    const std::string left = rig.file();
    REQUIRE(rig.up.save_lines("chronicle", left + "{\"source\":\"up-1\",\"num"));
  }
  LifeJournal journal(rig.up, "up-2");
  journal.recall();
  REQUIRE(journal.add("stopped", 4, {}));
  std::vector<std::string> told;
  while (!journal.empty()) {
    told.push_back(text_of(journal.next()));
    REQUIRE(journal.told());
  }
  CHECK(told == std::vector<std::string>{
                    "EVENT ADD launcher.ending source up-1 number 2 reason it said: \"\t\xff\" happened 2",
                    "EVENT ADD launcher.backoff source up-1 number 3 happened 3",
                    "EVENT ADD launcher.stopped source up-2 number 1 happened 4"});
}

TEST_CASE("life journal: what cannot be kept is counted, and what is on its way stays") {
  Rig rig;
  LifeJournal journal(rig.up, "up-1");
  for (size_t i = 0; i < LifeJournal::entries_max; ++i) REQUIRE(journal.add("ready", 1, {}));
  const std::string first = text_of(journal.next());
  for (int i = 0; i < 10; ++i) REQUIRE(journal.add("ending", 2, {}));
  CHECK(journal.size() == LifeJournal::entries_max);
  CHECK(first == "EVENT ADD launcher.ready source up-1 number 1 happened 1");
  CHECK(text_of(journal.next()) == first);
  REQUIRE(journal.told());
  // 2 to 12 are gone: ten too many, and one for the entry that says so.
  LifeJournal next(rig.up, "up-2");
  next.recall();
  CHECK(text_of(next.next()) ==
        "EVENT ADD launcher.gap source up-1 number 12 dropped 11 reason the bus was away for so long that no "
        "more "
        "could be kept");
  REQUIRE(next.told());
  CHECK(text_of(next.next()) == "EVENT ADD launcher.ready source up-1 number 13 happened 1");
  next.not_told();
  CHECK(next.size() == LifeJournal::entries_max - 2);
}
