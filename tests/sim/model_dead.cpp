// The dead letters.
#include <algorithm>

#include "tests/sim/model.h"

namespace pawl::sim {

namespace op = core::op;

bool Model::matches(const op::DeadFilter& filter, const ModelMessage& message) const {
  if (message.gone || message.state != MessageState::dead) return false;
  if (filter.role && message.role != *filter.role) return false;
  if (filter.error_class && message.error_class != *filter.error_class) return false;
  if (filter.since_ms && message.died_wall < *filter.since_ms) return false;
  return !filter.match || message.error_text.find(*filter.match) != std::string::npos ||
         message.payload.find(*filter.match) != std::string::npos;
}

// Oldest death first.
std::vector<ModelMessage*> Model::dead_ones(const op::DeadFilter& filter) {
  std::vector<ModelMessage*> result;
  for (auto& [id, message] : messages_) {
    if (matches(filter, message)) result.push_back(&message);
  }
  std::sort(result.begin(), result.end(),
            [](const ModelMessage* a, const ModelMessage* b) { return a->death < b->death; });
  return result;
}

void Model::judge_dead(const core::Operation& operation, const Value& got) {
  if (const auto* count = std::get_if<op::DeadCount>(&operation)) {
    const auto want = static_cast<int64_t>(dead_ones(count->filter).size());
    return expect("DEAD COUNT", Value::integer(want), got);
  }
  if (const auto* list = std::get_if<op::DeadList>(&operation)) {
    const bool shaped =
        got.kind == Value::Kind::array && got.items.size() == 2 && got.items[1].kind == Value::Kind::array;
    if (!shaped) return wrong("DEAD LIST answered " + to_text(got));
    std::set<std::string> shown;
    for (const Value& item : got.items[1].items) {
      const Value* id = item.field("id");
      if (id != nullptr) shown.insert(id->text);
    }
    std::set<std::string> want;
    for (const ModelMessage* message : dead_ones(list->filter)) want.insert(message->id);
    const bool whole = list->cursor == "0" && got.items[0].text == "0";
    if (whole ? shown != want : !std::includes(want.begin(), want.end(), shown.begin(), shown.end())) {
      wrong("DEAD LIST: " + std::to_string(want.size()) + " match, got " + to_text(got));
    }
    return;
  }
  if (const auto* groups = std::get_if<op::DeadGroups>(&operation)) {
    int64_t sum = 0;
    for (const Value& item : got.items) {
      const Value* count = item.field("count");
      sum += count == nullptr ? 0 : count->number;
    }
    const auto want = static_cast<int64_t>(dead_ones(groups->filter).size());
    return expect("the counts of DEAD GROUPS", Value::integer(want), Value::integer(sum));
  }
  if (const auto* get = std::get_if<op::DeadGet>(&operation)) {
    const ModelMessage* message = find(get->id);
    if (message == nullptr || message->gone || message->state != MessageState::dead) {
      return expect("DEAD GET of none", Value::nil(), got);
    }
    expect_field("DEAD GET", got, "id", Value::bulk(message->id));
    expect_field("DEAD GET", got, "error_class", Value::bulk(core::class_name(message->error_class)));
    return;
  }
  if (const auto* edit = std::get_if<op::DeadEdit>(&operation)) {
    if (absent(edit->id, got)) return;
    ModelMessage& message = *find(edit->id);
    if (message.state != MessageState::dead) return expect("DEAD EDIT", Value::error(Code::state), got);
    message.payload = edit->payload;
    return expect("DEAD EDIT", Value::simple("OK"), got);
  }
  if (const auto* replay = std::get_if<op::DeadReplay>(&operation)) return judge_replay(*replay, got);
  if (const auto* drop = std::get_if<op::DeadDrop>(&operation)) {
    if (bad_ids(drop->ids, got)) return;
    int64_t dropped = 0;
    for (ModelMessage* message : dead_ones(drop->filter)) {
      const bool named = std::find(drop->ids.begin(), drop->ids.end(), message->id) != drop->ids.end();
      if (!drop->ids.empty() && !named) continue;
      message->gone = true;
      ++dropped;
      for (auto& [key, holder] : keys_) {
        if (holder.id == message->id) holder.loose = true;
      }
    }
    return expect("DEAD DROP", Value::integer(dropped), got);
  }
  wrong("the model does not know this operation");
}

// Whether one of the ids is no dead letter, and the answer says so: then nothing happens.
bool Model::bad_ids(const std::vector<std::string_view>& ids, const Value& got) {
  for (const std::string_view id : ids) {
    if (absent(id, got)) return true;
    if (find(id)->state == MessageState::dead) continue;
    expect("a verb for dead letters", Value::error(Code::state), got);
    return true;
  }
  return false;
}

// A key held by another, or an expiry that is past.
bool Model::conflicts(ModelMessage& message, const op::DeadReplay& replay, bool loose_holds) {
  if (!replay.reset && past_expiry(message)) return true;
  if (!message.unique) return false;
  if (message.unique_until && *message.unique_until <= wall_) return false;
  const std::string target(replay.to_role.value_or(message.role));
  const Key* other = key_holder(target, *message.unique);
  return other != nullptr && other->id != message.id && (loose_holds || !other->loose);
}

// How many are left where they are. Whether keys whose holder was dropped still hold is left open.
int64_t Model::replay_all(const std::vector<std::string>& ids, const op::DeadReplay& replay,
                          bool loose_holds) {
  int64_t clashes = 0;
  for (const std::string& id : ids) {
    ModelMessage& message = *find(id);
    if (conflicts(message, replay, loose_holds)) {
      ++clashes;
    } else {
      revive(message, replay);
    }
  }
  return clashes;
}

void Model::revive(ModelMessage& message, const op::DeadReplay& replay) {
  const std::string target(replay.to_role.value_or(message.role));
  if (message.unique && (!message.unique_until || *message.unique_until > wall_)) {
    const auto old = keys_.find({message.role, *message.unique});
    if (old != keys_.end() && old->second.id == message.id) keys_.erase(old);
    keys_[{target, *message.unique}] = {message.id, message.unique_until, false};
  }
  message.role = target;
  roles_.try_emplace(target, false);
  message.spent = message.spent_least = 0;
  message.fatal_run = 0;
  message.release_run = 0;
  message.cancel_asked = false;
  if (replay.reset) message.expire_at.reset();
  make_ready(message);
  join_group(message);
}

void Model::judge_replay(const op::DeadReplay& replay, const Value& got) {
  if (bad_ids(replay.ids, got)) return;
  if (replay.dry_run) {
    // It foretells: of two with one key the second is a conflict then, and so it is here.
    Model trial(*this);
    op::DeadReplay real = replay;
    real.dry_run = false;
    trial.judge_replay(real, got);
    problem_ = trial.problem_;
    return;
  }
  std::vector<std::string> chosen;
  for (ModelMessage* message : dead_ones(replay.filter)) {
    const bool named = std::find(replay.ids.begin(), replay.ids.end(), message->id) != replay.ids.end();
    if (!replay.ids.empty() && !named) continue;
    if (replay.limit && chosen.size() >= *replay.limit) break;
    chosen.push_back(message->id);
  }
  bool loose_holds = false;
  const bool any_loose =
      std::any_of(keys_.begin(), keys_.end(), [](const auto& one) { return one.second.loose; });
  if (any_loose) {
    const Value* told = got.field("conflicts");
    const int64_t fewest = Model(*this).replay_all(chosen, replay, false);
    loose_holds = told != nullptr && told->number != fewest;
  }
  const int64_t clashes = replay_all(chosen, replay, loose_holds);
  expect_field("DEAD REPLAY", got, "matched", Value::integer(static_cast<int64_t>(chosen.size())));
  expect_field("DEAD REPLAY", got, "conflicts", Value::integer(clashes));
}

}  // namespace pawl::sim
