#include "tools/bench/crowd_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace pawl::bench {
namespace {

constexpr int64_t stall_us_min = 5'000;

std::string_view text_of(const redisReply& reply) { return {reply.str, reply.len}; }

}  // namespace

void fail(const std::string& text) {
  std::fprintf(stderr, "bench_crowd: %s\n", text.c_str());
  std::exit(1);
}

int64_t clock_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

std::string command(const std::vector<std::string>& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n";
    out += word;
    out += "\r\n";
  }
  return out;
}

std::string_view field(const redisReply& claim, std::string_view name) {
  for (size_t i = 0; i + 1 < claim.elements; i += 2) {
    if (text_of(*claim.element[i]) == name) return text_of(*claim.element[i + 1]);
  }
  return {};
}

void collect(const redisReply& reply, std::vector<Claim>& claims) {
  if (reply.type != REDIS_REPLY_ARRAY) return;
  for (size_t i = 0; i < reply.elements; ++i) {
    const redisReply& claim = *reply.element[i];
    claims.emplace_back(field(claim, "id"), field(claim, "token"));
  }
}

Link::Link(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), reader_(redisReaderCreate()) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot connect to port " + std::to_string(port) + ": " + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Link::~Link() {
  redisReaderFree(reader_);
  ::close(fd_);
}

void Link::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) fail("the connection broke");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void Link::read_some() {
  std::array<char, 1 << 16> buffer;  // NOLINT: filled by read
  const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
  if (got <= 0) fail("the bus closed a connection");
  redisReaderFeed(reader_, buffer.data(), static_cast<size_t>(got));
}

Reply Link::next() {
  void* reply = nullptr;
  if (redisReaderGetReply(reader_, &reply) != REDIS_OK) fail(std::string("no RESP: ") + reader_->errstr);
  return Reply(static_cast<redisReply*>(reply));
}

Reply Link::ask(const std::string& request) {
  send(request);
  for (;;) {
    if (Reply reply = next()) {
      if (reply->type == REDIS_REPLY_ERROR) fail(std::string(text_of(*reply)));
      return reply;
    }
    read_some();
  }
}

Template::Piece Template::number(const std::string& place) {
  Piece piece;
  piece.varies = true;
  const auto value_after = [&](size_t at) {
    uint64_t value = 0;
    std::from_chars(place.data() + at, place.data() + place.size(), value);
    if (value == 0) fail("{" + place + "} divides by nothing");
    return value;
  };
  piece.busy = place.starts_with("busy:");
  if (!piece.busy && !place.starts_with('n')) fail("what is {" + place + "}? See crowd_client.h");
  if (piece.busy) piece.modulus = value_after(5);
  if (const size_t at = place.find('/'); at != std::string::npos) piece.divisor = value_after(at + 1);
  if (const size_t at = place.find('%'); at != std::string::npos) piece.modulus = value_after(at + 1);
  return piece;
}

Template::Template(const std::vector<std::string>& words, size_t payload_bytes) {
  for (const std::string& word : words) {
    std::vector<Piece>& pieces = words_.emplace_back();
    for (size_t at = 0; at < word.size();) {
      const size_t open = std::min(word.find('{', at), word.size());
      if (open > at) pieces.emplace_back().text = word.substr(at, open - at);
      if (open == word.size()) break;
      const size_t end = word.find('}', open);
      if (end == std::string::npos) fail("a { without }: " + word);
      const std::string place = word.substr(open + 1, end - open - 1);
      if (place == "x") {
        pieces.emplace_back().text = std::string(payload_bytes, 'x');
      } else {
        pieces.push_back(number(place));
      }
      at = end + 1;
    }
  }
}

void Template::append(std::string& out, uint64_t n) const {
  out += "*" + std::to_string(words_.size()) + "\r\n";
  for (const std::vector<Piece>& pieces : words_) {
    std::string word;
    for (const Piece& piece : pieces) {
      if (!piece.varies) {
        word += piece.text;
      } else if (piece.busy) {
        word += n % 10 != 0 ? "busy" : "g" + std::to_string(n / 10 % piece.modulus);
      } else {
        word += std::to_string(n / piece.divisor % piece.modulus);
      }
    }
    out += "$" + std::to_string(word.size()) + "\r\n";
    out += word;
    out += "\r\n";
  }
}

Processor processor_of(pid_t pid) {
  Processor sum;
  const std::filesystem::path tasks = "/proc/" + std::to_string(pid) + "/task";
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    int64_t on_processor_ns = 0;
    std::string name;
    if (!(std::ifstream(task.path() / "schedstat") >> on_processor_ns)) continue;
    std::getline(std::ifstream(task.path() / "comm"), name);
    sum.all_ns += on_processor_ns;
    if (name.starts_with("rocksdb:")) sum.background_ns += on_processor_ns;
  }
  if (gone || sum.all_ns == 0) fail("no processor times of process " + std::to_string(pid));
  return sum;
}

DiskProbe::DiskProbe(const std::string& folder) : path_(folder + "/disk-probe") {
  fd_ = ::open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd_ < 0) fail("cannot make " + path_ + ": " + std::strerror(errno));
  thread_ = std::thread([this] { run(); });
}

DiskProbe::~DiskProbe() {
  stop();
  ::close(fd_);
  ::unlink(path_.c_str());
}

void DiskProbe::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void DiskProbe::run() {
  const std::string bytes(512, 'x');
  while (!stopping_) {
    const int64_t began = clock_us();
    if (::write(fd_, bytes.data(), bytes.size()) < 0 || ::fdatasync(fd_) != 0)
      fail("the disk probe cannot write");
    const Span span{began, clock_us()};
    latencies_.record(span.us());
    if (span.us() >= stall_us_min) stalls_.push_back(span);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

int64_t DiskProbe::stood_still_us(const Span& span) const {
  int64_t sum = 0;
  for (const Span& stall : stalls_) {
    sum +=
        std::max<int64_t>(0, std::min(stall.until_us, span.until_us) - std::max(stall.from_us, span.from_us));
  }
  return sum;
}

}  // namespace pawl::bench
