// Who gets what: order within a role, turns over several, waiters.
#include <algorithm>

#include "tests/sim/model.h"

namespace pawl::sim {

ModelMessage* Model::best(const std::string& role, const std::set<std::string>& taken) {
  ModelMessage* first = nullptr;
  for (auto& [id, message] : messages_) {
    if (message.state != MessageState::ready || message.role != role || taken.contains(id)) continue;
    if (message.group && heads_.at({role, *message.group}) != id) continue;
    const bool before = first == nullptr || message.priority > first->priority ||
                        (message.priority == first->priority && message.order < first->order);
    if (before) first = &message;
  }
  return first;
}

std::vector<ModelMessage*> Model::plan(const std::string& daemon, const std::vector<std::string>& roles,
                                       size_t count, const Value* got) {
  std::vector<std::string> turns = roles;
  const auto last = served_.find(daemon_name(daemon));
  if (last != served_.end()) {
    const auto at = std::find(turns.begin(), turns.end(), last->second);
    if (at != turns.end()) std::rotate(turns.begin(), at + 1, turns.end());
  }
  std::vector<ModelMessage*> result;
  doubted_.clear();
  if (claims_frozen()) return result;
  std::set<std::string> taken;
  std::map<std::string, size_t> planned;
  std::set<std::string> over;
  while (over.size() < turns.size() && result.size() < count) {
    for (const std::string& role : turns) {
      if (over.contains(role) || result.size() >= count) continue;
      const bool open = roles_.contains(role) && hold_of(role, planned[role]) == Hold::none;
      ModelMessage* message = open ? best(role, taken) : nullptr;
      if (message != nullptr && may_be_held(role)) {
        const Value* item =
            got != nullptr && result.size() < got->items.size() ? &got->items[result.size()] : nullptr;
        const Value* of = item == nullptr ? nullptr : item->field("role");
        if (of == nullptr || of->text != role) message = nullptr;
        if (message == nullptr) doubted_.insert(role);
      }
      if (message == nullptr) {
        over.insert(role);
        continue;
      }
      taken.insert(message->id);
      ++planned[role];
      result.push_back(message);
    }
  }
  return result;
}

bool Model::is_paused(const std::string& role) const {
  const auto known = roles_.find(role);
  return known != roles_.end() && known->second && mode("pause") == core::GuardMode::enforce;
}

void Model::judge_one_claim(ModelMessage& message, const std::string& daemon, std::optional<int64_t> lease_ms,
                            const Value& got) {
  const std::string what = "claim of " + message.id;
  expect_field(what, got, "id", Value::bulk(message.id));
  if (problem_) return;
  ++message.deliveries;
  message.claim_lease_ms = lease_ms.value_or(message.lease_ms.value_or(config_.role(message.role).lease_ms));
  expect_field(what, got, "role", Value::bulk(message.role));
  expect_field(what, got, "delivery", Value::integer(message.deliveries));
  const Value* attempt = got.field("attempt");
  if (outages_ && attempt != nullptr && attempt->number > message.spent_least &&
      attempt->number <= message.spent + 1) {
    message.spent = static_cast<uint32_t>(attempt->number - 1);
    // The newest failure may still turn out to be an outage's.
    message.spent_least = message.spent == 0 ? 0 : message.spent - 1;
  }
  expect_field(what, got, "attempt", Value::integer(1 + static_cast<int64_t>(message.spent)));
  expect_field(what, got, "deadline", Value::integer(wall_ + message.claim_lease_ms));
  expect_field(what, got, "priority", Value::integer(message.priority));
  expect_field(what, got, "payload", Value::bulk(message.payload));
  expect_deployed(what, message.role, got);
  if (!message.headers.empty() || got.field("headers") != nullptr) {
    std::vector<std::pair<std::string, Value>> headers;
    for (const auto& [name, value] : message.headers) headers.emplace_back(name, Value::bulk(value));
    expect_field(what, got, "headers", Value::map(headers));
  }
  const Value* token = got.field("token");
  if (token == nullptr || token->kind != Value::Kind::bulk || !well_formed_id(token->text)) {
    return wrong(what + ": no token in " + to_text(got));
  }
  if (!tokens_.insert(token->text).second) return wrong(what + ": token " + token->text + " was used before");
  const auto broken =
      mode("quota") == core::GuardMode::enforce ? accounts_.overdrawn(message.role, wall_) : std::nullopt;
  if (broken) return wrong(what + " breaks " + *broken);
  accounts_.claimed(token->text, message.role, wall_);
  const core::RateConfig& rate = config_.role(message.role).rate;
  if (rate.count != 0) {
    const int64_t level = level_of(message.role) - rate.per_ms;
    buckets_[message.role] = {std::max<int64_t>(0, level), bus_};
  }
  doubts_.erase(message.role);
  message.state = MessageState::claimed;
  message.token = token->text;
  message.daemon = daemon;
  message.lease_deadline = lease_ + message.claim_lease_ms;
  served_[daemon_name(daemon)] = message.role;
}

void Model::judge_claims(const std::string& daemon, const std::vector<std::string>& roles, size_t count,
                         std::optional<int64_t> lease_ms, bool refusal_is_error, const Value& got) {
  const auto planned = plan(daemon, roles, count, &got);
  const std::set<std::string> doubted = doubted_;
  if (planned.empty()) {
    for (const std::string& role : doubted) note_doubt(role);
    return judge_nothing(roles, refusal_is_error, got);
  }
  if (got.kind != Value::Kind::array || got.items.size() != planned.size()) {
    std::string ids;
    for (const ModelMessage* message : planned) ids += " " + message->id;
    return wrong("claim: expected" + ids + ", got " + to_text(got));
  }
  for (size_t i = 0; i < planned.size() && !problem_; ++i) {
    judge_one_claim(*planned[i], daemon, lease_ms, got.items[i]);
  }
  // What was granted first may have used up what the others needed.
  for (const std::string& role : doubted) note_doubt(role);
}

void Model::judge_claim(core::ClientId client, const core::op::Claim& claim, const Value* got) {
  const std::string daemon(claim.daemon);
  const std::vector<std::string> roles(claim.roles.begin(), claim.roles.end());
  for (const ClaimWaiter& waiter : claim_waiters_) {
    const auto first = plan(waiter.daemon, waiter.roles, 1);
    if (!first.empty()) {
      return wrong("a claim was answered before client " + std::to_string(waiter.client) +
                   ", who waited already and could have had " + first[0]->id);
    }
  }
  if (got != nullptr) {
    if (claim.wait_ms && plan(daemon, roles, claim.count, got).empty()) {
      return wrong("a claim with WAIT and nothing to take did not wait but answered " + to_text(*got));
    }
    return judge_claims(daemon, roles, claim.count, claim.lease_ms, true, *got);
  }
  if (!claim.wait_ms) return wrong("a claim without WAIT got no answer");
  const auto could = plan(daemon, roles, claim.count);
  if (!could.empty()) return wrong("a claim waits though " + could[0]->id + " is ready");
  claim_waiters_.push_back({client, daemon, roles, claim.count, claim.lease_ms, mono_ + *claim.wait_ms});
}

void Model::judge_waiter(const Reply& reply, bool in_tick) {
  const std::string who = "client " + std::to_string(reply.client);
  for (size_t i = 0; i < claim_waiters_.size(); ++i) {
    const ClaimWaiter waiter = claim_waiters_[i];
    if (waiter.client != reply.client) {
      const auto first = plan(waiter.daemon, waiter.roles, 1);
      const bool got_some = reply.value.kind == Value::Kind::array && !reply.value.items.empty();
      if (got_some && !first.empty()) {
        return wrong(who + " was served before client " + std::to_string(waiter.client) +
                     ", who came earlier and could have had " + first[0]->id);
      }
      continue;
    }
    if (claims_frozen()) {
      claim_waiters_.erase(claim_waiters_.begin() + static_cast<std::ptrdiff_t>(i));
      return expect_refused(who + ", who waits for work,", Code::frozen, reply.value);
    }
    if (plan(waiter.daemon, waiter.roles, 1, &reply.value).empty() &&
        !(in_tick && waiter.until_mono <= mono_)) {
      return wrong(who + " waits for a message, none is there, and it got " + to_text(reply.value));
    }
    claim_waiters_.erase(claim_waiters_.begin() + static_cast<std::ptrdiff_t>(i));
    return judge_claims(waiter.daemon, waiter.roles, waiter.count, waiter.lease_ms, true, reply.value);
  }
  for (size_t i = 0; i < result_waiters_.size(); ++i) {
    const ResultWaiter waiter = result_waiters_[i];
    if (waiter.client != reply.client) continue;
    result_waiters_.erase(result_waiters_.begin() + static_cast<std::ptrdiff_t>(i));
    const ModelMessage* message = find(waiter.id);
    if (message == nullptr) return wrong(who + " waited for the result of an unknown message");
    const bool open = message->state == MessageState::scheduled || message->state == MessageState::ready ||
                      message->state == MessageState::claimed;
    if (open && !(in_tick && waiter.until_mono <= mono_)) {
      return wrong(who + " waits for the result of " + waiter.id + " and got " + to_text(reply.value) +
                   " before there was one");
    }
    return expect(who + ", awaited result of " + waiter.id, result_value(*message), reply.value);
  }
  wrong(who + " waits for nothing and got " + to_text(reply.value));
}

}  // namespace pawl::sim
