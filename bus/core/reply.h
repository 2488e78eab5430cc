// How the core answers: it writes values, the protocol gives them their bytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "bus/base/ids.h"
#include "bus/base/result.h"

namespace pawl::core {

// Who asked: a number of the server's, never reused within a process.
using ClientId = uint64_t;

// One reply at a time. After array(n) come n values, after map(n) come n pairs:
// bulk() name, then a value.
class ReplyWriter {
 public:
  ReplyWriter() = default;
  ReplyWriter(const ReplyWriter&) = delete;
  ReplyWriter& operator=(const ReplyWriter&) = delete;
  virtual ~ReplyWriter() = default;

  virtual void nil() = 0;
  virtual void integer(int64_t value) = 0;
  virtual void bulk(std::string_view bytes) = 0;
  virtual void simple(std::string_view text) = 0;
  virtual void error(const Error& error) = 0;
  virtual void array(size_t count) = 0;
  virtual void map(size_t pairs) = 0;
};

// Where replies go. They are held back by the owner until the batch that they
// belong to is durable.
class Outbox {
 public:
  Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  virtual ~Outbox() = default;

  // Begins the one reply that `client` waits for; the writer is good until the next call.
  virtual ReplyWriter& reply_to(ClientId client) = 0;
  // The reply just begun hands out this claim: should it never be delivered, the
  // owner gives the claim back with op::Unclaim.
  virtual void carries_claim(ClientId client, const BirthKey& message, uint64_t token) = 0;
  // Broadcast once the batch is durable.
  virtual void publish(std::string_view topic, std::string_view text) = 0;
};

}  // namespace pawl::core
