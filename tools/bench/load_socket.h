// A blocking TCP connection to a server on this machine, with what it has said and nobody has read yet.
#pragma once

#include <string>
#include <string_view>

namespace pawl::bench {

// One line on stderr, then the end: a benchmark with a failure has no figures.
[[noreturn]] void die(const std::string& text);

class Socket {
 public:
  explicit Socket(int port);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  void write_all(std::string_view text) const;
  void read_some();
  std::string_view unread() const { return std::string_view(in_).substr(at_); }
  void consume(size_t bytes);

 private:
  int fd_;
  std::string in_;
  size_t at_ = 0;
};

}  // namespace pawl::bench
