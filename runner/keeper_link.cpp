#include "runner/keeper_link.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace pawl::runner {
namespace {

constexpr size_t packet_bytes_max = 4096;

std::vector<char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// `listener` must be clear of the descriptors that it is moved over.
int spawn(const std::string& program, const std::vector<std::string>& words,
          const std::vector<std::string>& environment, int listener, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, listener, keeper_listen_fd);
  posix_spawn_file_actions_addclosefrom_np(&actions, keeper_listen_fd + 1);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  // A session of its own: an interrupt from the terminal is the launcher's to act on.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const std::vector<char*> arguments = c_strings(words);
  const std::vector<char*> variables = c_strings(environment);
  const int failure =
      posix_spawn(pid, program.c_str(), &actions, &attributes, arguments.data(), variables.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return failure;
}

}  // namespace

Result<KeeperLink> KeeperLink::start(const UpFolder& folder, const std::string& boot,
                                     const std::string& program, const KeeperOptions& options,
                                     const std::vector<std::string>& environment) {
  const std::string name = "sock/" + boot;
  const int made = folder.listen_at(name);
  constexpr int lowest = 10;
  const int listener = made >= 0 ? fcntl(made, F_DUPFD_CLOEXEC, lowest) : -1;
  if (made >= 0) close(made);
  if (listener < 0) {
    return make_error(Code::err,
                      "cannot make the socket " + folder.path() + "/" + name + ": " + std::strerror(errno));
  }
  std::vector<std::string> words = {"pawl", "keep"};
  for (std::string& word : keeper_words(options)) words.push_back(std::move(word));
  pid_t pid = 0;
  const int failure = spawn(program, words, environment, listener, &pid);
  close(listener);
  if (failure != 0) {
    folder.unlink_socket(name);
    return make_error(Code::err, "cannot start " + program + ": " + std::strerror(failure));
  }
  // It waits in the listener's queue until the keeper is up.
  const int fd = folder.connect_to(name);
  if (fd < 0) {
    const std::string why = std::strerror(errno);
    kill(pid, SIGKILL);
    return make_error(Code::err, "cannot reach the keeper of " + options.name + ": " + why);
  }
  return KeeperLink(fd, pid);
}

Result<KeeperLink> KeeperLink::attach(const UpFolder& folder, const std::string& boot) {
  const int fd = folder.connect_to("sock/" + boot);
  if (fd < 0) return make_error(Code::err, std::strerror(errno));
  return KeeperLink(fd, 0);
}

KeeperLink::KeeperLink(KeeperLink&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), pid_(other.pid_), closed_(other.closed_) {}

KeeperLink& KeeperLink::operator=(KeeperLink&& other) noexcept {
  if (fd_ >= 0) close(fd_);
  fd_ = std::exchange(other.fd_, -1);
  pid_ = other.pid_;
  closed_ = other.closed_;
  return *this;
}

KeeperLink::~KeeperLink() {
  if (fd_ >= 0) close(fd_);
}

std::optional<std::string> KeeperLink::take() {
  std::array<char, packet_bytes_max> buffer;
  for (;;) {
    const ssize_t got = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) return std::string(buffer.data(), static_cast<size_t>(got));
    if (got < 0 && errno == EINTR) continue;
    closed_ = got == 0 || errno != EAGAIN;
    return std::nullopt;
  }
}

void KeeperLink::send(std::string_view packet) const {
  (void)!::send(fd_, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace pawl::runner
