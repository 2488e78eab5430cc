#include "bus/server/reply_queue.h"

#include "bus/base/result.h"

namespace pawl::server {
namespace {

// Below this an idle connection keeps its buffer.
constexpr size_t kept_capacity_bytes = size_t{16} << 10;

}  // namespace

void ReplyQueue::end_reply(uint64_t sequence) {
  for (auto claim = claims_.rbegin(); claim != claims_.rend() && claim->end == 0; ++claim) {
    claim->end = dropped_ + bytes_.size();
  }
  if (segments_.empty()) {
    if (sequence == 0) {
      released_ = bytes_.size();
    } else {
      segments_.push_back({bytes_.size(), sequence});
    }
    return;
  }
  // Replies keep their order, so one that could leave earlier waits with the one in front.
  if (sequence <= segments_.back().sequence) {
    segments_.back().end = bytes_.size();
  } else {
    segments_.push_back({bytes_.size(), sequence});
  }
}

void ReplyQueue::carries(const HandedOut& claim) { claims_.push_back({0, claim}); }

void ReplyQueue::release(uint64_t durable) {
  size_t released = 0;
  while (released < segments_.size() && segments_[released].sequence <= durable) {
    released_ = segments_[released].end;
    ++released;
  }
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(released));
}

bool ReplyQueue::drop_held() {
  const bool held = bytes_.size() > released_;
  bytes_.resize(released_);
  segments_.clear();
  return held;
}

void ReplyQueue::sent(size_t count) {
  sent_ += count;
  PAWL_CHECK(sent_ <= released_);
  const uint64_t taken = dropped_ + sent_;
  while (!claims_.empty() && claims_.front().end != 0 && claims_.front().end <= taken) claims_.pop_front();
  compact();
}

void ReplyQueue::compact() {
  if (sent_ == bytes_.size()) {
    dropped_ += sent_;
    bytes_.clear();
    if (bytes_.capacity() > kept_capacity_bytes) bytes_.shrink_to_fit();
    sent_ = released_ = 0;
    return;
  }
  if (sent_ < kept_capacity_bytes || sent_ < bytes_.size() / 2) return;
  bytes_.erase(0, sent_);
  dropped_ += sent_;
  released_ -= sent_;
  for (Segment& segment : segments_) segment.end -= sent_;
  sent_ = 0;
}

std::vector<HandedOut> ReplyQueue::undelivered() const {
  std::vector<HandedOut> claims;
  for (const Claim& claim : claims_) claims.push_back(claim.claim);
  return claims;
}

}  // namespace pawl::server
