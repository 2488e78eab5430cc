// One client as the pipeline sees it: bytes that came in, replies on their way
// out, and what it is in the middle of. Sockets are connection.h's.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/reply.h"
#include "bus/protocol/frame_parser.h"
#include "bus/protocol/reply_writer.h"
#include "bus/server/reply_queue.h"

namespace pawl::server {

// Why the command at the front of the input is not done.
enum class Wait : uint8_t {
  nothing,  // it is not waiting
  core,     // the bus answers later: a CLAIM, RESULT or EVENTS with WAIT
  room,     // no work is taken now: the open batch is full, or the store is being reopened
  verify,   // another thread answers: VERIFY, or the check of a password
};

// Who is at the other end; access.h looks after it.
enum class Known : uint8_t {
  nobody,
  by_password,  // [bus] password: every right
  as_user,      // one of pawl.toml
};

// What the thread that checks passwords has said.
struct CheckedPassword {
  std::string fingerprint;  // of hash and password
  bool right = false;
};

struct Client {
  explicit Client(core::ClientId number) : id(number) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const core::ClientId id;

  // Input. A command that waits stays at the front: it is read again should it have to be applied again.
  std::string in;
  size_t at = 0;  // first byte that is not consumed
  protocol::FrameParser parser;
  bool input_ended = false;                // nothing more will come
  bool needs_more = false;                 // the front is the beginning of a command
  std::optional<int64_t> half_sent_since;  // monotonic ms, while needs_more

  // Output.
  ReplyQueue replies;
  protocol::RespVersion version = protocol::RespVersion::two;
  bool close_after_replies = false;
  bool dirty = false;  // the server has it on its list of clients to write to

  // What it waits for.
  Wait wait = Wait::nothing;
  size_t waiting_bytes = 0;           // length of the waiting command
  uint64_t park_order = 0;            // waiters are served in order of arrival
  int64_t parked_at = 0;              // monotonic ms
  std::optional<int64_t> wait_until;  // monotonic ms
  bool once_only = false;             // it writes over several batches: never applied again
  bool resumed = false;               // was parked on a bus that is gone; wait_until still holds

  // Session.
  Known known = Known::nobody;
  std::string user;       // as_user
  std::string came_with;  // as_user: the hash of the password; by_password: its fingerprint
  std::optional<CheckedPassword> checked;
  int wrong_passwords = 0;
  bool served = false;  // a whole command has come since the connection began
  std::string name;
  std::string library;
  std::set<std::string, std::less<>> channels;
  std::set<std::string, std::less<>> patterns;
  bool in_multi = false;
  bool multi_malformed = false;
  size_t multi_bytes = 0;
  std::vector<std::vector<std::string>> queued;

  // COMMITSEQ: of the previous reply.
  uint64_t last_sequence = 0;
  int64_t last_position = -1;

  std::string_view unparsed() const { return std::string_view(in).substr(at); }
  bool subscribed() const { return !channels.empty() || !patterns.empty(); }
  void consume(size_t bytes);
  void leave_multi();
};

}  // namespace pawl::server
