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
    if (message != nullptr)
      judge_fail(*message, *fail, got);
    else
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
  if (message == nullptr) return expect("ACK", lost(), got);
  const std::string daemon = message->daemon;
  do_ack(*message, ack.result);
  if (!ack.next) return expect("ACK", ok(), got);
  const std::vector<std::string> roles(ack.next->roles.begin(), ack.next->roles.end());
  judge_claims(daemon, roles, ack.next->count, ack.next->lease_ms, false, got);
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
  return {delay, delay + base};
}

void Model::judge_fail(ModelMessage& message, const op::Fail& fail, const Value& got) {
  const std::string what = "FAIL of " + message.id;
  const auto range = backoff_range(message, fail.error_class);
  const bool is_spent = fail.error_class != ErrorClass::cancelled;
  message.token.clear();
  message.error_class = fail.error_class;
  message.error_text = fail.text;
  message.fatal_run = fail.error_class == ErrorClass::crash ? message.fatal_run + 1 : 0;
  if (is_spent) {
    ++message.spent;
    message.release_run = 0;
  }
  const auto& policy = config_.role(message.role).classes[static_cast<size_t>(fail.error_class)];
  if (fail.dead) {
    end(message, MessageState::dead);
  } else if (!ended_by_request_or_age(message)) {
    if (policy.dead || message.spent >= attempts_allowed(message)) {
      end(message, MessageState::dead);
    } else {
      const Value* at = got.field("at");
      if (at == nullptr || at->kind != Value::Kind::integer) {
        wrong(what + ": expected state scheduled and a time, got " + to_text(got));
        return;
      }
      const int64_t delay = at->number - wall_;
      if (fail.retry_in_ms && delay != *fail.retry_in_ms) {
        wrong(what + ": RETRYIN " + std::to_string(*fail.retry_in_ms) + " became a delay of " +
              std::to_string(delay));
      }
      if (!fail.retry_in_ms && (delay < range.first || delay > range.second)) {
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
  if (message == nullptr) return expect("EXTEND", lost(), got);
  if (!all_frozen()) {
    message->claim_lease_ms = extend.lease_ms.value_or(message->claim_lease_ms);  // also of the next EXTEND
    message->lease_deadline = lease_ + message->claim_lease_ms;
  }
  expect_field("EXTEND", got, "deadline", Value::integer(wall_ + message->lease_deadline - lease_));
  expect_field("EXTEND", got, "cancel", Value::integer(message->cancel_asked ? 1 : 0));
  const core::FreezeKind told = all_frozen() ? freeze_.kind : core::FreezeKind::none;
  expect_field("EXTEND", got, "freeze", Value::bulk(core::freeze_kind_name(told)));
}

}  // namespace pawl::sim
