#include "bus/server/worker.h"

#include <chrono>
#include <utility>

#include "bus/base/result.h"
#include "bus/server/relay.h"

namespace pawl::server {

Worker::Worker(std::function<void()> notify) : notify_(std::move(notify)), thread_([this] { loop(); }) {}

Worker::~Worker() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Worker::run(std::function<void()> job) {
  PAWL_CHECK(!busy_);
  busy_ = true;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    job_ = std::move(job);
  }
  wake_.notify_one();
}

bool Worker::run_here(const std::function<void()>& job, Relay& relay) {
  PAWL_CHECK(!busy_);
  busy_ = true;
  const uint64_t lent = relay.lend();
  job();
  const bool kept = relay.take_back(lent);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
  }
  if (!kept) notify_();
  return kept;
}

bool Worker::done() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return done_;
}

bool Worker::take_done() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!done_) return false;
  done_ = false;
  busy_ = false;
  return true;
}

bool Worker::wait_done(long microseconds) {
  std::unique_lock<std::mutex> lock(mutex_);
  awaited_ = true;
  const bool done = ended_.wait_for(lock, std::chrono::microseconds(microseconds), [this] { return done_; });
  awaited_ = false;
  return done;
}

void Worker::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || job_; });
    if (!job_) return;
    std::function<void()> job = std::move(job_);
    job_ = nullptr;
    lock.unlock();
    job();
    job = nullptr;  // what it holds is let go before the owner is told
    lock.lock();
    done_ = true;
    if (awaited_) {
      ended_.notify_one();
    } else {
      notify_();
    }
  }
}

}  // namespace pawl::server
