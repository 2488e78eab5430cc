#include "tests/sim/model.h"

#include <algorithm>

namespace pawl::sim {

std::string daemon_name(std::string_view daemon) { return std::string(daemon.substr(0, daemon.find('@'))); }

Model::Model(const core::BusConfig& config)
    : config_(config), outages_(config.guards.outage_messages != 0), accounts_(config) {}

void Model::wrong(const std::string& what) {
  if (!problem_) problem_ = what;
}

void Model::expect(const std::string& what, const Value& want, const Value& got) {
  if (!(want == got)) wrong(what + ": expected " + to_text(want) + ", got " + to_text(got));
}

void Model::expect_field(const std::string& what, const Value& got, std::string_view name,
                         const Value& want) {
  const Value* field = got.field(name);
  if (field == nullptr)
    return wrong(what + ": field " + std::string(name) + " is missing in " + to_text(got));
  expect(what + ", field " + std::string(name), want, *field);
}

void Model::begin_turn(Instant now) {
  spent_now_.clear();
  const int64_t step = clock_runs_ ? now.mono_ms - mono_ : 0;
  clock_runs_ = true;
  mono_ = now.mono_ms;
  bus_ += step;
  // Under a freeze of everything no worker can show a sign of life.
  if (!all_frozen()) lease_ += std::min<int64_t>(step, limits::clock_step_ms_max);
  wall_ = std::max(wall_, now.wall_ms);
  std::erase_if(doubts_, [&](const auto& doubt) {
    return !accounts_.surely_fits(doubt.first, wall_) || hold_of(doubt.first, 0) != Hold::none;
  });
}

void Model::restarted() {
  clock_runs_ = false;
  claim_waiters_.clear();
  result_waiters_.clear();
}

void Model::opened() {
  for (const auto& [role, settings] : config_.roles) roles_.try_emplace(role, false);
}

void Model::disconnected(core::ClientId client) {
  std::erase_if(claim_waiters_, [&](const ClaimWaiter& waiter) { return waiter.client == client; });
  std::erase_if(result_waiters_, [&](const ResultWaiter& waiter) { return waiter.client == client; });
}

bool Model::waits(core::ClientId client) const {
  return std::any_of(claim_waiters_.begin(), claim_waiters_.end(),
                     [&](const ClaimWaiter& waiter) { return waiter.client == client; }) ||
         std::any_of(result_waiters_.begin(), result_waiters_.end(),
                     [&](const ResultWaiter& waiter) { return waiter.client == client; });
}

size_t Model::count(std::string_view role, MessageState state) const {
  size_t found = 0;
  for (const auto& [id, message] : messages_) {
    if (!message.gone && message.role == role && message.state == state) ++found;
  }
  return found;
}

void Model::apply(core::ClientId client, const core::Operation& operation, core::Applied applied,
                  const std::vector<Reply>& replies, const core::UserConfig* user) {
  user_ = user;
  const Value* own = nullptr;
  for (const Reply& reply : replies) {
    if (reply.client != client) continue;
    if (own != nullptr) return wrong("two replies to one operation");
    own = &reply.value;
  }
  if (!std::holds_alternative<core::op::Get>(operation)) spent_now_.clear();
  const bool silent = std::holds_alternative<core::op::Unclaim>(operation) ||
                      std::holds_alternative<core::op::KillFiles>(operation);
  if (!silent && (own != nullptr) != (applied == core::Applied::replied)) {
    return wrong("apply returned " + std::string(applied == core::Applied::replied ? "replied" : "parked") +
                 " but " + (own == nullptr ? "wrote no reply" : "wrote the reply " + to_text(*own)));
  }
  // Who waits is served first when what held a role is over; then the operation has its effect, and others
  // feel it: as the replies were written. Only a freeze tells those who wait before it answers.
  const bool kills = std::holds_alternative<core::op::KillSet>(operation) ||
                     std::holds_alternative<core::op::KillFiles>(operation);
  bool judged = false;
  for (const Reply& reply : replies) {
    const bool own_turn = reply.client == client || (kills && reply.value.is_error(Code::frozen)) ||
                          std::holds_alternative<core::op::Unclaim>(operation);
    if (own_turn && !judged) {
      judge_own(client, operation, own);
      judged = true;
    }
    if (reply.client != client) judge_waiter(reply, false);
  }
  if (!judged) judge_own(client, operation, nullptr);
  if (claims_frozen() && !claim_waiters_.empty()) {
    wrong("client " + std::to_string(claim_waiters_[0].client) + " still waits for work under a freeze");
  }
}

void Model::served(const std::vector<Reply>& replies) {
  for (const Reply& reply : replies) judge_waiter(reply, false);
}

void Model::tick(const std::vector<Reply>& replies) {
  if (freeze_.until != 0 && freeze_.until <= wall_) end_freeze();
  if (!all_frozen()) let_time_pass();
  for (const Reply& reply : replies) judge_waiter(reply, true);
  check_after_tick();
}

// Lapses, due messages, expiries, retention.
void Model::let_time_pass() {
  std::vector<ModelMessage*> lapsed;
  for (auto& [id, message] : messages_) {
    if (message.state == MessageState::claimed && message.lease_deadline <= lease_)
      lapsed.push_back(&message);
  }
  // Dead letters are listed by death, and those that lapse in one sweep die in the order of their deadlines.
  std::sort(lapsed.begin(), lapsed.end(), [](const ModelMessage* a, const ModelMessage* b) {
    return std::pair(a->lease_deadline, a->order) < std::pair(b->lease_deadline, b->order);
  });
  for (ModelMessage* message : lapsed) lapse(*message);
  for (auto& [id, message] : messages_) {
    if (message.state == MessageState::scheduled &&
        ((message.due_bus && *message.due_bus <= bus_) || (message.due_wall && *message.due_wall <= wall_))) {
      make_ready(message);
    }
    if ((message.state == MessageState::scheduled || message.state == MessageState::ready) &&
        past_expiry(message)) {
      end(message, MessageState::expired);
    }
    const bool kept = message.state == MessageState::done || message.state == MessageState::cancelled ||
                      message.state == MessageState::expired;
    if (kept && message.ended_bus + config_.role(message.role).keep_done_ms <= bus_)
      message.may_be_gone = true;
  }
}

void Model::check_after_tick() {
  for (const ClaimWaiter& waiter : claim_waiters_) {
    for (const std::string& role : waiter.roles) {
      if (may_be_held(role) && hold_of(role, 0) == Hold::none && best(role, {}) != nullptr) note_doubt(role);
    }
    const auto could = plan(waiter.daemon, waiter.roles, waiter.count);
    if (!could.empty()) {
      return wrong("client " + std::to_string(waiter.client) + " was left waiting though " + could[0]->id +
                   " of role " + could[0]->role + " is ready");
    }
    if (waiter.until_mono <= mono_) {
      return wrong("client " + std::to_string(waiter.client) + " waited past its WAIT");
    }
  }
  for (const ResultWaiter& waiter : result_waiters_) {
    const ModelMessage* message = find(waiter.id);
    const bool open = message != nullptr &&
                      (message->state == MessageState::scheduled || message->state == MessageState::ready ||
                       message->state == MessageState::claimed);
    if (!open || waiter.until_mono <= mono_) {
      return wrong("client " + std::to_string(waiter.client) + " still waits for the result of " + waiter.id);
    }
  }
}

std::optional<int64_t> Model::next_due_mono() {
  std::optional<int64_t> first;
  const auto consider = [&](int64_t in_ms) { first = std::min(first.value_or(INT64_MAX), mono_ + in_ms); };
  if (freeze_.until != 0) consider(freeze_.until - wall_);
  for (const auto& [id, message] : messages_) {
    if (all_frozen()) break;
    const bool waits = message.state == MessageState::scheduled || message.state == MessageState::ready;
    if (message.state == MessageState::claimed) consider(message.lease_deadline - lease_);
    if (message.state == MessageState::scheduled && message.due_bus) consider(*message.due_bus - bus_);
    if (message.state == MessageState::scheduled && message.due_wall) consider(*message.due_wall - wall_);
    if (waits && message.expire_at) consider(*message.expire_at - wall_);
  }
  for (const ClaimWaiter& waiter : claim_waiters_) {
    consider(waiter.until_mono - mono_);
    for (const std::string& role : waiter.roles) {
      // The next token of a role whose messages somebody waits for, unless something else may hold them
      // longer.
      const bool by_rate = hold_of(role, 0) == Hold::empty && !at_concurrency(role, 0) && !may_be_held(role);
      if (by_rate && best(role, {}) != nullptr) {
        const core::RateConfig& rate = config_.role(role).rate;
        consider((rate.per_ms - level_of(role) + rate.count - 1) / rate.count);
      }
    }
  }
  for (const ResultWaiter& waiter : result_waiters_) consider(waiter.until_mono - mono_);
  return first;
}

ModelMessage* Model::find(std::string_view id) {
  const auto found = messages_.find(std::string(id));
  return found == messages_.end() ? nullptr : &found->second;
}

ModelMessage* Model::held(std::string_view id, std::string_view token) {
  ModelMessage* message = find(id);
  const bool live = message != nullptr && message->state == MessageState::claimed && message->token == token;
  return live ? message : nullptr;
}

Model::Key* Model::key_holder(const std::string& role, const std::string& key) {
  const auto found = keys_.find({role, key});
  if (found == keys_.end()) return nullptr;
  if (found->second.until && *found->second.until <= wall_) {
    keys_.erase(found);
    return nullptr;
  }
  return &found->second;
}

void Model::leave_group(ModelMessage& message) {
  if (!message.group) return;
  const auto head = heads_.find({message.role, *message.group});
  if (head == heads_.end() || head->second != message.id) return;
  heads_.erase(head);
  ModelMessage* next = nullptr;
  for (auto& [id, other] : messages_) {
    const bool waits = other.state == MessageState::scheduled || other.state == MessageState::ready;
    if (id == message.id || !waits || other.role != message.role || other.group != message.group) continue;
    if (next == nullptr || other.order < next->order) next = &other;
  }
  if (next != nullptr) heads_[{message.role, *message.group}] = next->id;
}

void Model::join_group(ModelMessage& message) {
  if (message.group) heads_.try_emplace({message.role, *message.group}, message.id);
}

void Model::make_ready(ModelMessage& message) {
  message.state = MessageState::ready;
  message.due_bus.reset();
  message.due_wall.reset();
}

void Model::end(ModelMessage& message, MessageState state) {
  leave_group(message);
  message.state = state;
  message.token.clear();
  message.ended_bus = bus_;
  if (message.unique && !message.unique_until) {
    const auto key = keys_.find({message.role, *message.unique});
    if (key != keys_.end() && key->second.id == message.id) keys_.erase(key);
  }
  if (state == MessageState::dead) {
    message.death = ++deaths_;
    message.died_wall = wall_;
  } else if (config_.role(message.role).keep_done_ms == 0) {
    // Whoever waits for its result must still find it; how long it stays for them is left open.
    const bool awaited = std::any_of(result_waiters_.begin(), result_waiters_.end(),
                                     [&](const ResultWaiter& waiter) { return waiter.id == message.id; });
    (awaited ? message.may_be_gone : message.gone) = true;
  }
}

bool Model::past_expiry(const ModelMessage& message) const {
  return message.expire_at && *message.expire_at <= wall_;
}

// Crash and lease-expiry endings in a row say more than attempts that are left.
bool Model::poisons(const ModelMessage& message, ErrorClass kind) const {
  const uint32_t limit = config_.guards.poison_crashes;
  const bool crash = kind == ErrorClass::crash || kind == ErrorClass::lease_expired;
  return crash && limit != 0 && message.fatal_run + 1 >= limit && mode("poison") == core::GuardMode::enforce;
}

uint32_t Model::attempts_allowed(const ModelMessage& message) const {
  return message.max_attempts.value_or(config_.role(message.role).max_attempts);
}

std::vector<std::string> Model::doubtful_lapses() const {
  std::vector<std::string> result;
  if (!outages_ || all_frozen()) return result;
  for (const auto& [id, message] : messages_) {
    if (message.state != MessageState::claimed || message.lease_deadline > lease_) continue;
    const uint32_t allowed = attempts_allowed(message);
    if (message.spent + 1 >= allowed && message.spent_least + 1 < allowed) result.push_back(id);
  }
  return result;
}

// What FAIL, RELEASE and lapse have in common.
bool Model::ended_by_request_or_age(ModelMessage& message) {
  if (message.cancel_asked) {
    end(message, MessageState::cancelled);
    return true;
  }
  if (past_expiry(message)) {
    end(message, MessageState::expired);
    return true;
  }
  return false;
}

void Model::lapse(ModelMessage& message) {
  const bool poison = poisons(message, ErrorClass::lease_expired);
  accounts_.lapsed(message.token, wall_);
  if (const auto shown = spent_now_.find(message.id); shown != spent_now_.end()) {
    message.spent = message.spent_least = shown->second;
    spent_now_.erase(shown);
  }
  ++message.spent;
  ++message.spent_least;
  ++message.fatal_run;
  message.release_run = 0;
  message.error_class = ErrorClass::lease_expired;
  message.error_text.clear();
  message.token.clear();
  if (ended_by_request_or_age(message)) return;
  const auto& policy = config_.role(message.role).classes[static_cast<size_t>(ErrorClass::lease_expired)];
  if (policy.dead || poison || message.spent >= attempts_allowed(message)) {
    return end(message, MessageState::dead);
  }
  make_ready(message);
}

// Back without being spent, after a while or at once.
void Model::give_back(ModelMessage& message, int64_t delay_ms) {
  accounts_.ended(message.token);
  message.token.clear();
  if (ended_by_request_or_age(message)) return;
  make_ready(message);
  if (delay_ms == 0) return;
  message.state = MessageState::scheduled;
  message.due_bus = bus_ + delay_ms;
}

void Model::release(ModelMessage& message, std::optional<int64_t> delay_ms) {
  const std::string daemon = daemon_name(message.daemon);
  if (message.release_daemon != daemon) message.release_run = 0;
  message.release_daemon = daemon;
  int64_t delay = limits::release_delay_ms_first;
  const int64_t most = std::max(delay, config_.role(message.role).backoff_max_ms);
  for (uint32_t i = 0; i < message.release_run && delay < most; ++i) delay *= 2;
  ++message.release_run;
  give_back(message, delay_ms.value_or(std::min(delay, most)));
}

void Model::do_ack(ModelMessage& message, std::string_view result) {
  message.result = result;
  accounts_.ended(message.token);
  end(message, MessageState::done);
}

void Model::cancel(ModelMessage& message) {
  if (message.state == MessageState::claimed) {
    message.cancel_asked = true;
  } else if (message.state == MessageState::scheduled || message.state == MessageState::ready) {
    end(message, MessageState::cancelled);
  }
}

}  // namespace pawl::sim
