#include "runner/notify_queue.h"

#include <algorithm>

namespace pawl::runner {

void NotifyQueue::take_page(int64_t next, std::vector<NotifyEntry> entries) {
  if (next < read_to_) {
    entries_.push_back(another_chronicle(read_to_, next));
    // What else the answer holds is older than where this channel goes on.
    entries.clear();
  }
  read_to_ = next;
  for (NotifyEntry& entry : entries) entries_.push_back(std::move(entry));
  head();
  if (entries_.empty()) position_.seq = read_to_;
}

const NotifyEntry* NotifyQueue::head() {
  while (!entries_.empty() && !selects(*channel_, entries_.front())) pass();
  return entries_.empty() ? nullptr : &entries_.front();
}

// The numbers of a gap may lie beyond what the page said was its end; what was read counts then.
void NotifyQueue::pass() {
  position_.seq = entries_.front().ends;
  entries_.pop_front();
  if (entries_.empty()) position_.seq = read_to_;
  position_.tries = 0;
}

NotifyQueue::Settled NotifyQueue::settle(const PostOutcome& outcome) {
  using End = PostOutcome::End;
  if (outcome.end == End::again) {
    ++failures_;
    if (channel_->to != NotifyTo::command) return Settled::again;
    if (++position_.tries < channel_->tries) return Settled::again;
  }
  failures_ = 0;
  const bool posted = outcome.end == End::posted;
  ++(posted ? position_.posted : position_.failed);
  pass();
  return posted ? Settled::posted : Settled::failed;
}

}  // namespace pawl::runner
