// Where a bus is, and who asks: "unix://[[user]:password@]/path" or "tcp://[[user]:password@]host:port".
#pragma once

#include <string>
#include <string_view>

#include "bus/base/result.h"

namespace pawl::client {

struct Endpoint {
  std::string path;  // of the Unix socket; empty: TCP
  std::string host;
  int port = 0;
  std::string user;      // empty: that of [bus] password
  std::string password;  // empty: none

  bool is_unix() const { return !path.empty(); }
  // For people and logs: never with user and password.
  std::string text() const;
  // A url that parse_url reads back, password included; for a child's environment.
  std::string url() const;
};

// BADARG with what is wrong with it. Percent signs in user and password are %XX escapes.
// IPv6 hosts stand in brackets: tcp://[::1]:7295.
Result<Endpoint> parse_url(std::string_view url);

}  // namespace pawl::client
