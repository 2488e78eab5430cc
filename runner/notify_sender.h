// Sends one channel's posts, one at a time: over HTTP, to a command, into a file. For a poll loop of one
// thread; only the sync of a file may block.
#pragma once

#include <poll.h>

#include <memory>
#include <optional>
#include <vector>

#include "runner/handler.h"
#include "runner/http_post.h"
#include "runner/notify_post.h"
#include "runner/notify_rules.h"

namespace pawl::runner {

class NotifySender {
 public:
  // Both outlive it.
  NotifySender(const NotifyChannel* channel, HttpPost* http) : channel_(channel), http_(http) {}

  // Only while !busy().
  void start(const NotifyEntry& entry, int64_t now_ms, int64_t wall_ms);
  bool busy() const { return busy_; }
  // Once the post has ended; busy() until then.
  std::optional<PostOutcome> take(int64_t now_ms);
  void add_polls(std::vector<pollfd>* polls, int64_t* wake_ms) const;

 private:
  PostOutcome start_command(const NotifyEntry& entry, int64_t now_ms);

  const NotifyChannel* channel_;
  HttpPost* http_;
  bool busy_ = false;
  HttpPost::Ticket ticket_ = 0;
  std::unique_ptr<Handler> handler_;
  std::optional<PostOutcome> outcome_;  // known at once
};

}  // namespace pawl::runner
