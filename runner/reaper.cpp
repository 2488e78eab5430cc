#include "runner/reaper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <set>

#include "runner/own_children.h"

namespace pawl::runner {
namespace {

constexpr char begin_order = 'B';
constexpr int socket_fd = 4;             // where the reaper has it
constexpr int first_end_fd = 10;         // of the handler's, out of the way of 0 to 3
constexpr int64_t send_seconds_max = 5;  // to one that somebody stopped

// Behind begin_order and the descriptors.
struct BeginHeader {
  uint32_t bytes = 0;      // of what follows: strings, each with its NUL
  uint32_t arguments = 0;  // so many of them; the others are the environment
};

void tell(News::Kind kind, int number) {
  const News news{kind, number};
  // The worker may be gone: then nobody is to be told.
  static_cast<void>(!send(socket_fd, &news, sizeof news, MSG_NOSIGNAL));
}

bool receive_all(int fd, void* into, size_t bytes) {
  auto* at = static_cast<char*>(into);
  while (bytes > 0) {
    const ssize_t got = recv(fd, at, bytes, MSG_WAITALL);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

struct Program {
  std::array<int, 4> ends{-1, -1, -1, -1};
  std::vector<char> strings;
  std::vector<char*> arguments;
  std::vector<char*> environment;
};

// In the handler's process, with the reaper's memory: nothing but system calls.
[[noreturn]] void become_handler(const Program& program, pid_t reaper, volatile int* failure) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != reaper) _exit(127);
  for (int target = 0; target < 4; ++target) dup2(program.ends[static_cast<size_t>(target)], target);
  close_range(4, ~0U, 0);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) sigaction(number, &usual, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvpe(program.arguments[0], program.arguments.data(), program.environment.data());
  *failure = errno;
  _exit(127);
}

// The reaper's own side.
class Service {
 public:
  [[noreturn]] static void run(int socket) {
    Service service;
    service.settle_in(socket);
    Program program;
    while (service.receive(&program)) {
      service.begin(program);
      service.serve();
      service.end_all();
      tell(News::Kind::all_gone, 0);
    }
    _exit(0);
  }

 private:
  void settle_in(int socket) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    setpgid(0, 0);  // a Ctrl-C is the worker's affair
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "pawl-reaper");
    if (socket != socket_fd) dup2(socket, socket_fd);
    // The other reapers' sockets above all: theirs must close with the worker. And whoever reads the
    // worker's output shall not wait for us.
    close_range(socket_fd + 1, ~0U, 0);
    close_range(0, socket_fd - 1, 0);
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    signals_ = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
  }

  // Waits for the next handler; false when the worker is gone.
  bool receive(Program* program) {
    for (;;) {
      char order = 0;
      iovec part{&order, 1};
      alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof program->ends)> control{};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      const ssize_t got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      const cmsghdr* rights = CMSG_FIRSTHDR(&message);
      // An order for a handler that never began is nobody's.
      if (order != begin_order || !rights || rights->cmsg_type != SCM_RIGHTS) continue;
      std::memcpy(program->ends.data(), CMSG_DATA(rights), sizeof program->ends);
      return receive_words(program);
    }
  }

  static bool receive_words(Program* program) {
    for (int& end : program->ends) {
      const int moved = fcntl(end, F_DUPFD_CLOEXEC, first_end_fd);
      close(end);
      end = moved;
    }
    BeginHeader header;
    if (!receive_all(socket_fd, &header, sizeof header)) return false;
    program->strings.resize(header.bytes);
    if (!receive_all(socket_fd, program->strings.data(), header.bytes)) return false;
    program->arguments.clear();
    program->environment.clear();
    for (size_t at = 0; at < program->strings.size(); at += std::strlen(&program->strings[at]) + 1) {
      auto& list = program->arguments.size() < header.arguments ? program->arguments : program->environment;
      list.push_back(&program->strings[at]);
    }
    program->arguments.push_back(nullptr);
    program->environment.push_back(nullptr);
    return true;
  }

  void begin(Program& program) {
    exited_ = finishing_ = false;
    handler_ = -1;
    volatile int failure = 0;
    const pid_t self = getpid();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    const pid_t pid = vfork();
#pragma GCC diagnostic pop
    if (pid == 0) become_handler(program, self, &failure);
    if (pid < 0) failure = errno;
    for (const int end : program.ends) close(end);
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
      std::array<pollfd, 2> polls = {{{socket_fd, POLLIN, 0}, {signals_, POLLIN, 0}}};
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
    // One at a time: what comes behind the last of them is for the next handler.
    char order = 0;
    const ssize_t got = recv(socket_fd, &order, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) {
      finishing_ = true;
    } else {
      take_order(static_cast<Order>(order));
    }
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
    // One that dies hands its own children to us: they are in the next round.
    while (end_children_round()) {
    }
  }

  int signals_ = -1;
  pid_t handler_ = -1;
  bool exited_ = false;
  bool finishing_ = false;
};

// Every reaper of ours that lives, and those of them that have nothing to do.
struct Pool {
  std::set<pid_t> known;
  std::vector<Reaper> idle;
};
Pool& pool() {
  static Pool reapers;
  return reapers;
}

void wait_for(pid_t pid) {
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  pool().known.erase(pid);
}

bool send_all(int fd, const void* bytes, size_t count) {
  const auto* at = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t sent = send(fd, at, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    count -= static_cast<size_t>(sent);
  }
  return true;
}

}  // namespace

Reaper take_reaper() {
  std::vector<Reaper>& idle = pool().idle;
  if (!idle.empty()) {
    const Reaper reaper = idle.back();
    idle.pop_back();
    return reaper;
  }
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return {};
  const timeval patience{send_seconds_max, 0};
  setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const pid_t pid = fork();
  if (pid == 0) Service::run(ends[1]);
  const int why = errno;
  close(ends[1]);
  if (pid > 0) {
    pool().known.insert(pid);
    return {pid, ends[0]};
  }
  close(ends[0]);
  errno = why;
  return {};
}

void give_back(const Reaper& reaper) { pool().idle.push_back(reaper); }

void end_reaper(const Reaper& reaper) {
  close(reaper.socket);
  wait_for(reaper.pid);
}

bool order_begin(const Reaper& reaper, const std::array<int, 4>& ends,
                 const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  std::string strings;
  for (const auto* list : {&arguments, &environment}) {
    for (const std::string& word : *list) strings.append(word.c_str(), std::strlen(word.c_str()) + 1);
  }
  const BeginHeader header{static_cast<uint32_t>(strings.size()), static_cast<uint32_t>(arguments.size())};
  char order = begin_order;
  iovec part{&order, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof ends)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof ends);
  std::memcpy(CMSG_DATA(rights), ends.data(), sizeof ends);
  return sendmsg(reaper.socket, &message, MSG_NOSIGNAL) == 1 &&
         send_all(reaper.socket, &header, sizeof header) &&
         send_all(reaper.socket, strings.data(), strings.size());
}

void give_order(const Reaper& reaper, Order order) {
  const char byte = static_cast<char>(order);
  static_cast<void>(send_all(reaper.socket, &byte, 1));
}

void adopt_orphans() { prctl(PR_SET_CHILD_SUBREAPER, 1); }

bool end_orphans() {
  OwnChildren children;
  children.read();
  bool left = false;
  for (const pid_t pid : children) {
    if (pool().known.count(pid) != 0) continue;
    kill_child(pid);
    left = waitpid(pid, nullptr, WNOHANG) != pid || left;
  }
  // A reaped one may have handed on its own.
  children.read();
  for (const pid_t pid : children) left = left || pool().known.count(pid) == 0;
  return left;
}

}  // namespace pawl::runner
