// Two threads, one loop: whoever has it may do a short job that could hang, because the other one goes on
// with the loop when it does. A job that ends in time costs no switch of threads: 125 µs of a commit of 480.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace pawl::server {

class Relay {
 public:
  // `loop` runs the loop on the calling thread until it is over: true. It returns false, and touches nothing
  // of the loop's any more, when take_back() was false. `patience_us`: how long a job may keep the loop.
  Relay(std::function<bool(Relay&)> loop, long patience_us);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Returns when the loop is over and no job runs any more.
  void run();

  // By the loop's thread, around the job: from lend() on the loop may go on elsewhere. Everything written
  // before lend() is seen there.
  uint64_t lend();
  // Of what lend() gave. False: it does, and this thread has no part in it.
  bool take_back(uint64_t lent);

 private:
  void take_part(bool has_loop);
  // False: the loop is over.
  bool wait_for_loop();

  const std::function<bool(Relay&)> loop_;
  const long patience_us_;
  std::atomic<uint64_t> lent_{0};  // number of the lend; 0: a thread has the loop
  std::atomic<int64_t> lent_at_us_{0};
  std::atomic<uint64_t> lends_{0};
  std::atomic<bool> asleep_{false};  // the waiting thread does not look at the clock
  std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false;
};

}  // namespace pawl::server
