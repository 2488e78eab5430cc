// Load over raw sockets: N connections with D requests in flight each, one epoll loop, one read and one write
// a connection and turn. Lighter than redis-benchmark, and the same for the bus and for Redis.
//
//   bench_load PORT WHAT CONNECTIONS DEPTH OPS [BYTES]
//   WHAT: push | claim | ack | next | lpush | ping | drain
//     claim   claims OPS messages, one a request, and leaves them claimed
//     ack     claims OPS messages first (not measured), then acknowledges them one a request
//     drain   claims and acknowledges OPS messages a thousand at a time over one connection
//     next    ACK … NEXT: each request ends one claim and takes the next
//
// One line of JSON on stdout. Messages are those of the role "bench".
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/bench/load_figures.h"

namespace {

using pawl::bench::Latencies;
using Claim = std::pair<std::string, std::string>;  // id, token

[[noreturn]] void die(const std::string& text) {
  std::fprintf(stderr, "bench_load: %s\n", text.c_str());
  std::exit(1);
}

int64_t now_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

std::string frame(std::initializer_list<std::string_view> words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n";
    out += word;
    out += "\r\n";
  }
  return out;
}

// Length of the first whole reply of `text`, 0 when it is not whole; its bulk strings go to `words`.
size_t reply_size(std::string_view text, std::vector<std::string_view>* words) {
  size_t at = 0;
  for (size_t left = 1; left > 0; --left) {
    const size_t end = text.find("\r\n", at);
    if (end == std::string_view::npos) return 0;
    long value = 0;
    if (text[at] == '$' || text[at] == '*') std::from_chars(&text[at + 1], &text[end], value);
    const char kind = text[at];
    at = end + 2;
    if (kind == '$' && value >= 0) {
      const auto size = static_cast<size_t>(value);
      if (text.size() < at + size + 2) return 0;
      if (words != nullptr) words->push_back(text.substr(at, size));
      at += size + 2;
    } else if (kind == '*' && value > 0) {
      left += static_cast<size_t>(value);
    }
  }
  return at;
}

// Claims of a reply's bulk strings: "id" X … "token" Y. A value may be any word, also "id".
void collect_claims(const std::vector<std::string_view>& words, std::vector<Claim>& claims) {
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "id") {
      claims.emplace_back(words[++i], "");
    } else if (words[i] == "token" && !claims.empty()) {
      claims.back().second = words[++i];
    }
  }
}

class Socket {
 public:
  explicit Socket(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      die("cannot connect to port " + std::to_string(port) + ": " + std::strerror(errno));
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  void write_all(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::write(fd_, text.data(), text.size());
      if (sent <= 0) die("the connection broke");
      text.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void read_some() {
    char buffer[1 << 16];
    const ssize_t got = ::read(fd_, buffer, sizeof buffer);
    if (got <= 0) die("the connection was closed");
    in_.append(buffer, static_cast<size_t>(got));
  }
  std::string_view unread() const { return std::string_view(in_).substr(at_); }
  void consume(size_t bytes) {
    at_ += bytes;
    if (at_ == in_.size()) {
      in_.clear();
      at_ = 0;
    }
  }

 private:
  int fd_;
  std::string in_;
  size_t at_ = 0;
};

// One request, its reply's bulk strings.
std::vector<std::string> ask(Socket& socket, const std::string& request) {
  socket.write_all(request);
  size_t size = 0;
  while ((size = reply_size(socket.unread(), nullptr)) == 0) socket.read_some();
  std::vector<std::string_view> words;
  if (socket.unread().starts_with('-')) die(std::string(socket.unread().substr(0, size)));
  static_cast<void>(reply_size(socket.unread(), &words));
  std::vector<std::string> out(words.begin(), words.end());
  socket.consume(size);
  return out;
}

// Claims `count` messages, many at a time.
std::vector<Claim> take_claims(Socket& socket, size_t count) {
  constexpr size_t at_once = 1000;
  std::vector<Claim> claims;
  while (claims.size() < count) {
    const size_t before = claims.size();
    const std::string wanted = std::to_string(std::min(at_once, count - before));
    const std::vector<std::string> reply =
        ask(socket, frame({"CLAIM", "bench", "bench", "COUNT", wanted, "LEASE", "3600000"}));
    collect_claims({reply.begin(), reply.end()}, claims);
    if (claims.size() == before) die("there are only " + std::to_string(before) + " messages to claim");
  }
  return claims;
}

void drain(int port, size_t count) {
  constexpr size_t at_once = 1000;
  Socket socket(port);
  Latencies latencies;
  const int64_t began = now_us();
  for (size_t done = 0; done < count;) {
    const int64_t asked = now_us();
    const std::vector<Claim> claims = take_claims(socket, std::min(at_once, count - done));
    std::string request = "*" + std::to_string(1 + 2 * claims.size()) + "\r\n$4\r\nMACK\r\n";
    for (const auto& [id, token] : claims) {
      for (const std::string& word : {id, token}) {
        request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
      }
    }
    static_cast<void>(ask(socket, request));
    latencies.record(now_us() - asked);
    done += claims.size();
  }
  const double seconds = static_cast<double>(now_us() - began) / 1e6;
  std::puts(pawl::bench::figures(latencies, count, seconds, 0).c_str());
}

struct Plan {
  int port = 0;
  std::string what;
  size_t connections = 1;
  size_t depth = 1;
  uint64_t ops = 0;
  size_t bytes = 256;
};

// What is asked next, and what to do with its answer.
class Work {
 public:
  explicit Work(const Plan& plan) : plan_(plan) {
    const std::string payload(plan.bytes, 'x');
    if (plan.what == "push") fixed_ = frame({"PUSH", "bench", payload});
    if (plan.what == "lpush") fixed_ = frame({"LPUSH", "bench", payload});
    if (plan.what == "ping") fixed_ = frame({"PING"});
    if (plan.what == "claim") fixed_ = frame({"CLAIM", "bench", "bench", "LEASE", "3600000"});
    if (!fixed_.empty()) return;
    if (plan.what != "ack" && plan.what != "next") die("what is " + plan.what + "? See the head of load.cpp");
    Socket socket(plan.port);
    claims_ = take_claims(socket, plan.what == "ack" ? plan.ops : plan.connections * plan.depth);
  }

  // False: nothing is left to ask.
  bool append_request(std::string& out) {
    if (!fixed_.empty()) {
      out += fixed_;
      return true;
    }
    if (claims_.empty()) return false;
    const Claim claim = std::move(claims_.back());
    claims_.pop_back();
    if (plan_.what == "ack") {
      out += frame({"ACK", claim.first, claim.second});
    } else {
      out += frame({"ACK", claim.first, claim.second, "NEXT", "LEASE", "3600000", "bench"});
    }
    return true;
  }

  // False: it was not what was wanted.
  bool take_answer(std::string_view reply) {
    if (reply.starts_with('-')) return false;
    if (plan_.what == "claim") return !reply.starts_with("*0");
    if (plan_.what != "next") return true;
    std::vector<std::string_view> words;
    static_cast<void>(reply_size(reply, &words));
    const size_t before = claims_.size();
    collect_claims(words, claims_);
    return claims_.size() > before;
  }

 private:
  const Plan& plan_;
  std::string fixed_;
  std::vector<Claim> claims_;
};

struct Lane {
  explicit Lane(int port) : socket(port) {}
  Socket socket;
  std::deque<int64_t> sent_at;
};

class Load {
 public:
  explicit Load(const Plan& plan) : plan_(plan), work_(plan), epoll_(::epoll_create1(0)) {
    for (size_t i = 0; i < plan.connections; ++i) {
      Lane& lane = lanes_.emplace_back(plan.port);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = &lane;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, lane.socket.fd(), &event);
    }
  }

  void run() {
    const int64_t began = now_us();
    for (Lane& lane : lanes_) fill(lane);
    while (answered_ < asked_) {
      epoll_event events[256];
      const int count = ::epoll_wait(epoll_, events, static_cast<int>(std::size(events)), 60'000);
      if (count <= 0) die("no answer for a minute");
      for (int i = 0; i < count; ++i) {
        auto& lane = *static_cast<Lane*>(events[i].data.ptr);
        read(lane);
        fill(lane);
      }
    }
    const double seconds = static_cast<double>(now_us() - began) / 1e6;
    std::puts(pawl::bench::figures(latencies_, answered_, seconds, errors_).c_str());
  }

 private:
  void fill(Lane& lane) {
    out_.clear();
    const int64_t now = now_us();
    while (lane.sent_at.size() < plan_.depth && asked_ < plan_.ops && work_.append_request(out_)) {
      lane.sent_at.push_back(now);
      ++asked_;
    }
    if (!out_.empty()) lane.socket.write_all(out_);
  }

  void read(Lane& lane) {
    lane.socket.read_some();
    const int64_t now = now_us();
    while (!lane.sent_at.empty()) {
      const std::string_view unread = lane.socket.unread();
      const size_t size = reply_size(unread, nullptr);
      if (size == 0) return;
      if (!work_.take_answer(unread.substr(0, size)) && errors_++ == 0) {
        std::fprintf(stderr, "bench_load: %s\n", std::string(unread.substr(0, size)).c_str());
      }
      lane.socket.consume(size);
      latencies_.record(now - lane.sent_at.front());
      lane.sent_at.pop_front();
      ++answered_;
    }
  }

  const Plan& plan_;
  Work work_;
  int epoll_;
  std::deque<Lane> lanes_;
  std::string out_;
  Latencies latencies_;
  uint64_t asked_ = 0;
  uint64_t answered_ = 0;
  uint64_t errors_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) die("usage: bench_load PORT WHAT CONNECTIONS DEPTH OPS [BYTES]");
  const auto number = [&](int i) { return static_cast<size_t>(std::strtoull(argv[i], nullptr, 10)); };
  Plan plan{static_cast<int>(number(1)), argv[2], number(3), number(4), number(5),
            argc > 6 ? number(6) : 256};
  if (plan.connections == 0 || plan.depth == 0 || plan.ops == 0)
    die("connections, depth and ops count from 1");
  if (plan.what == "drain") {
    drain(plan.port, plan.ops);
  } else {
    Load(plan).run();
  }
}
