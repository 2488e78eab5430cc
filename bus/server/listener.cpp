#include "bus/server/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "bus/server/log.h"

namespace pawl::server {
namespace {

constexpr int backlog = 1024;
constexpr int accepts_per_turn = 64;
constexpr uint64_t rest_ms = 50;
constexpr int keepalive_idle_seconds = 60;
constexpr std::string_view no_descriptors =
    "-ERR the bus has no file descriptors left; raise its limit (ulimit -n)\r\n";

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family = AF_INET;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress to_socket_address(const Address& address) {
  SocketAddress out;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  if (host.find(':') != std::string::npos) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr);
    out.family = AF_INET6;
    out.size = sizeof(*v6);
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    inet_pton(AF_INET, host.c_str(), &v4->sin_addr);
    out.size = sizeof(*v4);
  }
  return out;
}

Error cannot_listen(const std::string& where, int error) {
  std::string why = std::strerror(error);
  if (error == EADDRINUSE) why = "something listens there already; stop it or choose another address";
  return make_error(Code::err, "cannot listen on " + where + ": " + why);
}

int spare_descriptor() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

// True when the path may be bound: nothing is there, or what was left by a process that is gone.
Status make_way(const std::string& path, const sockaddr_un& address) {
  struct stat there {};
  if (lstat(path.c_str(), &there) != 0) return {};
  if (!S_ISSOCK(there.st_mode)) {
    return make_error(Code::err,
                      "cannot listen on " + path + ": a file that is no socket is in the way; move it");
  }
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return cannot_listen(path, errno);
  const int connected = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = connected == 0 ? 0 : errno;
  ::close(probe);
  if (error != ECONNREFUSED) return cannot_listen(path, error == 0 || error == EAGAIN ? EADDRINUSE : error);
  ::unlink(path.c_str());
  return {};
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::tcp(uv_loop_t* loop, const Address& address, OnAccept on_accept) {
  SocketAddress where = to_socket_address(address);
  const int socket = ::socket(where.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return cannot_listen(to_text(address), errno);
  std::unique_ptr<Listener> listener(new Listener(socket, std::move(on_accept)));
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (where.family == AF_INET6) setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  if (::bind(socket, where.get(), where.size) != 0 || ::listen(socket, backlog) != 0) {
    return cannot_listen(to_text(address), errno);
  }
  SocketAddress bound;
  bound.size = sizeof(bound.storage);
  getsockname(socket, bound.get(), &bound.size);
  listener->port_ =
      ntohs(where.family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound.storage)->sin6_port
                                     : reinterpret_cast<sockaddr_in*>(&bound.storage)->sin_port);
  if (const Status status = listener->start(loop); !status.ok()) return status.error();
  return listener;
}

Result<std::unique_ptr<Listener>> Listener::unix_socket(uv_loop_t* loop, const std::string& path,
                                                        OnAccept on_accept) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return make_error(Code::err, "cannot listen on " + path + ": a Unix socket's path has at most " +
                                     std::to_string(sizeof(address.sun_path) - 1) + " bytes; use --socket");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (const Status status = make_way(path, address); !status.ok()) return status.error();
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return cannot_listen(path, errno);
  std::unique_ptr<Listener> listener(new Listener(socket, std::move(on_accept)));
  // The mode is set before listen(): nobody gets in through a wider one.
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(path.c_str(), 0660) != 0 || ::listen(socket, backlog) != 0) {
    return cannot_listen(path, errno);
  }
  listener->path_ = path;
  struct stat there {};
  if (lstat(path.c_str(), &there) == 0) listener->path_inode_ = there.st_ino;
  if (const Status status = listener->start(loop); !status.ok()) return status.error();
  return listener;
}

Status Listener::start(uv_loop_t* loop) {
  spare_ = spare_descriptor();
  if (const int error = uv_poll_init(loop, &poll_, socket_); error != 0) {
    return make_error(Code::err, std::string("cannot watch a socket: ") + uv_strerror(error));
  }
  uv_timer_init(loop, &timer_);
  poll_.data = timer_.data = this;
  started_ = true;
  poll();
  return {};
}

void Listener::poll() {
  uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* handle, int /*status*/, int /*events*/) {
    static_cast<Listener*>(handle->data)->accept_some();
  });
}

void Listener::accept_some() {
  for (int i = 0; i < accepts_per_turn && !closed_; ++i) {
    const int socket = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
      turn_one_away();
      rest();
      return;
    }
    if (path_.empty()) {
      const int on = 1;
      setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
      setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_idle_seconds, sizeof(keepalive_idle_seconds));
    }
    on_accept_(socket);
  }
}

void Listener::turn_one_away() {
  log::warn("no file descriptors left: a connection was turned away; raise the limit (ulimit -n)");
  if (spare_ < 0) return;
  ::close(spare_);
  const int socket = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket >= 0) {
    static_cast<void>(::send(socket, no_descriptors.data(), no_descriptors.size(), MSG_NOSIGNAL));
    ::close(socket);
  }
  spare_ = spare_descriptor();
}

void Listener::rest() {
  uv_poll_stop(&poll_);
  uv_timer_start(
      &timer_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<Listener*>(timer->data);
        if (self->spare_ < 0) self->spare_ = spare_descriptor();
        self->poll();
      },
      rest_ms, 0);
}

void Listener::close() {
  if (std::exchange(closed_, true)) return;
  if (started_) {
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  }
  ::close(socket_);
  if (spare_ >= 0) ::close(spare_);
  struct stat there {};
  // Only our own file: another bus may have put its socket there meanwhile.
  if (!path_.empty() && lstat(path_.c_str(), &there) == 0 && there.st_ino == path_inode_)
    ::unlink(path_.c_str());
}

Listener::~Listener() {
  if (started_) PAWL_CHECK(closed_);
  if (!closed_) ::close(socket_);
  if (!closed_ && spare_ >= 0) ::close(spare_);
}

}  // namespace pawl::server
