#include "cli/exec_loop.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "cli/exit_codes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr int64_t shutdown_patience_ms = 1000;  // for a claim that may be on its way

}  // namespace

ExecLoop::ExecLoop(ExecOptions options, const client::Endpoint& endpoint, client::Timeouts timeouts,
                   Output* out, int signal_fd)
    : options_(std::move(options)),
      endpoint_(endpoint),
      out_(out),
      signal_fd_(signal_fd),
      claims_(endpoint, timeouts),
      reports_(endpoint, timeouts),
      watch_(endpoint, timeouts) {}

int ExecLoop::run() {
  int64_t now = steady_now_ms();
  once_until_ms_ = now + options_.once_wait_ms;
  claims_.connect_when_due(now);
  if (claims_.up()) reports_.connect_when_due(now);
  if (!reports_.up()) {
    const Error& why = claims_.up() ? reports_.failure() : claims_.failure();
    out_->error(why.text +
                (why.code == Code::err ? "; is it running (pawl serve), and is --url right?" : ""));
    return why.code == Code::err ? exit_unreachable : exit_code_of(why.code);
  }
  while (!finished(now)) {
    claims_.connect_when_due(now);
    reports_.connect_when_due(now);
    if (reports_.up()) {
      extend_due(now);
      settle_due(now);
    }
    if (may_claim(now)) claim(now);
    wait_for_something(now);
    now = steady_now_ms();
    read_signals();
    claims_.pump(now);
    reports_.pump(now);
    pump_jobs(now);
    watch_links(now);
    watch_freeze(now);
    jobs_.remove_if([](const auto& job) { return job->settled; });
    show_progress();
  }
  out_->progress("");
  return exit_code();
}

bool ExecLoop::finished(int64_t now) {
  if (gave_up_) return true;
  if (!jobs_.empty() || claim_in_flight_) return false;
  if (shutting_down_ || stop_code_ != 0 || drained_) return true;
  return options_.once && (taken_once_ || (now >= once_until_ms_ && claim_at_ms_ > 0));
}

void ExecLoop::wait_for_something(int64_t now) {
  constexpr int64_t longest_ms = 60'000;
  int64_t wake = now + longest_ms;
  std::vector<pollfd> polls;
  polls.push_back({signal_fd_, POLLIN, 0});
  claims_.add_polls(&polls, &wake);
  reports_.add_polls(&polls, &wake);
  watch_.add_polls(&polls, &wake, !jobs_.empty());
  if (!claim_in_flight_ && claims_.up() && claim_at_ms_ > now) wake = std::min(wake, claim_at_ms_);
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

void ExecLoop::read_signals() {
  signalfd_siginfo info{};
  while (read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) begin_shutdown();
}

void ExecLoop::begin_shutdown() {
  const int64_t now = steady_now_ms();
  if (shutting_down_) {
    out_->talk("told again to stop: killing what runs");
    for (const auto& job : jobs_) {
      if (job->handler) job->handler->kill_now();
    }
    // A bus that is gone is not waited for either.
    if (!reports_.up()) gave_up_ = true;
    return;
  }
  shutting_down_ = true;
  claims_.close_gently(now, shutdown_patience_ms);
  if (claims_.idle()) claim_in_flight_ = false;
  for (const auto& job : jobs_) {
    if (job->handler) {
      job->told_to_stop = true;
      job->handler->terminate(now);
    } else if (job->held_claim) {
      job->held_claim.reset();
      refuse(job.get(), release_command(*job), ExecJob::Ending::released);
    }
    job->settle_at_ms = now;  // what a freeze holds up is tried once more, and left behind
  }
  if (any_running()) out_->talk("stopping: waiting for what runs to end (again: kill it)");
}

void ExecLoop::watch_links(int64_t now) {
  std::optional<int64_t> gone = reports_.down_since_ms();
  if (!gone && !shutting_down_) gone = claims_.down_since_ms();
  if (!gone) {
    if (down_said_) out_->talk("the bus is back");
    down_said_ = false;
    idle_since_ms_ = 0;
    return;
  }
  if (!down_said_) {
    const Error& why = reports_.up() ? claims_.failure() : reports_.failure();
    out_->talk(why.text + "; trying again for " + format_span(options_.reconnect_ms) +
               (any_running() ? " after what runs has ended" : ""));
    down_said_ = true;
  }
  if (any_running()) {
    idle_since_ms_ = 0;
    return;
  }
  if (idle_since_ms_ == 0) idle_since_ms_ = now;
  if (now - idle_since_ms_ < options_.reconnect_ms) return;
  gave_up_ = true;
  stop_code_ = exit_unreachable;
  std::string text = "the bus did not come back within " + format_span(options_.reconnect_ms);
  if (!jobs_.empty()) {
    text += "; not reported: ";
    for (const auto& job : jobs_) text += (job == jobs_.front() ? "" : ", ") + job->id;
    text += " (their claims lapse, and they are delivered again)";
  }
  out_->error(text);
}

void ExecLoop::show_progress() {
  if (!out_->stderr_is_terminal()) return;
  std::string text = format_count(counts_.handled) + " handled";
  if (counts_.failed > 0) text += ", " + format_count(counts_.failed) + " failed";
  out_->progress(text + ", " + std::to_string(jobs_.size()) + (frozen_ ? " in a freeze" : " running"));
}

int ExecLoop::exit_code() const {
  if (stop_code_ != 0) return stop_code_;
  if (gave_up_) return exit_unreachable;
  if (counts_.unreported > 0) return exit_frozen;
  if (counts_.failed > 0) return exit_failed;
  // It waited for its one message, and what held that back did not pass in time.
  if (options_.once && !taken_once_ && held_code_ != 0 && !shutting_down_) return held_code_;
  return counts_.handled + counts_.cancelled > 0 ? exit_ok : exit_nothing;
}

}  // namespace pawl::cli
