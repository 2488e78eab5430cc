// Operations that only look.
#include <algorithm>

#include "tests/sim/model.h"

namespace pawl::sim {

namespace op = core::op;

// Whether the id is unknown, and the answer says so. NOTFOUND is the answer of verbs without a token.
bool Model::absent(std::string_view id, const Value& got) {
  ModelMessage* message = find(id);
  const bool says_absent = got.is_error(Code::notfound);
  if (message != nullptr && !message->gone && message->may_be_gone && says_absent) message->gone = true;
  if (message != nullptr && !message->gone) return false;
  expect("an unknown id", Value::error(Code::notfound), got);
  return true;
}

Value Model::result_value(const ModelMessage& message) const {
  std::vector<std::pair<std::string, Value>> fields = {
      {"state", Value::bulk(core::state_name(message.state))}};
  if (message.state == MessageState::done && !message.result.empty()) {
    fields.emplace_back("result", Value::bulk(message.result));
  }
  return Value::map(fields);
}

void Model::judge_get(std::string_view id, const Value& got) {
  ModelMessage* message = find(id);
  if (message != nullptr && message->may_be_gone && got.kind == Value::Kind::nil) message->gone = true;
  if (message == nullptr || message->gone) return expect("GET of an unknown id", Value::nil(), got);
  const std::string what = "GET " + message->id;
  expect_field(what, got, "id", Value::bulk(message->id));
  expect_field(what, got, "role", Value::bulk(message->role));
  expect_field(what, got, "state", Value::bulk(core::state_name(message->state)));
  expect_field(what, got, "priority", Value::integer(message->priority));
  expect_field(what, got, "payload", Value::bulk(message->payload));
  expect_field(what, got, "deliveries", Value::integer(message->deliveries));
  // The failure that ends a message past its time, or asked to be cancelled, need not count.
  if (message->state == MessageState::cancelled || message->state == MessageState::expired) return;
  const Value* spent = got.field("spent");
  const int64_t shown = spent == nullptr ? -1 : spent->number;
  if (shown < message->spent_least || shown > message->spent) {
    return wrong(what + " shows " + std::to_string(shown) + " spent attempts, expected " +
                 std::to_string(message->spent_least) + " to " + std::to_string(message->spent));
  }
  spent_now_[message->id] = static_cast<uint32_t>(shown);
}

void Model::judge_result(core::ClientId client, const op::GetResult& read, const Value* got) {
  ModelMessage* message = find(read.id);
  if (message != nullptr && message->may_be_gone && got != nullptr && got->kind == Value::Kind::nil) {
    message->gone = true;
  }
  if (message == nullptr || message->gone) {
    if (got == nullptr) return wrong("RESULT of an unknown id waits");
    return expect("RESULT of an unknown id", Value::nil(), *got);
  }
  const bool open = message->state == MessageState::scheduled || message->state == MessageState::ready ||
                    message->state == MessageState::claimed;
  if (got == nullptr) {
    if (!read.wait_ms || !open) return wrong("RESULT " + message->id + " waits");
    result_waiters_.push_back({client, message->id, mono_ + *read.wait_ms});
    return;
  }
  if (open && read.wait_ms) return wrong("RESULT with WAIT did not wait but answered " + to_text(*got));
  expect("RESULT " + message->id, result_value(*message), *got);
}

void Model::judge_list(const op::List& list, const Value& got) {
  const bool shaped = got.kind == Value::Kind::array && got.items.size() == 2 &&
                      got.items[0].kind == Value::Kind::bulk && got.items[1].kind == Value::Kind::array &&
                      got.items[1].items.size() <= list.count;
  if (!shaped) return wrong("LIST answered " + to_text(got));
  for (const Value& item : got.items[1].items) {
    const Value* id = item.field("id");
    const ModelMessage* message = id == nullptr ? nullptr : find(id->text);
    if (message == nullptr || message->gone || message->state != list.state || message->role != list.role) {
      return wrong("LIST shows " + to_text(item) + ", which is not so");
    }
  }
}

void Model::judge_listing(std::string_view role, MessageState state, const std::vector<std::string>& ids) {
  const std::set<std::string> shown(ids.begin(), ids.end());
  const std::string what = "LIST " + std::string(role) + " " + std::string(core::state_name(state));
  if (shown.size() != ids.size()) wrong(what + " shows a message twice");
  for (const auto& [id, message] : messages_) {
    const bool belongs = !message.gone && message.role == role && message.state == state;
    if (shown.contains(id) && !belongs) wrong(what + " shows " + id + ", which is not so");
    if (!shown.contains(id) && belongs && !message.may_be_gone) wrong(what + " leaves out " + id);
  }
}

void Model::judge_role(const std::string& role, const Value& got) {
  for (const MessageState state :
       {MessageState::scheduled, MessageState::ready, MessageState::claimed, MessageState::dead}) {
    expect_field("role " + role, got, core::state_name(state),
                 Value::integer(static_cast<int64_t>(count(role, state))));
  }
  expect_field("role " + role, got, "paused", Value::integer(roles_.at(role) ? 1 : 0));
  expect_deployed("role " + role, role, got);
}

void Model::judge_status(const core::Operation& operation, const Value& got, int64_t wall,
                         const core::UserConfig* user) {
  if (const auto* get = std::get_if<op::QuotaGet>(&operation)) {
    if (const auto problem = accounts_.judge_get(*get, got, wall)) wrong(*problem);
    return;
  }
  if (std::holds_alternative<op::KillStatus>(operation)) return expect_freeze("KILL STATUS", got);
  if (std::holds_alternative<op::GuardList>(operation)) return judge_guards(got);
  if (const auto* info = std::get_if<op::RoleInfo>(&operation)) {
    const std::string role(info->role);
    if (!roles_.contains(role)) {
      if (got.kind != Value::Kind::nil) expect("ROLE of an unknown one", Value::error(Code::notfound), got);
      return;
    }
    return judge_role(role, got);
  }
  std::set<std::string> shown;
  for (const Value& item : got.items) {
    const Value* name = item.field("role");
    const bool known = name != nullptr && roles_.contains(name->text);
    if (!known || (user != nullptr && !user->covers(name->text)))
      return wrong("ROLES shows " + to_text(item));
    shown.insert(name->text);
    judge_role(name->text, item);
  }
  for (const auto& [role, paused] : roles_) {
    const bool hidden = user != nullptr && !user->covers(role);
    if (!hidden && !shown.contains(role)) wrong("ROLES leaves out " + role);
  }
}

void Model::judge_guards(const Value& got) {
  std::set<std::string> shown;
  for (const Value& item : got.items) {
    const Value* name = item.field("guard");
    if (name == nullptr || !shown.insert(name->text).second)
      return wrong("GUARD LIST shows " + to_text(item));
    expect_field("GUARD LIST", item, "failed", Value::integer(0));
    const auto as_set = core::guard_mode_names[static_cast<size_t>(mode(name->text))];
    expect_field("GUARD LIST", item, "mode", Value::bulk(as_set));
  }
  for (const char* name :
       {"size", "freeze", "shed", "pause", "breaker", "concurrency", "rate", "quota", "poison"}) {
    if (!shown.contains(name)) wrong("GUARD LIST leaves out " + std::string(name));
  }
}

void Model::judge_read(const core::Operation& operation, const Value& got) {
  if (const auto* get = std::get_if<op::Get>(&operation)) return judge_get(get->id, got);
  if (const auto* list = std::get_if<op::List>(&operation)) return judge_list(*list, got);
  if (const auto* explain = std::get_if<op::Explain>(&operation)) {
    const ModelMessage* message = find(explain->id);
    if (message == nullptr || message->gone) return expect("EXPLAIN of an unknown id", Value::nil(), got);
    if (message->may_be_gone && got.kind == Value::Kind::nil) return;
    return judge_explain(*message, got);
  }
  if (std::holds_alternative<op::Events>(operation)) {
    if (got.kind != Value::Kind::array || got.items.size() != 2) wrong("EVENTS answered " + to_text(got));
    return;
  }
  judge_dead(operation, got);
}

}  // namespace pawl::sim
