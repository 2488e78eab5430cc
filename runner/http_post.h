// HTTP and HTTPS POSTs, any number at a time, out of a poll loop of one thread. Nothing here blocks but
// wait(); names are resolved by threads of the library's. libcurl stays behind this header, and
// is loaded with the first request.
//
// Certificates are checked, redirects are not followed, each request has a connection of its own (one that
// the target closed meanwhile would be repeated by itself), proxies come from the usual variables.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/base/result.h"

namespace pawl::runner {

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string body;
  int64_t timeout_ms = 10'000;  // for all of it
};

struct HttpAnswer {
  int status = 0;                         // 0: there was none, `error` says why
  std::string error;                      // for people; never holds the url's path
  std::optional<int64_t> retry_after_ms;  // from the header, be it seconds or a date
  std::string body;                       // the first bytes of it
};

class HttpPost {
 public:
  using Ticket = uint64_t;

  HttpPost();
  HttpPost(const HttpPost&) = delete;
  HttpPost& operator=(const HttpPost&) = delete;
  ~HttpPost();  // what is still on its way is broken off

  Ticket start(const HttpRequest& request);
  // Once it has ended; nothing before.
  std::optional<HttpAnswer> take(Ticket ticket);

  // poll() over these and all requests, for at most `span_ms`; then does what can be done.
  void wait(std::vector<pollfd>* polls, int64_t span_ms);

 private:
  struct Transfers;
  std::unique_ptr<Transfers> transfers_;
};

// ERR: the library that posts is not there.
Status http_at_hand();
// Why nothing can be posted to it; empty: it can, as far as that is known without the library. Never repeats
// the url, which may be a secret.
std::string fault_of_url(const std::string& url);
// Its host, for messages.
std::string host_of_url(const std::string& url);

}  // namespace pawl::runner
