#include "runner/sd_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "bus/base/parse.h"

namespace pawl::runner {
namespace {

std::string taken(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  manager.socket_ = taken("NOTIFY_SOCKET");
  const auto interval_us = parse_int(taken("WATCHDOG_USEC"));
  const auto pid = parse_int(taken("WATCHDOG_PID"));
  if (interval_us && *interval_us > 0 && (!pid || *pid == getpid())) {
    constexpr int64_t us_per_ms = 1000;
    manager.watchdog_ms_ = std::max<int64_t>(1, *interval_us / us_per_ms / 2);
  }
  return manager;
}

void ServiceManager::tell(std::string_view lines) const {
  sockaddr_un address{};
  if (socket_.size() < 2 || socket_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  (void)!sendto(fd, lines.data(), lines.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                reinterpret_cast<const sockaddr*>(&address), length);
  close(fd);
}

}  // namespace pawl::runner
