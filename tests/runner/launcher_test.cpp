// What a launcher asks of the bus, and when: a real launcher with real daemons, a bus that is only answers.
#include "runner/launcher.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>

#include "runner/process_tree.h"
#include "tests/runner/fake_bus.h"
#include "tests/support/temp_directory.h"

using namespace pawl::runner;
using pawl::test::FakeBus;
using pawl::test::map_reply;

namespace {

template <typename Condition>
bool wait_until(Condition condition) {
  for (int i = 0; i < 10'000; ++i) {
    if (condition()) return true;
    poll(nullptr, 0, 2);
  }
  return false;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Fleet {
 public:
  Fleet() { mkdir((folder_ / "up").c_str(), 0700); }
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;
  // A launcher that does not end well would leave processes behind.
  ~Fleet() { PAWL_CHECK(stop() == 0); }

  std::string path(const std::string& name) const { return folder_ / name; }
  std::string bus_path() const { return path("bus.sock"); }

  // A shell script as a daemon; it runs in the folder.
  DaemonSpec shell(const std::string& name, const std::string& script) const {
    DaemonSpec spec;
    spec.name = name;
    spec.command = {"sh", "-c", script};
    spec.directory = folder_.path();
    spec.restart.base_ms = 20;
    spec.restart.max_ms = 20;
    return spec;
  }
  // In a process of its own, before this one has threads.
  void start(std::vector<DaemonSpec> daemons) {
    LauncherOptions options;
    options.daemons = std::move(daemons);
    options.bus.path = bus_path();
    options.folder = path("up");
    options.program = PAWL_TEST_KEEPER;
    options.relaunch = "pawl ops relaunch ";
    options.say = [](std::string_view) {};
    pid_ = fork();
    if (pid_ == 0) _exit(run_launcher(std::move(options)).ok() ? 0 : 1);
  }
  int stop(int how = SIGTERM) {
    if (pid_ <= 0) return 0;
    kill(pid_, how);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  std::string log() const { return read_file(path("up/log/launcher.log")); }
  // The boot of the process that runs.
  std::string boot(const std::string& name) const {
    const std::string record = read_file(path("up/run/" + name));
    return record.substr(0, 5) == "boot " ? record.substr(5, record.find('\n') - 5) : "";
  }

  bool entered(const std::string& name, const std::string& state) const { return times(name, state) > 0; }
  int times(const std::string& name, const std::string& state) const {
    std::istringstream text(log());
    int found = 0;
    for (std::string line; std::getline(text, line);) {
      if (line.find("\"daemon\":\"" + name + "\"") != std::string::npos &&
          line.find("\"to\":\"" + state + "\"") != std::string::npos) {
        ++found;
      }
    }
    return found;
  }

 private:
  pawl::test::TempDirectory folder_;
  pid_t pid_ = -1;
};

}  // namespace

TEST_CASE("launcher: ready is the first heartbeat of this very boot") {
  Fleet fleet;
  DaemonSpec beats = fleet.shell("beats", "exec sleep 300");
  beats.ready = ReadyBy::heartbeat;
  DaemonSpec behind = fleet.shell("behind", "exec sleep 300");
  behind.after = {"beats"};
  fleet.start({beats, behind});
  std::atomic<bool> beaten = false;
  FakeBus bus(fleet.bus_path(), [&](const FakeBus::Words& words) -> std::string {
    if (words[0] != "DAEMON") return ":0\r\n";
    if (bus.asked({"DAEMON", "beats"}) == 1) return "-NOTFOUND no such daemon\r\n";
    return map_reply({{"daemon", "beats"}, {"boot", beaten ? fleet.boot("beats") : "anearlierone"}});
  });
  REQUIRE(wait_until([&] { return bus.asked({"DAEMON", "beats"}) >= 3; }));
  CHECK_FALSE(fleet.entered("beats", "ready"));
  CHECK_FALSE(fleet.entered("behind", "starting"));
  beaten = true;
  CHECK(wait_until([&] { return fleet.entered("behind", "ready"); }));
}

TEST_CASE("launcher: a daemon that the bus sees red at two looks is ended, and comes back") {
  Fleet fleet;
  DaemonSpec beats = fleet.shell("beats", "exec sleep 300");
  beats.ready = ReadyBy::heartbeat;
  beats.heartbeat_ms = 30;
  fleet.start({beats});
  std::atomic<int> red = 0;
  FakeBus bus(fleet.bus_path(), [&](const FakeBus::Words& words) -> std::string {
    if (words[0] != "DAEMON") return ":0\r\n";
    const bool now = red > 0 && red-- > 0;
    return map_reply({{"boot", fleet.boot("beats")}, {"colour", now ? "red" : "green"}});
  });
  REQUIRE(wait_until([&] { return fleet.entered("beats", "ready"); }));
  const std::string first = fleet.boot("beats");
  red = 1;  // one red look is none
  const int asked = bus.asked({"DAEMON"});
  REQUIRE(wait_until([&] { return bus.asked({"DAEMON"}) > asked + 3; }));
  CHECK_FALSE(fleet.entered("beats", "ending"));
  CHECK(fleet.boot("beats") == first);
  red = 2;
  CHECK(wait_until([&] { return fleet.entered("beats", "backoff"); }));
  CHECK(fleet.log().find("its heartbeats are red") != std::string::npos);
  CHECK(wait_until([&] { return !fleet.boot("beats").empty() && fleet.boot("beats") != first; }));
}

TEST_CASE("launcher: the bus is told of the dead once nothing of them is left, not before") {
  Fleet fleet;
  // Its grandchild hides in a session of its own and ignores TERM.
  fleet.start({fleet.shell(
      "a",
      "setsid sh -c 'trap \"\" TERM; echo $$ > hidden; while :; do sleep 0.05; done' & "
      "while [ ! -s hidden ]; do sleep 0.01; done; echo $$ > main.new; mv main.new main; wait")});
  REQUIRE(wait_until([&] { return !read_file(fleet.path("main")).empty(); }));
  const std::string boot = fleet.boot("a");
  const auto hidden = process_of(std::stoi(read_file(fleet.path("hidden"))));
  REQUIRE(hidden);
  std::atomic<bool> early = false;
  FakeBus bus(fleet.bus_path(), [&](const FakeBus::Words& words) -> std::string {
    if (words[0] == "REAP" && alive(*hidden)) early = true;
    return ":3\r\n";
  });
  kill(std::stoi(read_file(fleet.path("main"))), SIGKILL);
  CHECK(wait_until([&] { return bus.asked({"REAP", "a", boot}) == 1; }));
  CHECK_FALSE(early);
  CHECK_FALSE(alive(*hidden));
  CHECK(wait_until([&] { return read_file(fleet.path("up/reap")).empty(); }));
  CHECK(bus.asked({"REAP"}) == 1);
}

TEST_CASE("launcher: what the bus could not be told is told later, through a kill of the launcher too") {
  Fleet fleet;
  const DaemonSpec a = fleet.shell("a", "echo $$ > main.new; mv main.new main; exec sleep 300");
  fleet.start({a});
  REQUIRE(wait_until([&] { return !read_file(fleet.path("main")).empty(); }));
  const std::string boot = fleet.boot("a");
  kill(std::stoi(read_file(fleet.path("main"))), SIGKILL);
  REQUIRE(wait_until([&] { return read_file(fleet.path("up/reap")) == "a " + boot + "\n"; }));
  fleet.stop(SIGKILL);
  fleet.start({a});
  const FakeBus bus(fleet.bus_path(), [](const FakeBus::Words&) -> std::string { return ":0\r\n"; });
  CHECK(wait_until([&] { return bus.asked({"REAP", "a", boot}) == 1; }));
}

TEST_CASE("launcher: a stop tells the bus of everyone who claimed") {
  Fleet fleet;
  fleet.start({fleet.shell("a", "exec sleep 300")});
  REQUIRE(wait_until([&] { return fleet.entered("a", "ready"); }));
  const std::string boot = fleet.boot("a");
  CHECK(fleet.stop() == 0);
  // This one had no bus to tell it to, so it stays on record.
  CHECK(read_file(fleet.path("up/reap")) == "a " + boot + "\n");
}

namespace {

// Of a command of the launcher's: the value behind a name.
std::string field(const FakeBus::Words& words, const std::string& name) {
  for (size_t i = 3; i + 1 < words.size(); i += 2) {
    if (words[i] == name) return words[i + 1];
  }
  return "";
}

// What a bus has of the chronicle: each number of a source once.
struct Chronicle {
  std::mutex mutex;
  std::map<std::string, int64_t> last;
  std::vector<FakeBus::Words> entries;

  std::string answer(const FakeBus::Words& words) {
    if (words[0] != "EVENT") return ":0\r\n";
    const std::lock_guard lock(mutex);
    int64_t& known = last[field(words, "source")];
    const int64_t number = std::stoll(field(words, "number"));
    if (number <= known) return ":0\r\n";
    known = number;
    entries.push_back(words);
    return ":" + std::to_string(entries.size()) + "\r\n";
  }
  // "ready(trigger)" of each, in order.
  std::string text() {
    const std::lock_guard lock(mutex);
    std::string all;
    for (const FakeBus::Words& words : entries) {
      all += (all.empty() ? "" : " ") + words[2].substr(words[2].find('.') + 1) + "(" +
             field(words, "trigger") + ")";
    }
    return all;
  }
  std::string of(const std::string& kind, const std::string& name) {
    const std::lock_guard lock(mutex);
    for (const FakeBus::Words& words : entries) {
      if (words[2] == kind) return field(words, name);
    }
    return "none";
  }
};

}  // namespace

TEST_CASE(
    "launcher: every change of state is in the chronicle, also of the time without a bus, in order and "
    "once") {
  Fleet fleet;
  DaemonSpec a = fleet.shell(
      "a", "[ -e up-again ] && exec sleep 300; until [ -e die ]; do sleep 0.02; done; echo dying; exit 3");
  a.restart.base_ms = a.restart.max_ms = 300;
  fleet.start({a});
  REQUIRE(wait_until([&] { return fleet.entered("a", "ready"); }));
  std::ofstream(fleet.path("die")) << "x";
  // The whole of it happens while there is no bus, and the launcher is killed in between.
  REQUIRE(wait_until([&] { return fleet.entered("a", "backoff"); }));
  fleet.stop(SIGKILL);
  std::ofstream(fleet.path("up-again")) << "x";
  fleet.start({a});
  REQUIRE(wait_until([&] { return fleet.times("a", "ready") == 2; }));
  Chronicle chronicle;
  {
    // A bus that hears the first ones and is gone before it has answered.
    std::atomic<int> heard = 0;
    const FakeBus bus(fleet.bus_path(), [&](const FakeBus::Words& words) -> std::string {
      const std::string reply = chronicle.answer(words);
      return words[0] == "EVENT" && ++heard == 3 ? "" : reply;
    });
    REQUIRE(wait_until([&] { return heard >= 3; }));
  }
  const FakeBus bus(fleet.bus_path(), [&](const FakeBus::Words& words) { return chronicle.answer(words); });
  CHECK(wait_until([&] { return read_file(fleet.path("up/chronicle")).empty(); }));
  const std::string text = chronicle.text();
  INFO(text);
  CHECK(text.find("starting(cleared) ready(readied) ending(died) backoff(emptied)") == 0);
  CHECK(text.find("ready(readied)", text.size() - std::string("ready(readied)").size()) != std::string::npos);
  CHECK(chronicle.of("launcher.ending", "ended") == "exit 3");
  CHECK(chronicle.of("launcher.ending", "reason") == "exit 3; it said: dying");
  CHECK(chronicle.of("launcher.ready", "daemon") == "a");
  // With the time at which it happened.
  int64_t before = 0;
  for (const FakeBus::Words& words : chronicle.entries) {
    const int64_t happened = std::stoll(field(words, "happened"));
    CHECK(happened >= before);
    before = happened;
  }
}

TEST_CASE("launcher: a daemon that is given up is an ultra entry with the command to type") {
  Fleet fleet;
  DaemonSpec a = fleet.shell("a", "exit 3");
  a.restart.restarts_max = 1;
  fleet.start({a});
  Chronicle chronicle;
  const FakeBus bus(fleet.bus_path(), [&](const FakeBus::Words& words) { return chronicle.answer(words); });
  REQUIRE(wait_until([&] { return chronicle.of("launcher.escalate", "tier") == "ultra"; }));
  CHECK(chronicle.of("launcher.escalate", "daemon") == "a");
  CHECK(chronicle.of("launcher.escalate", "command") == "pawl ops relaunch a");
  CHECK(chronicle.of("launcher.escalate", "log") == fleet.path("up/log/a.log"));
  CHECK(chronicle.of("launcher.escalate", "reason") == chronicle.of("launcher.failed", "reason"));
  CHECK(chronicle.of("launcher.failed", "trigger") == "exhausted");
}

TEST_CASE("launcher: a bus that takes no entry keeps nothing back for ever") {
  Fleet fleet;
  fleet.start({fleet.shell("a", "exec sleep 300")});
  const FakeBus bus(fleet.bus_path(), [&](const FakeBus::Words& words) -> std::string {
    return words[0] == "EVENT" ? "-DENIED user up: the right worker is needed\r\n" : ":0\r\n";
  });
  REQUIRE(wait_until([&] { return bus.asked({"EVENT"}) >= 2; }));
  CHECK(wait_until([&] { return read_file(fleet.path("up/chronicle")).empty(); }));
}
