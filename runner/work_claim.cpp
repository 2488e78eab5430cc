// The first half of WorkLoop: how work is claimed, and begun.
#include <algorithm>
#include <utility>

#include "bus/base/parse.h"
#include "runner/clock.h"
#include "runner/work_loop.h"

namespace pawl::runner {
namespace {

constexpr int64_t claim_wait_service_ms = 30'000;
constexpr int64_t drain_wait_first_ms = 25;  // grows, so that the end is seen soon and waiting costs little
constexpr int64_t drain_wait_last_ms = 1000;
constexpr int64_t hold_least_ms = 100;
constexpr int64_t hold_most_ms = 5000;
constexpr int64_t hold_default_ms = 1000;
constexpr int64_t start_pause_first_ms = 1000;
constexpr int64_t start_pause_last_ms = 30'000;
constexpr size_t claims_at_once_max = 1000;

int64_t hold_of(const Error& error) {
  return std::clamp(error.retry_after_ms.value_or(hold_default_ms), hold_least_ms, hold_most_ms);
}

}  // namespace

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

bool WorkLoop::may_claim(const Lane& lane, int64_t now) const {
  if (lane.retired || shutting_down_ || stop_ || drained_ || depth_asked_ > 0) return false;
  if (lane.claim_in_flight || (options_.once && taken_once_)) return false;
  if (frozen_ && !jobs_.empty()) return false;
  // Not without the connection that keeps claims alive.
  return lane.link.up() && reports_.up() && now >= lane.claim_at_ms && lane.jobs < lane.capacity;
}

void WorkLoop::claim_where_possible(int64_t now) {
  bool refreshed = false;
  for (const auto& lane : lanes_) {
    if (!may_claim(*lane, now)) continue;
    if (!refreshed) host_->refresh(now);
    refreshed = true;
    // What it claims for may be another thing now.
    if (may_claim(*lane, now)) claim(lane.get(), now);
  }
}

void WorkLoop::claim(Lane* lane, int64_t now) {
  const size_t free = options_.once ? 1 : std::min(lane->capacity - lane->jobs, claims_at_once_max);
  int64_t wait = claim_wait_service_ms;
  if (options_.once) wait = std::max<int64_t>(0, once_until_ms_ - now);
  if (options_.drain) wait = lane->claim_wait_ms;
  client::Command command = {"CLAIM", options_.daemon};
  command.insert(command.end(), lane->roles.begin(), lane->roles.end());
  command.insert(command.end(), {"COUNT", std::to_string(free)});
  if (wait > 0) command.insert(command.end(), {"WAIT", std::to_string(wait)});
  if (lane->setup->lease_ms) {
    command.insert(command.end(), {"LEASE", std::to_string(*lane->setup->lease_ms)});
  }
  const std::string& version = lane->setup->version;
  if (!version.empty()) command.insert(command.end(), {"VERSION", version});
  claimed_once_ = true;
  lane->claim_in_flight = true;
  lane->claim_at_ms = now;
  lane->link.ask(command, wait, now, [this, lane, version](const client::Reply* reply) {
    lane->claim_in_flight = false;
    if (!reply) {
      // A claim whose reply never left is released by the bus: ask again.
      lane->claim_at_ms = 0;
      claimed_once_ = false;
    } else if (reply->is_error()) {
      on_claim_error(lane, reply->error());
    } else {
      on_claims(lane, *reply, version);
    }
  });
}

void WorkLoop::on_claim_error(Lane* lane, const Error& error) {
  if (shutting_down_ || lane->retired) return;
  const int64_t now = steady_now_ms();
  bool waits = passes_by_itself(error.code) && (!options_.once || now < once_until_ms_);
  // A role that somebody drops, or has yet to name to the bus, is no reason to end for the others.
  if (error.code == Code::notfound && options_.resident()) waits = true;
  // A freeze that stood before it began may stand for hours.
  if (error.code == Code::frozen && options_.drain && !taken_once_) waits = false;
  if (!waits) {
    voice_->error(error_line(error));
    stop_ = WorkEnd{WorkEnd::Why::refused, error.code};
    return;
  }
  const std::string key = std::string(code_name(error.code)) + error.text;
  if (key != lane->held_by) voice_->talk(error_line(error) + "; waiting");
  lane->held_by = key;
  held_code_ = error.code;
  lane->claim_at_ms = now + hold_of(error);
  lane->claim_wait_ms = 0;  // one that waits is refused by the next freeze as well, however short the gap
}

void WorkLoop::on_claims(Lane* lane, const client::Reply& reply, const std::string& version) {
  held_code_.reset();
  if (!reply.items.empty()) {
    lane->held_by.clear();
    if (jobs_.empty()) watch_.forget();
    lane->claim_wait_ms = 0;
    host_->refresh(steady_now_ms());
    for (const client::Reply& one : reply.items) take(lane, one, version);
    return;
  }
  lane->came_empty = true;
  lane->claim_wait_ms = std::clamp(lane->claim_wait_ms * 2, drain_wait_first_ms, drain_wait_last_ms);
  if (options_.drain && jobs_.empty() && !shutting_down_) look_for_the_end(steady_now_ms());
}

// Nothing could be claimed and nothing runs here: is there anything still to come?
void WorkLoop::look_for_the_end(int64_t now) {
  const auto done = [](const auto& lane) { return lane->retired || lane->came_empty; };
  if (!reports_.up() || depth_asked_ > 0 || !std::all_of(lanes_.begin(), lanes_.end(), done)) return;
  depth_ = 0;
  for (const auto& lane : lanes_) {
    for (const std::string& role : lane->roles) {
      ++depth_asked_;
      reports_.ask({"ROLE", role}, 0, now, [this](const client::Reply* answer) { on_depth(answer); });
    }
  }
}

void WorkLoop::on_depth(const client::Reply* reply) {
  --depth_asked_;
  if (!reply) {
    depth_ = INT64_MAX / 2;  // not known: ask again later
  } else if (!reply->is_error()) {
    depth_ += reply->int_of("ready").value_or(0) + reply->int_of("scheduled").value_or(0);
  } else if (reply->error().code != Code::notfound) {
    on_claim_error(lanes_.front().get(), reply->error());
    depth_ = INT64_MAX / 2;
  }
  if (depth_asked_ == 0 && depth_ == 0 && jobs_.empty()) drained_ = true;
}

void WorkLoop::take(Lane* lane, client::Reply claim, const std::string& version) {
  const int64_t now = steady_now_ms();
  taken_once_ = true;
  lane->came_empty = false;
  auto job = std::make_unique<Job>();
  job->id = claim.text_of("id");
  job->token = claim.text_of("token");
  job->role = claim.text_of("role");
  job->delivery = claim.text_of("delivery");
  job->daemon = options_.daemon;
  job->lane = lane;
  job->setup = lane->setup;
  job->claimed_version = version;
  job->deployed = claim.int_of("deployed").value_or(0);
  ++lane->jobs;
  Job* raw = job.get();
  jobs_.push_back(std::move(job));
  if (shutting_down_ || lane->retired) return refuse(raw, release_command(*raw), Job::Ending::released);
  constexpr int64_t shortest_ms = 50;
  constexpr int64_t longest_ms = 300'000;
  const int64_t lease = raw->setup->lease_ms.value_or(claim.int_of("deadline").value_or(0) - wall_now_ms());
  raw->extend_every_ms = std::clamp(lease / 3, shortest_ms, longest_ms);
  raw->extend_at_ms = now + raw->extend_every_ms;
  // Granted just before the freeze: nothing begins in it that would only be stopped.
  if (frozen_ && raw->setup->on_freeze != OnFreeze::finish) {
    raw->held_claim = std::move(claim);
  } else {
    begin_when_ready(raw, std::move(claim));
  }
}

// With what is current now, which is what the claim asks for or the best there is.
void WorkLoop::begin_when_ready(Job* job, client::Reply claim) {
  std::string why;
  const auto readiness = host_->readiness(*job->lane, job->deployed, &why);
  job->awaits_version = readiness == WorkHost::Readiness::wait;
  if (job->awaits_version) {
    job->held_claim = std::move(claim);
    return;
  }
  if (readiness == WorkHost::Readiness::refuse) return start_failed(job, make_error(Code::err, why));
  job->setup = setup_for(job->lane, claim.text_of("limp"));
  begin(job, claim);
}

void WorkLoop::begin_waiting(const std::string& role) {
  for (const auto& job : jobs_) {
    if (job->role != role || !job->held_claim) continue;
    if (!std::exchange(job->awaits_version, false)) continue;
    // It goes on waiting in a freeze, for its end.
    if (frozen_ && job->setup->on_freeze != OnFreeze::finish) continue;
    client::Reply claim = *std::move(job->held_claim);
    job->held_claim.reset();
    begin_when_ready(job.get(), std::move(claim));
  }
}

// What the lane runs a claim with that goes on without these; empty: with everything.
SetupPtr WorkLoop::setup_for(Lane* lane, const std::string& without) {
  if (without != lane->limp && lane->setup->limp) {
    voice_->talk(lane->roles.front() + (without.empty()
                                            ? ": its own command again, with everything it needs"
                                            : ": without " + without + ", its limp command runs"));
  }
  lane->limp = without;
  return without.empty() || !lane->setup->limp ? lane->setup : lane->setup->limp;
}

void WorkLoop::begin(Job* job, const client::Reply& claim) {
  const int64_t now = steady_now_ms();
  job->started_ms = now;
  auto spec = handler_spec(claim, *job->setup, place_.surroundings, now);
  if (!spec) {
    return refuse(job, {"FAIL", job->id, job->token, "bad_input", spec.error().text}, Job::Ending::failed);
  }
  spec->on_report = [this, raw = job](std::string_view line) {
    const auto taken = take_report_line(line, &raw->report);
    if (taken) {
      raw->report_is_news = true;
    } else if (!raw->bad_report_said) {
      voice_->talk(raw->id + ": a line on descriptor 3 is ignored: " + taken.error().text);
      raw->bad_report_said = true;
    }
  };
  auto started = Handler::start(std::move(*spec), now);
  if (!started) return start_failed(job, started.error());
  job->handler = std::move(*started);
  job->lane->pause_ms = 0;
  job->lane->has_begun = true;
  // The claim was asked for with another version: the record is put right at once.
  if (job->setup->version != job->claimed_version) job->extend_at_ms = now;
  if (host_->verbose()) voice_->talk(job->id + " (" + job->role + "): begun, delivery " + job->delivery);
}

void WorkLoop::start_failed(Job* job, const Error& error) {
  refuse(job, {"RELEASE", job->id, job->token}, Job::Ending::released);
  if (!options_.resident()) {
    voice_->error(error.text);
    stop_ = WorkEnd{WorkEnd::Why::failed, error.code};
    return;
  }
  // Its messages wait, unspent, until the command is there again; other roles go on.
  Lane& lane = *job->lane;
  lane.pause_ms = std::clamp(lane.pause_ms * 2, start_pause_first_ms, start_pause_last_ms);
  lane.claim_at_ms = steady_now_ms() + lane.pause_ms;
  voice_->error(job->role + ": " + error.text + "; given back, the role waits for " +
                format_duration(lane.pause_ms));
}

// A job that never ran.
void WorkLoop::refuse(Job* job, client::Command settle, Job::Ending ending) {
  job->settle = std::move(settle);
  job->ending = ending;
}

}  // namespace pawl::runner
