// A client with its socket: one read and one write a turn.
#pragma once

#include <uv.h>

#include "bus/server/client.h"

namespace pawl::server {

enum class ReadOutcome : uint8_t { bytes, nothing, ended, broken };

// Thread: the loop's. Lives until its close callback.
class Connection final : public Client {
 public:
  using OnEvents = void (*)(Connection& connection, int status, int events);

  // Owns the socket.
  Connection(core::ClientId number, int socket, void* server)
      : Client(number), server_(server), socket_(socket) {}
  ~Connection();

  // 0, or libuv's error.
  int start(uv_loop_t* loop, OnEvents on_events);
  // One read, into the client's input.
  ReadOutcome read_once();
  // One write of what is released. False: the connection is broken.
  bool write_once();
  // What to be told of from now on; bytes to write are always waited for.
  void watch(bool readable, bool disconnect);
  // `on_closed` may delete the connection.
  void close(uv_close_cb on_closed);

  void* server() const { return server_; }
  bool closed() const { return closed_; }

  bool in_ready = false;     // the server has it on its list of clients to run
  int64_t connected_at = 0;  // monotonic ms

 private:
  bool peer_has_gone() const;

  void* server_;
  int socket_;
  bool closed_ = false;
  bool started_ = false;
  int events_ = -1;
  OnEvents on_events_ = nullptr;
  uv_poll_t poll_{};
};

}  // namespace pawl::server
