// Cancel, expire, move; pausing and dropping roles.
#include <algorithm>
#include <utility>

#include "bus/core/deploy.h"

namespace pawl::core {
namespace {

Error unknown_id(std::string_view id) {
  return make_error(Code::notfound, "no message " + std::string(id) + "; it never was, or retention took it");
}
Error unknown_role(std::string_view role) {
  return make_error(Code::notfound, "no role '" + std::string(role) + "'; ROLES lists those there are");
}

}  // namespace

void Machine::apply_cancel(const op::Cancel& cancel, ReplyWriter& writer) {
  auto message = load(cancel.id);
  if (!message) return writer.error(unknown_id(cancel.id));
  writer.bulk(state_name(cancel_message(*message, cancel.reason)));
}

MessageState Machine::cancel_message(Loaded& message, std::string_view reason) {
  LifeRecord& life = message.life;
  const MessageState state = state_of(life);
  if (state == MessageState::claimed) {
    LiveClaim& claim = claims_.at(message.key.sequence);
    if (!claim.life.cancel) {
      claim.life.cancel = true;
      claim.life.cancel_reason = std::string(reason);
      put_life(message.key, claim.life);
      chronicle("message.cancel_asked", {{"id", encode_id(message.key)},
                                         {"role", role_by_number(life.role).record.name},
                                         {"daemon", claim.life.daemon},
                                         {"reason", std::string(reason)}});
    }
    return state;
  }
  if (state != MessageState::scheduled && state != MessageState::ready) return state;
  life.cancel_reason = std::string(reason);
  unplace(message, life);
  end_message(message.key, life, HomeFacts(message.home), state, Place::cancelled);
  return MessageState::cancelled;
}

void Machine::expire_message(Loaded& message) {
  const MessageState state = state_of(message.life);
  if (state != MessageState::scheduled && state != MessageState::ready) return;
  unplace(message, message.life);
  end_message(message.key, message.life, HomeFacts(message.home), state, Place::expired);
}

Applied Machine::apply_cancel_filter(ClientId client, const op::CancelFilter& filter, Outbox& outbox) {
  RoleState* role = find_role(filter.role);
  if (role == nullptr) {
    outbox.reply_to(client).error(unknown_role(filter.role));
    return Applied::replied;
  }
  struct Progress {
    std::vector<MessageState> states;
    std::string cursor = "0";
    uint64_t end = 0;  // what is pushed while the job runs is not its own
    uint64_t left = 0;
    int64_t cancelled = 0;
    bool again = false;
  };
  auto progress = std::make_shared<Progress>();
  progress->states = filter.state
                         ? std::vector{*filter.state}
                         : std::vector{MessageState::claimed, MessageState::ready, MessageState::scheduled};
  progress->end = head_.next_sequence;
  progress->left = filter.limit.value_or(SIZE_MAX);
  const uint32_t number = role->number;
  return start_job(
      client, false,
      [this, client, number, progress](Outbox& out) {
        Progress& p = *progress;
        const auto found = roles_.find(number);
        if (found == roles_.end()) p.states.clear();
        size_t rows = 0;
        while (!p.states.empty() && p.left > 0 && rows < config_.job_rows_per_step) {
          std::vector<BirthKey> keys;
          enumerate(*found->second, p.states.back(), p.cursor,
                    std::min<uint64_t>(p.left, config_.job_rows_per_step), keys);
          rows += keys.size();
          for (const BirthKey& key : keys) {
            auto message = key.sequence < p.end ? load(key) : std::nullopt;
            if (!message || p.left == 0) continue;
            cancel_message(*message, "by filter");
            p.again = p.again || p.states.back() != MessageState::claimed;
            ++p.cancelled;
            --p.left;
          }
          // The end of a group's head promotes the next one, maybe to where the walk has been.
          if (p.cursor == "0" && !std::exchange(p.again, false)) p.states.pop_back();
        }
        if (!p.states.empty() && p.left > 0) return false;
        out.reply_to(client).integer(p.cancelled);
        return true;
      },
      outbox);
}

void Machine::apply_move(const op::Move& move, ReplyWriter& writer) {
  auto message = load(move.id);
  if (!message) return writer.error(unknown_id(move.id));
  LifeRecord& life = message->life;
  const MessageState state = state_of(life);
  if (state != MessageState::scheduled && state != MessageState::ready) {
    return writer.error(make_error(Code::state, "the message is " + std::string(state_name(state)) +
                                                    "; only a scheduled or ready one moves"));
  }
  RoleState& from = role_by_number(life.role);
  RoleState* to = &from;
  if (move.to_role) {
    const Result<RoleState*> target = role_for_write(*move.to_role);
    if (!target) return writer.error(target.error());
    to = *target;
  }
  const std::string& unique = message->home.unique;
  const bool changes_role = to != &from;
  bool moves_key = false;
  if (changes_role && !unique.empty()) {
    const auto mine = unique_holder(from, unique);
    moves_key = mine && *mine == message->key && !PAWL_FAULT(move_forgets_unique);
    if (moves_key && unique_holder(*to, unique)) {
      return writer.error(make_error(
          Code::state, "another message of role '" + to->record.name + "' holds the same unique key"));
    }
  }
  const auto priority = static_cast<uint8_t>(move.priority.value_or(life.priority));
  if (!changes_role && (life.place == Place::waiting || life.due_ms != 0)) {
    life.priority = priority;
    put_life(message->key, life);
  } else if (changes_role || priority != life.priority) {
    relocate(*message, priority, *to, moves_key);
  }
  writer.simple("OK");
}

// Out of its place under the old role and priority, into the one under the new.
void Machine::relocate(Loaded& message, uint8_t priority, RoleState& to, bool moves_key) {
  LifeRecord& life = message.life;
  RoleState& from = role_by_number(life.role);
  const BirthKey& key = message.key;
  const HomeRecord& home = message.home;
  const MessageState state = state_of(life);
  const int64_t due_ms = life.due_ms;
  const bool due_on_wall = life.due_on_wall;
  unplace(message, life);
  const bool changes_role = &to != &from;
  if (changes_role) {
    if (moves_key) {
      view_.erase(Table::unique, keys::named(from.number, home.unique));
      if (home.unique_until_ms != 0) {
        view_.erase(Table::due_wall,
                    keys::due_wall(home.unique_until_ms, keys::WallKind::unique, key.sequence));
      }
      hold_unique(to, key, home.unique, home.unique_until_ms);
    }
    leave_group(from, home.group, key);
    --counts(from).at(state);
    ++counts(to).at(state);
    leave_backlog(from, home.bytes());
    counts(to).bytes += home.bytes();
  }
  life.role = to.number;
  life.priority = priority;
  if (due_ms != 0) place_due(key, life, due_ms, due_on_wall);
  if (changes_role && !home.group.empty() && !join_group(to, home.group, key)) {
    life.place = Place::waiting;
    put_life(key, life);
  } else if (due_ms != 0) {
    put_life(key, life);
  } else {
    place_back(to, key, life);
  }
}

void Machine::apply_pause(const op::Pause& pause, ReplyWriter& writer, Outbox& outbox) {
  const Result<RoleState*> role = role_for_write(pause.role);
  if (!role) return writer.error(role.error());
  RoleRecord& record = (*role)->record;
  record.paused = true;
  record.pause_reason = std::string(pause.reason);
  record.paused_at_ms = head_.wall_ms;
  // What another guard said of it is no answer any more; who waits for that to end is asked about again.
  wake(**role);
  put_role(**role);
  counts(**role);
  chronicle("role.pause", {{"role", record.name}, {"reason", record.pause_reason}});
  outbox.publish("pawl.role." + record.name, "paused");
  writer.simple("OK");
}

void Machine::apply_resume(const op::Resume& resume, ReplyWriter& writer, Outbox& outbox) {
  RoleState* role = find_role(resume.role);
  if (role == nullptr) return writer.error(unknown_role(resume.role));
  if (role->record.paused) {
    role->record.paused = false;
    role->record.pause_reason.clear();
    role->record.paused_at_ms = 0;
    put_role(*role);
    counts(*role);
    chronicle("role.resume", {{"role", role->record.name}});
    outbox.publish("pawl.role." + role->record.name, "resumed");
    wake(*role);
  }
  writer.simple("OK");
}

void Machine::apply_role_drop(const op::RoleDrop& drop, ReplyWriter& writer) {
  RoleState* role = find_role(drop.role);
  if (role == nullptr) return writer.error(unknown_role(drop.role));
  for (const MessageState state :
       {MessageState::scheduled, MessageState::ready, MessageState::claimed, MessageState::dead}) {
    const uint64_t depth = role->counts.at(state);
    if (depth == 0) continue;
    return writer.error(
        make_error(Code::state, "role '" + role->record.name + "' still has " + std::to_string(depth) + " " +
                                    std::string(state_name(state)) + "; cancel, drain or drop them first"));
  }
  Deployments(*this).forget(*role);
  role->record.dropped = true;
  put_role(*role);
  counts(*role);
  chronicle("role.drop", {{"role", role->record.name}});
  role_names_.erase(role->record.name);
  writer.simple("OK");
}

}  // namespace pawl::core
