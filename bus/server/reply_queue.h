// The replies of one connection, in order: held until durable, then sent.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/ids.h"

namespace pawl::server {

// A claim that a reply hands out.
struct HandedOut {
  BirthKey message;
  uint64_t token = 0;
};

// One buffer: [sent | released | held]. Bytes are counted from the connection's start.
class ReplyQueue {
 public:
  // A batch that never becomes durable.
  static constexpr uint64_t never = UINT64_MAX;

  // Where the next reply is written; close it with end_reply.
  std::string& buffer() { return bytes_; }
  // What was written since the last end_reply may leave once batch `sequence` is durable (0: now),
  // and not before the replies in front of it.
  void end_reply(uint64_t sequence);
  // The reply being written hands out a claim.
  void carries(const HandedOut& claim);

  // Batches up to `durable` are durable.
  void release(uint64_t durable);
  // Drops what is held. True when there was anything: the connection has an answer that it will never get.
  bool drop_held();

  // Bytes that may be sent; sent(n) when the kernel took the first n of them.
  std::string_view to_send() const { return std::string_view(bytes_).substr(sent_, released_ - sent_); }
  void sent(size_t count);

  // Counted from the connection's start: where what was written last ends.
  uint64_t end() const { return dropped_ + bytes_.size(); }
  bool holds() const { return !segments_.empty(); }
  bool idle() const { return sent_ == bytes_.size(); }
  size_t bytes() const { return bytes_.size() - sent_; }
  bool hands_out_claims() const { return !claims_.empty(); }
  // Claims whose replies the kernel did not take.
  std::vector<HandedOut> undelivered() const;

 private:
  struct Segment {
    size_t end;  // in bytes_
    uint64_t sequence;
  };
  struct Claim {
    uint64_t end;  // from the connection's start; 0 while its reply is being written
    HandedOut claim;
  };

  void compact();

  std::string bytes_;
  size_t sent_ = 0;
  size_t released_ = 0;
  uint64_t dropped_ = 0;           // bytes gone from the front of bytes_
  std::vector<Segment> segments_;  // held; sequences rise
  std::deque<Claim> claims_;
};

}  // namespace pawl::server
