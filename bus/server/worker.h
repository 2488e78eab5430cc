// The one thread that may wait for the disk, so that the loop never does.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace pawl::server {

class Relay;

// Runs one job at a time. run(), busy(), take_done() and wait_done() belong to the owner's thread.
class Worker {
 public:
  // `notify` is called on the worker's thread after each job; it must be safe there (uv_async_send is).
  explicit Worker(std::function<void()> notify);
  // Waits for the job that runs.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Requires !busy(). What the job wrote may be read once take_done() said so.
  void run(std::function<void()> job);
  // The same on the owner's thread, which lends its loop meanwhile. False: the job took long, the loop is
  // another thread's now, and so is this worker.
  bool run_here(const std::function<void()>& job, Relay& relay);
  // A job runs, or ran and was not taken.
  bool busy() const { return busy_; }
  // A job ended and was not taken.
  bool done() const;
  // True once for each job that ended.
  bool take_done();
  // Blocks until the job ended, `microseconds` at most. True: it ended; take_done() will say so, and
  // nobody is notified.
  bool wait_done(long microseconds);

 private:
  void loop();

  std::function<void()> notify_;
  bool busy_ = false;  // owner's thread only
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  std::function<void()> job_;
  bool done_ = false;
  bool stop_ = false;
  bool awaited_ = false;  // the owner is in wait_done
  std::thread thread_;
};

}  // namespace pawl::server
