// Operations that put messages in, move them and end them from outside.
#include <algorithm>

#include "tests/sim/model.h"

namespace pawl::sim {
namespace {

namespace op = core::op;

Value ok() { return Value::simple("OK"); }

bool waiting_state(const ModelMessage& message) {
  return message.state == MessageState::scheduled || message.state == MessageState::ready;
}

}  // namespace

void Model::judge_own(core::ClientId client, const core::Operation& operation, const Value* got) {
  if (judge_refused(operation, got) || judge_kill(client, operation, got)) return;
  if (const auto* claim = std::get_if<op::Claim>(&operation)) return judge_claim(client, *claim, got);
  if (const auto* read = std::get_if<op::GetResult>(&operation)) return judge_result(client, *read, got);
  if (const auto* unclaim = std::get_if<op::Unclaim>(&operation)) {
    for (const auto& [id, token] : unclaim->items) {
      if (ModelMessage* message = held(id, token)) give_back(*message, 0);
    }
    return;
  }
  if (got == nullptr) return wrong("no reply");
  if (const auto* push = std::get_if<op::Push>(&operation)) return judge_push(*push, *got);
  if (const auto* transaction = std::get_if<op::Transaction>(&operation)) {
    return judge_transaction(*transaction, *got);
  }
  if (const auto* pushes = std::get_if<op::MultiPush>(&operation)) {
    if (got->kind != Value::Kind::array || got->items.size() != pushes->payloads.size()) {
      return wrong("MPUSH answered " + to_text(*got));
    }
    for (size_t i = 0; i < pushes->payloads.size(); ++i) {
      add_message(std::string(pushes->role), pushes->payloads[i], got->items[i]);
    }
    return;
  }
  if (!judge_settling(operation, *got) && !judge_change(operation, *got)) judge_read(operation, *got);
}

bool Model::judge_change(const core::Operation& operation, const Value& got) {
  if (const auto* request = std::get_if<op::Cancel>(&operation)) {
    if (absent(request->id, got)) return true;
    ModelMessage& message = *find(request->id);
    cancel(message);
    expect("CANCEL", Value::bulk(core::state_name(message.state)), got);
  } else if (const auto* filter = std::get_if<op::CancelFilter>(&operation)) {
    judge_cancel_filter(*filter, got);
  } else if (const auto* move = std::get_if<op::Move>(&operation)) {
    judge_move(*move, got);
  } else if (const auto* drop = std::get_if<op::RoleDrop>(&operation)) {
    judge_role_drop(drop->role, got);
  } else if (const auto* pause = std::get_if<op::Pause>(&operation)) {
    // Whether a role may be paused before its first message is left open; the answer says.
    if (!roles_.contains(std::string(pause->role)) && got.is_error(Code::notfound)) return true;
    roles_[std::string(pause->role)] = true;
    expect("PAUSE", ok(), got);
  } else if (const auto* resume = std::get_if<op::Resume>(&operation)) {
    const auto role = roles_.find(std::string(resume->role));
    if (role != roles_.end()) role->second = false;
    expect("RESUME", role != roles_.end() ? ok() : Value::error(Code::notfound), got);
  } else if (!judge_deploy(operation, got) && !judge_limits(operation, got)) {
    return false;
  }
  return true;
}

ModelMessage& Model::add_message(const std::string& role, std::string_view payload, const Value& got) {
  if (got.kind != Value::Kind::bulk || !well_formed_id(got.text)) wrong("PUSH answered " + to_text(got));
  if (messages_.contains(got.text)) wrong("PUSH answered the id " + got.text + " for the second time");
  if (!messages_.empty() && got.text <= messages_.rbegin()->first) {
    wrong("PUSH answered " + got.text + ", which sorts before an older id");
  }
  roles_.try_emplace(role, false);
  ModelMessage& message = messages_[got.text];
  message.id = got.text;
  message.role = role;
  message.payload = payload;
  message.order = ++pushes_;
  return message;
}

void Model::judge_push(const op::Push& push, const Value& got) {
  const std::string role(push.role);
  if (push.unique) {
    const Key* holder = key_holder(role, std::string(*push.unique));
    const bool answered_holder = holder != nullptr && got == Value::bulk(holder->id);
    if (holder != nullptr && (!holder->loose || answered_holder)) {
      return expect("PUSH on a held key", Value::bulk(holder->id), got);
    }
  }
  ModelMessage& message = add_message(role, push.payload, got);
  for (const auto& [name, value] : push.headers) message.headers.emplace_back(name, value);
  message.priority = push.priority;
  message.max_attempts = push.max_attempts;
  message.lease_ms = push.lease_ms;
  if (push.expire_ms) message.expire_at = wall_ + *push.expire_ms;
  if (push.unique) {
    message.unique = std::string(*push.unique);
    if (push.unique_for_ms) message.unique_until = wall_ + *push.unique_for_ms;
    keys_[{role, *message.unique}] = {message.id, message.unique_until, false};
  }
  if (push.group) message.group = std::string(*push.group);
  join_group(message);
  if (push.delay_ms && *push.delay_ms > 0) {
    message.state = MessageState::scheduled;
    message.due_bus = bus_ + *push.delay_ms;
  } else if (push.at_ms && *push.at_ms > wall_) {
    message.state = MessageState::scheduled;
    message.due_wall = *push.at_ms;
  }
}

// The contract leaves open which ones a LIMIT below the number of matches takes:
// the simulation asks for none or for enough.
void Model::judge_cancel_filter(const op::CancelFilter& filter, const Value& got) {
  if (!roles_.contains(std::string(filter.role))) {
    return expect("CANCEL FILTER of an unknown role", Value::error(Code::notfound), got);
  }
  std::vector<ModelMessage*> chosen;
  for (auto& [id, message] : messages_) {
    const bool open = waiting_state(message) || message.state == MessageState::claimed;
    if (open && message.role == filter.role && (!filter.state || message.state == *filter.state)) {
      chosen.push_back(&message);
    }
  }
  for (ModelMessage* message : chosen) cancel(*message);
  expect("CANCEL FILTER", Value::integer(static_cast<int64_t>(chosen.size())), got);
}

void Model::judge_move(const op::Move& move, const Value& got) {
  if (absent(move.id, got)) return;
  ModelMessage& message = *find(move.id);
  const Value refused = Value::error(Code::state);
  if (!waiting_state(message)) return expect("MOVE", refused, got);
  const std::string target(move.to_role.value_or(message.role));
  if (target != message.role) {
    Key* mine = message.unique ? key_holder(message.role, *message.unique) : nullptr;
    if (mine != nullptr && mine->id != message.id) mine = nullptr;
    if (mine != nullptr) {
      const Key* other = key_holder(target, *message.unique);
      if (other != nullptr && other->loose && !got.is_error(Code::state)) other = nullptr;
      if (other != nullptr && other->id != message.id) return expect("MOVE", refused, got);
      keys_[{target, *message.unique}] = *mine;
      keys_.erase({message.role, *message.unique});
    }
    leave_group(message);
    message.role = target;
    roles_.try_emplace(target, false);
    join_group(message);
  }
  if (move.priority) message.priority = *move.priority;
  expect("MOVE", ok(), got);
}

void Model::judge_transaction(const op::Transaction& transaction, const Value& got) {
  std::set<std::string> used;
  for (size_t i = 0; i < transaction.items.size(); ++i) {
    const auto* ack = std::get_if<op::Ack>(&transaction.items[i]);
    const auto* fail = std::get_if<op::Fail>(&transaction.items[i]);
    if (ack == nullptr && fail == nullptr) continue;
    const std::string_view id = ack != nullptr ? ack->id : fail->id;
    const std::string token(ack != nullptr ? ack->token : fail->token);
    if (held(id, token) != nullptr && used.insert(token).second) continue;
    if (held(id, token) == nullptr) charge_late(id, token, ack != nullptr ? ack->usage : fail->usage);
    expect("EXEC with a lost token", Value::error(Code::lost), got);
    if (got.text.find("at=" + std::to_string(i)) == std::string::npos) {
      wrong("EXEC: expected at=" + std::to_string(i) + " in " + to_text(got));
    }
    return;
  }
  if (got.kind != Value::Kind::array || got.items.size() != transaction.items.size()) {
    return wrong("EXEC answered " + to_text(got));
  }
  for (size_t i = 0; i < transaction.items.size() && !problem_; ++i) {
    const Value& one = got.items[i];
    if (const auto* push = std::get_if<op::Push>(&transaction.items[i])) judge_push(*push, one);
    if (const auto* fail = std::get_if<op::Fail>(&transaction.items[i])) {
      judge_fail(*held(fail->id, fail->token), *fail, one);
    }
    if (const auto* ack = std::get_if<op::Ack>(&transaction.items[i])) {
      accounts_.reported(std::string(ack->token), ack->usage, wall_);
      do_ack(*held(ack->id, ack->token), ack->result);
      expect("ACK in EXEC", ok(), one);
    }
  }
}

void Model::judge_role_drop(std::string_view name, const Value& got) {
  const std::string role(name);
  if (!roles_.contains(role)) return expect("ROLE DROP", Value::error(Code::notfound), got);
  for (const MessageState state :
       {MessageState::scheduled, MessageState::ready, MessageState::claimed, MessageState::dead}) {
    if (count(role, state) > 0) return expect("ROLE DROP", Value::error(Code::state), got);
  }
  expect("ROLE DROP", ok(), got);
  roles_.erase(role);
  buckets_.erase(role);
  versions_.erase(role);
  // A role of that name that comes later is another one: nobody was served from it.
  std::erase_if(served_, [&](const auto& entry) { return entry.second == role; });
  // What becomes of its ended messages and of keys held for a time is left open.
  for (auto& [id, message] : messages_) {
    if (message.role == role) message.may_be_gone = true;
  }
  for (auto& [key, holder] : keys_) {
    if (key.first == role) holder.loose = true;
  }
}

}  // namespace pawl::sim
