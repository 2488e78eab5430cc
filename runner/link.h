// One connection of a worker's poll loop: asks without waiting, hands each answer to
// whoever asked, and connects again with a growing pause when it breaks.
#pragma once

#include <poll.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bus/client/client.h"

namespace pawl::runner {

class Link {
 public:
  // Null: the connection broke before the answer; what was asked may have happened.
  using OnReply = std::function<void(const client::Reply*)>;

  Link(client::Endpoint endpoint, client::Timeouts timeouts)
      : endpoint_(std::move(endpoint)), timeouts_(timeouts) {}

  // Connects when it is not connected and it is time to. Blocks for at most the connect
  // time-out (2 s once it had been connected).
  void connect_when_due(int64_t now_ms);
  bool up() const { return client_.has_value(); }
  bool idle() const { return waiting_.empty(); }
  // Since when it is not connected; nothing while it is.
  std::optional<int64_t> down_since_ms() const { return down_since_ms_; }
  const Error& failure() const { return failure_; }

  // Only while up(). `wait_ms`: what the command itself may wait.
  void ask(const client::Command& command, int64_t wait_ms, int64_t now_ms, OnReply on_reply);
  // Nothing more will be asked and no reconnect: the answers that are on their way
  // still arrive, for at most `patience_ms`.
  void close_gently(int64_t now_ms, int64_t patience_ms);

  void add_polls(std::vector<pollfd>* polls, int64_t* wake_ms) const;
  // Sends, reads and hands out what there is.
  void pump(int64_t now_ms);

 private:
  struct Waiting {
    int64_t deadline_ms = 0;
    OnReply on_reply;
  };
  void drop(const Error& why, int64_t now_ms);

  client::Endpoint endpoint_;
  client::Timeouts timeouts_;
  std::optional<client::Client> client_;
  std::deque<Waiting> waiting_;
  Error failure_;
  std::optional<int64_t> down_since_ms_;
  int64_t next_try_ms_ = 0;
  int64_t pause_ms_ = 0;
  bool was_up_ = false;
  bool closing_ = false;
};

}  // namespace pawl::runner
