#include "bus/server/relay.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <semaphore>
#include <thread>
#include <vector>

namespace pawl::server {
namespace {

constexpr long never_us = 3'600'000'000;

TEST_CASE("relay: jobs that end in time keep the loop where it is") {
  std::vector<std::thread::id> threads;
  int kept = 0;
  Relay relay(
      [&](Relay& self) {
        threads.push_back(std::this_thread::get_id());
        for (int i = 0; i < 1000; ++i) {
          kept += self.take_back(self.lend()) ? 1 : 0;
        }
        return true;
      },
      never_us);
  relay.run();
  CHECK(kept == 1000);
  CHECK(threads == std::vector{std::this_thread::get_id()});
}

TEST_CASE("relay: a job that hangs leaves the loop to the other thread, again and again") {
  // Longer than the waiting thread looks at the clock for nothing: it has to be woken.
  const auto quiet = GENERATE(std::chrono::milliseconds(0), std::chrono::milliseconds(5));
  constexpr int rounds = 40;
  constexpr long patience_us = 20;
  std::vector<std::thread::id> threads;
  std::vector<std::promise<void>> ends(rounds + 1);  // of the job of each round
  Relay relay(
      [&](Relay& self) {
        threads.push_back(std::this_thread::get_id());
        const size_t round = threads.size();
        if (round > 1) ends[round - 1].set_value();  // the thread that had the loop before
        if (round > rounds) return true;
        const auto until = std::chrono::steady_clock::now() + quiet;
        while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
        const uint64_t lent = self.lend();
        ends[round].get_future().wait();
        // Nothing of the loop's may be touched from here on.
        return self.take_back(lent);
      },
      patience_us);
  relay.run();
  REQUIRE(threads.size() == rounds + 1);
  for (size_t i = 1; i < threads.size(); ++i) CHECK(threads[i] != threads[i - 1]);
}

TEST_CASE("relay: when the loop is over, a job that still runs is waited for") {
  std::binary_semaphore hang(0);
  std::atomic<bool> job_ended{false};
  int runs = 0;
  Relay relay(
      [&](Relay& self) {
        if (++runs == 2) {
          hang.release();
          return true;
        }
        const uint64_t lent = self.lend();
        hang.acquire();
        job_ended = true;
        return self.take_back(lent);
      },
      20);
  relay.run();
  CHECK(job_ended);
  CHECK(runs == 2);
}

}  // namespace
}  // namespace pawl::server
