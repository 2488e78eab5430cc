// One child process, for real.
#include "runner/handler.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>

#include "tests/support/temp_directory.h"

using pawl::runner::Handler;
using pawl::runner::HandlerResult;
using pawl::runner::HandlerSpec;
using pawl::test::TempDirectory;

namespace {

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void step(Handler* handler) {
  std::vector<pollfd> polls;
  int64_t wake = now_ms() + 5000;
  handler->add_polls(&polls, &wake);
  poll(polls.data(), polls.size(), static_cast<int>(std::max<int64_t>(0, wake - now_ms())));
  handler->pump(now_ms());
}

// Until the command itself runs.
void wait_until_begun(Handler* handler) {
  const int64_t limit = now_ms() + 20'000;
  while (handler->pid() < 0 && !handler->done() && now_ms() < limit) step(handler);
  REQUIRE(handler->pid() > 0);
}

HandlerSpec shell(const std::string& script) {
  HandlerSpec spec;
  spec.command = {"sh", "-c", script};
  return spec;
}

HandlerResult run(HandlerSpec spec) {
  std::signal(SIGPIPE, SIG_IGN);
  auto handler = Handler::start(std::move(spec), now_ms());
  REQUIRE(handler.ok());
  const int64_t limit = now_ms() + 20'000;
  while (!(*handler)->done()) {
    REQUIRE(now_ms() < limit);
    step(handler->get());
  }
  return (*handler)->result();
}

// The letter of /proc: R, S, T (stopped), Z …; 0 when there is no such process.
char state_letter(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::string text(256, 0);
  const ssize_t got = read(fd, text.data(), text.size());
  close(fd);
  const size_t at = text.rfind(") ");
  return got > 0 && at != std::string::npos ? text[at + 2] : '\0';
}

pid_t parent_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return static_cast<pid_t>(std::stol(text.substr(text.rfind(") ") + 4)));
}

template <typename State>
bool becomes(State state, char wanted) {
  const int64_t limit = now_ms() + 20'000;
  while (state() != wanted && now_ms() < limit) poll(nullptr, 0, 1);
  return state() == wanted;
}

}  // namespace

TEST_CASE("handler: exit codes and signals") {
  struct Row {
    const char* script;
    bool signalled;
    int code;
  };
  const Row rows[] = {{"exit 0", false, 0},
                      {"exit 75", false, 75},
                      {"exit 255", false, 255},
                      {"kill -SEGV $$", true, SIGSEGV},
                      {"kill -KILL $$", true, SIGKILL}};
  for (const Row& row : rows) {
    INFO(row.script);
    const HandlerResult result = run(shell(row.script));
    CHECK(result.signalled == row.signalled);
    CHECK(result.code == row.code);
    CHECK_FALSE(result.timed_out);
  }
}

TEST_CASE("handler: payload in, result out, whatever the bytes and the size") {
  std::string bytes;
  for (int i = 0; i < 300'000; ++i) bytes += static_cast<char>(i * 7);
  HandlerSpec spec;
  spec.command = {"cat"};
  spec.input = bytes;
  const HandlerResult result = run(std::move(spec));
  CHECK(result.output == bytes);
  CHECK(result.output_bytes == bytes.size());
  CHECK(run(shell("cat")).output.empty());
}

TEST_CASE("handler: a child that does not read its payload") {
  HandlerSpec spec = shell("echo done");
  spec.input = std::string(1 << 20, 'x');
  const HandlerResult result = run(std::move(spec));
  CHECK(result.code == 0);
  CHECK(result.output == "done\n");
}

TEST_CASE("handler: output and stderr are bounded") {
  HandlerSpec spec = shell(
      "yes 0123456789 | head -c 500000; echo first >&2; yes abcdefg | head -c 100000 >&2; echo last >&2");
  spec.output_bytes_max = 1000;
  spec.error_tail_bytes_max = 100;
  const HandlerResult result = run(std::move(spec));
  CHECK(result.output.size() == 1000);
  CHECK(result.output_bytes == 500'000);
  CHECK(result.error_first_line == "first");
  CHECK(result.error_tail.size() == 100);
  CHECK(result.error_tail.substr(95) == "last\n");
}

TEST_CASE("handler: reports are lines of descriptor 3") {
  std::vector<std::string> lines;
  HandlerSpec spec = shell("echo one >&3; printf two >&3; printf ' more\\n\\nlast' >&3");
  spec.on_report = [&](std::string_view line) { lines.emplace_back(line); };
  run(std::move(spec));
  CHECK(lines == std::vector<std::string>{"one", "two more", "last"});
}

TEST_CASE("handler: a report line without end is dropped, later ones are not") {
  std::vector<std::string> lines;
  HandlerSpec spec = shell("yes | tr -d '\\n' | head -c 300000 >&3; echo >&3; echo after >&3");
  spec.on_report = [&](std::string_view line) { lines.emplace_back(line); };
  run(std::move(spec));
  CHECK(lines == std::vector<std::string>{"after"});
}

TEST_CASE("handler: environment is added and replaces") {
  setenv("PAWL_TEST_INHERITED", "old", 1);
  HandlerSpec spec = shell("printf '%s %s' \"$PAWL_TEST_INHERITED\" \"$PAWL_ID\"");
  spec.environment = {"PAWL_TEST_INHERITED=new", "PAWL_ID=a1"};
  CHECK(run(std::move(spec)).output == "new a1");
}

TEST_CASE("handler: own process group, open descriptors 0 to 3 only, no blocked signals") {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int stray = fcntl(null, F_DUPFD, 5);  // on purpose without O_CLOEXEC
  close(null);
  REQUIRE(stray >= 5);
  sigset_t set;
  sigset_t before;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, &before);
  // No pipe around ls: the shell may still hold an end of it while ls looks.
  const HandlerResult result =
      run(shell("[ \"$(ps -o pgid= -p $$ | tr -d ' ')\" = $$ ] && echo leader; "
                "ls -m /proc/$$/fd; grep SigBlk /proc/self/status; sed -n "
                "'s/^SigIgn:.*\\(.\\{7\\}\\)$/\\1/p' /proc/$$/status"));
  sigprocmask(SIG_SETMASK, &before, nullptr);
  close(stray);
  // Signals 1 to 28; the C library keeps two of the higher ones to itself.
  CHECK(result.output == "leader\n0, 1, 2, 3\nSigBlk:\t0000000000000000\n0000000\n");
}

TEST_CASE("handler: a deadline ends it, politely first") {
  HandlerSpec spec = shell("trap 'echo bye; exit 3' TERM; sleep 60 & wait");
  spec.deadline_ms = now_ms() + 100;
  const HandlerResult result = run(std::move(spec));
  CHECK(result.timed_out);
  CHECK(result.output == "bye\n");
  CHECK(result.code == 3);
}

TEST_CASE("handler: one that does not listen is killed") {
  HandlerSpec spec = shell("trap '' TERM; while :; do sleep 0.05; done");
  spec.deadline_ms = now_ms() + 50;
  spec.kill_after_ms = 50;
  const int64_t start = now_ms();
  const HandlerResult result = run(std::move(spec));
  CHECK(result.timed_out);
  CHECK(result.signalled);
  CHECK(result.code == SIGKILL);
  CHECK(now_ms() - start < 5000);
}

TEST_CASE("handler: paused, its time limit stands still") {
  const int64_t start = now_ms();
  HandlerSpec spec;
  spec.command = {"sleep", "600"};
  spec.deadline_ms = start + 1000;
  auto handler = Handler::start(std::move(spec), start);
  REQUIRE(handler.ok());
  wait_until_begun(handler->get());
  const auto state = [&] { return state_letter((*handler)->pid()); };
  (*handler)->pause(start + 900);
  CHECK((*handler)->paused());
  CHECK(becomes(state, 'T'));
  // Whatever time it is: nothing is due.
  std::vector<pollfd> polls;
  int64_t wake = INT64_MAX;
  (*handler)->add_polls(&polls, &wake);
  CHECK(wake == INT64_MAX);
  (*handler)->pump(start + 1'000'000);
  CHECK_FALSE((*handler)->done());
  CHECK(state() == 'T');
  (*handler)->resume(start + 1'000'000);
  CHECK_FALSE((*handler)->paused());
  // A tenth of a second was left.
  (*handler)->pump(start + 1'000'099);
  (*handler)->add_polls(&polls, &wake);
  CHECK(wake == start + 1'000'100);
  (*handler)->pump(start + 1'000'100);
  const int64_t limit = now_ms() + 20'000;
  while (!(*handler)->done() && now_ms() < limit) step(handler->get());
  CHECK((*handler)->result().timed_out);
}

TEST_CASE("handler: one that is being ended is not paused, and a paused one can be ended") {
  auto ending = Handler::start(shell("trap 'exit 3' TERM; while :; do sleep 0.01; done"), now_ms());
  REQUIRE(ending.ok());
  (*ending)->terminate(now_ms());
  (*ending)->pause(now_ms());
  CHECK_FALSE((*ending)->paused());
  auto paused = Handler::start(shell("sleep 300"), now_ms());
  REQUIRE(paused.ok());
  (*paused)->pause(now_ms());
  (*paused)->terminate(now_ms());
  CHECK_FALSE((*paused)->paused());
  const int64_t limit = now_ms() + 20'000;
  for (Handler* handler : {ending->get(), paused->get()}) {
    while (!handler->done() && now_ms() < limit) step(handler);
    CHECK(handler->done());
    CHECK(handler->result().code != SIGKILL);
  }
}

TEST_CASE("handler: what it leaves behind ends with it") {
  // The grandchild holds stdout open: neither it nor its pipe may keep the handler.
  const HandlerResult result = run(shell("sleep 300 & echo $!"));
  CHECK(result.code == 0);
  const pid_t left = static_cast<pid_t>(std::stol(result.output));
  const auto alive = [&] {
    // A killed orphan may stay a zombie for as long as nobody reaps it.
    const char state = state_letter(left);
    return state != 0 && state != 'Z';
  };
  const int64_t limit = now_ms() + 5000;
  while (alive() && now_ms() < limit) poll(nullptr, 0, 5);
  CHECK_FALSE(alive());
}

TEST_CASE("handler: destroying it kills and reaps") {
  pid_t pid = 0;
  {
    auto handler = Handler::start(shell("sleep 300"), now_ms());
    REQUIRE(handler.ok());
    wait_until_begun(handler->get());
    pid = (*handler)->pid();
    REQUIRE(kill(pid, 0) == 0);
  }
  CHECK(kill(pid, 0) != 0);
  CHECK(errno == ESRCH);
  CHECK(waitpid(pid, nullptr, WNOHANG) == -1);
}

TEST_CASE("handler: nobody is left when it is done, in whatever session or group") {
  const char* scripts[] = {
      "setsid sleep 300 & echo $!",
      // A daemon by the book: its parents are gone, it has a session of its own and no pipe of ours.
      "setsid sh -c 'sleep 300 >&- 2>&- 3>&- & echo $!' & wait",
      "sh -c 'setsid sh -c \"trap : TERM HUP INT; echo \\$\\$; sleep 300; sleep 300\" & exit 0'; sleep 0.1",
      "exec 2>&- 3>&-; setsid sleep 300 & echo $!; kill -KILL $$",
  };
  for (const char* script : scripts) {
    INFO(script);
    const HandlerResult result = run(shell(script));
    REQUIRE_FALSE(result.output.empty());
    CHECK(state_letter(static_cast<pid_t>(std::stol(result.output))) == 0);
  }
}

TEST_CASE("handler: nobody outruns its end by forking and exiting over and over") {
  // Three chains with a session each, three with one for each link; a link lives for a moment, and the dead
  // are many.
  const char* script =
      "use POSIX; for $n (0 .. 5) { next if fork; POSIX::setsid(); "
      "for (;;) { POSIX::_exit(0) if fork; POSIX::setsid() if $n % 2 } }";
  HandlerSpec spec;
  spec.command = {"perl", "-e", script};
  auto handler = Handler::start(std::move(spec), now_ms());
  REQUIRE(handler.ok());
  const int64_t limit = now_ms() + 20'000;
  while (!(*handler)->done() && now_ms() < limit) step(handler->get());
  CHECK((*handler)->done());
  CHECK((*handler)->result().code == 0);
}

TEST_CASE("handler: closing every descriptor is no end") {
  const HandlerResult result = run(shell("exec 0<&- 1>&- 2>&- 3>&-; sleep 0.3; exit 7"));
  CHECK(result.code == 7);
  CHECK_FALSE(result.signalled);
}

TEST_CASE("handler: its reaper killed, it is killed too, with all that came from it") {
  auto handler = Handler::start(shell("setsid sleep 300 & echo $!; sleep 300"), now_ms());
  REQUIRE(handler.ok());
  wait_until_begun(handler->get());
  const pid_t pid = (*handler)->pid();
  const int64_t limit = now_ms() + 20'000;
  while ((*handler)->result().output.find('\n') == std::string::npos && now_ms() < limit) {
    step(handler->get());
  }
  const pid_t grandchild = static_cast<pid_t>(std::stol((*handler)->result().output));
  REQUIRE(state_letter(grandchild) != 0);
  kill(parent_of(pid), SIGKILL);
  while (!(*handler)->done() && now_ms() < limit) step(handler->get());
  REQUIRE((*handler)->done());
  CHECK((*handler)->result().signalled);
  CHECK((*handler)->result().code == SIGKILL);
  CHECK_FALSE((*handler)->result().out_of_memory);
  CHECK(state_letter(pid) == 0);
  CHECK(state_letter(grandchild) == 0);
}

TEST_CASE("handler: a reaper serves one after the other, and one that was killed meanwhile is replaced") {
  const auto reaper_of_one = [] { return static_cast<pid_t>(std::stol(run(shell("echo $PPID")).output)); };
  const pid_t first = reaper_of_one();
  CHECK(reaper_of_one() == first);
  HandlerSpec missing;
  missing.command = {"/dev/null"};  // nothing that can be run
  CHECK_FALSE(Handler::start(std::move(missing), now_ms()).ok());
  CHECK(reaper_of_one() == first);
  kill(first, SIGKILL);
  CHECK(becomes([&] { return state_letter(first); }, 'Z'));
  const pid_t second = reaper_of_one();
  CHECK(second != first);
  CHECK(state_letter(first) == 0);
}

TEST_CASE("handler: what only the kernel finds out about a program") {
  const TempDirectory folder;
  const std::string path = folder.path() + "/agent";
  std::ofstream(path) << "#!/nonexistent/interpreter\n";
  chmod(path.c_str(), 0755);
  HandlerSpec spec;
  spec.command = {path};
  const HandlerResult result = run(std::move(spec));
  CHECK(result.not_begun.find("cannot run '" + path + "'") == 0);
}

TEST_CASE("handler: a program that is not there") {
  HandlerSpec spec;
  spec.command = {"/nonexistent/program"};
  const auto handler = Handler::start(std::move(spec), now_ms());
  REQUIRE_FALSE(handler.ok());
  CHECK(handler.error().text.find("/nonexistent/program") != std::string::npos);
  CHECK_FALSE(pawl::runner::find_program("no-such-program-anywhere").has_value());
  CHECK_FALSE(pawl::runner::find_program("").has_value());
  CHECK(pawl::runner::find_program("sh").has_value());
  CHECK(pawl::runner::find_program("/bin/sh") == std::optional<std::string>("/bin/sh"));
}
