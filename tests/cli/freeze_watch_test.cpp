// What a worker makes of what it hears: no bus here, but its words and its files.
#include "runner/freeze_watch.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "cli/work_place.h"
#include "tests/support/temp_directory.h"

using pawl::client::Reply;
using pawl::runner::FreezeWatch;

namespace {

class Folder {
 public:
  Folder() { write("LOCK", "1"); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_.path() + "/" + name) << text;
  }
  void remove(const std::string& name) const { std::remove((directory_.path() + "/" + name).c_str()); }
  pawl::client::Endpoint endpoint() const {
    pawl::client::Endpoint endpoint;
    endpoint.path = directory_.path() + "/pawl.sock";
    return endpoint;
  }

 private:
  pawl::test::TempDirectory directory_;
};

Reply status(const char* freeze, const char* scope) {
  return Reply::make_array({Reply::make_text("freeze"), Reply::make_text(freeze), Reply::make_text("scope"),
                            Reply::make_text(scope), Reply::make_text("reason"), Reply::make_text("why")});
}

// A time well after every interval of the watch.
int64_t later(int64_t* now) { return *now += 100'000; }

}  // namespace

TEST_CASE("freeze watch: only scope all stops work in hand") {
  struct Row {
    const char* freeze;
    const char* scope;
    bool frozen;
  };
  const Row rows[] = {{"none", "all", false},
                      {"soft", "intake", false},
                      {"soft", "claims", false},
                      {"soft", "all", true},
                      {"hard", "all", true}};
  for (const Row& row : rows) {
    INFO(row.freeze << " " << row.scope);
    FreezeWatch watch({}, {}, nullptr);
    const Reply reply = status(row.freeze, row.scope);
    watch.on_status(&reply, 0);
    CHECK(watch.frozen() == row.frozen);
  }
}

TEST_CASE("freeze watch: other answers tell too, and make it ask") {
  FreezeWatch watch({}, {}, nullptr);
  int64_t now = 0;
  watch.look(now, true, false);
  CHECK_FALSE(watch.wants_status(now));
  watch.told(true, "FROZEN");
  CHECK(watch.frozen());
  CHECK(watch.wants_status(now));
  watch.asked();
  CHECK_FALSE(watch.wants_status(later(&now)));
  const Reply none = status("none", "all");
  watch.on_status(&none, now);
  CHECK_FALSE(watch.frozen());
  CHECK(watch.wants_status(later(&now)));
  watch.told(true, "");
  watch.told(false, "");
  CHECK_FALSE(watch.frozen());
  watch.told(true, "");
  watch.forget();
  CHECK_FALSE(watch.frozen());
}

TEST_CASE("freeze watch: a bus that does not tell its status is not asked again") {
  FreezeWatch watch({}, {}, nullptr);
  watch.told(true, "");
  watch.asked();
  const Reply denied = Reply::make_error("DENIED no");
  watch.on_status(&denied, 0);
  CHECK(watch.blind());
  CHECK_FALSE(watch.wants_status(1'000'000));
  CHECK(watch.frozen());
  watch.told(false, "");
  CHECK_FALSE(watch.frozen());
}

TEST_CASE("freeze watch: a flag that somebody made counts, whatever the bus said before") {
  const Folder folder;
  FreezeWatch watch(folder.endpoint(), {}, pawl::cli::flags_of(folder.endpoint()));
  int64_t now = 0;
  watch.look(now, true, false);
  CHECK_FALSE(watch.frozen());
  folder.write("KILL", "fire\n");
  watch.look(later(&now), false, false);
  CHECK_FALSE(watch.frozen());  // nobody cares: nothing is read
  watch.look(later(&now), true, false);
  CHECK(watch.frozen());
  CHECK(watch.reason() == "fire");
  folder.write("KILL", "scope=claims\n");
  watch.look(later(&now), true, false);
  CHECK_FALSE(watch.frozen());
  folder.write("KILL_HARD", "");
  watch.look(later(&now), true, false);
  CHECK(watch.frozen());
}

TEST_CASE("freeze watch: removing the flag ends a soft freeze while no bus can say so") {
  struct Row {
    const char* kind;
    bool seen;    // the flag, before it was removed
    bool bus_up;  // then
    bool frozen;  // in the end
  };
  const Row rows[] = {{"soft", true, false, false},
                      {"soft", true, true, true},    // the bus will tell
                      {"soft", false, false, true},  // it was never written: a full disk
                      {"hard", true, false, true}};
  for (const Row& row : rows) {
    INFO(row.kind << " seen=" << row.seen << " up=" << row.bus_up);
    const Folder folder;
    FreezeWatch watch(folder.endpoint(), {}, pawl::cli::flags_of(folder.endpoint()));
    int64_t now = 0;
    const Reply reply = status(row.kind, "all");
    watch.on_status(&reply, now);
    if (row.seen) folder.write("KILL", "reason=why\nscope=all\nfreeze=3\n");
    watch.look(later(&now), true, false);
    CHECK(watch.frozen());
    folder.remove("KILL");
    watch.look(later(&now), true, row.bus_up);
    CHECK(watch.frozen() == row.frozen);
  }
}

TEST_CASE("freeze watch: the bus's own flag adds nothing while the bus is there") {
  const Folder folder;
  folder.write("KILL", "reason=why\nscope=all\nfreeze=3\n");
  FreezeWatch watch(folder.endpoint(), {}, pawl::cli::flags_of(folder.endpoint()));
  int64_t now = 0;
  watch.look(later(&now), true, true);
  CHECK_FALSE(watch.frozen());
  watch.look(later(&now), true, false);
  CHECK(watch.frozen());
}
