// The second half of ExecLoop: what happens to a message once it is claimed.
#include <algorithm>

#include "cli/exec_loop.h"
#include "cli/exit_codes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr int64_t news_every_ms = 1000;
constexpr int64_t settle_again_least_ms = 200;
constexpr int64_t settle_again_most_ms = 5000;

// The last line of a text, for people.
std::string last_line(std::string_view text) {
  const size_t end = text.rfind('\n');
  return std::string(end == std::string_view::npos ? text : text.substr(end + 1));
}

}  // namespace

bool ExecLoop::any_running() const {
  return std::any_of(jobs_.begin(), jobs_.end(), [](const auto& job) { return job->handler != nullptr; });
}

void ExecLoop::pump_jobs(int64_t now) {
  for (const auto& job : jobs_) {
    if (!job->handler) continue;
    job->handler->pump(now);
    if (job->report_is_news) job->extend_at_ms = std::min(job->extend_at_ms, job->news_at_ms);
    if (!job->handler->done()) continue;
    const runner::HandlerResult ended = job->handler->result();
    job->handler.reset();
    if (job->lost) {
      ++counts_.failed;
      job->settled = true;
      continue;
    }
    claim_wait_ms_ = 0;
    prepare_settle(job.get(), ended, options_);
    job->settle_at_ms = now;
  }
}

void ExecLoop::extend_due(int64_t now) {
  for (const auto& job : jobs_) {
    // Also when only the report is held up (a freeze, a full disk): the claim must not lapse meanwhile.
    const bool alive =
        job->handler || job->held_claim || (job->held_said && !job->settle_in_flight && !job->settled);
    if (!alive || job->extend_in_flight || job->lost || now < job->extend_at_ms) continue;
    job->extend_in_flight = true;
    job->report_is_news = false;
    job->extend_at_ms = now + job->extend_every_ms;
    job->news_at_ms = now + news_every_ms;
    reports_.ask(extend_command(*job, options_), 0, now,
                 [this, raw = job.get()](const client::Reply* reply) { on_extended(raw, reply); });
  }
}

// A job outlives its questions: it is settled only after the last one is answered.
void ExecLoop::on_extended(ExecJob* job, const client::Reply* reply) {
  job->extend_in_flight = false;
  if (reply && !reply->is_error()) {
    watch_.told(reply->text_of("freeze", "none") != "none", "");
  }
  if (!job->handler && !job->held_claim) return;
  if (!reply) {
    job->extend_at_ms = 0;  // as soon as the bus is back
    return;
  }
  if (reply->is_error()) {
    if (reply->error().code == Code::lost) lose(job, error_line(reply->error()));
    return;
  }
  if (reply->int_of("cancel").value_or(0) == 0 || job->cancelled) return;
  job->cancelled = true;
  if (job->handler) {
    out_->talk(job->id + " is cancelled; ending its command");
    job->handler->terminate(steady_now_ms());
  } else {
    job->held_claim.reset();
    refuse(job, cancelled_command(*job), ExecJob::Ending::cancelled);
  }
}

void ExecLoop::lose(ExecJob* job, const std::string& why) {
  job->lost = true;
  out_->talk(job->id + ": the claim is lost (" + why + "); ending its command");
  if (job->handler) return job->handler->terminate(steady_now_ms());
  ++counts_.failed;
  job->held_claim.reset();
  job->settled = true;
}

void ExecLoop::settle_due(int64_t now) {
  for (const auto& job : jobs_) {
    const bool due = !job->handler && job->settle && !job->settle_in_flight && !job->settled;
    if (!due || job->extend_in_flight || now < job->settle_at_ms) continue;
    job->settle_in_flight = true;
    reports_.ask(*job->settle, 0, now,
                 [this, raw = job.get()](const client::Reply* reply) { on_settled(raw, reply); });
  }
}

void ExecLoop::on_settled(ExecJob* job, const client::Reply* reply) {
  job->settle_in_flight = false;
  if (!reply) {
    job->settle_unsure = true;
    return;
  }
  if (reply->is_error()) return on_settle_error(job, reply->error());
  watch_.told(false, "");
  count(job);
}

void ExecLoop::on_settle_error(ExecJob* job, const Error& error) {
  const int64_t now = steady_now_ms();
  switch (error.code) {
    case Code::frozen:
      watch_.told(true, "");
      if (shutting_down_) return leave_unreported(job);
      [[fallthrough]];
    case Code::quota:
    case Code::paused:
    case Code::open:
    case Code::busy:
    case Code::readonly:
    case Code::notleader:
      if (!job->held_said) out_->talk(job->id + " cannot be reported yet: " + error_line(error));
      job->held_said = true;
      job->settle_at_ms = now + std::clamp(error.retry_after_ms.value_or(settle_again_least_ms * 5),
                                           settle_again_least_ms, settle_again_most_ms);
      return;
    case Code::toobig:
      if (shrink_result(job)) {
        out_->talk(job->id + ": the result is larger than the bus takes; cut");
        job->settle_at_ms = now;
        return;
      }
      break;
    case Code::lost:
      if (job->settle_unsure) return resolve_unsure(job);
      break;
    case Code::err:
    case Code::state:
    case Code::notfound:
    case Code::badarg:
    case Code::noauth:
    case Code::denied:
    case Code::execabort:
      break;
  }
  out_->error(job->id + " could not be reported: " + error_line(error));
  ++counts_.failed;
  job->settled = true;
}

// The report was sent, the connection broke, and now the claim is not ours: either that
// report came through, or the claim lapsed. The message itself knows.
void ExecLoop::resolve_unsure(ExecJob* job) {
  job->settle_in_flight = true;
  reports_.ask({"GET", job->id}, 0, steady_now_ms(), [this, job](const client::Reply* reply) {
    job->settle_in_flight = false;
    if (!reply) return;                   // asked again after the next LOST
    bool came_through = reply->is_nil();  // ended, and not kept
    if (const client::Reply* list = reply->field("invocations")) {
      for (const client::Reply& one : list->items) {
        const bool ours =
            one.text_of("daemon") == options_.daemon && one.text_of("delivery") == job->delivery;
        if (ours) came_through = one.text_of("error_class") != "lease_expired";
      }
    }
    if (came_through) return count(job);
    out_->error(job->id + " could not be reported in time: its claim lapsed, it is delivered again");
    ++counts_.failed;
    job->settled = true;
  });
}

void ExecLoop::count(ExecJob* job) {
  job->settled = true;
  switch (job->ending) {
    case ExecJob::Ending::handled:
      ++counts_.handled;
      return;
    case ExecJob::Ending::cancelled:
      ++counts_.cancelled;
      return;
    case ExecJob::Ending::released:
      ++counts_.released;
      return;
    case ExecJob::Ending::failed:
      break;
  }
  ++counts_.failed;
  const client::Command& fail = *job->settle;  // FAIL id token class text
  out_->talk(job->id + " failed (" + fail[3] + "): " + last_line(fail[4]));
}

}  // namespace pawl::cli
