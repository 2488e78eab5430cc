// Real processes that hide, and the proof that none is left.
#include "runner/process_tree.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

using namespace pawl::runner;

namespace {

// A shell that runs `script`; killed and collected when the test ends.
class Shell {
 public:
  explicit Shell(const std::string& script, const ControlGroup* group = nullptr) {
    pid_ = fork();
    if (pid_ == 0) {
      if (group) group->enter();
      setenv("PAWL_TEST_MARK", "tree", 1);
      execlp("sh", "sh", "-c", script.c_str(), nullptr);
      _exit(127);
    }
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;
  ~Shell() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

template <typename Condition>
bool wait_until(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    poll(nullptr, 0, 2);
  }
  return false;
}

// A subreaper of its own for what must not touch the test program: runs `body` in a child, true if it said
// so.
template <typename Body>
bool in_child(Body body) {
  const pid_t pid = fork();
  if (pid == 0) {
    become_subreaper();
    _exit(body() ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

pid_t start_shell(const char* script) {
  const pid_t pid = fork();
  if (pid == 0) {
    setsid();
    execlp("sh", "sh", "-c", script, nullptr);
    _exit(127);
  }
  return pid;
}

}  // namespace

TEST_CASE("process tree: a process is its number and its start time") {
  const auto self = process_of(getpid());
  REQUIRE(self);
  CHECK(self->start > 0);
  CHECK(alive(*self));
  CHECK_FALSE(alive({getpid(), self->start + 1}));
  CHECK_FALSE(send_signal({getpid(), self->start + 1}, SIGKILL));  // or this would be the end of the test
  CHECK(send_signal(*self, 0));
  CHECK_FALSE(process_of(0));
  CHECK_FALSE(process_of(1 << 30));
}

TEST_CASE("process tree: a zombie does not live") {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(process_of(pid));
  waitpid(pid, nullptr, 0);
}

TEST_CASE("process tree: descendants, parents first") {
  const Shell shell("sh -c 'sleep 300; true' & sh -c 'sleep 300; true' & wait");
  REQUIRE(wait_until([&] { return descendants_of(shell.pid()).size() == 4; }));
  const auto found = descendants_of(shell.pid());
  CHECK(is_within(found[3].pid, shell.pid()));
  CHECK(is_within(found[3].pid, getpid()));
  CHECK_FALSE(is_within(getpid(), shell.pid()));
  for (const ProcessId& process : found) send_signal(process, SIGKILL);
}

TEST_CASE("process tree: marks are found in the environment") {
  const Shell shell("exec sleep 300");
  const auto has = [&](const std::vector<ProcessId>& found) {
    return std::any_of(found.begin(), found.end(), [&](const ProcessId& p) { return p.pid == shell.pid(); });
  };
  REQUIRE(wait_until([&] { return has(marked_processes("PAWL_TEST_MARK=tree", 0)); }));
  CHECK_FALSE(has(marked_processes("PAWL_TEST_MARK=tre", 0)));
  CHECK_FALSE(has(marked_processes("PAWL_TEST_MARK=trees", 0)));
}

TEST_CASE("process tree: who holds the pipe is found, whatever its environment") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  struct stat file {};
  REQUIRE(fstat(ends[0], &file) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], 1);
    execlp("env", "env", "-i", "/bin/sleep", "300", nullptr);
    _exit(127);
  }
  close(ends[1]);
  const auto found = [&](uint64_t inode) {
    const std::vector<ProcessId> holders = marked_processes("NO_SUCH=1", inode);
    return std::any_of(holders.begin(), holders.end(), [&](const ProcessId& p) { return p.pid == pid; });
  };
  CHECK(found(file.st_ino));
  CHECK_FALSE(found(file.st_ino + 1));
  CHECK_FALSE(found(0));
  close(ends[0]);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

TEST_CASE("process tree: a subreaper inherits who hides behind setsid and two forks") {
  CHECK(in_child([] {
    const pid_t main = start_shell("setsid sh -c 'setsid sleep 300 & exec sleep 300' & sleep 0.2");
    waitpid(main, nullptr, 0);
    // The shell has gone; what it left is ours.
    if (!wait_until([] { return descendants_of(getpid()).size() == 2; })) return false;
    if (!has_children()) return false;
    for (const ProcessId& process : descendants_of(getpid())) send_signal(process, SIGKILL);
    return wait_until([] { return !has_children(); }) && descendants_of(getpid()).empty();
  }));
}

TEST_CASE("process tree: a control group holds and ends everything born in it") {
  const auto group = ControlGroup::create("pawl-test-" + std::to_string(getpid()));
  if (!group) {
    WARN("skipped: " << group.error().text);
    return;
  }
  CHECK_FALSE(group->populated());
  CHECK(in_child([&] {
    const pid_t main = fork();
    if (main == 0) {
      setsid();
      if (!group->enter()) _exit(1);
      execlp("sh", "sh", "-c", "setsid sh -c 'setsid sleep 300 & exec sleep 300' & exec sleep 300", nullptr);
      _exit(127);
    }
    if (!wait_until([] { return descendants_of(getpid()).size() == 3; })) return false;
    if (!group->populated() || !group->kill_all()) return false;
    return wait_until([] { return !has_children(); }) && !group->populated();
  }));
  group->remove();
  CHECK_FALSE(ControlGroup::open(group->path()));
}

TEST_CASE("process tree: a group that cannot be made says why") {
  const auto group = ControlGroup::create("no/such/folder");
  REQUIRE_FALSE(group.ok());
  CHECK_FALSE(group.error().text.empty());
  CHECK_FALSE(ControlGroup::open(""));
  CHECK_FALSE(ControlGroup::open("/nowhere"));
}
