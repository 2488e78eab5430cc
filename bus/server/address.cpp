#include "bus/server/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "bus/base/parse.h"

namespace pawl::server {

Result<Address> parse_address(std::string_view text) {
  const Error wrong =
      make_error(Code::badarg,
                 "'" + std::string(text) +
                     "' is no address; write HOST:PORT with a numeric host, as 127.0.0.1:7295 or [::1]:7295");
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong;
  Address address;
  std::string_view host = text.substr(0, colon);
  const std::optional<int64_t> port = parse_int(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return wrong;
  address.port = static_cast<uint16_t>(*port);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  address.host = std::string(host);
  if (address.host == "localhost") return address;
  unsigned char bytes[sizeof(in6_addr)];
  const int family = bracketed ? AF_INET6 : AF_INET;
  if (inet_pton(family, address.host.c_str(), bytes) != 1) return wrong;
  return address;
}

std::string to_text(const Address& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

bool is_loopback(const Address& address) {
  return address.host == "localhost" || address.host == "::1" || address.host.rfind("127.", 0) == 0;
}

}  // namespace pawl::server
