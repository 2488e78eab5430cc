// Daemons that beat: `rate` requests a second, evenly over the time and the connections, a line of figures
// every ten of `seconds`.
// Nobody beats in a burst, so each request costs the server a turn of its own.
#include <algorithm>
#include <cstdio>
#include <string>

#include "tools/bench/crowd_phase.h"

namespace pawl::bench {
namespace {

class Beats {
 public:
  Beats(const Plan& plan, const Words& words) : plan_(plan), crowd_(plan), request_(words, plan.bytes) {
    if (plan.rate == 0 || plan.seconds == 0) fail("beat wants rate and seconds");
  }

  void go() {
    const int64_t began = clock_us();
    // The first `ops` make everybody known, at the same pace: who beats out of turn is watched more closely.
    pass(began, [this] { return sent_ < plan_.ops; });
    for (uint64_t second = 0; second < plan_.seconds; second += window_seconds) {
      latencies_ = {};
      answered_ = 0;
      const Processor before = processor_of(plan_.pid);
      const int64_t from = clock_us();
      const auto window_us = static_cast<int64_t>(window_seconds) * 1'000'000;
      pass(began, [&] { return clock_us() - from < window_us; });
      tell(before, static_cast<double>(clock_us() - from) / 1e6);
    }
  }

 private:
  static constexpr uint64_t window_seconds = 10;

  template <typename Condition>
  void pass(int64_t began, Condition more) {
    while (more()) {
      const auto due = static_cast<uint64_t>(clock_us() - began) * plan_.rate / 1'000'000;
      while (sent_ < due) send(sent_);
      take(1);
    }
  }

  void send(uint64_t n) {
    std::string text;
    request_.append(text, n);
    Link& link = crowd_[n % crowd_.size()];
    link.sent_at.push_back(clock_us());
    link.send(text);
    ++sent_;
  }

  void take(int wait_ms) {
    for (const size_t i : crowd_.readable(wait_ms)) {
      Link& link = crowd_[i];
      link.read_some();
      while (const Reply reply = link.next()) {
        if (reply->type == REDIS_REPLY_ERROR) fail(reply->str);
        latencies_.record(clock_us() - link.sent_at.front());
        link.sent_at.pop_front();
        ++answered_;
      }
    }
  }

  void tell(const Processor& before, double seconds) const {
    const Processor after = processor_of(plan_.pid);
    const auto used_us = static_cast<double>(after.all_ns - before.all_ns) / 1e3;
    std::printf(
        R"({"what": "beat", "ops": %llu, "per_second": %.0f, "p50_us": %lld, "p99_us": %lld, "cpu_us": %.3f, )"
        R"("core_percent": %.2f, "errors": 0})"
        "\n",
        static_cast<unsigned long long>(answered_), static_cast<double>(answered_) / seconds,
        static_cast<long long>(latencies_.percentile(0.5)),
        static_cast<long long>(latencies_.percentile(0.99)),
        used_us / static_cast<double>(std::max<uint64_t>(answered_, 1)), used_us / seconds / 1e4);
    std::fflush(stdout);
  }

  const Plan& plan_;
  Crowd crowd_;
  Template request_;
  Latencies latencies_;
  uint64_t sent_ = 0;
  uint64_t answered_ = 0;
};

}  // namespace

void beat(const Plan& plan, const Words& words) { Beats(plan, words).go(); }

}  // namespace pawl::bench
