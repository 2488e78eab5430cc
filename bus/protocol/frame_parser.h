// Bytes of a connection in, commands out. RESP2 requests are arrays of bulk
// strings; a line that does not begin with '*' is an inline command, as typed in
// telnet.
//
// Pure and bounded: nothing is ever allocated by a size that a client claims, and
// a command that arrives byte by byte is scanned once, since the parser keeps its
// place as offsets (the buffer may move between calls).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/limits.h"
#include "bus/base/result.h"

namespace pawl::protocol {

struct FrameLimits {
  size_t args_max = 0;           // words of one command, the verb included
  size_t command_bytes_max = 0;  // of one command as it stands on the wire
  size_t inline_bytes_max = 0;   // of one inline line
  bool authenticated = true;     // false: errors say to authenticate first

  // The longest command is MACK with its pairs; the rest leaves room for verbs and options.
  static constexpr FrameLimits full() {
    return {limits::items_per_command_max * 2 + 16, limits::command_bytes_max, size_t{64} << 10, true};
  }
  static constexpr FrameLimits unauthenticated() {
    return {limits::unauthenticated_args_max, limits::unauthenticated_bytes_max,
            limits::unauthenticated_bytes_max, false};
  }
};

enum class FrameStatus : uint8_t {
  complete,        // `args` hold a command of `consumed` bytes
  need_more,       // the buffer ends within a command; nothing is consumed
  protocol_error,  // answer `error` and close: what follows cannot be told apart
};

struct Frame {
  FrameStatus status = FrameStatus::need_more;
  size_t consumed = 0;
  Error error;  // ERR "Protocol error: …", TOOBIG or NOAUTH
};

// One per connection. Thread: the owner's.
class FrameParser {
 public:
  explicit FrameParser(const FrameLimits& limits = FrameLimits::full()) : limits_(limits) {}

  // Takes effect at the next call, for a command that has begun as well.
  void set_limits(const FrameLimits& limits) { limits_ = limits; }

  // `buffer` begins with the first byte of a command and holds all that arrived
  // since; after need_more the next call passes the same bytes and more behind
  // them, at whatever address. On complete, `args` are views into `buffer` (or, for
  // a quoted inline word, into the parser) that live until either changes. They are
  // empty for a blank line and for "*0": skip `consumed` bytes and go on. `args` is
  // cleared first and keeps its capacity.
  Frame parse(std::string_view buffer, std::vector<std::string_view>& args);

  // Forgets a command that has begun.
  void reset();

 private:
  struct Span {
    uint32_t offset;
    uint32_t size;
  };
  struct Length {
    FrameStatus status;
    size_t value;
    size_t next;  // offset behind the line
  };

  static Length read_length(std::string_view buffer, size_t at);
  Frame parse_array(std::string_view buffer, std::vector<std::string_view>& args);
  Frame parse_inline(std::string_view buffer, std::vector<std::string_view>& args);
  bool split_inline(std::string_view line, std::vector<std::string_view>& args);
  Frame fail(Code code, std::string text);
  Frame too_big(std::string text);

  FrameLimits limits_;
  size_t at_ = 0;  // offset of the first byte not yet scanned
  bool in_array_ = false;
  size_t args_expected_ = 0;
  bool in_bulk_ = false;  // its length is read, its bytes are not there yet
  size_t bulk_size_ = 0;
  std::vector<Span> spans_;
  std::string unquoted_;  // bytes of quoted inline words
};

}  // namespace pawl::protocol
