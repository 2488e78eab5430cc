#include "runner/http_post.h"

#include <algorithm>
#include <array>
#include <map>

#include "runner/curl_library.h"

namespace pawl::runner {
namespace {

constexpr size_t kept_bytes = 512;
constexpr size_t read_bytes_max = size_t{64} << 10;  // then the connection is closed; the status counts
constexpr int64_t connect_ms_max = 5'000;
constexpr int first_final_status = 200;

struct Transfer {
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::array<char, CURL_ERROR_SIZE> error{};
  size_t bytes = 0;
  bool ended = false;
  HttpAnswer answer;

  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    if (easy) curl_library().easy_cleanup(easy);
    curl_library().slist_free_all(headers);
  }
};

size_t take_body(char* bytes, size_t one, size_t count, void* to) {
  auto* transfer = static_cast<Transfer*>(to);
  const size_t got = one * count;
  std::string& body = transfer->answer.body;
  body.append(bytes, std::min(got, kept_bytes - body.size()));
  transfer->bytes += got;
  return transfer->bytes > read_bytes_max ? 0 : got;
}

void set_up(Transfer* transfer, const HttpRequest& request) {
  const CurlLibrary& curl = curl_library();
  CURL* easy = transfer->easy;
  for (const std::string& header : request.headers) {
    transfer->headers = curl.slist_append(transfer->headers, header.c_str());
  }
  transfer->headers = curl.slist_append(transfer->headers, "Expect:");
  curl.easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl.easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a resolver that hangs is left behind, not waited for
  curl.easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl.easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::min(request.timeout_ms, connect_ms_max)));
  curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
  curl.easy_setopt(easy, CURLOPT_USERAGENT, "pawl");
  curl.easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
  curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl.easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request.body.c_str());
  curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error.data());
  curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take_body);
  curl.easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
  curl.easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

// A target that has given its status has answered, whatever became of the rest.
void finish(Transfer* transfer, CURLcode code) {
  transfer->ended = true;
  HttpAnswer& answer = transfer->answer;
  answer.error.clear();
  long status = 0;
  curl_library().easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
  if (status < first_final_status) {
    answer.error = transfer->error[0] != '\0' ? transfer->error.data() : curl_library().easy_strerror(code);
    return;
  }
  answer.status = static_cast<int>(status);
  curl_off_t seconds = 0;
  curl_library().easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &seconds);
  constexpr curl_off_t seconds_max = 366 * 24 * 3600;
  if (seconds > 0) answer.retry_after_ms = std::min(seconds, seconds_max) * 1000;
}

struct Url {
  CURLU* parts = curl_library().url();
  Url() = default;
  Url(const Url&) = delete;
  Url& operator=(const Url&) = delete;
  ~Url() { curl_library().url_cleanup(parts); }

  std::string part(CURLUPart which) const {
    char* text = nullptr;
    if (curl_library().url_get(parts, which, &text, 0) != CURLUE_OK) return "";
    std::string copy = text;
    curl_library().free(text);
    return copy;
  }
};

}  // namespace

struct HttpPost::Transfers {
  CURLM* multi = nullptr;
  Ticket next = 1;
  std::map<Ticket, std::unique_ptr<Transfer>> all;
};

HttpPost::HttpPost() : transfers_(std::make_unique<Transfers>()) {}

HttpPost::~HttpPost() {
  if (!transfers_->multi) return;
  const CurlLibrary& curl = curl_library();
  for (const auto& [ticket, transfer] : transfers_->all) {
    if (transfer->easy) curl.multi_remove_handle(transfers_->multi, transfer->easy);
  }
  transfers_->all.clear();
  curl.multi_cleanup(transfers_->multi);
}

HttpPost::Ticket HttpPost::start(const HttpRequest& request) {
  const Ticket ticket = transfers_->next++;
  auto transfer = std::make_unique<Transfer>();
  transfer->answer.error = "the request cannot be begun: out of memory";
  const CurlLibrary& curl = curl_library();
  if (!curl.fault.empty()) {
    transfer->answer.error = curl.fault;
  } else {
    if (!transfers_->multi) transfers_->multi = curl.multi_init();
    transfer->easy = curl.easy_init();
  }
  if (transfer->easy) set_up(transfer.get(), request);
  transfer->ended = !transfer->easy || !transfers_->multi ||
                    curl.multi_add_handle(transfers_->multi, transfer->easy) != CURLM_OK;
  transfers_->all.emplace(ticket, std::move(transfer));
  return ticket;
}

std::optional<HttpAnswer> HttpPost::take(Ticket ticket) {
  const auto found = transfers_->all.find(ticket);
  if (found == transfers_->all.end() || !found->second->ended) return std::nullopt;
  HttpAnswer answer = std::move(found->second->answer);
  transfers_->all.erase(found);
  return answer;
}

void HttpPost::wait(std::vector<pollfd>* polls, int64_t span_ms) {
  if (!transfers_->multi) {
    poll(polls->data(), polls->size(), static_cast<int>(span_ms));
    return;
  }
  const CurlLibrary& curl = curl_library();
  std::vector<curl_waitfd> extra;
  extra.reserve(polls->size());
  for (const pollfd& one : *polls) {
    const int events = ((one.events & POLLIN) != 0 ? CURL_WAIT_POLLIN : 0) |
                       ((one.events & POLLOUT) != 0 ? CURL_WAIT_POLLOUT : 0);
    extra.push_back({one.fd, static_cast<short>(events), 0});
  }
  CURLM* multi = transfers_->multi;
  curl.multi_poll(multi, extra.data(), static_cast<unsigned int>(extra.size()), static_cast<int>(span_ms),
                  nullptr);
  int running = 0;
  curl.multi_perform(multi, &running);
  int left = 0;
  while (const CURLMsg* message = curl.multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;
    Transfer* transfer = nullptr;
    curl.easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    finish(transfer, code);
    curl.multi_remove_handle(multi, easy);
  }
}

Status http_at_hand() {
  const std::string& fault = curl_library().fault;
  if (!fault.empty()) return make_error(Code::err, fault);
  return {};
}

std::string fault_of_url(const std::string& url) {
  if (!http_at_hand()) return "";
  const Url parsed;
  const bool printable = std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c != 0x7f; });
  if (!printable || curl_library().url_set(parsed.parts, CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return "is no url; write something like \"https://hooks.slack.com/services/…\"";
  }
  const std::string scheme = parsed.part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    return "begins with " + scheme + "://; only http and https are posted to";
  return "";
}

std::string host_of_url(const std::string& url) {
  if (!http_at_hand()) return "";
  const Url parsed;
  if (curl_library().url_set(parsed.parts, CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return "";
  return parsed.part(CURLUPART_HOST);
}

}  // namespace pawl::runner
