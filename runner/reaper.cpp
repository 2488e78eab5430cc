#include "runner/reaper.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

namespace pawl::runner {
namespace {

constexpr size_t children_max = 256;  // looked at in one round

// Where the reaper has its descriptors, below all that it was forked with.
constexpr int first_end = 4;
constexpr int orders_fd = 8;
constexpr int news_fd = 9;
constexpr int first_foreign_fd = 10;

// Our children, by /proc: no allocation, for behind a fork. Nothing may have been reaped since, so each
// number still is who it was.
struct Children {
  std::array<pid_t, children_max> pids{};
  size_t count = 0;

  void read() {
    count = 0;
    // "/proc/thread-self/children" is of the thread that forked; the reaper and the worker have one.
    const int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return search();
    std::array<char, 4096> text{};
    pid_t number = 0;
    for (ssize_t got = 0; (got = ::read(fd, text.data(), text.size())) > 0;) {
      for (ssize_t i = 0; i < got; ++i) {
        const char c = text[static_cast<size_t>(i)];
        if (c >= '0' && c <= '9') {
          number = number * 10 + (c - '0');
        } else if (number != 0) {
          if (count < pids.size()) pids[count++] = number;
          number = 0;
        }
      }
    }
    close(fd);
  }

 private:
  // A kernel without CONFIG_PROC_CHILDREN: everybody is asked for his parent.
  void search() {
    DIR* folder = opendir("/proc");
    if (!folder) return;
    const pid_t self = getpid();
    while (const dirent* entry = readdir(folder)) {
      const pid_t pid = static_cast<pid_t>(std::atoi(entry->d_name));
      if (pid > 0 && parent_of(entry->d_name) == self && count < pids.size()) pids[count++] = pid;
    }
    closedir(folder);
  }

  static pid_t parent_of(const char* number) {
    std::array<char, 512> text{};
    std::snprintf(text.data(), text.size(), "/proc/%s/stat", number);
    const int fd = open(text.data(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    const ssize_t got = ::read(fd, text.data(), text.size() - 1);
    close(fd);
    text[static_cast<size_t>(std::max<ssize_t>(got, 0))] = '\0';
    // "12 (any name) S 1 …"
    const char* behind = std::strrchr(text.data(), ')');
    return behind && std::strlen(behind) > 4 ? static_cast<pid_t>(std::atoi(behind + 4)) : -1;
  }
};

void tell(News::Kind kind, int number) {
  const News news{kind, number};
  // The worker may be gone: then nobody is to be told.
  static_cast<void>(!write(news_fd, &news, sizeof news));
}

// In the handler's process, with the reaper's memory: nothing but system calls.
[[noreturn]] void become_handler(const ReaperSpec& spec, pid_t reaper, volatile int* failure) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != reaper) _exit(127);
  for (int target = 0; target < 4; ++target) dup2(first_end + target, target);
  close_range(4, ~0U, 0);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &usual, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvpe(spec.arguments[0], spec.arguments, spec.environment);
  *failure = errno;
  _exit(127);
}

class Reaper {
 public:
  [[noreturn]] static void run(const ReaperSpec& spec) {
    Reaper reaper;
    reaper.settle_in(spec);
    reaper.begin(spec);
    reaper.serve();
    reaper.end_all();
    tell(News::Kind::all_gone, 0);
    _exit(0);
  }

 private:
  void settle_in(const ReaperSpec& spec) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    setpgid(0, 0);  // a Ctrl-C is the worker's affair
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "pawl-reaper");
    for (int i = 0; i < 4; ++i) dup2(spec.ends[static_cast<size_t>(i)], first_end + i);
    dup2(spec.orders, orders_fd);
    dup2(spec.news, news_fd);
    // The ends of other handlers' pipes above all: theirs must close with the worker.
    close_range(first_foreign_fd, ~0U, 0);
    // Whoever reads the worker's output shall not wait for us.
    close_range(0, 3, 0);
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    // Lands in 0 to 3, where the handler's own come later.
    signals_ = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
  }

  void begin(const ReaperSpec& spec) {
    volatile int failure = 0;
    const pid_t self = getpid();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    const pid_t pid = vfork();
#pragma GCC diagnostic pop
    if (pid == 0) become_handler(spec, self, &failure);
    if (pid < 0) failure = errno;
    close_range(first_end, orders_fd - 1, 0);
    if (failure == 0) {
      handler_ = pid;
      tell(News::Kind::begun, pid);
      return;
    }
    if (pid > 0) waitpid(pid, nullptr, 0);
    tell(News::Kind::not_begun, failure);
    finishing_ = true;
  }

  void serve() {
    while (!finishing_) {
      std::array<pollfd, 2> polls = {{{orders_fd, POLLIN, 0}, {signals_, POLLIN, 0}}};
      if (poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) break;
      if ((polls[1].revents & POLLIN) != 0) {
        signalfd_siginfo info{};
        while (read(signals_, &info, sizeof info) > 0) {
        }
        look_at_children();
      }
      if (polls[0].revents != 0) take_orders();
    }
  }

  // The dead handler is left as it is until the end: its group's number stays taken so long.
  void look_at_children() {
    while (!exited_) {
      siginfo_t info{};
      if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
      if (info.si_pid != handler_) {
        waitpid(info.si_pid, nullptr, 0);  // an orphan of the handler's that we inherited
        continue;
      }
      exited_ = true;
      tell(info.si_code == CLD_EXITED ? News::Kind::exited : News::Kind::signalled, info.si_status);
    }
  }

  void take_orders() {
    std::array<char, 64> orders{};
    const ssize_t got = read(orders_fd, orders.data(), orders.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) {
      finishing_ = true;
      return;
    }
    for (ssize_t i = 0; i < got; ++i) take_order(static_cast<Order>(orders[static_cast<size_t>(i)]));
  }

  void take_order(Order order) {
    switch (order) {
      case Order::terminate:
        kill(-handler_, SIGTERM);
        kill(-handler_, SIGCONT);
        return;
      case Order::pause:
        kill(-handler_, SIGSTOP);
        return;
      case Order::resume:
        kill(-handler_, SIGCONT);
        return;
      case Order::kill:
        kill(-handler_, SIGKILL);
        return;
      case Order::finish:
        finishing_ = true;
        return;
    }
  }

  void end_all() {
    if (handler_ > 0) kill(-handler_, SIGKILL);
    Children children;
    for (;;) {
      children.read();
      for (size_t i = 0; i < children.count; ++i) kill(children.pids[i], SIGKILL);
      // One that dies hands its own children to us: they are in the next round.
      siginfo_t info{};
      if (waitid(P_ALL, 0, &info, WEXITED) != 0 && errno == ECHILD) return;
    }
  }

  int signals_ = -1;
  pid_t handler_ = -1;
  bool exited_ = false;
  bool finishing_ = false;
};

std::set<pid_t>& known_reapers() {
  static std::set<pid_t> known;
  return known;
}

}  // namespace

pid_t start_reaper(const ReaperSpec& spec) {
  const pid_t pid = fork();
  if (pid == 0) Reaper::run(spec);
  return pid;
}

void adopt_orphans() { prctl(PR_SET_CHILD_SUBREAPER, 1); }

void reaper_is_known(pid_t reaper, bool known) {
  if (known) {
    known_reapers().insert(reaper);
  } else {
    known_reapers().erase(reaper);
  }
}

bool end_orphans() {
  Children children;
  children.read();
  bool left = false;
  for (size_t i = 0; i < children.count; ++i) {
    const pid_t pid = children.pids[i];
    if (known_reapers().count(pid) != 0) continue;
    kill(pid, SIGKILL);
    left = waitpid(pid, nullptr, WNOHANG) != pid || left;
  }
  // A reaped one may have handed on its own.
  children.read();
  for (size_t i = 0; i < children.count; ++i) left = left || known_reapers().count(children.pids[i]) == 0;
  return left;
}

}  // namespace pawl::runner
