// Who waits, for what, and how it goes on: parked commands, a full batch, a store
// that is being reopened, clients that come and go.
#include <algorithm>
#include <utility>
#include <variant>

#include "bus/server/pipeline.h"

namespace pawl::server {
namespace {

template <typename T>
concept Waits = requires(T operation) {
  operation.wait_ms;
};

std::optional<int64_t> wait_of(const core::Operation& operation) {
  return std::visit(
      [](const auto& one) -> std::optional<int64_t> {
        if constexpr (Waits<decltype(one)>) return one.wait_ms;
        return std::nullopt;
      },
      operation);
}

void set_wait(core::Operation& operation, std::optional<int64_t> wait_ms) {
  std::visit(
      [&](auto& one) {
        if constexpr (Waits<decltype(one)>) one.wait_ms = wait_ms;
      },
      operation);
}

bool writes(const core::Operation& operation, uint16_t flags) {
  if (const auto* replay = std::get_if<core::op::DeadReplay>(&operation)) return !replay->dry_run;
  return (flags & protocol::flag_write) != 0;
}

}  // namespace

// ---- Clients come and go -----------------------------------------------------

void Pipeline::add(Client& client) { clients_.emplace(client.id, &client); }

void Pipeline::remove(Client& client) {
  if (client.wait == Wait::core) {
    --parked_;
    if (core::Bus* bus = engine_.bus()) bus->disconnected(client.id);
  }
  client.wait = Wait::nothing;
  hub_.leave(client);
  for (const HandedOut& claim : client.replies.undelivered()) to_give_back_.push_back(claim);
  clients_.erase(client.id);
  std::erase(dirty_, &client);
  std::erase(runnable_, &client);
}

Client* Pipeline::find(core::ClientId id) {
  const auto found = clients_.find(id);
  return found == clients_.end() ? nullptr : found->second;
}

bool Pipeline::may_run(const Client& client) const {
  return client.wait == Wait::nothing && !client.close_after_replies &&
         client.replies.bytes() < options_.output_soft_bytes;
}

void Pipeline::half_sent(Client& client) {
  client.needs_more = true;
  if (!client.unparsed().empty() && !client.half_sent_since) client.half_sent_since = now_.mono_ms;
}

bool Pipeline::hands_out_claims(const core::Operation& operation) {
  if (const auto* ack = std::get_if<core::op::Ack>(&operation)) return ack->next.has_value();
  return std::holds_alternative<core::op::Claim>(operation);
}

// A claim whose reply never left is released in the next batch, not spent.
void Pipeline::give_back_claims() {
  // Under a freeze of everything nothing is written, and no lease runs.
  if (to_give_back_.empty() || engine_.bus()->freeze().all()) return;
  std::vector<std::pair<std::string, std::string>> texts;
  texts.reserve(to_give_back_.size());
  for (const HandedOut& claim : to_give_back_) {
    texts.emplace_back(encode_id(claim.message), encode_token(claim.token));
  }
  core::op::Unclaim unclaim;
  for (const auto& [id, token] : texts) unclaim.items.emplace_back(id, token);
  engine_.bus()->apply(0, unclaim, *this);
  settle(current_tag());
  giving_back_.insert(giving_back_.end(), to_give_back_.begin(), to_give_back_.end());
  giving_back_sequence_ = engine_.bus()->open_sequence();
  to_give_back_.clear();
}

// ---- Waiting -------------------------------------------------------------------

void Pipeline::park(Client& client, uint16_t flags, const core::Operation& operation) {
  client.wait = Wait::core;
  client.waiting_bytes = frame_bytes_;
  ++parked_;
  // A claim that waits has written nothing yet; a long CANCEL FILTER may have.
  client.once_only = writes(operation, flags) && !hands_out_claims(operation);
  if (std::exchange(client.resumed, false)) return;
  client.park_order = ++park_counter_;
  client.wait_until.reset();
  if (const auto wait_ms = wait_of(operation)) client.wait_until = now_.mono_ms + *wait_ms;
}

void Pipeline::unpark(Client& client) {
  --parked_;
  finish_wait(client);
}

void Pipeline::finish_wait(Client& client) {
  client.wait = Wait::nothing;
  client.wait_until.reset();
  client.consume(client.waiting_bytes);
  runnable_.push_back(&client);
}

void Pipeline::run_again(Client& client) {
  client.wait = Wait::nothing;
  runnable_.push_back(&client);
}

void Pipeline::turn_out(Client& client, const Error& error) {
  if (client.wait == Wait::core) {
    if (core::Bus* bus = engine_.bus()) bus->disconnected(client.id);
    client.consume(client.waiting_bytes);
    client.wait = Wait::nothing;
    --parked_;
  }
  hub_.leave(client);
  answer_error(client, error);
  client.close_after_replies = true;
}

void Pipeline::wait_for_verify(Client& client) {
  client.wait = Wait::verify;
  client.waiting_bytes = frame_bytes_;
}

// A command that was parked on a bus that is gone waits only for what is left of its time; nothing
// waits on a store that cannot change.
void Pipeline::fit_wait(Client& client, core::Operation& operation) const {
  if (engine_.mode() == EngineMode::read_only) set_wait(operation, std::nullopt);
  if (client.resumed && client.wait_until) {
    set_wait(operation, std::max<int64_t>(0, *client.wait_until - now_.mono_ms));
  }
}

bool Pipeline::has_room(uint16_t flags) const {
  if (engine_.mode() == EngineMode::reopening || engine_.abandoned()) return false;
  if ((flags & protocol::flag_write) == 0 || engine_.bus() == nullptr) return true;
  return engine_.bus()->open_bytes() < limits::batch_bytes_max;
}

bool Pipeline::wait_for_room(Client& client) {
  client.wait = Wait::room;
  client.waiting_bytes = frame_bytes_;
  stalled_.push_back(client.id);
  return false;
}

void Pipeline::wake_stalled() {
  for (const core::ClientId id : std::exchange(stalled_, {})) {
    Client* client = find(id);
    if (client == nullptr || client->wait != Wait::room) continue;
    client->wait = Wait::nothing;
    runnable_.push_back(client);
  }
}

// ---- Without a bus --------------------------------------------------------------

core::Bus* Pipeline::writable_bus() {
  if (engine_.mode() != EngineMode::serving || engine_.abandoned()) return nullptr;
  return engine_.bus();
}

std::optional<Error> Pipeline::no_bus_for(const core::Operation& operation, uint16_t flags) const {
  if (engine_.mode() == EngineMode::serving) return std::nullopt;
  if (engine_.mode() == EngineMode::read_only && !writes(operation, flags)) return std::nullopt;
  return read_only_error();
}

Error Pipeline::read_only_error() const {
  Error error = make_error(Code::readonly, "the bus cannot write: " + engine_.reason() +
                                               "; it tries again by itself, mend the disk meanwhile");
  error.retry_after_ms = std::max<int64_t>(100, engine_.next_reopen_ms().value_or(0) - now_.mono_ms);
  return error;
}

// The batch in flight failed, or a read did: what was answered from it or from a later one is not
// known to be true. A client first gets the durable replies before its first unanswerable one.
void Pipeline::lose_uncommitted() {
  for (const PendingKill& kill : std::exchange(pending_kills_, {})) {
    hold_freeze(kill.freeze);
    if (!kill.answered) static_cast<void>(answer_undurable(kill));
  }
  for (const auto& [id, client] : clients_) {
    client->replies.release(engine_.durable());
    const bool half_done = client->wait == Wait::core && client->once_only;
    if (!client->replies.drop_held() && !half_done) continue;
    if (client->wait == Wait::core) {
      client->wait = Wait::nothing;
      --parked_;
    }
    client->close_after_replies = true;
    mark_dirty(*client);
  }
  holding_.clear();
  std::erase_if(broadcasts_, [&](const Broadcast& one) { return one.sequence > engine_.durable(); });
  to_give_back_.insert(to_give_back_.end(), giving_back_.begin(), giving_back_.end());
  giving_back_.clear();
  open_position_ = 0;
}

// What waits for an event waits on for a bus that can write; a long read goes on with one that reads.
void Pipeline::resume_parked() {
  const bool reads_only = engine_.mode() != EngineMode::serving;
  std::vector<Client*> parked;
  for (const auto& [id, client] : clients_) {
    if (client->wait == Wait::core && !(reads_only && client->wait_until)) parked.push_back(client);
  }
  std::sort(parked.begin(), parked.end(),
            [](const Client* a, const Client* b) { return a->park_order < b->park_order; });
  for (Client* client : parked) {
    client->wait = Wait::nothing;
    client->resumed = true;
    --parked_;
  }
  for (Client* client : parked) {
    if (run_commands(*client)) runnable_.push_back(client);
  }
}

// Waits end in time also while there is no bus to end them, and long reads go on.
bool Pipeline::end_turn_without_bus() {
  // A bus that failed is gone with the next turn.
  if (engine_.abandoned()) return engine_.in_flight() == 0;
  if (parked_ == 0 || engine_.mode() == EngineMode::serving) return false;
  core::Bus* readable = engine_.bus();
  if (readable != nullptr && has_room(protocol::flag_write)) {
    readable->tick(*this);
    settle(0);
  }
  for (const auto& [id, client] : clients_) {
    if (client->wait != Wait::core || !client->wait_until || *client->wait_until > now_.mono_ms) continue;
    answer_error(*client, read_only_error());
    unpark(*client);
  }
  return readable != nullptr && readable->more_work() && has_room(protocol::flag_write);
}

std::optional<int64_t> Pipeline::next_wakeup_ms() const {
  std::optional<int64_t> next = engine_.next_reopen_ms();
  const auto sooner = [&](std::optional<int64_t> other) {
    if (other && (!next || *other < *next)) next = other;
  };
  if (engine_.mode() == EngineMode::serving) {
    // A full batch waits for the disk, not for the clock.
    if (has_room(protocol::flag_write)) sooner(engine_.bus()->next_wakeup_ms());
    for (const PendingKill& kill : pending_kills_) {
      if (!kill.answered) sooner(std::max(kill.since_ms + slow_kill_ms, now_.mono_ms + 1));
    }
    // While nothing else wakes the loop, the flag files are looked at ten times a second.
    if (flags_.enabled()) sooner(now_.mono_ms + flag_look_ms);
  } else if (parked_ > 0) {
    for (const auto& [id, client] : clients_) {
      if (client->wait == Wait::core) sooner(client->wait_until);
    }
  }
  return next;
}

bool Pipeline::settled() const {
  if (engine_.mode() != EngineMode::serving) return true;
  const bool gives_back = !to_give_back_.empty() && !engine_.bus()->freeze().all();
  return engine_.in_flight() == 0 && !engine_.bus()->has_changes() && !gives_back;
}

// A disk that was slow just now gets a thread of its own.
bool Pipeline::is_quick_commit() const {
  constexpr size_t small_batch_bytes = size_t{64} << 10;
  constexpr int64_t fast_commit_us = 2000;
  return options_.commits_here && engine_.bus()->open_bytes() <= small_batch_bytes &&
         engine_.last_commit_us() <= fast_commit_us;
}

}  // namespace pawl::server
