// A listening socket on the loop: TCP or Unix.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>

#include "bus/base/result.h"
#include "bus/server/address.h"

namespace pawl::server {

// Takes at most 64 connections a turn. When descriptors run out it turns one connection away with an
// error and rests for 50 ms. Thread: the loop's. The loop must run once more after close().
class Listener {
 public:
  // Owns the socket that it is given, non-blocking.
  using OnAccept = std::function<void(int socket)>;

  // Port 0: any; port() says which. ERR when the address cannot be had, saying why.
  static Result<std::unique_ptr<Listener>> tcp(uv_loop_t* loop, const Address& address, OnAccept on_accept);
  // Mode 0660. A file left by a process that is gone is replaced, one that somebody listens on is an error.
  static Result<std::unique_ptr<Listener>> unix_socket(uv_loop_t* loop, const std::string& path,
                                                       OnAccept on_accept);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const { return port_; }
  // No more connections; removes the Unix socket's file. The object must live until the loop has run.
  void close();

 private:
  Listener(int socket, OnAccept on_accept) : socket_(socket), on_accept_(std::move(on_accept)) {}

  Status start(uv_loop_t* loop);
  void accept_some();
  void turn_one_away();
  void rest();
  void poll();

  int socket_;
  int spare_ = -1;  // a descriptor kept for turning a connection away
  OnAccept on_accept_;
  uint16_t port_ = 0;
  std::string path_;
  uint64_t path_inode_ = 0;
  bool started_ = false;
  bool closed_ = false;
  uv_poll_t poll_{};
  uv_timer_t timer_{};
};

}  // namespace pawl::server
