#include "bus/client/url.h"

#include <sys/un.h>

#include <optional>

#include "bus/base/parse.h"

namespace pawl::client {
namespace {

Error bad_url(std::string_view url, const std::string& what) {
  const size_t at = url.rfind('@');
  // What stands before the '@' is a password: it does not belong in a message.
  const std::string shown =
      at == std::string_view::npos ? std::string(url) : "…" + std::string(url.substr(at));
  return make_error(Code::badarg, "url '" + shown + "': " + what + "; write unix:///path or tcp://host:port");
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string escape(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

// Takes "[user]:password@" off the front, if it is there. The last '@' before the host ends it.
Status take_user(std::string_view url, std::string_view& rest, size_t at, Endpoint& endpoint) {
  if (at == std::string_view::npos) return {};
  const std::string_view who = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const size_t colon = who.find(':');
  if (colon == std::string_view::npos) return bad_url(url, "before '@' stands user:password");
  const auto user = unescape(who.substr(0, colon));
  const auto password = unescape(who.substr(colon + 1));
  if (!user || !password) return bad_url(url, "a '%' before the '@' needs two hex digits after it");
  if (password->empty()) return bad_url(url, "the password before '@' is empty");
  endpoint.user = *user;
  endpoint.password = *password;
  return {};
}

Result<Endpoint> parse_unix(std::string_view url, std::string_view path) {
  Endpoint endpoint;
  // A path begins with a slash; an '@' in it is the path's.
  if (!path.empty() && path[0] != '/') {
    const size_t slash = path.find("@/");
    if (const Status status = take_user(url, path, slash, endpoint); !status.ok()) return status.error();
  }
  if (path.empty()) return bad_url(url, "the path is missing");
  if (path[0] != '/') return bad_url(url, "the path must be absolute (three slashes)");
  constexpr size_t path_bytes_max = sizeof(sockaddr_un{}.sun_path) - 1;
  if (path.size() > path_bytes_max) {
    return bad_url(url, "a socket path has at most " + std::to_string(path_bytes_max) + " bytes");
  }
  endpoint.path = std::string(path);
  return endpoint;
}

Result<Endpoint> parse_tcp(std::string_view url, std::string_view rest) {
  Endpoint endpoint;
  if (const Status status = take_user(url, rest, rest.rfind('@'), endpoint); !status.ok()) {
    return status.error();
  }
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || rest.back() == ']') return bad_url(url, "the port is missing");
  std::string_view host = rest.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad_url(url, "an IPv6 address stands in brackets");
  }
  if (host.empty()) return bad_url(url, "the host is missing");
  if (host.find_first_of("/ \t\r\n") != std::string_view::npos) return bad_url(url, "that is no host");
  const auto port = parse_int(rest.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535) return bad_url(url, "a port is a number from 1 to 65535");
  endpoint.host = std::string(host);
  endpoint.port = static_cast<int>(*port);
  return endpoint;
}

std::string host_and_port(const Endpoint& endpoint) {
  const bool six = endpoint.host.find(':') != std::string::npos;
  return (six ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

}  // namespace

std::string Endpoint::text() const { return is_unix() ? "unix://" + path : "tcp://" + host_and_port(*this); }

std::string Endpoint::url() const {
  if (password.empty()) return text();
  const std::string who = escape(user) + ":" + escape(password) + "@";
  return is_unix() ? "unix://" + who + path : "tcp://" + who + host_and_port(*this);
}

Result<Endpoint> parse_url(std::string_view url) {
  constexpr std::string_view unix_scheme = "unix://";
  constexpr std::string_view tcp_scheme = "tcp://";
  if (url.substr(0, unix_scheme.size()) == unix_scheme) {
    return parse_unix(url, url.substr(unix_scheme.size()));
  }
  if (url.substr(0, tcp_scheme.size()) == tcp_scheme) return parse_tcp(url, url.substr(tcp_scheme.size()));
  return bad_url(url, "it begins with neither unix:// nor tcp://");
}

}  // namespace pawl::client
