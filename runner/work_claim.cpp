// The first half of ExecLoop: how work is claimed, and begun.
#include <algorithm>

#include "cli/exec_loop.h"
#include "cli/exit_codes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr int64_t claim_wait_service_ms = 30'000;
constexpr int64_t drain_wait_first_ms = 25;  // grows, so that the end is seen soon and waiting costs little
constexpr int64_t drain_wait_last_ms = 1000;
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

bool ExecLoop::may_claim(int64_t now) const {
  if (shutting_down_ || stop_code_ != 0 || drained_ || claim_in_flight_ || depth_asked_ > 0) return false;
  if (options_.once && taken_once_) return false;
  if (frozen_ && !jobs_.empty()) return false;
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
  bool waits = passes_by_itself(error.code) && (!options_.once || now < once_until_ms_);
  // A freeze that stood before it began may stand for hours.
  if (error.code == Code::frozen && options_.drain && !taken_once_) waits = false;
  if (!waits) {
    out_->error(error_line(error));
    stop_code_ = exit_code_of(error.code);
    return;
  }
  const std::string key = std::string(code_name(error.code)) + error.text;
  if (key != held_by_) out_->talk(error_line(error) + "; waiting");
  held_by_ = key;
  held_code_ = exit_code_of(error.code);
  claim_at_ms_ = now + hold_of(error);
  claim_wait_ms_ = 0;  // one that waits is refused by the next freeze as well, however short the gap
}

void ExecLoop::on_claims(const client::Reply& reply) {
  held_code_ = 0;
  if (!reply.items.empty()) {
    held_by_.clear();
    if (jobs_.empty()) watch_.forget();
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

void ExecLoop::take(client::Reply claim) {
  const int64_t now = steady_now_ms();
  taken_once_ = true;
  auto job = std::make_unique<ExecJob>();
  job->id = claim.text_of("id");
  job->token = claim.text_of("token");
  job->role = claim.text_of("role");
  job->delivery = claim.text_of("delivery");
  ExecJob* raw = job.get();
  jobs_.push_back(std::move(job));
  if (shutting_down_) {
    return refuse(raw, release_command(*raw), ExecJob::Ending::released);
  }
  constexpr int64_t shortest_ms = 50;
  constexpr int64_t longest_ms = 300'000;
  const int64_t lease = options_.lease_ms.value_or(claim.int_of("deadline").value_or(0) - wall_now_ms());
  raw->extend_every_ms = std::clamp(lease / 3, shortest_ms, longest_ms);
  raw->extend_at_ms = now + raw->extend_every_ms;
  // Granted just before the freeze: nothing begins in it that would only be stopped.
  if (frozen_ && options_.on_freeze != OnFreeze::finish) {
    raw->held_claim = std::move(claim);
  } else {
    begin(raw, claim);
  }
}

void ExecLoop::begin(ExecJob* job, const client::Reply& claim) {
  const int64_t now = steady_now_ms();
  job->started_ms = now;
  auto spec = handler_spec(claim, options_, endpoint_, now);
  if (!spec) {
    return refuse(job, {"FAIL", job->id, job->token, "bad_input", spec.error().text},
                  ExecJob::Ending::failed);
  }
  spec->on_report = [this, raw = job](std::string_view line) {
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
    return refuse(job, {"RELEASE", job->id, job->token}, ExecJob::Ending::released);
  }
  job->handler = std::move(*started);
}

// A job that never ran.
void ExecLoop::refuse(ExecJob* job, client::Command settle, ExecJob::Ending ending) {
  job->settle = std::move(settle);
  job->ending = ending;
}

}  // namespace pawl::cli
