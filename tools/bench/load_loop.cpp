#include "tools/bench/load_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <utility>
#include <vector>

namespace pawl::bench {
namespace {

constexpr int64_t patience_us = 60'000'000;

}  // namespace

int64_t now_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

Loop::Loop(const Plan& plan, Driver& driver) : plan_(plan), driver_(driver), epoll_(::epoll_create1(0)) {
  for (size_t i = 0; i < plan.connections; ++i) {
    Lane& lane = lanes_.emplace_back(plan.port);
    driver.greet(lane.socket);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &lane;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, lane.socket.fd(), &event);
  }
}

Loop::~Loop() { ::close(epoll_); }

void Loop::run() {
  wanted_ = driver_.prepare();
  if (wanted_ == 0) die("too few operations for so many connections");
  warm_ = std::min(plan_.warm / driver_.weight(), wanted_ - 1);
  now_us_ = last_done_us_ = counted_from_us_ = now_us();
  for (Lane& lane : lanes_) {
    out_.clear();
    for (size_t i = 0; i < plan_.depth && begun_ < wanted_; ++i) begin(lane, lane.slots.emplace_back());
    if (!out_.empty()) lane.socket.write_all(out_);
  }
  while (ended_ < wanted_) wait_for_answers();
  const double seconds = static_cast<double>(now_us_ - counted_from_us_) / 1e6;
  std::vector<Claim> held;
  for (Lane& lane : lanes_) {
    for (Slot& slot : lane.slots) held.insert(held.end(), slot.claims.begin(), slot.claims.end());
  }
  driver_.settle(std::move(held));
  if (seconds <= 0) die("too few operations to measure");
  std::puts(figures(latencies_, (ended_ - warm_) * driver_.weight(), seconds, errors_, empty_).c_str());
}

void Loop::wait_for_answers() {
  epoll_event events[256];
  const int count = ::epoll_wait(epoll_, events, static_cast<int>(std::size(events)), 60'000);
  if (count <= 0) die("no answer for a minute");
  for (int i = 0; i < count; ++i) {
    auto& lane = *static_cast<Lane*>(events[i].data.ptr);
    out_.clear();
    read(lane);
    if (!out_.empty()) lane.socket.write_all(out_);
  }
  if (now_us_ - last_done_us_ > patience_us) die("nothing came to its end for a minute: the queue is empty");
}

void Loop::begin(Lane& lane, Slot& slot) {
  ++begun_;
  slot.step = 0;
  slot.began_us = now_us_;
  ask(lane, slot);
}

void Loop::ask(Lane& lane, Slot& slot) {
  driver_.append_request(slot, out_);
  lane.waiting.push_back(&slot);
}

void Loop::read(Lane& lane) {
  lane.socket.read_some();
  now_us_ = now_us();
  while (!lane.waiting.empty()) {
    const std::string_view unread = lane.socket.unread();
    const size_t size = driver_.reply_size(unread);
    if (size == 0) return;
    Slot& slot = *lane.waiting.front();
    lane.waiting.pop_front();
    take(lane, slot, unread.substr(0, size));
    lane.socket.consume(size);
  }
}

void Loop::take(Lane& lane, Slot& slot, std::string_view reply) {
  const Answer answer = driver_.take_answer(slot, reply);
  if (answer == Answer::step || answer == Answer::empty) {
    if (answer == Answer::empty) {
      ++empty_;
    } else {
      ++slot.step;
    }
    ask(lane, slot);
    return;
  }
  if (answer == Answer::wrong && errors_++ == 0) {
    std::fprintf(stderr, "bench_load: %s %s: %s\n", plan_.system.c_str(), plan_.measure.c_str(),
                 std::string(reply.substr(0, 300)).c_str());
  }
  last_done_us_ = now_us_;
  if (++ended_ > warm_) latencies_.record(now_us_ - slot.began_us);
  if (ended_ == warm_) counted_from_us_ = now_us_;
  if (begun_ < wanted_) begin(lane, slot);
}

}  // namespace pawl::bench
