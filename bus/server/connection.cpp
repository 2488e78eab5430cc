#include "bus/server/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

namespace pawl::server {
namespace {

constexpr size_t read_bytes = size_t{256} << 10;

constexpr int last_reads_max = 4;

// One for all connections of a thread: reads end before the next begins.
char* read_buffer() {
  static thread_local const std::unique_ptr<char[]> buffer(new char[read_bytes]);
  return buffer.get();
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

Connection::~Connection() {
  if (!closed_) ::close(socket_);
}

int Connection::start(uv_loop_t* loop, OnEvents on_events) {
  const int error = uv_poll_init(loop, &poll_, socket_);
  if (error != 0) return error;
  poll_.data = this;
  started_ = true;
  on_events_ = on_events;
  watch(true, false);
  return 0;
}

ReadOutcome Connection::read_once() {
  const ssize_t count = ::recv(socket_, read_buffer(), read_bytes, 0);
  if (count > 0) {
    in.append(read_buffer(), static_cast<size_t>(count));
    needs_more = false;
    return ReadOutcome::bytes;
  }
  if (count == 0) return ReadOutcome::ended;
  return would_block(errno) ? ReadOutcome::nothing : ReadOutcome::broken;
}

// The kernel takes bytes for a peer that has closed as well; a claim among them would be lost on it.
bool Connection::peer_has_gone() const {
  pollfd state{socket_, POLLRDHUP, 0};
  return ::poll(&state, 1, 0) > 0;
}

bool Connection::write_once() {
  const std::string_view bytes = replies.to_send();
  if (bytes.empty()) return true;
  if (replies.hands_out_claims() && peer_has_gone()) return false;
  const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count < 0) return would_block(errno);
  replies.sent(static_cast<size_t>(count));
  return true;
}

void Connection::watch(bool readable, bool disconnect) {
  const int events = (readable ? UV_READABLE : 0) | (disconnect ? UV_DISCONNECT : 0) |
                     (replies.to_send().empty() ? 0 : UV_WRITABLE);
  if (events == std::exchange(events_, events)) return;
  uv_poll_start(&poll_, events, [](uv_poll_t* handle, int status, int what) {
    auto* self = static_cast<Connection*>(handle->data);
    self->on_events_(*self, status, what);
  });
}

void Connection::close(uv_close_cb on_closed) {
  closed_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), on_closed);
  // Bytes that nobody read would make the kernel reset the connection, and the last reply with it.
  static_cast<void>(::shutdown(socket_, SHUT_WR));
  for (int reads = 0; reads < last_reads_max; ++reads) {
    if (::recv(socket_, read_buffer(), read_bytes, 0) < static_cast<ssize_t>(read_bytes)) break;
  }
  ::close(socket_);
}

}  // namespace pawl::server
