// The loop: N connections, each with D slots, one epoll, one read and one write a connection and turn.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "tools/bench/load_driver.h"
#include "tools/bench/load_figures.h"

namespace pawl::bench {

int64_t now_us();

class Loop {
 public:
  Loop(const Plan& plan, Driver& driver);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs the plan to its end and prints the figures.
  void run();

 private:
  struct Lane {
    explicit Lane(int port) : socket(port) {}
    Socket socket;
    std::deque<Slot> slots;
    std::deque<Slot*> waiting;  // in the order of their requests
  };

  void begin(Lane& lane, Slot& slot);
  void ask(Lane& lane, Slot& slot);
  void read(Lane& lane);
  void take(Lane& lane, Slot& slot, std::string_view reply);
  void wait_for_answers();

  const Plan& plan_;
  Driver& driver_;
  int epoll_;
  std::deque<Lane> lanes_;
  std::string out_;
  Latencies latencies_;
  int64_t now_us_ = 0;
  int64_t last_done_us_ = 0;
  int64_t counted_from_us_ = 0;
  uint64_t wanted_ = 0;
  uint64_t warm_ = 0;
  uint64_t begun_ = 0;
  uint64_t ended_ = 0;
  uint64_t errors_ = 0;
  uint64_t empty_ = 0;
};

}  // namespace pawl::bench
