// Replies as RESP2 or RESP3 bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/core/reply.h"

namespace pawl::protocol {

enum class RespVersion : uint8_t { two = 2, three = 3 };

// Appends to a string that the caller owns and that outlives the writer. Maps are
// flat arrays in RESP2, nested ones too; nil is a null bulk string there.
class RespWriter final : public core::ReplyWriter {
 public:
  explicit RespWriter(std::string& out, RespVersion version = RespVersion::two)
      : out_(&out), version_(version) {}

  // The next reply goes elsewhere: lets one writer serve every connection.
  void aim(std::string& out, RespVersion version) {
    out_ = &out;
    version_ = version;
  }
  RespVersion version() const { return version_; }

  void nil() override;
  void integer(int64_t value) override;
  void bulk(std::string_view bytes) override;
  void simple(std::string_view text) override;
  void error(const Error& error) override;
  void array(size_t count) override;
  void map(size_t pairs) override;
  // Out of band: a push frame in RESP3, an array in RESP2. Then come `count` values.
  void push(size_t count);

  // What subscribers get.
  void message(std::string_view channel, std::string_view text);
  void pattern_message(std::string_view pattern, std::string_view channel, std::string_view text);

 private:
  void header(char kind, size_t count);

  std::string* out_;
  RespVersion version_;
};

}  // namespace pawl::protocol
