// Parked commands: claims that wait for work, results that wait for an end,
// readers that wait for events; and jobs, which answer after several turns.
#include <algorithm>
#include <utility>

#include "bus/core/machine.h"

namespace pawl::core {

Wait& Machine::park(ClientId client, WaitKind kind, int64_t wait_ms) {
  PAWL_CHECK(wait_of_client_.count(client) == 0);
  const uint64_t number = next_wait_++;
  Wait& wait = waits_[number];
  wait.number = number;
  wait.client = client;
  wait.kind = kind;
  wait.deadline_mono_ms = mono_ms_ + wait_ms;
  wait_of_client_[client] = number;
  wait_deadlines_.emplace(wait.deadline_mono_ms, number);
  return wait;
}

void Machine::unpark(uint64_t number) {
  const auto found = waits_.find(number);
  PAWL_CHECK(found != waits_.end());
  const Wait& wait = found->second;
  for (const std::string& name : wait.roles) {
    const auto waiting = role_waits_.find(name);
    if (waiting == role_waits_.end()) continue;
    waiting->second.erase(number);
    if (waiting->second.empty()) role_waits_.erase(waiting);
  }
  if (wait.kind == WaitKind::result) {
    const auto waiting = result_waits_.find(wait.key.sequence);
    waiting->second.erase(number);
    if (waiting->second.empty()) result_waits_.erase(waiting);
  }
  event_waits_.erase(number);
  loading_waits_.erase(number);
  wait_deadlines_.erase({wait.deadline_mono_ms, number});
  wait_of_client_.erase(wait.client);
  waits_.erase(found);
}

void Machine::disconnected(ClientId client) {
  if (const auto found = wait_of_client_.find(client); found != wait_of_client_.end()) unpark(found->second);
  jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(),
                             [&](const JobEntry& job) { return job.client == client && job.reads_only; }),
              jobs_.end());
}

// Returns whether the wait is over. A daemon that a guard holds leaves what there is to others.
Machine::Served Machine::serve_claim_wait(Wait& wait, Outbox& outbox, bool last_chance) {
  ClaimAsk ask;
  ask.daemon = wait.daemon;
  ask.count = wait.count;
  ask.lease_ms = wait.lease_ms;
  ask.version = wait.version;
  ask.roles.assign(wait.roles.begin(), wait.roles.end());
  PAWL_UNASKED_PATH(waiters_not_asked);
  const ClaimOutcome outcome = take(ask);
  if (outcome.loading) {
    loading_waits_.insert(wait.number);
  } else {
    loading_waits_.erase(wait.number);
  }
  const bool over = !outcome.granted.empty() || (last_chance && !wait.until_loaded) ||
                    (wait.until_loaded && !outcome.loading);
  if (!over) return outcome.daemon_held ? Served::passed_over : Served::waits;
  ReplyWriter& writer = outbox.reply_to(wait.client);
  if (outcome.all_held) {
    writer.error(refusal(*outcome.verdict));
    gate_.refused(*outcome.verdict, *desk_);
  } else {
    write_claims(wait.client, outcome, writer, outbox);
  }
  unpark(wait.number);
  return Served::over;
}

// Who has waited longest for one of the roles that became ready; UINT64_MAX: nobody does.
uint64_t Machine::first_waiter(const std::set<uint64_t>& passed_over) {
  uint64_t first = UINT64_MAX;
  for (auto role = readied_.begin(); role != readied_.end();) {
    const auto waiting = role_waits_.find(*role);
    if (waiting == role_waits_.end()) {
      role = readied_.erase(role);
      continue;
    }
    const std::set<uint64_t>& numbers = waiting->second;
    auto at = numbers.begin();
    while (at != numbers.end() && passed_over.contains(*at)) ++at;
    if (at != numbers.end())
      first = std::min(first, PAWL_FAULT(waiters_newest_first) ? *numbers.rbegin() : *at);
    ++role;
  }
  return first;
}

void Machine::serve_ready(Outbox& outbox) {
  std::set<uint64_t> passed_over;
  while (!readied_.empty()) {
    // In order of arrival over all of these roles: who came first may take from any of his.
    const uint64_t first = first_waiter(passed_over);
    if (first == UINT64_MAX) {
      readied_.clear();
      break;
    }
    Wait& wait = waits_.at(first);
    const std::vector<std::string> roles = wait.roles;
    const Served served = serve_claim_wait(wait, outbox, false);
    if (served == Served::over) continue;
    if (served == Served::passed_over) {
      passed_over.insert(first);
      continue;
    }
    // Nothing for him means nothing in any of his roles.
    for (const std::string& role : roles) readied_.erase(role);
  }
  if (!ended_results_.empty()) serve_results(outbox);
  if (events_added_) serve_events(outbox);
}

void Machine::note_end(const BirthKey& key, const LifeRecord& life) {
  if (result_waits_.count(key.sequence) == 0) return;
  ended_results_.push_back(EndedResult{key.sequence, state_of(life), life.result});
}

void Machine::serve_results(Outbox& outbox) {
  for (const EndedResult& end : std::exchange(ended_results_, {})) {
    const auto waiting = result_waits_.find(end.sequence);
    if (waiting == result_waits_.end()) continue;
    const std::set<uint64_t> numbers = waiting->second;
    for (const uint64_t number : numbers) {
      write_result(end.state, end.result, outbox.reply_to(waits_.at(number).client));
      unpark(number);
    }
  }
}

void Machine::end_waits(Outbox& outbox) {
  while (!wait_deadlines_.empty() && wait_deadlines_.begin()->first <= mono_ms_) {
    const uint64_t number = wait_deadlines_.begin()->second;
    Wait& wait = waits_.at(number);
    switch (wait.kind) {
      case WaitKind::claim:
        if (wait.until_loaded) {
          // It waits for a window, not for a time.
          wait_deadlines_.erase(wait_deadlines_.begin());
        } else {
          PAWL_CHECK(serve_claim_wait(wait, outbox, true) == Served::over);
        }
        break;
      case WaitKind::result: {
        if (auto message = load(wait.key)) {
          write_result(state_of(message->life), message->life.result, outbox.reply_to(wait.client));
        } else {
          outbox.reply_to(wait.client).nil();
        }
        unpark(number);
        break;
      }
      case WaitKind::events:
        write_events(wait.events, true, wait.client, outbox);
        unpark(number);
        break;
    }
  }
}

void Machine::load_windows(Outbox& outbox) {
  const std::set<uint64_t> numbers = loading_waits_;
  std::set<std::string, std::less<>> loading;
  for (const uint64_t number : numbers) {
    Wait& wait = waits_.at(number);
    // Whoever came earlier and still waits for one of these windows comes first.
    const auto is_loading = [&](const std::string& role) { return loading.count(role) != 0; };
    const bool behind = std::any_of(wait.roles.begin(), wait.roles.end(), is_loading);
    if (!behind && serve_claim_wait(wait, outbox, false) == Served::over) continue;
    if (loading_waits_.count(number) != 0) loading.insert(wait.roles.begin(), wait.roles.end());
  }
  if (!loading_waits_.empty()) more_work_ = true;
}

void Machine::write_result(MessageState state, std::string_view result, ReplyWriter& writer) {
  const bool has_result = state == MessageState::done && !result.empty();
  writer.map(has_result ? 2 : 1);
  writer.bulk("state");
  writer.bulk(state_name(state));
  if (!has_result) return;
  writer.bulk("result");
  writer.bulk(result);
}

Applied Machine::apply_get_result(ClientId client, const op::GetResult& get, Outbox& outbox) {
  auto message = load(get.id);
  if (!message) {
    outbox.reply_to(client).nil();
    return Applied::replied;
  }
  const MessageState state = state_of(message->life);
  const bool going =
      state == MessageState::scheduled || state == MessageState::ready || state == MessageState::claimed;
  if (!going || get.wait_ms.value_or(0) == 0) {
    write_result(state, message->life.result, outbox.reply_to(client));
    return Applied::replied;
  }
  Wait& wait = park(client, WaitKind::result, *get.wait_ms);
  wait.key = message->key;
  result_waits_[message->key.sequence].insert(wait.number);
  return Applied::parked;
}

Applied Machine::start_job(ClientId client, bool reads_only, Job job, Outbox& outbox) {
  // Most are small enough to end at once.
  if (job(outbox)) return Applied::replied;
  jobs_.push_back(JobEntry{client, reads_only, std::move(job)});
  more_work_ = true;
  return Applied::parked;
}

// What writes waits while a freeze of everything stands.
void Machine::run_jobs(Outbox& outbox) {
  for (size_t i = 0; i < jobs_.size();) {
    const bool waits = freeze_.all() && !jobs_[i].reads_only;
    if (!waits && jobs_[i].step(outbox)) {
      jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      more_work_ = more_work_ || !waits;
      ++i;
    }
  }
}

}  // namespace pawl::core
