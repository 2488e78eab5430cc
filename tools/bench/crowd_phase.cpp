#include "tools/bench/crowd_phase.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <optional>

namespace pawl::bench {
namespace {

constexpr int64_t pause_us_min = 20'000;
constexpr size_t pauses_max = 1'000'000;

struct Run {
  Latencies latencies;
  std::vector<Span> pauses;
  int64_t longest_us = 0;
  uint64_t asked = 0;
  uint64_t answered = 0;
  uint64_t errors = 0;
};

void fill(const Plan& plan, const Phase& phase, Link& link, Run& run, std::string& out) {
  out.clear();
  const int64_t now = clock_us();
  while (link.sent_at.size() < plan.depth && run.asked < plan.ops && phase.ask(out)) {
    link.sent_at.push_back(now);
    ++run.asked;
  }
  if (!out.empty()) link.send(out);
}

void take_answers(const Phase& phase, Link& link, Run& run) {
  link.read_some();
  const int64_t now = clock_us();
  while (const Reply reply = link.next()) {
    if (link.sent_at.empty()) fail("an answer to no question");
    if (!phase.take(*reply) && run.errors++ == 0) {
      std::fprintf(stderr, "bench_crowd: %s: %s\n", phase.what.c_str(),
                   reply->str != nullptr ? reply->str : "not what was wanted");
    }
    const Span span{link.sent_at.front(), now};
    link.sent_at.pop_front();
    run.latencies.record(span.us());
    run.longest_us = std::max(run.longest_us, span.us());
    if (span.us() >= pause_us_min && run.pauses.size() < pauses_max) run.pauses.push_back(span);
    ++run.answered;
  }
}

// The longest time that an answer took while the disk did not stand still, and the disk's own figures.
std::string beside_the_disk(const Run& run, const DiskProbe& disk) {
  int64_t own_us = 0;
  for (const Span& pause : run.pauses) own_us = std::max(own_us, pause.us() - disk.stood_still_us(pause));
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(),
                R"(, "own_pause_us": %lld, "disk_p50_us": %lld, "disk_p99_us": %lld)",
                static_cast<long long>(own_us), static_cast<long long>(disk.latencies().percentile(0.5)),
                static_cast<long long>(disk.latencies().percentile(0.99)));
  return text.data();
}

}  // namespace

Crowd::Crowd(const Plan& plan) : port_(plan.port), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (size_t i = 0; i < plan.connections; ++i) {
    links_.push_back(std::make_unique<Link>(plan.port));
    watch(i);
  }
}

Crowd::~Crowd() { ::close(epoll_); }

void Crowd::watch(size_t i) const {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = i;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, links_[i]->fd(), &event) != 0) fail("epoll_ctl failed");
}

void Crowd::renew(size_t i) {
  links_[i] = std::make_unique<Link>(port_);
  watch(i);
}

const std::vector<size_t>& Crowd::readable(int wait_ms) {
  std::array<epoll_event, 256> events;
  const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
  // A process that was stopped and goes on finds its wait interrupted.
  if (count < 0 && errno != EINTR) fail(std::string("epoll_wait: ") + std::strerror(errno));
  if (count == 0 && wait_ms >= 60'000) fail("no answer for a minute");
  readable_.clear();
  for (int i = 0; i < count; ++i)
    readable_.push_back(static_cast<size_t>(events[static_cast<size_t>(i)].data.u64));
  return readable_;
}

void run(const Plan& plan, Crowd& crowd, const Phase& phase) {
  Run run;
  std::string out;
  std::optional<DiskProbe> disk;
  if (!plan.probe.empty()) disk.emplace(plan.probe);
  const Processor before = processor_of(plan.pid);
  const int64_t began = clock_us();
  for (size_t i = 0; i < crowd.size(); ++i) fill(plan, phase, crowd[i], run, out);
  while (run.answered < run.asked) {
    for (const size_t i : crowd.readable()) {
      take_answers(phase, crowd[i], run);
      fill(plan, phase, crowd[i], run, out);
    }
  }
  const double seconds = static_cast<double>(clock_us() - began) / 1e6;
  const Processor after = processor_of(plan.pid);
  const auto ops = static_cast<double>(std::max<uint64_t>(run.answered, 1));
  const auto each_us = [&](int64_t ns) { return static_cast<double>(ns) / 1e3 / ops; };
  std::string beside;
  if (disk) {
    disk->stop();
    beside = beside_the_disk(run, *disk);
  }
  std::printf(
      R"({"what": "%s", "ops": %llu, "per_second": %.0f, "p50_us": %lld, "p99_us": %lld, "longest_us": %lld, )"
      R"("cpu_us": %.3f, "background_us": %.3f, "errors": %llu%s})"
      "\n",
      phase.what.c_str(), static_cast<unsigned long long>(run.answered), ops / seconds,
      static_cast<long long>(run.latencies.percentile(0.5)),
      static_cast<long long>(run.latencies.percentile(0.99)), static_cast<long long>(run.longest_us),
      each_us(after.all_ns - before.all_ns), each_us(after.background_ns - before.background_ns),
      static_cast<unsigned long long>(run.errors), beside.c_str());
  std::fflush(stdout);
}

}  // namespace pawl::bench
