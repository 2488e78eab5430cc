#include "tools/bench/load_socket.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace pawl::bench {

void die(const std::string& text) {
  std::fprintf(stderr, "bench_load: %s\n", text.c_str());
  std::exit(1);
}

Socket::Socket(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    die("cannot connect to port " + std::to_string(port) + ": " + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Socket::~Socket() { ::close(fd_); }

void Socket::write_all(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t sent = ::write(fd_, text.data(), text.size());
    if (sent <= 0) die("the connection broke");
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

void Socket::read_some() {
  char buffer[1 << 16];
  const ssize_t got = ::read(fd_, buffer, sizeof buffer);
  if (got <= 0) die("the connection was closed");
  in_.append(buffer, static_cast<size_t>(got));
}

void Socket::consume(size_t bytes) {
  at_ += bytes;
  if (at_ == in_.size()) {
    in_.clear();
    at_ = 0;
  }
}

}  // namespace pawl::bench
