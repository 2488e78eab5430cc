#include "bus/server/relay.h"

#include <chrono>
#include <thread>
#include <utility>

#include "bus/server/steady_clock.h"

namespace pawl::server {
namespace {

constexpr int quiet_looks_max = 100;

}  // namespace

Relay::Relay(std::function<bool(Relay&)> loop, long patience_us)
    : loop_(std::move(loop)), patience_us_(patience_us) {}

void Relay::run() {
  std::thread other([this] { take_part(false); });
  take_part(true);
  other.join();
}

void Relay::take_part(bool has_loop) {
  while (has_loop || wait_for_loop()) {
    has_loop = false;
    if (!loop_(*this)) continue;
    const std::lock_guard lock(mutex_);
    over_ = true;
    wake_.notify_all();
  }
}

uint64_t Relay::lend() {
  lent_at_us_.store(steady_us());
  const uint64_t number = lends_.fetch_add(1) + 1;
  lent_.store(number);
  if (asleep_.load()) {
    const std::lock_guard lock(mutex_);
    asleep_.store(false);
    wake_.notify_all();
  }
  return number;
}

bool Relay::take_back(uint64_t lent) { return lent_.compare_exchange_strong(lent, 0); }

// Looks at the clock every few milliseconds while jobs come, and sleeps when none did for a while.
bool Relay::wait_for_loop() {
  std::unique_lock lock(mutex_);
  uint64_t seen = lends_.load();
  int quiet = 0;
  while (!over_) {
    uint64_t lent = lent_.load();
    if (lent != 0 && steady_us() - lent_at_us_.load() > patience_us_ &&
        lent_.compare_exchange_strong(lent, 0)) {
      return true;
    }
    const uint64_t lends = lends_.load();
    quiet = lends == seen && lent == 0 ? quiet + 1 : 0;
    seen = lends;
    if (quiet < quiet_looks_max) {
      wake_.wait_for(lock, std::chrono::microseconds(patience_us_));
      continue;
    }
    // A job that is lent from here on either sees asleep_ or is seen.
    asleep_.store(true);
    if (lends_.load() == seen) wake_.wait(lock, [this] { return over_ || !asleep_.load(); });
    asleep_.store(false);
    quiet = 0;
  }
  return false;
}

}  // namespace pawl::server
