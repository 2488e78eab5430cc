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

void Machine::serve_events(Outbox& outbox) {
  events_added_ = false;
  const std::set<uint64_t> numbers = event_waits_;
  for (const uint64_t number : numbers) {
    Wait& wait = waits_.at(number);
    if (write_events(wait.after, wait.count, wait.event_kind, false, wait.client, outbox)) unpark(number);
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
        write_events(wait.after, wait.count, wait.event_kind, true, wait.client, outbox);
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

Applied Machine::apply_events(ClientId client, const op::Events& events, Outbox& outbox) {
  const uint64_t after = events.after.value_or(head_.next_event - 1);
  const bool waits = events.wait_ms.value_or(0) > 0;
  if (write_events(after, events.count, events.kind, !waits, client, outbox)) return Applied::replied;
  Wait& wait = park(client, WaitKind::events, *events.wait_ms);
  wait.after = after;
  wait.count = events.count;
  wait.event_kind = std::string(events.kind);
  event_waits_.insert(wait.number);
  return Applied::parked;
}

bool Machine::write_events(uint64_t after, size_t count, std::string_view kind, bool even_if_empty,
                           ClientId client, Outbox& outbox) {
  const auto selected = [&](const EventRecord& event) {
    if (kind.empty() || event.kind == kind) return true;
    return event.kind.size() > kind.size() && event.kind.compare(0, kind.size(), kind) == 0 &&
           event.kind[kind.size()] == '.';
  };
  std::vector<std::pair<uint64_t, EventRecord>> found;
  uint64_t next = std::min(after, head_.next_event - 1);
  const bool gap = after + 1 < head_.first_event;
  if (gap) next = head_.first_event - 1;
  size_t examined = 0;
  size_t bytes = 0;
  view_.scan(Table::chronicle, keys::number(next + 1), "", [&](std::string_view key, std::string_view value) {
    auto event = decode<EventRecord>(value);
    if (!event) {
      damage("an entry of the chronicle");
      return false;
    }
    bytes += value.size() + 64;
    if (bytes > limits::reply_bytes_max && !found.empty()) return false;
    next = keys::read_be(key, 0, 8);
    if (selected(*event)) found.emplace_back(next, std::move(*event));
    return found.size() < count && ++examined < limits::list_rows_examined_max;
  });
  const bool stopped_early = examined >= limits::list_rows_examined_max;
  if (found.empty() && !gap && !even_if_empty && !stopped_early) return false;
  ReplyWriter& writer = outbox.reply_to(client);
  writer.array(2);
  writer.integer(static_cast<int64_t>(next));
  writer.array(found.size() + (gap ? 1 : 0));
  if (gap) {
    writer.map(3);
    writer.bulk("kind");
    writer.bulk("gap");
    writer.bulk("from");
    writer.integer(static_cast<int64_t>(after + 1));
    writer.bulk("to");
    writer.integer(static_cast<int64_t>(head_.first_event - 1));
  }
  for (const auto& [number, event] : found) {
    writer.map(3 + event.fields.size());
    writer.bulk("seq");
    writer.integer(static_cast<int64_t>(number));
    writer.bulk("at");
    writer.integer(event.at_ms);
    writer.bulk("kind");
    writer.bulk(event.kind);
    for (const auto& [name, value] : event.fields) {
      writer.bulk(name);
      writer.bulk(value);
    }
  }
  return true;
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
