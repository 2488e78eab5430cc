// "HOST:PORT" and what may be listened on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/base/result.h"

namespace pawl::server {

struct Address {
  std::string host;  // a numeric address, or "localhost"; IPv6 without its brackets
  uint16_t port = 0;
};

// BADARG with what was expected.
Result<Address> parse_address(std::string_view text);
// "[::1]:7295" or "127.0.0.1:7295".
std::string to_text(const Address& address);
bool is_loopback(const Address& address);

}  // namespace pawl::server
