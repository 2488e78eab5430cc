// What a freeze does to WorkLoop: what runs is paused, ended or left alone; what cannot be reported waits.
#include <utility>

#include "runner/clock.h"
#include "runner/work_loop.h"

namespace pawl::runner {
namespace {

constexpr int64_t extend_blind_ms = 1000;

}  // namespace

void WorkLoop::watch_freeze(int64_t now) {
  const bool cares = !jobs_.empty();
  watch_.look(now, cares, reports_.up());
  if (cares && reports_.up() && watch_.wants_status(now)) {
    watch_.asked();
    reports_.ask({"KILL", "STATUS"}, 0, now,
                 [this](const client::Reply* reply) { watch_.on_status(reply, steady_now_ms()); });
  }
  if (shutting_down_) return;
  const bool frozen = cares && watch_.frozen();
  if (frozen && !frozen_) begin_freeze(now);
  if (!frozen && frozen_) end_freeze(now);
  if (!frozen || !watch_.blind()) return;
  // EXTEND is all that tells of the end then.
  for (const auto& job : jobs_) job->extend_at_ms = std::min(job->extend_at_ms, now + extend_blind_ms);
}

void WorkLoop::begin_freeze(int64_t now) {
  frozen_ = true;
  bool said[on_freeze_names.size()] = {};
  for (const auto& job : jobs_) {
    if (!job->handler) continue;
    const OnFreeze how = job->setup->on_freeze;
    if (how == OnFreeze::pause) job->handler->pause(now);
    if (how == OnFreeze::terminate) {
      job->told_to_stop = true;
      job->handler->terminate(now);
    }
    if (std::exchange(said[static_cast<size_t>(how)], true)) continue;
    const std::string reason = watch_.reason();
    voice_->talk("frozen" + (reason.empty() ? "" : " (" + reason + ")") + ": what runs is " +
                 (how == OnFreeze::pause       ? "paused until it is over"
                  : how == OnFreeze::terminate ? "ended, and given back after it"
                                               : "let end, and reported after it"));
  }
}

void WorkLoop::end_freeze(int64_t now) {
  frozen_ = false;
  if (!jobs_.empty()) voice_->talk("the freeze is over");
  for (const auto& lane : lanes_) lane->claim_at_ms = std::min(lane->claim_at_ms, now);
  for (const auto& job : jobs_) {
    if (job->handler) job->handler->resume(now);
    if (job->settle) job->settle_at_ms = now;
    if (!job->held_claim || job->awaits_version) continue;
    client::Reply claim = *std::move(job->held_claim);
    job->held_claim.reset();
    begin_when_ready(job.get(), std::move(claim));
  }
}

// Told to stop in a freeze: nobody knows when it ends, so its report is not waited for.
void WorkLoop::leave_unreported(Job* job) {
  keep_on_disk(job);
  if (job->spooled) {
    ++counts_.spooled;
    job->settled = true;
    return;
  }
  voice_->error(job->id +
                " cannot be reported: the fleet is frozen; its claim lapses after the freeze, and it is "
                "delivered again");
  ++counts_.unreported;
  job->settled = true;
}

}  // namespace pawl::runner
