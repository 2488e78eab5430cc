// A RESP2 connection to a bus.
//
// Two kinds of failure are kept apart: a Result's Error means that the bus could not
// be reached, or stopped answering (what was asked may or may not have happened); a
// Reply of kind error is the bus's own answer and means that nothing happened.
//
// One thread at a time. After a failure the connection stays broken: every further
// call answers the same error; connect again. The process must ignore SIGPIPE.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"
#include "bus/client/reply.h"
#include "bus/client/url.h"

namespace pawl::client {

using Command = std::vector<std::string>;

struct Timeouts {
  int64_t connect_ms = 5'000;
  int64_t reply_ms = 30'000;  // for one reply to arrive; comes on top of a command's own WAIT
};

class Client {
 public:
  // Connects, and sends AUTH when the endpoint has a password; a refused password is
  // an Error with NOAUTH or DENIED, everything else has ERR.
  static Result<Client> connect(const Endpoint& endpoint, const Timeouts& timeouts = {});

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Sends and waits for the answer. `wait_ms`: what the command itself may wait (its
  // WAIT). Not while replies of append() are outstanding.
  Result<Reply> call(const Command& command, int64_t wait_ms = 0);

  // Pipelining: append N, then read N, in order. append() only buffers; read()
  // flushes. flush() also takes in what arrives meanwhile, so that a full socket on
  // both sides cannot stand still.
  void append(const Command& command);
  void append(const std::string_view* parts, size_t count);
  Status flush();
  Result<Reply> read(int64_t wait_ms = 0);

  // For a poll loop: wait for fd() readable (and writable while wants_write()), then
  // pump(), then take() until it has nothing more.
  int fd() const;
  bool wants_write() const;
  Status pump();
  // Nothing yet, or the next reply; an Error when the bytes are no RESP.
  Result<std::optional<Reply>> take();
  // Says that nothing more will be asked. Replies that the bus already wrote can
  // still be read, until the end of the stream (an Error of pump()).
  void end_writing();

 private:
  struct Wire;
  explicit Client(std::unique_ptr<Wire> wire);
  Result<Reply> take_or(const Error& failure);
  std::unique_ptr<Wire> wire_;
};

}  // namespace pawl::client
