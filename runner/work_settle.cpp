// The second half of WorkLoop: what happens to a message once it is claimed.
#include <algorithm>
#include <array>

#include "runner/clock.h"
#include "runner/spool.h"
#include "runner/work_loop.h"

namespace pawl::runner {
namespace {

constexpr int64_t news_every_ms = 1000;
constexpr int64_t settle_again_least_ms = 200;
constexpr int64_t settle_again_most_ms = 5000;
constexpr int64_t extend_spooled_ms = 10'000;  // while a freeze holds up what an earlier process left

constexpr std::array<std::string_view, 4> ending_words = {"handled", "failed", "cancelled", "released"};
std::string_view ending_word(Job::Ending ending) { return ending_words[static_cast<size_t>(ending)]; }

// Whether an invocation ended by what `job` reports, and not by a lapse, a REAP or somebody else's word.
bool is_record_of(const client::Reply& invocation, const Job& job) {
  const std::string outcome = invocation.text_of("outcome");
  if (job.ending == Job::Ending::handled) return outcome == "done";
  if (job.ending == Job::Ending::released) return outcome == "released";
  // FAIL id token class
  return outcome == "failed" && invocation.text_of("error_class") == (*job.settle)[3];
}

// The last line of a text, for people.
std::string last_line(std::string_view text) {
  const size_t end = text.rfind('\n');
  return std::string(end == std::string_view::npos ? text : text.substr(end + 1));
}

}  // namespace

bool WorkLoop::any_running() const {
  return std::any_of(jobs_.begin(), jobs_.end(), [](const auto& job) { return job->handler != nullptr; });
}

void WorkLoop::pump_jobs(int64_t now) {
  for (const auto& job : jobs_) {
    if (!job->handler) continue;
    job->handler->pump(now);
    if (job->report_is_news) job->extend_at_ms = std::min(job->extend_at_ms, job->news_at_ms);
    if (!job->handler->done()) continue;
    const HandlerResult ended = job->handler->result();
    job->handler.reset();
    if (!ended.not_begun.empty()) {
      start_failed(job.get(), make_error(Code::err, ended.not_begun));
      continue;
    }
    if (job->lost) {
      ++counts_.failed;
      forget(job.get());
      continue;
    }
    job->lane->claim_wait_ms = 0;
    prepare_settle(job.get(), ended);
    job->settle_at_ms = now;
    if (!reports_.up()) keep_on_disk(job.get());
  }
}

void WorkLoop::extend_due(int64_t now) {
  for (const auto& job : jobs_) {
    // Also when only the report is held up (a freeze, a full disk): the claim must not lapse meanwhile.
    const bool alive =
        job->handler || job->held_claim || (job->held_said && !job->settle_in_flight && !job->settled);
    if (!alive || job->extend_in_flight || job->lost || now < job->extend_at_ms) continue;
    job->extend_in_flight = true;
    job->report_is_news = false;
    job->extend_at_ms = now + job->extend_every_ms;
    job->news_at_ms = now + news_every_ms;
    reports_.ask(extend_command(*job), 0, now,
                 [this, raw = job.get()](const client::Reply* reply) { on_extended(raw, reply); });
  }
}

// A job outlives its questions: it is settled only after the last one is answered.
void WorkLoop::on_extended(Job* job, const client::Reply* reply) {
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
    voice_->talk(job->id + " is cancelled; ending its command");
    job->handler->terminate(steady_now_ms());
  } else {
    job->held_claim.reset();
    refuse(job, cancelled_command(*job), Job::Ending::cancelled);
  }
}

void WorkLoop::lose(Job* job, const std::string& why) {
  job->lost = true;
  voice_->talk(job->id + ": the claim is lost (" + why + "); ending its command");
  if (job->handler) return job->handler->terminate(steady_now_ms());
  ++counts_.failed;
  job->held_claim.reset();
  forget(job);
}

// Nothing more is to be said of it to anybody.
void WorkLoop::forget(Job* job) {
  job->settled = true;
  if (job->spooled) spool_->remove(job->id, job->token);
}

void WorkLoop::remove_settled() {
  jobs_.remove_if([](const auto& job) {
    if (!job->settled || job->extend_in_flight) return false;
    if (job->lane) --job->lane->jobs;
    return true;
  });
  lanes_.remove_if([](const auto& lane) { return lane->retired && lane->jobs == 0 && lane->link.idle(); });
}

void WorkLoop::settle_due(int64_t now) {
  for (const auto& job : jobs_) {
    const bool due = !job->handler && job->settle && !job->settle_in_flight && !job->settled;
    if (!due || job->extend_in_flight || now < job->settle_at_ms) continue;
    job->settle_in_flight = true;
    reports_.ask(*job->settle, 0, now,
                 [this, raw = job.get()](const client::Reply* reply) { on_settled(raw, reply); });
  }
}

void WorkLoop::on_settled(Job* job, const client::Reply* reply) {
  job->settle_in_flight = false;
  if (!reply) {
    job->settle_unsure = true;
    return keep_on_disk(job);
  }
  if (reply->is_error()) return on_settle_error(job, reply->error());
  watch_.told(false, "");
  count(job);
}

void WorkLoop::on_settle_error(Job* job, const Error& error) {
  const int64_t now = steady_now_ms();
  if (error.code == Code::frozen) {
    watch_.told(true, "");
    if (shutting_down_) return leave_unreported(job);
  }
  if (passes_by_itself(error.code)) {
    if (!job->held_said) voice_->talk(job->id + " cannot be reported yet: " + error_line(error));
    job->held_said = true;
    keep_on_disk(job);
    job->settle_at_ms = now + std::clamp(error.retry_after_ms.value_or(settle_again_least_ms * 5),
                                         settle_again_least_ms, settle_again_most_ms);
    return;
  }
  if (error.code == Code::toobig && shrink_result(job)) {
    voice_->talk(job->id + ": the result is larger than the bus takes; cut");
    job->settle_at_ms = now;
    return;
  }
  if (error.code == Code::lost && job->settle_unsure) return resolve_unsure(job);
  voice_->error(job->id + " could not be reported: " + error_line(error));
  ++counts_.failed;
  forget(job);
}

// The report was sent, the connection broke, and now the claim is not ours: either that
// report came through, or the claim lapsed. The message itself knows.
void WorkLoop::resolve_unsure(Job* job) {
  job->settle_in_flight = true;
  reports_.ask({"GET", job->id}, 0, steady_now_ms(), [this, job](const client::Reply* reply) {
    job->settle_in_flight = false;
    if (!reply) return;                   // asked again after the next LOST
    bool came_through = reply->is_nil();  // ended, and not kept
    if (const client::Reply* list = reply->field("invocations")) {
      for (const client::Reply& one : list->items) {
        const bool ours = one.text_of("daemon") == job->daemon && one.text_of("delivery") == job->delivery;
        if (ours) came_through = is_record_of(one, *job);
      }
    }
    if (came_through) return count(job);
    voice_->error(job->id +
                  " could not be reported in time: the claim had ended without it, it is delivered again");
    ++counts_.failed;
    forget(job);
  });
}

void WorkLoop::count(Job* job) {
  forget(job);
  if (host_->verbose() && job->ending != Job::Ending::failed) {
    voice_->talk(job->id + " (" + job->role + "): " + std::string(ending_word(job->ending)) + " after " +
                 std::to_string(steady_now_ms() - job->started_ms) + " ms");
  }
  switch (job->ending) {
    case Job::Ending::handled:
      ++counts_.handled;
      return;
    case Job::Ending::cancelled:
      ++counts_.cancelled;
      return;
    case Job::Ending::released:
      ++counts_.released;
      return;
    case Job::Ending::failed:
      break;
  }
  ++counts_.failed;
  const client::Command& fail = *job->settle;  // FAIL id token class text
  voice_->talk(job->id + " failed (" + fail[3] + "): " + last_line(fail[4]));
}

// An earlier process's outcomes are the first thing that is reported.
void WorkLoop::take_up_spool() {
  if (!spool_) return;
  std::vector<std::string> complaints;
  std::vector<SpooledOutcome> outcomes = spool_->load(&complaints);
  for (const std::string& complaint : complaints) voice_->error(complaint);
  if (!outcomes.empty()) {
    voice_->talk(std::to_string(outcomes.size()) +
                 " outcomes of an earlier process are on disk; reporting them");
  }
  for (SpooledOutcome& outcome : outcomes) {
    auto job = std::make_unique<Job>();
    job->id = std::move(outcome.id);
    job->token = std::move(outcome.token);
    job->role = std::move(outcome.role);
    job->delivery = std::move(outcome.delivery);
    job->daemon = std::move(outcome.daemon);
    job->settle = std::move(outcome.settle);
    const auto word = std::find(ending_words.begin(), ending_words.end(), outcome.ending);
    if (word != ending_words.end()) job->ending = static_cast<Job::Ending>(word - ending_words.begin());
    job->started_ms = steady_now_ms();
    job->extend_every_ms = extend_spooled_ms;
    job->settle_unsure = true;  // it may have been sent, and even have come through
    job->spooled = true;
    jobs_.push_back(std::move(job));
  }
}

void WorkLoop::keep_on_disk(Job* job) {
  if (!spool_ || job->spooled || !job->settle) return;
  SpooledOutcome outcome{job->id,       job->token,   job->role,
                         job->delivery, job->daemon,  std::string(ending_word(job->ending)),
                         *job->settle,  wall_now_ms()};
  const Status put = spool_->put(outcome);
  job->spooled = put.ok();
  if (put || spool_failure_said_) return;
  spool_failure_said_ = true;
  voice_->error(put.error().text + "; outcomes are kept in memory alone");
}

// Told to stop while nobody hears it: the next process reports what is on disk.
void WorkLoop::leave_on_disk() {
  for (const auto& job : jobs_) {
    if (job->handler || job->settled) continue;
    keep_on_disk(job.get());
    if (!job->spooled) continue;
    job->settled = true;
    ++counts_.spooled;
  }
  if (!jobs_.empty()) remove_settled();
}

}  // namespace pawl::runner
