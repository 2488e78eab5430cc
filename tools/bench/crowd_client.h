// What tools/bench/crowd.cpp is made of: connections, requests from templates, a server's processor time, a
// disk probe.
#pragma once

#include <hiredis/hiredis.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tools/bench/load_figures.h"

namespace pawl::bench {

using Claim = std::pair<std::string, std::string>;  // id, token

[[noreturn]] void fail(const std::string& text);
int64_t clock_us();
std::string command(const std::vector<std::string>& words);

struct ReplyFree {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, ReplyFree>;

// Claims of the answer of a CLAIM or ACK … NEXT go to the end of `claims`.
void collect(const redisReply& reply, std::vector<Claim>& claims);
std::string_view field(const redisReply& claim, std::string_view name);

// A connection to 127.0.0.1. Whatever goes wrong ends the program.
class Link {
 public:
  explicit Link(int port);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int fd() const { return fd_; }
  void send(std::string_view bytes) const;
  void read_some();
  Reply next();  // null: not there as a whole
  Reply ask(const std::string& request);

  std::deque<int64_t> sent_at;  // of requests in flight

 private:
  int fd_;
  redisReader* reader_;
};

// Words with places that depend on the number of the request: {x} the payload, {n}, {n%M}, {n/D%M}, and
// {busy:M}, which is "busy" nine times of ten and else one of M.
class Template {
 public:
  Template(const std::vector<std::string>& words, size_t payload_bytes);
  void append(std::string& out, uint64_t n) const;

 private:
  struct Piece {
    std::string text;
    bool varies = false;
    bool busy = false;
    uint64_t divisor = 1;
    uint64_t modulus = UINT64_MAX;
  };
  static Piece number(const std::string& place);

  std::vector<std::vector<Piece>> words_;
};

// Of all threads of a process, from its schedstat files; those of the store that flush and compact are told
// apart.
struct Processor {
  int64_t all_ns = 0;
  int64_t background_ns = 0;
};
Processor processor_of(pid_t pid);

// A span of time of the steady clock.
struct Span {
  int64_t from_us = 0;
  int64_t until_us = 0;
  int64_t us() const { return until_us - from_us; }
};

// Appends and syncs a small file as long as it lives, and remembers when the disk stood still.
class DiskProbe {
 public:
  explicit DiskProbe(const std::string& folder);
  ~DiskProbe();
  DiskProbe(const DiskProbe&) = delete;
  DiskProbe& operator=(const DiskProbe&) = delete;

  void stop();
  // How long the disk stood still within the span; after stop().
  int64_t stood_still_us(const Span& span) const;
  const Latencies& latencies() const { return latencies_; }

 private:
  void run();

  std::string path_;
  int fd_;
  Latencies latencies_;
  std::vector<Span> stalls_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace pawl::bench
