#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "tools/bench/crowd_phase.h"

namespace pawl::bench {
namespace {

// Pushes that meet waiting claimers. A claimer that got one acknowledges it and waits again.
class Delivery {
 public:
  Delivery(const Plan& plan, const Words& push, const Words& claim)
      : plan_(plan), push_(push, plan.bytes), claim_(claim, plan.bytes), crowd_(plan), pusher_(plan.port) {
    for (size_t i = 0; i < crowd_.size(); ++i) park(i, "");
    // All of them wait once the server has nothing to do.
    for (int64_t busy_ns = processor_of(plan_.pid).all_ns, was_ns = 0; busy_ns - was_ns > 5'000'000;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      was_ns = busy_ns;
      busy_ns = processor_of(plan_.pid).all_ns;
    }
    if (!plan.probe.empty()) {
      path_ = plan.probe + "/disk-probe";
      probe_ = ::open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
      if (probe_ < 0) fail("cannot make " + path_);
    }
  }
  ~Delivery() {
    if (probe_ < 0) return;
    ::close(probe_);
    ::unlink(path_.c_str());
  }
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  void go() {
    const Processor before = processor_of(plan_.pid);
    const int64_t began = clock_us();
    while (delivered_ < plan_.ops) {
      std::string text;
      while (pushed_ < plan_.ops && pushed_ - delivered_ < plan_.depth) {
        push_.append(text, pushed_++);
        pusher_.sent_at.push_back(clock_us());
      }
      if (!text.empty()) pusher_.send(text);
      const uint64_t wanted = plan_.depth == 1 ? pushed_ : delivered_ + 1;
      while (delivered_ < wanted) {
        for (const size_t i : crowd_.readable()) take(i);
      }
      if (plan_.depth == 1) {
        after_one();
      } else {
        read_ids(0);
      }
    }
    read_ids(pushed_);
    print(before, static_cast<double>(clock_us() - began) / 1e6);
  }

 private:
  void park(size_t i, std::string before) {
    claim_.append(before, i);
    crowd_[i].send(before);
  }

  void take(size_t i) {
    Link& link = crowd_[i];
    link.read_some();
    const int64_t now = clock_us();
    while (const Reply reply = link.next()) {
      if (reply->type == REDIS_REPLY_ERROR) fail(reply->str);
      if (reply->type != REDIS_REPLY_ARRAY) continue;  // the OK of an ACK
      std::vector<Claim> claims;
      collect(*reply, claims);
      if (claims.empty()) fail("a claimer waited in vain");
      latencies_.record(now - pusher_.sent_at.front());  // served in order of arrival
      pusher_.sent_at.pop_front();
      ++delivered_;
      last_ = i;
      ack_ = command({"ACK", claims[0].first, claims[0].second});
      if (plan_.depth > 1) park(i, ack_);
    }
  }

  // Which batches the push and its claim were in; then the disk alone.
  void after_one() {
    read_ids(pushed_);
    Link& claimer = crowd_[last_];
    const auto batch = [](Link& link) { return link.ask(command({"COMMITSEQ"}))->element[0]->integer; };
    if (batch(pusher_) == batch(claimer)) ++same_batch_;
    park(last_, ack_);
    if (probe_ < 0) return;
    const std::string bytes(512, 'x');
    const int64_t began = clock_us();
    if (::write(probe_, bytes.data(), bytes.size()) < 0 || ::fdatasync(probe_) != 0)
      fail("cannot write " + path_);
    disk_.record(clock_us() - began);
  }

  // Answers of the pusher: up to `count` in all, or what is there.
  void read_ids(uint64_t count) {
    while (answered_ < pushed_) {
      if (const Reply reply = pusher_.next()) {
        if (reply->type == REDIS_REPLY_ERROR) fail(reply->str);
        ++answered_;
      } else if (answered_ < count || pushed_ - answered_ > 10 * plan_.depth) {
        pusher_.read_some();
      } else {
        return;
      }
    }
  }

  void print(const Processor& before, double seconds) const {
    const Processor after = processor_of(plan_.pid);
    const auto ops = static_cast<double>(plan_.ops);
    std::printf(
        R"({"what": "deliver", "ops": %llu, "per_second": %.0f, "p50_us": %lld, "p99_us": %lld, "cpu_us": %.3f, )"
        R"("same_batch": %llu, "disk_p50_us": %lld, "disk_p99_us": %lld})"
        "\n",
        static_cast<unsigned long long>(plan_.ops), ops / seconds,
        static_cast<long long>(latencies_.percentile(0.5)),
        static_cast<long long>(latencies_.percentile(0.99)),
        static_cast<double>(after.all_ns - before.all_ns) / 1e3 / ops,
        static_cast<unsigned long long>(same_batch_), static_cast<long long>(disk_.percentile(0.5)),
        static_cast<long long>(disk_.percentile(0.99)));
  }

  const Plan& plan_;
  Template push_;
  Template claim_;
  Crowd crowd_;
  Link pusher_;
  std::string path_;
  int probe_ = -1;
  Latencies latencies_;
  Latencies disk_;
  uint64_t pushed_ = 0;
  uint64_t answered_ = 0;
  uint64_t delivered_ = 0;
  uint64_t same_batch_ = 0;
  size_t last_ = 0;
  std::string ack_;
};

}  // namespace

void deliver(const Plan& plan, const Words& push, const Words& claim) { Delivery(plan, push, claim).go(); }

}  // namespace pawl::bench
