#include "runner/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "bus/base/parse.h"
#include "runner/clock.h"
#include "runner/own_children.h"
#include "runner/process_tree.h"

namespace pawl::runner {
namespace {

constexpr int64_t sweep_every_ms = 20;    // while something of the tree is still to end
constexpr int chase_rounds_max = 1000;    // some milliseconds
constexpr int64_t settle_after_ms = 200;  // an unfinished line goes to the log
constexpr size_t read_bytes = size_t{64} << 10;
constexpr size_t reads_per_turn = 64;
constexpr int pipe_bytes = 1 << 20;
constexpr int exec_failed_code = 127;
constexpr size_t packet_bytes_max = 4096;
constexpr size_t status_bytes_max = 200;
constexpr int ready_fd = 3;  // in the daemon

void close_fd(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

class Keeper {
 public:
  explicit Keeper(const KeeperOptions& options) : options_(options) {}
  int run();

 private:
  bool start();
  [[noreturn]] void become_daemon(int output, int ready, int failure);
  bool open_notify_socket();
  void wait();
  void turn(int64_t now_ms);
  void take_children();
  void take_output(int64_t now_ms);
  void take_ready();
  void take_notify();
  void take_launcher(int64_t now_ms);
  void accept_launcher();
  void obey(std::string_view packet, int64_t now_ms);
  void begin_stop(int64_t within_ms, int64_t now_ms);
  void kill_everything();
  static void chase();
  void sweep(int64_t now_ms);
  void send(const std::string& packet);
  void say_up();
  void say_ended();
  bool finished(int64_t now_ms) const;

  const KeeperOptions& options_;
  std::optional<LogSink> log_;
  std::optional<ControlGroup> group_;
  pid_t main_ = -1;
  uint64_t main_start_ = 0;
  uint64_t pipe_ = 0;
  bool main_ended_ = false;
  std::string end_text_;
  bool empty_ = false;
  bool up_ = false;
  std::string status_;
  int signals_ = -1;
  int output_ = -1;
  int ready_ = -1;
  int notify_ = -1;
  std::string notify_name_;
  int launcher_ = -1;
  bool dismissed_ = false;  // the launcher has noted the end
  int64_t alone_since_ms_ = 0;
  int64_t output_at_ms_ = 0;
  std::optional<int64_t> kill_at_ms_;
  int64_t sweep_at_ms_ = 0;
};

bool Keeper::open_notify_socket() {
  notify_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (notify_ < 0) return false;
  const int on = 1;
  setsockopt(notify_, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  // Autobind: the kernel chooses an abstract name, nothing stays behind on the disk.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (bind(notify_, reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)) != 0) return false;
  socklen_t length = sizeof address;
  if (getsockname(notify_, reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
  const size_t name_bytes = length - offsetof(sockaddr_un, sun_path) - 1;
  notify_name_ = "@" + std::string(address.sun_path + 1, name_bytes);
  return true;
}

void Keeper::become_daemon(int output, int ready, int failure) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a belt: whoever kills the keeper has the launcher end the tree
  if (group_) group_->enter();
  if (!options_.directory.empty() && chdir(options_.directory.c_str()) != 0) {
    const int error = errno;
    (void)!write(failure, &error, sizeof error);
    _exit(exec_failed_code);
  }
  const int nothing = open("/dev/null", O_RDWR);
  dup2(nothing, 0);
  dup2(output, 1);
  dup2(output, 2);
  // The pipe for the failure of exec moves out of the way of the ready descriptor.
  const int far = fcntl(failure, F_DUPFD_CLOEXEC, 10);
  if (options_.notify) {
    dup2(ready, ready_fd);
    setenv("NOTIFY_SOCKET", notify_name_.c_str(), 1);
    setenv("PAWL_NOTIFY_FD", std::to_string(ready_fd).c_str(), 1);
  }
  for (int fd = options_.notify ? ready_fd + 1 : ready_fd; fd < far; ++fd) close(fd);
  syscall(SYS_close_range, far + 1, ~0U, 0);
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &plain, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::vector<char*> arguments;
  for (const std::string& word : options_.command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  const int error = errno;
  (void)!write(far, &error, sizeof error);
  _exit(exec_failed_code);
}

bool Keeper::start() {
  std::array<int, 2> output{};
  std::array<int, 2> ready{};
  std::array<int, 2> failure{};
  if (pipe2(output.data(), O_CLOEXEC) != 0 || pipe2(ready.data(), O_CLOEXEC) != 0 ||
      pipe2(failure.data(), O_CLOEXEC) != 0 || (options_.notify && !open_notify_socket())) {
    end_text_ = std::string("unstarted cannot make a pipe: ") + std::strerror(errno);
    return false;
  }
  fcntl(output[1], F_SETPIPE_SZ, pipe_bytes);
  main_ = fork();
  if (main_ == 0) become_daemon(output[1], ready[1], failure[1]);
  close(output[1]);
  close(ready[1]);
  close(failure[1]);
  output_ = output[0];
  ready_ = ready[0];
  fcntl(output_, F_SETFL, O_NONBLOCK);
  struct stat pipe {};
  pipe_ = fstat(output_, &pipe) == 0 ? pipe.st_ino : 0;
  fcntl(ready_, F_SETFL, O_NONBLOCK);
  if (main_ < 0) {
    end_text_ = std::string("unstarted cannot fork: ") + std::strerror(errno);
    close(failure[0]);
    return false;
  }
  int error = 0;
  const bool failed = read(failure[0], &error, sizeof error) == sizeof error;
  close(failure[0]);
  if (failed) {
    end_text_ = "unstarted cannot run '" + options_.command[0] + "'" +
                (options_.directory.empty() ? "" : " in " + options_.directory) + ": " + std::strerror(error);
    return false;
  }
  const auto process = process_of(main_);
  main_start_ = process ? process->start : 0;
  return true;
}

int Keeper::run() {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&mask, signal);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  signals_ = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  signal(SIGPIPE, SIG_IGN);
  become_subreaper();
  prctl(PR_SET_NAME, "pawl-keep", 0, 0, 0);
  group_ = ControlGroup::open(options_.group);
  alone_since_ms_ = steady_now_ms();
  Result<LogSink> log = LogSink::open(options_.log);
  if (!log) {
    end_text_ = "unstarted " + log.error().text;
  } else {
    log_.emplace(std::move(*log));
    start();
  }
  if (!end_text_.empty()) main_ended_ = true;
  while (!finished(steady_now_ms())) {
    wait();
    turn(steady_now_ms());
  }
  if (group_) group_->remove();
  return 0;
}

bool Keeper::finished(int64_t now_ms) const {
  if (!empty_) return false;
  return dismissed_ || (launcher_ < 0 && now_ms - alone_since_ms_ >= options_.alone_ms);
}

void Keeper::wait() {
  std::vector<pollfd> polls = {{signals_, POLLIN, 0}, {keeper_listen_fd, POLLIN, 0}};
  for (const int fd : {output_, ready_, notify_, launcher_}) {
    if (fd >= 0) polls.push_back({fd, POLLIN, 0});
  }
  const int64_t now_ms = steady_now_ms();
  int64_t wake_ms = now_ms + 60'000;
  if (!empty_ && (main_ended_ || kill_at_ms_)) {
    wake_ms = std::min(wake_ms, main_ended_ ? sweep_at_ms_ : *kill_at_ms_);
  }
  if (launcher_ < 0) wake_ms = std::min(wake_ms, alone_since_ms_ + options_.alone_ms);
  if (output_at_ms_ > 0) wake_ms = std::min(wake_ms, output_at_ms_ + settle_after_ms);
  poll(polls.data(), polls.size(), static_cast<int>(std::max<int64_t>(0, wake_ms - now_ms)));
}

void Keeper::turn(int64_t now_ms) {
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGTERM) begin_stop(options_.stop_within_ms, now_ms);
  }
  take_launcher(now_ms);
  accept_launcher();
  take_ready();
  take_notify();
  const bool had_ended = main_ended_;
  take_children();
  take_output(now_ms);
  if (main_ended_ && !had_ended) say_ended();  // behind its output, for the last line of it
  if (!main_ended_ && kill_at_ms_ && now_ms >= *kill_at_ms_) {
    kill_everything();
    kill_at_ms_ = now_ms + sweep_every_ms;
  }
  if (launcher_ < 0 && !empty_ && now_ms - alone_since_ms_ >= options_.alone_ms) {
    begin_stop(options_.stop_within_ms, now_ms);
  }
  if (main_ended_ && !empty_) sweep(now_ms);
}

void Keeper::take_children() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != main_ || main_ended_) continue;
    main_ended_ = true;
    sweep_at_ms_ = 0;
    end_text_ = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                    : "exit " + std::to_string(WEXITSTATUS(status));
  }
}

void Keeper::take_output(int64_t now_ms) {
  if (!log_) return;
  std::array<char, read_bytes> buffer;
  for (size_t i = 0; output_ >= 0 && i < reads_per_turn; ++i) {
    const ssize_t got = read(output_, buffer.data(), buffer.size());
    if (got > 0) {
      log_->feed({buffer.data(), static_cast<size_t>(got)}, now_ms);
      output_at_ms_ = now_ms;
      continue;
    }
    if (got == 0) close_fd(&output_);
    if (got == 0 || errno != EINTR) break;
  }
  if (output_at_ms_ > 0 && now_ms - output_at_ms_ >= settle_after_ms) {
    log_->settle(now_ms);
    output_at_ms_ = log_->owes() ? now_ms : 0;
  }
}

void Keeper::say_ended() {
  if (log_ && !log_->last_line().empty()) {
    std::string line = log_->last_line();
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    end_text_ += "\t" + line;
  }
  send("ended " + end_text_);
}

void Keeper::say_up() {
  if (up_) return;
  up_ = true;
  send("up");
}

void Keeper::take_ready() {
  if (ready_ < 0) return;
  std::array<char, 256> buffer;
  const ssize_t got = read(ready_, buffer.data(), buffer.size());
  if (got > 0) {
    say_up();
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    close_fd(&ready_);  // it is not obliged to keep the descriptor
  }
}

void Keeper::take_notify() {
  std::array<char, packet_bytes_max> buffer;
  std::array<char, CMSG_SPACE(sizeof(ucred))> control;
  while (notify_ >= 0) {
    iovec piece{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(notify_, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) return;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_CREDENTIALS) continue;
    ucred sender{};
    std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
    // The name is nobody's secret: only what runs below this keeper may speak for the daemon.
    if (!is_within(sender.pid, getpid())) continue;
    std::string_view rest(buffer.data(), static_cast<size_t>(got));
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line == "READY=1") say_up();
      if (line.substr(0, 7) != "STATUS=" || line.substr(7) == status_) continue;
      status_ = std::string(line.substr(7, status_bytes_max));
      send("status " + status_);
    }
  }
}

void Keeper::accept_launcher() {
  const int fd = accept4(keeper_listen_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  close_fd(&launcher_);  // the newest one counts; the lock of the folder lets there be only one
  launcher_ = fd;
  send("hello " + std::to_string(std::max(main_, 0)) + " " + std::to_string(main_start_) + " " +
       std::to_string(pipe_));
  if (up_) send("up");
  if (!status_.empty()) send("status " + status_);
  if (main_ended_) send("ended " + end_text_);
  if (empty_) send("empty " + std::to_string(log_ ? log_->dropped_lines() : 0));
}

void Keeper::take_launcher(int64_t now_ms) {
  std::array<char, packet_bytes_max> buffer;
  while (launcher_ >= 0) {
    const ssize_t got = recv(launcher_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) {
      obey({buffer.data(), static_cast<size_t>(got)}, now_ms);
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    } else {
      close_fd(&launcher_);
      alone_since_ms_ = now_ms;
    }
  }
}

void Keeper::obey(std::string_view packet, int64_t now_ms) {
  if (packet.substr(0, 5) == "stop ") {
    begin_stop(parse_int(packet.substr(5)).value_or(options_.stop_within_ms), now_ms);
  } else if (packet == "kill") {
    begin_stop(0, now_ms);
  } else if (packet == "bye") {
    dismissed_ = empty_;
  }
}

// A second stop may only make it shorter.
void Keeper::begin_stop(int64_t within_ms, int64_t now_ms) {
  if (main_ended_) return;
  if (!kill_at_ms_) {
    kill(-main_, SIGTERM);
    kill(-main_, SIGCONT);  // a stopped process would not see the TERM
  }
  kill_at_ms_ = std::min(kill_at_ms_.value_or(now_ms + within_ms), now_ms + within_ms);
}

void Keeper::kill_everything() {
  if (group_) group_->kill_all();
  if (!main_ended_) kill(-main_, SIGKILL);
  for (const ProcessId& process : descendants_of(getpid())) send_signal(process, SIGKILL);
}

// Without a control group, who forks and exits over and over is gone from every list before it is acted
// on; our own children can be looked at often.
void Keeper::chase() {
  OwnChildren children;
  for (int i = 0; i < chase_rounds_max && has_children(); ++i) {
    children.read();
    for (const pid_t pid : children) kill_child(pid);
  }
}

// What the main process left behind is ended at once; with the last child gone, nothing is left.
void Keeper::sweep(int64_t now_ms) {
  if (now_ms < sweep_at_ms_) return;
  sweep_at_ms_ = now_ms + sweep_every_ms;
  if (has_children() || (group_ && group_->populated())) {
    kill_everything();
    chase();
    if (has_children() || (group_ && group_->populated())) return;
  }
  take_output(now_ms);
  if (log_) log_->settle(now_ms);
  empty_ = true;
  send("empty " + std::to_string(log_ ? log_->dropped_lines() : 0));
}

void Keeper::send(const std::string& packet) {
  // A launcher that is gone, or hangs with a full socket, learns it from the next hello.
  if (launcher_ >= 0) (void)!::send(launcher_, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

std::string word(std::string_view name, std::string_view value) {
  return std::string(name) + "=" + std::string(value);
}

}  // namespace

std::vector<std::string> keeper_words(const KeeperOptions& options) {
  std::vector<std::string> words = {options.name,
                                    word("group", options.group),
                                    word("dir", options.directory),
                                    word("log", options.log.path),
                                    word("log-bytes", std::to_string(options.log.bytes_max)),
                                    word("log-files", std::to_string(options.log.files)),
                                    word("log-rate", std::to_string(options.log.bytes_per_second)),
                                    word("notify", options.notify ? "1" : "0"),
                                    word("stop-within", std::to_string(options.stop_within_ms)),
                                    word("alone", std::to_string(options.alone_ms)),
                                    "--"};
  words.insert(words.end(), options.command.begin(), options.command.end());
  return words;
}

Result<KeeperOptions> parse_keeper_words(const std::vector<std::string>& words) {
  const Error usage = make_error(Code::badarg, "keep is started by pawl up, not by hand");
  const auto dashes = std::find(words.begin(), words.end(), "--");
  if (words.empty() || dashes == words.begin() || dashes == words.end() || dashes + 1 == words.end()) {
    return usage;
  }
  KeeperOptions options;
  options.name = words[0];
  options.command.assign(dashes + 1, words.end());
  for (auto at = words.begin() + 1; at != dashes; ++at) {
    const size_t equals = at->find('=');
    if (equals == std::string::npos) return usage;
    const std::string name = at->substr(0, equals);
    const std::string value = at->substr(equals + 1);
    const int64_t number = parse_int(value).value_or(0);
    if (name == "group") options.group = value;
    if (name == "dir") options.directory = value;
    if (name == "log") options.log.path = value;
    if (name == "log-bytes") options.log.bytes_max = static_cast<uint64_t>(number);
    if (name == "log-files") options.log.files = static_cast<uint32_t>(number);
    if (name == "log-rate") options.log.bytes_per_second = static_cast<uint64_t>(number);
    if (name == "notify") options.notify = number == 1;
    if (name == "stop-within") options.stop_within_ms = number;
    if (name == "alone") options.alone_ms = number;
  }
  return options;
}

int run_keeper(const KeeperOptions& options) {
  sockaddr_un address{};
  socklen_t length = sizeof address;
  if (getsockname(keeper_listen_fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 2;
  fcntl(keeper_listen_fd, F_SETFD, FD_CLOEXEC);
  fcntl(keeper_listen_fd, F_SETFL, O_NONBLOCK);
  return Keeper(options).run();
}

}  // namespace pawl::runner
