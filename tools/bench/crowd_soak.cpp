#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "tools/bench/crowd_phase.h"

namespace pawl::bench {
namespace {

constexpr int64_t window_us = 10'000'000;
constexpr int64_t standstill_us_max = 60'000'000;  // at the end, without an acknowledgement
constexpr uint64_t pushes_per_connection = 5'000;  // then it is given up and made anew

// A mixed load at a steady rate that leaves nothing behind but what retention takes: half of the connections
// push (plain, delayed, unique, grouped, urgent, large), the others claim, extend, now and then release, and
// acknowledge.
class Soak {
 public:
  explicit Soak(const Plan& plan)
      : plan_(plan), pushers_(std::max<size_t>(1, plan.connections / 2)), crowd_(plan) {
    if (plan.connections < 2 || plan.rate == 0) fail("soak wants two connections at least, and a rate");
    const auto add = [&](Words words, size_t bytes) { shapes_.emplace_back(words, bytes); };
    add({"PUSH", "soak-{n%20}", "{x}"}, plan.bytes);
    add({"PUSH", "soak-{n%20}", "{x}", "DELAY", "{n%700}"}, plan.bytes);
    add({"PUSH", "soak-{n%20}", "{x}", "UNIQUE", "key-{n}"}, plan.bytes);
    add({"PUSH", "soak-{n%20}", "{x}", "GROUP", "group-{n%500}"}, plan.bytes);
    add({"PUSH", "soak-{n%20}", "{x}", "PRIORITY", "{n%10}", "HEADER", "number", "{n}"}, plan.bytes);
    add({"PUSH", "soak-{n%20}", "{x}"}, 8192);
    for (int role = 0; role < 20; ++role) roles_.push_back("soak-" + std::to_string(role));
    pushes_of_.resize(crowd_.size());
    for (size_t i = pushers_; i < crowd_.size(); ++i) wait_for_work(i, "");
  }

  void go() {
    const int64_t began = clock_us();
    const int64_t end = began + static_cast<int64_t>(plan_.seconds) * 1'000'000;
    int64_t told = began;
    int64_t moved = began;
    for (int64_t now = began; now < end || acknowledged_ < pushed_; now = clock_us()) {
      if (now < end) push_until(static_cast<uint64_t>(now - began) * plan_.rate / 1'000'000);
      const uint64_t before = acknowledged_;
      for (const size_t i : crowd_.readable(5)) i < pushers_ ? take_ids(i) : take_work(i);
      if (acknowledged_ != before) moved = now;
      if (now - moved > standstill_us_max) fail("the soak stands still: pushed and acknowledged differ");
      if (now - told >= window_us) {
        tell(began, now);
        told = now;
      }
    }
    tell(began, clock_us());
  }

 private:
  // As many pushes as are due; fewer while each connection has its share in flight.
  void push_until(uint64_t due) {
    for (size_t tried = 0; pushed_ < due && tried < pushers_; ++tried) {
      const size_t i = turn_++ % pushers_;
      Link& link = crowd_[i];
      if (link.sent_at.size() >= plan_.depth) continue;
      if (link.sent_at.empty() && pushes_of_[i] >= pushes_per_connection) {
        crowd_.renew(i);
        pushes_of_[i] = 0;
      }
      std::string text;
      // Half of them are plain.
      shapes_[pushed_ % 2 == 0 ? 0 : pushed_ / 2 % shapes_.size()].append(text, pushed_);
      crowd_[i].sent_at.push_back(clock_us());
      crowd_[i].send(text);
      ++pushes_of_[i];
      ++pushed_;
      tried = 0;
    }
  }

  void take_ids(size_t i) {
    Link& link = crowd_[i];
    link.read_some();
    const int64_t now = clock_us();
    while (const Reply reply = link.next()) {
      if (reply->type == REDIS_REPLY_ERROR) fail(reply->str);
      longest_us_ = std::max(longest_us_, now - link.sent_at.front());
      window_.record(now - link.sent_at.front());
      link.sent_at.pop_front();
    }
  }

  void wait_for_work(size_t i, std::string before) {
    Words words = {"CLAIM", "soaker-" + std::to_string(i)};
    words.insert(words.end(), roles_.begin(), roles_.end());
    words.insert(words.end(), {"WAIT", "1000", "LEASE", "60000"});
    crowd_[i].send(before + command(words));
  }

  void take_work(size_t i) {
    crowd_[i].read_some();
    while (const Reply reply = crowd_[i].next()) {
      if (reply->type == REDIS_REPLY_ERROR) fail(reply->str);
      if (reply->type == REDIS_REPLY_STATUS) continue;                                    // RELEASE's OK
      if (reply->elements > 0 && reply->element[0]->type != REDIS_REPLY_ARRAY) continue;  // EXTEND's map
      std::vector<Claim> claims;
      collect(*reply, claims);
      if (claims.empty()) {
        wait_for_work(i, "");
      } else {
        end_of(i, claims[0]);
      }
    }
  }

  // What becomes of a claim; the connection asks for the next one with it.
  void end_of(size_t i, const Claim& claim) {
    const uint64_t n = taken_++;
    if (n % 20 == 1) {
      wait_for_work(i, command({"RELEASE", claim.first, claim.second, "DELAY", "50"}));
      return;
    }
    std::string text;
    if (n % 10 == 0) text = command({"EXTEND", claim.first, claim.second, "PROGRESS", "50", "half way"});
    Words words = {"ACK", claim.first, claim.second, "NEXT", "LEASE", "60000"};
    words.insert(words.end(), roles_.begin(), roles_.end());
    crowd_[i].send(text + command(words));
    ++acknowledged_;
  }

  void tell(int64_t began, int64_t now) {
    std::printf(R"({"what": "soak", "seconds": %.1f, "pushed": %llu, "acknowledged": %llu, "p50_us": %lld, )"
                R"("p99_us": %lld, "longest_us": %lld})"
                "\n",
                static_cast<double>(now - began) / 1e6, static_cast<unsigned long long>(pushed_),
                static_cast<unsigned long long>(acknowledged_),
                static_cast<long long>(window_.percentile(0.5)),
                static_cast<long long>(window_.percentile(0.99)), static_cast<long long>(longest_us_));
    std::fflush(stdout);
    window_ = {};
    longest_us_ = 0;
  }

  const Plan& plan_;
  size_t pushers_;
  Crowd crowd_;
  std::vector<Template> shapes_;
  Words roles_;
  std::vector<uint64_t> pushes_of_;  // since it was made
  Latencies window_;
  int64_t longest_us_ = 0;
  size_t turn_ = 0;
  uint64_t pushed_ = 0;
  uint64_t taken_ = 0;
  uint64_t acknowledged_ = 0;
};

}  // namespace

void soak(const Plan& plan) { Soak(plan).go(); }

}  // namespace pawl::bench
