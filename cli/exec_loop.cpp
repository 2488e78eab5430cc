#include "cli/exec_loop.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "cli/exit_codes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr int64_t claim_wait_service_ms = 30'000;
constexpr int64_t drain_wait_first_ms = 25;  // grows, so that the end is seen soon and waiting costs little
constexpr int64_t drain_wait_last_ms = 1000;
constexpr int64_t shutdown_patience_ms = 1000;  // for a claim that may be on its way
constexpr int64_t hold_least_ms = 100;
constexpr int64_t hold_most_ms = 5000;
constexpr int64_t hold_default_ms = 1000;

bool passes_by_itself(Code code) {
  switch (code) {
    case Code::frozen:
    case Code::quota:
    case Code::paused:
    case Code::open:
    case Code::busy:
    case Code::readonly:
    case Code::notleader:
      return true;
    case Code::err:
    case Code::lost:
    case Code::state:
    case Code::notfound:
    case Code::badarg:
    case Code::toobig:
    case Code::noauth:
    case Code::denied:
    case Code::execabort:
      return false;
  }
  return false;
}

int64_t hold_of(const Error& error) {
  return std::clamp(error.retry_after_ms.value_or(hold_default_ms), hold_least_ms, hold_most_ms);
}

}  // namespace

ExecLoop::ExecLoop(ExecOptions options, const client::Endpoint& endpoint, client::Timeouts timeouts,
                   Output* out, int signal_fd)
    : options_(std::move(options)),
      endpoint_(endpoint),
      out_(out),
      signal_fd_(signal_fd),
      claims_(endpoint, timeouts),
      reports_(endpoint, timeouts) {}

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
  if (!claim_in_flight_ && claims_.up() && claim_at_ms_ > now) wake = std::min(wake, claim_at_ms_);
  for (const auto& job : jobs_) {
    if (job->handler) {
      job->handler->add_polls(&polls, &wake);
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
    if (!job->handler) continue;
    job->told_to_stop = true;
    job->handler->terminate(now);
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
  out_->progress(text + ", " + std::to_string(jobs_.size()) + " running");
}

int ExecLoop::exit_code() const {
  if (stop_code_ != 0) return stop_code_;
  if (gave_up_) return exit_unreachable;
  if (counts_.failed > 0) return exit_failed;
  return counts_.handled + counts_.cancelled > 0 ? exit_ok : exit_nothing;
}

// ---- claiming

bool ExecLoop::may_claim(int64_t now) const {
  if (shutting_down_ || stop_code_ != 0 || drained_ || claim_in_flight_ || depth_asked_ > 0) return false;
  if (options_.once && taken_once_) return false;
  // Not without the connection that keeps claims alive.
  return claims_.up() && reports_.up() && now >= claim_at_ms_ && jobs_.size() < options_.jobs;
}

void ExecLoop::claim(int64_t now) {
  const size_t free = options_.once ? 1 : std::min<size_t>(options_.jobs - jobs_.size(), 1000);
  int64_t wait = claim_wait_service_ms;
  if (options_.once) wait = std::max<int64_t>(0, once_until_ms_ - now);
  if (options_.drain) wait = claim_wait_ms_;
  client::Command command = {"CLAIM", options_.daemon};
  command.insert(command.end(), options_.roles.begin(), options_.roles.end());
  command.insert(command.end(), {"COUNT", std::to_string(free)});
  if (wait > 0) command.insert(command.end(), {"WAIT", std::to_string(wait)});
  if (options_.lease_ms) command.insert(command.end(), {"LEASE", std::to_string(*options_.lease_ms)});
  claim_in_flight_ = true;
  claim_at_ms_ = now;
  claims_.ask(command, wait, now, [this](const client::Reply* reply) {
    claim_in_flight_ = false;
    if (!reply) {
      claim_at_ms_ = 0;  // a claim whose reply never left is released by the bus: ask again
    } else if (reply->is_error()) {
      on_claim_error(reply->error());
    } else {
      on_claims(*reply);
    }
  });
}

void ExecLoop::on_claim_error(const Error& error) {
  if (shutting_down_) return;
  const int64_t now = steady_now_ms();
  const bool waits = passes_by_itself(error.code) && (!options_.once || now < once_until_ms_);
  if (!waits) {
    out_->error(error_line(error));
    stop_code_ = exit_code_of(error.code);
    return;
  }
  const std::string key = std::string(code_name(error.code)) + error.text;
  if (key != held_by_) out_->talk(error_line(error) + "; waiting");
  held_by_ = key;
  claim_at_ms_ = now + hold_of(error);
}

void ExecLoop::on_claims(const client::Reply& reply) {
  if (!reply.items.empty()) {
    held_by_.clear();
    claim_wait_ms_ = 0;
    for (const client::Reply& one : reply.items) take(one);
    return;
  }
  const int64_t now = steady_now_ms();
  claim_wait_ms_ = std::clamp(claim_wait_ms_ * 2, drain_wait_first_ms, drain_wait_last_ms);
  if (options_.drain && jobs_.empty() && !shutting_down_) ask_depth(now);
}

// Nothing could be claimed and nothing runs here: is there anything still to come?
void ExecLoop::ask_depth(int64_t now) {
  if (!reports_.up()) return;
  depth_ = 0;
  depth_asked_ = options_.roles.size();
  for (const std::string& role : options_.roles) {
    reports_.ask({"ROLE", role}, 0, now, [this](const client::Reply* answer) { on_depth(answer); });
  }
}

void ExecLoop::on_depth(const client::Reply* reply) {
  --depth_asked_;
  if (!reply) {
    depth_ = INT64_MAX / 2;  // not known: ask again later
  } else if (!reply->is_error()) {
    depth_ += reply->int_of("ready").value_or(0) + reply->int_of("scheduled").value_or(0);
  } else if (reply->error().code != Code::notfound) {
    on_claim_error(reply->error());
    depth_ = INT64_MAX / 2;
  }
  if (depth_asked_ == 0 && depth_ == 0) drained_ = true;
}

void ExecLoop::take(const client::Reply& claim) {
  const int64_t now = steady_now_ms();
  taken_once_ = true;
  auto job = std::make_unique<ExecJob>();
  job->id = claim.text_of("id");
  job->token = claim.text_of("token");
  job->role = claim.text_of("role");
  job->delivery = claim.text_of("delivery");
  job->started_ms = now;
  ExecJob* raw = job.get();
  jobs_.push_back(std::move(job));
  if (shutting_down_) {
    return refuse(raw, {"RELEASE", raw->id, raw->token, "DELAY", "0"}, ExecJob::Ending::released);
  }
  constexpr int64_t shortest_ms = 50;
  constexpr int64_t longest_ms = 300'000;
  const int64_t lease = options_.lease_ms.value_or(claim.int_of("deadline").value_or(0) - wall_now_ms());
  raw->extend_every_ms = std::clamp(lease / 3, shortest_ms, longest_ms);
  raw->extend_at_ms = now + raw->extend_every_ms;
  auto spec = handler_spec(claim, options_, endpoint_, now);
  if (!spec) {
    return refuse(raw, {"FAIL", raw->id, raw->token, "bad_input", spec.error().text},
                  ExecJob::Ending::failed);
  }
  spec->on_report = [this, raw](std::string_view line) {
    const auto taken = take_report_line(line, &raw->report);
    if (taken) {
      raw->report_is_news = true;
    } else if (!raw->bad_report_said) {
      out_->talk(raw->id + ": a line on descriptor 3 is ignored: " + taken.error().text);
      raw->bad_report_said = true;
    }
  };
  auto started = runner::Handler::start(std::move(*spec), now);
  if (!started) {
    out_->error(started.error().text);
    stop_code_ = exit_failed;
    return refuse(raw, {"RELEASE", raw->id, raw->token}, ExecJob::Ending::released);
  }
  raw->handler = std::move(*started);
}

// A job that never ran.
void ExecLoop::refuse(ExecJob* job, client::Command settle, ExecJob::Ending ending) {
  job->settle = std::move(settle);
  job->ending = ending;
}

}  // namespace pawl::cli
