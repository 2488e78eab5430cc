// What the holder of a claim may do with it.
#include <algorithm>

#include "tests/sim/model.h"

namespace pawl::sim {
namespace {

namespace op = core::op;

Value lost() { return Value::error(Code::lost); }
Value ok() { return Value::simple("OK"); }

}  // namespace

bool Model::judge_settling(const core::Operation& operation, const Value& got) {
  if (const auto* ack = std::get_if<op::Ack>(&operation)) {
    judge_ack(*ack, got);
  } else if (const auto* acks = std::get_if<op::MultiAck>(&operation)) {
    std::vector<Value> want;
    for (const auto& [id, token] : acks->items) {
      ModelMessage* message = held(id, token);
      want.push_back(Value::simple(message == nullptr ? "LOST" : "OK"));
      if (message != nullptr) do_ack(*message, "");
    }
    expect("MACK", Value::array(want), got);
  } else if (const auto* fail = std::get_if<op::Fail>(&operation)) {
    ModelMessage* message = held(fail->id, fail->token);
    if (message != nullptr) return judge_fail(*message, *fail, got), true;
    charge_late(fail->id, fail->token, fail->usage);
    expect("FAIL", lost(), got);
  } else if (const auto* extend = std::get_if<op::Extend>(&operation)) {
    judge_extend(*extend, got);
  } else if (const auto* back = std::get_if<op::Release>(&operation)) {
    ModelMessage* message = held(back->id, back->token);
    if (message != nullptr) release(*message, back->delay_ms);
    expect("RELEASE", message != nullptr ? ok() : lost(), got);
  } else {
    return false;
  }
  return true;
}

void Model::judge_ack(const op::Ack& ack, const Value& got) {
  ModelMessage* message = held(ack.id, ack.token);
  if (message == nullptr) {
    charge_late(ack.id, ack.token, ack.usage);
    return expect("ACK", lost(), got);
  }
  const std::string daemon = message->daemon;
  accounts_.reported(message->token, ack.usage, wall_);
  do_ack(*message, ack.result);
  if (!ack.next) return expect("ACK", ok(), got);
  const std::vector<std::string> roles(ack.next->roles.begin(), ack.next->roles.end());
  judge_claims(daemon, roles, ack.next->count, ack.next->lease_ms, false, got);
}

// The work was done all the same: what it used is charged, as long as there is a record of it.
void Model::charge_late(std::string_view id, std::string_view token, const op::Usage& usage) {
  const ModelMessage* message = find(id);
  if (message == nullptr || message->gone) return;
  accounts_.reported_late(std::string(token), message->role, usage, wall_, !message->may_be_gone);
}

// Delays that base·2ⁿ + random(0, base), capped, may give.
std::pair<int64_t, int64_t> Model::backoff_range(const ModelMessage& message, ErrorClass kind) const {
  const core::RoleConfig& role = config_.role(message.role);
  const core::ClassPolicy& policy = role.classes[static_cast<size_t>(kind)];
  const int64_t base = policy.base_ms > 0 ? policy.base_ms : role.backoff_base_ms;
  const int64_t most = policy.max_ms > 0 ? policy.max_ms : role.backoff_max_ms;
  int64_t delay = base;
  for (uint32_t i = 0; i < message.spent && delay < most; ++i) delay *= 2;
  delay = std::min(delay, most);
  return {outages_ ? std::min(base, most) : delay, delay + base};
}

bool Model::may_be_an_outage(const ModelMessage& message, const op::Fail& fail) const {
  constexpr ErrorClass kinds[] = {ErrorClass::transient,    ErrorClass::timeout, ErrorClass::dependency_down,
                                  ErrorClass::rate_limited, ErrorClass::auth,    ErrorClass::crash};
  const bool alike = std::find(std::begin(kinds), std::end(kinds), fail.error_class) != std::end(kinds);
  const auto& policy = config_.role(message.role).classes[static_cast<size_t>(fail.error_class)];
  return outages_ && alike && !fail.dead && !policy.dead;
}

// Of a failure that is counted already, if it counts. In doubt: it may be put down to an outage.
bool Model::is_used_up(ModelMessage& message, bool in_doubt, const Value& got) const {
  const uint32_t allowed = attempts_allowed(message);
  if (message.spent < allowed) return false;
  if (!in_doubt && message.spent_least >= allowed) return true;
  const Value* state = got.field("state");
  if (state == nullptr || state->text != core::state_name(MessageState::scheduled)) return true;
  if (!in_doubt) message.spent = allowed - 1;
  return false;
}

void Model::judge_fail(ModelMessage& message, const op::Fail& fail, const Value& got) {
  const std::string what = "FAIL of " + message.id;
  const auto range = backoff_range(message, fail.error_class);
  const bool is_spent = fail.error_class != ErrorClass::cancelled;
  const bool poison = poisons(message, fail.error_class);
  const bool in_doubt = may_be_an_outage(message, fail);
  accounts_.reported(message.token, fail.usage, wall_);
  accounts_.ended(message.token);
  message.token.clear();
  message.error_class = fail.error_class;
  message.error_text = fail.text;
  if (is_spent) {
    const bool crash = fail.error_class == ErrorClass::crash || fail.error_class == ErrorClass::lease_expired;
    message.fatal_run = crash ? message.fatal_run + 1 : 0;
    ++message.spent;
    if (!in_doubt) ++message.spent_least;
    message.release_run = 0;
  }
  const auto& policy = config_.role(message.role).classes[static_cast<size_t>(fail.error_class)];
  if (fail.dead) {
    end(message, MessageState::dead);
  } else if (!ended_by_request_or_age(message)) {
    if (policy.dead || poison || (is_spent && is_used_up(message, in_doubt, got))) {
      end(message, MessageState::dead);
    } else {
      const Value* at = got.field("at");
      if (at == nullptr || at->kind != Value::Kind::integer) {
        wrong(what + ": expected state scheduled and a time, got " + to_text(got));
        return;
      }
      const int64_t delay = at->number - wall_;
      // A probe may rest, for as long as an outage can have lasted.
      const bool rests = in_doubt && delay > fail.retry_in_ms.value_or(range.second) && delay <= bus_;
      if (!rests && fail.retry_in_ms && delay != *fail.retry_in_ms) {
        wrong(what + ": RETRYIN " + std::to_string(*fail.retry_in_ms) + " became a delay of " +
              std::to_string(delay));
      }
      if (!rests && !fail.retry_in_ms && (delay < range.first || delay > range.second)) {
        wrong(what + ": a back-off of " + std::to_string(delay) + " ms, expected " +
              std::to_string(range.first) + " to " + std::to_string(range.second));
      }
      message.state = MessageState::scheduled;
      message.due_bus = bus_ + delay;
    }
  }
  expect_field(what, got, "state", Value::bulk(core::state_name(message.state)));
}

void Model::judge_extend(const op::Extend& extend, const Value& got) {
  ModelMessage* message = held(extend.id, extend.token);
  if (message == nullptr) {
    if (!all_frozen()) charge_late(extend.id, extend.token, extend.usage);
    return expect("EXTEND", lost(), got);
  }
  if (!all_frozen()) {
    accounts_.reported(message->token, extend.usage, wall_);
    message->claim_lease_ms = extend.lease_ms.value_or(message->claim_lease_ms);  // also of the next EXTEND
    message->lease_deadline = lease_ + message->claim_lease_ms;
  }
  expect_field("EXTEND", got, "deadline", Value::integer(wall_ + message->lease_deadline - lease_));
  expect_field("EXTEND", got, "cancel", Value::integer(message->cancel_asked ? 1 : 0));
  const core::FreezeKind told = all_frozen() ? freeze_.kind : core::FreezeKind::none;
  expect_field("EXTEND", got, "freeze", Value::bulk(core::freeze_kind_name(told)));
}

}  // namespace pawl::sim
