#include "runner/work_loop.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "bus/base/parse.h"
#include "runner/clock.h"

namespace pawl::runner {
namespace {

constexpr int64_t shutdown_patience_ms = 1000;  // for a claim that may be on its way

}  // namespace

WorkLoop::WorkLoop(WorkOptions options, WorkPlace place, Voice* voice, int signal_fd, WorkHost* host,
                   Spool* spool)
    : options_(std::move(options)),
      place_(std::move(place)),
      voice_(voice),
      signal_fd_(signal_fd),
      host_(host ? host : &no_host_),
      spool_(spool),
      reports_(place_.endpoint, place_.timeouts),
      watch_(place_.endpoint, place_.timeouts, place_.read_flags) {}

WorkLoop::~WorkLoop() = default;

Lane* WorkLoop::add_lane(std::vector<std::string> roles, size_t capacity, SetupPtr setup) {
  lanes_.push_back(std::make_unique<Lane>(place_.endpoint, place_.timeouts));
  Lane* lane = lanes_.back().get();
  lane->roles = std::move(roles);
  lane->capacity = capacity;
  lane->setup = std::move(setup);
  return lane;
}

void WorkLoop::retire(Lane* lane) {
  lane->retired = true;
  lane->link.close_gently(steady_now_ms(), shutdown_patience_ms);
  if (lane->link.idle()) lane->claim_in_flight = false;
}

WorkEnd WorkLoop::run() {
  int64_t now = steady_now_ms();
  once_until_ms_ = now + options_.once_wait_ms;
  if (const auto end = connect_first(now)) return *end;
  take_up_spool();
  while (!finished(now)) {
    connect_when_due(now);
    if (reports_.up()) {
      extend_due(now);
      settle_due(now);
    }
    claim_where_possible(now);
    int64_t wake = INT64_MAX;
    host_->turn(now, &wake);
    wait_for_something(now, wake);
    now = steady_now_ms();
    read_signals();
    pump_links(now);
    pump_jobs(now);
    watch_links(now);
    watch_freeze(now);
    remove_settled();
    show_progress();
  }
  voice_->progress("");
  return ended();
}

// One that is there for good waits for its bus; anybody else wants to know at once.
std::optional<WorkEnd> WorkLoop::connect_first(int64_t now) {
  connect_when_due(now);
  if (!down_since_ms()) return std::nullopt;
  const Error& why = link_failure();
  if (why.code != Code::err) {
    voice_->error(why.text);
    return WorkEnd{WorkEnd::Why::refused, why.code};
  }
  if (options_.resident()) return std::nullopt;
  voice_->error(why.text + "; is it running (pawl serve), and is --url right?");
  return WorkEnd{WorkEnd::Why::unreachable, why.code};
}

void WorkLoop::connect_when_due(int64_t now) {
  reports_.connect_when_due(now);
  // Where that fails, it fails for all: nobody waits for each connection's own time-out.
  if (!reports_.up()) return;
  for (const auto& lane : lanes_) lane->link.connect_when_due(now);
}

bool WorkLoop::claims_in_flight() const {
  return std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->claim_in_flight; });
}

bool WorkLoop::finished(int64_t now) {
  if (gave_up_) return true;
  if (!jobs_.empty() || claims_in_flight()) return false;
  if (shutting_down_ || stop_ || drained_) return true;
  return options_.once && (taken_once_ || (now >= once_until_ms_ && claimed_once_));
}

void WorkLoop::wait_for_something(int64_t now, int64_t wake) {
  constexpr int64_t longest_ms = 60'000;
  wake = std::min(wake, now + longest_ms);
  std::vector<pollfd> polls;
  polls.push_back({signal_fd_, POLLIN, 0});
  reports_.add_polls(&polls, &wake);
  watch_.add_polls(&polls, &wake, !jobs_.empty());
  for (const auto& lane : lanes_) {
    if (reports_.up() || lane->link.up()) lane->link.add_polls(&polls, &wake);
    const bool claims = !lane->claim_in_flight && lane->link.up() && lane->claim_at_ms > now;
    if (claims && lane->jobs < lane->capacity) wake = std::min(wake, lane->claim_at_ms);
  }
  if (options_.once && !taken_once_ && once_until_ms_ > now) wake = std::min(wake, once_until_ms_);
  for (const auto& job : jobs_) {
    if (job->handler) job->handler->add_polls(&polls, &wake);
    if (job->handler || job->held_claim) {
      const bool extends = reports_.up() && !job->extend_in_flight && !job->lost;
      if (extends) wake = std::min(wake, job->extend_at_ms);
    } else if (reports_.up() && !job->settle_in_flight && !job->extend_in_flight) {
      wake = std::min(wake, job->settle_at_ms);
    }
  }
  const int64_t span = std::clamp<int64_t>(wake - now, 0, longest_ms);
  poll(polls.data(), polls.size(), static_cast<int>(span));
}

void WorkLoop::pump_links(int64_t now) {
  for (const auto& lane : lanes_) lane->link.pump(now);
  reports_.pump(now);
}

void WorkLoop::read_signals() {
  signalfd_siginfo info{};
  while (read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP && options_.resident()) {
      host_->hang_up();
    } else {
      begin_shutdown();
    }
  }
}

void WorkLoop::begin_shutdown() {
  const int64_t now = steady_now_ms();
  if (shutting_down_) {
    voice_->talk("told again to stop: killing what runs");
    for (const auto& job : jobs_) {
      if (job->handler) job->handler->kill_now();
    }
    // A bus that is gone is not waited for either.
    if (!reports_.up()) gave_up_ = true;
    return;
  }
  shutting_down_ = true;
  host_->stopping();
  for (const auto& lane : lanes_) {
    lane->link.close_gently(now, shutdown_patience_ms);
    if (lane->link.idle()) lane->claim_in_flight = false;
  }
  for (const auto& job : jobs_) {
    if (job->handler) {
      job->told_to_stop = true;
      job->handler->terminate(now);
    } else if (job->held_claim) {
      job->held_claim.reset();
      refuse(job.get(), release_command(*job), Job::Ending::released);
    }
    job->settle_at_ms = now;  // what a freeze holds up is tried once more, and left behind
  }
  if (any_running()) voice_->talk("stopping: waiting for what runs to end (again: kill it)");
}

std::optional<int64_t> WorkLoop::down_since_ms() const {
  if (reports_.down_since_ms()) return reports_.down_since_ms();
  if (shutting_down_) return std::nullopt;
  for (const auto& lane : lanes_) {
    if (lane->link.down_since_ms()) return lane->link.down_since_ms();
  }
  return std::nullopt;
}

const Error& WorkLoop::link_failure() const {
  if (reports_.up()) {
    for (const auto& lane : lanes_) {
      if (lane->link.down_since_ms()) return lane->link.failure();
    }
  }
  return reports_.failure();
}

void WorkLoop::watch_links(int64_t now) {
  if (!down_since_ms()) {
    if (down_said_) voice_->talk("the bus is back");
    down_said_ = false;
    idle_since_ms_ = 0;
    return;
  }
  if (!down_said_) {
    std::string text = link_failure().text + "; trying again";
    if (options_.reconnect_ms) text += " for " + format_duration(*options_.reconnect_ms);
    if (any_running()) text += options_.reconnect_ms ? " after what runs has ended" : "; what runs goes on";
    voice_->talk(text);
    down_said_ = true;
  }
  if (any_running()) {
    idle_since_ms_ = 0;
    return;
  }
  // What is on disk waits for the next process.
  if (shutting_down_ && spool_) leave_on_disk();
  if (idle_since_ms_ == 0) idle_since_ms_ = now;
  if (options_.reconnect_ms && now - idle_since_ms_ >= *options_.reconnect_ms) give_up();
}

void WorkLoop::give_up() {
  gave_up_ = true;
  stop_ = WorkEnd{WorkEnd::Why::unreachable, Code::err};
  std::string text = "the bus did not come back within " + format_duration(*options_.reconnect_ms);
  if (!jobs_.empty()) {
    text += "; not reported: ";
    for (const auto& job : jobs_) text += (job == jobs_.front() ? "" : ", ") + job->id;
    text += " (their claims lapse, and they are delivered again)";
  }
  voice_->error(text);
}

void WorkLoop::show_progress() {
  if (!voice_->shows_progress()) return;
  std::string text = std::to_string(counts_.handled) + " handled";
  if (counts_.failed > 0) text += ", " + std::to_string(counts_.failed) + " failed";
  voice_->progress(text + ", " + std::to_string(jobs_.size()) + (frozen_ ? " in a freeze" : " running"));
}

WorkEnd WorkLoop::ended() const {
  using Why = WorkEnd::Why;
  if (stop_) return *stop_;
  if (gave_up_) return {Why::unreachable, Code::err};
  if (counts_.unreported > 0) return {Why::frozen, Code::frozen};
  // It waited for its one message, and what held that back did not pass in time.
  const bool held = options_.once && !taken_once_ && held_code_ && !shutting_down_;
  if (held && counts_.failed == 0) return {Why::held, *held_code_};
  return {};
}

}  // namespace pawl::runner
