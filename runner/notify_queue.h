// What one channel still has to do: the entries that were read, and how far it has come. Pure.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "runner/mirror_store.h"
#include "runner/notify_post.h"
#include "runner/notify_rules.h"

namespace pawl::runner {

class NotifyQueue {
 public:
  // `channel` outlives it.
  NotifyQueue(const NotifyChannel* channel, MirrorPosition position)
      : channel_(channel), position_(position), read_to_(position.seq) {}

  // Nothing is left of what was read: read on behind read_to().
  bool hungry() const { return entries_.empty(); }
  int64_t read_to() const { return read_to_; }
  // What EVENTS answered: `next` is where to go on. One that lies behind what has been read already means
  // that the chronicle is another one.
  void take_page(int64_t next, std::vector<NotifyEntry> entries);

  // The entry to be posted next, after going past those that the channel does not select; null: none.
  const NotifyEntry* head();

  enum class Settled : uint8_t { posted, again, failed };
  // How a try at head() ended. Posted and failed go past it; `again` becomes failed at the last try of a
  // channel whose tries are bounded.
  Settled settle(const PostOutcome& outcome);
  uint32_t failures_in_a_row() const { return failures_; }

  // All of it that must survive.
  const MirrorPosition& position() const { return position_; }

 private:
  void pass();

  const NotifyChannel* channel_;
  MirrorPosition position_;
  int64_t read_to_;
  std::deque<NotifyEntry> entries_;
  uint32_t failures_ = 0;
};

}  // namespace pawl::runner
