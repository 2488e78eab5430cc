// One kind of request over many connections with several in flight each, one epoll loop.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/bench/crowd_client.h"

namespace pawl::bench {

using Words = std::vector<std::string>;

struct Plan {
  int port = 0;
  pid_t pid = 0;  // of the server
  size_t connections = 16;
  size_t depth = 16;
  size_t bytes = 256;  // of a payload
  uint64_t ops = 1;
  uint64_t first = 0;    // number of the first push
  uint64_t seconds = 0;  // of a soak, of beats
  uint64_t rate = 0;     // a second: pushes of a soak, beats
  std::string probe;     // the folder of the disk probe; empty: none
};

class Crowd {
 public:
  explicit Crowd(const Plan& plan);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  size_t size() const { return links_.size(); }
  Link& operator[](size_t i) { return *links_[i]; }
  // Gives up the connection and makes a new one in its place.
  void renew(size_t i);
  // Numbers of the connections that have something to read; ends the program when there are none for a
  // minute.
  const std::vector<size_t>& readable(int wait_ms = 60'000);

 private:
  void watch(size_t i) const;

  int port_;
  int epoll_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<size_t> readable_;
};

struct Phase {
  std::string what;
  std::function<bool(std::string& out)> ask;          // appends a request; false: there is none left
  std::function<bool(const redisReply& reply)> take;  // false: it was not what was wanted
};

// Does a phase to its end and prints its line of figures.
void run(const Plan& plan, Crowd& crowd, const Phase& phase);

// The modes of crowd.cpp that have a file of their own.
void deliver(const Plan& plan, const Words& push, const Words& claim);
void soak(const Plan& plan);
void beat(const Plan& plan, const Words& words);

}  // namespace pawl::bench
