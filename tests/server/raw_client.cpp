#include "tests/server/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace pawl::test {

RawClient RawClient::tcp(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(socket);
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  }
  return RawClient(socket);
}

RawClient RawClient::unix_socket(const std::string& path) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(socket);
    throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
  }
  return RawClient(socket);
}

RawClient::RawClient(RawClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), in_(std::move(other.in_)), ended_(other.ended_) {}

void RawClient::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void RawClient::half_close() { ::shutdown(socket_, SHUT_WR); }

void RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;  // closed by the server: the test reads "(closed)" next
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

std::string RawClient::encode(const std::vector<std::string>& words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return bytes;
}

bool RawClient::fill(int timeout_ms) {
  pollfd wait{socket_, POLLIN, 0};
  if (timeout_ms < 0 || ::poll(&wait, 1, timeout_ms) <= 0) return false;
  char buffer[65536];
  const ssize_t count = ::recv(socket_, buffer, sizeof(buffer), 0);
  if (count <= 0) {
    ended_ = true;
    return false;
  }
  in_.append(buffer, static_cast<size_t>(count));
  return true;
}

bool RawClient::parse(size_t& at, std::string& out) const {
  const size_t end = in_.find("\r\n", at);
  if (end == std::string::npos) return false;
  const char kind = in_[at];
  const std::string line = in_.substr(at + 1, end - at - 1);
  at = end + 2;
  if (kind == '+' || kind == '-' || kind == ':') {
    out += kind + line;
    return true;
  }
  if (kind == '_' || line == "-1") {
    out += "(nil)";
    return true;
  }
  const size_t count = std::stoul(line);
  if (kind == '$') {
    if (in_.size() < at + count + 2) return false;
    out += in_.substr(at, count);
    at += count + 2;
    return true;
  }
  const bool map = kind == '%';
  out += kind == '>' ? ">[" : map ? "{" : "[";
  for (size_t i = 0; i < (map ? 2 * count : count); ++i) {
    if (i > 0) out += map && i % 2 == 1 ? ": " : ", ";
    if (!parse(at, out)) return false;
  }
  out += map ? "}" : "]";
  return true;
}

std::string RawClient::read(int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    size_t at = 0;
    std::string out;
    if (!in_.empty() && parse(at, out)) {
      in_.erase(0, at);
      return out;
    }
    if (ended_) return "(closed)";
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (!fill(static_cast<int>(left)) && !ended_) return "(silent)";
  }
}

std::string field(const std::string& reply, const std::string& name) {
  for (const std::string& separator : {std::string(", "), std::string(": ")}) {
    const size_t at = reply.find(name + separator);
    if (at == std::string::npos) continue;
    const size_t begin = at + name.size() + separator.size();
    const size_t end = reply.find_first_of(",]}", begin);
    return reply.substr(begin, end - begin);
  }
  return "";
}

}  // namespace pawl::test
