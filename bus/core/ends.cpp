// Where messages stand, and how they end: lanes, schedules, groups, keys, ends.
#include <algorithm>
#include <utility>

#include "bus/core/fingerprint.h"
#include "bus/core/machine.h"

namespace pawl::core {

std::optional<Loaded> Machine::load(const BirthKey& key) {
  std::string row;
  const std::string at = keys::birth(key);
  if (!view_.get(Table::home, at, row)) return std::nullopt;
  Loaded message;
  message.key = key;
  auto home = decode<HomeRecord>(row);
  if (!home) {
    damage("a home row");
    return std::nullopt;
  }
  message.home = std::move(*home);
  if (view_.get(Table::life, at, row)) {
    auto life = decode<LifeRecord>(row);
    if (!life) {
      damage("a life row");
      return std::nullopt;
    }
    message.life = std::move(*life);
  } else {
    message.fresh = true;
    message.life.role = key.role;
    message.life.priority = static_cast<uint8_t>(priority_of_lane(key.lane));
    message.life.expire_at_ms = message.home.expire_at_ms;
  }
  return message;
}

std::optional<Loaded> Machine::load(std::string_view id) {
  const auto key = decode_id(id);
  return key ? load(*key) : std::nullopt;
}

bool Machine::read_payload(Loaded& message) {
  if (message.home.blob_bytes == 0 || !message.home.payload.empty()) return true;
  if (view_.get(Table::blob, keys::birth(message.key), message.home.payload)) return true;
  damage("a large payload");
  return false;
}

void Machine::place_back(RoleState& role, const BirthKey& key, LifeRecord& life) {
  life.place = Place::back;
  put_life(key, life);
  view_.put(Table::back, keys::back(role.number, life.priority, key.sequence), keys::birth(key));
  offer(role, role.back[static_cast<size_t>(9 - life.priority)], LaneEntry{key.sequence, key});
}

void Machine::place_due(const BirthKey& key, LifeRecord& life, int64_t at_ms, bool wall) {
  life.place = wall ? Place::due_wall : Place::due_bus;
  life.due_ms = at_ms;
  life.due_on_wall = wall;
  if (wall) {
    view_.put(Table::due_wall, keys::due_wall(at_ms, keys::WallKind::due, key.sequence), keys::birth(key));
    next_due_wall_ms_ = std::min(next_due_wall_ms_, at_ms);
  } else {
    view_.put(Table::due_bus, keys::due_bus(at_ms, key.sequence), keys::birth(key));
    next_due_bus_ms_ = std::min(next_due_bus_ms_, at_ms);
  }
}

void Machine::erase_due(const BirthKey& key, LifeRecord& life) {
  if (life.due_ms == 0) return;
  if (life.due_on_wall) {
    view_.erase(Table::due_wall, keys::due_wall(life.due_ms, keys::WallKind::due, key.sequence));
  } else {
    view_.erase(Table::due_bus, keys::due_bus(life.due_ms, key.sequence));
  }
  life.due_ms = 0;
  life.due_on_wall = false;
}

void Machine::unplace(const Loaded& message, LifeRecord& life) {
  RoleState& role = role_by_number(life.role);
  const auto index = static_cast<size_t>(9 - life.priority);
  if (message.fresh) {
    leave_window(role.home[index], message.key.sequence);
    return;
  }
  if (life.place == Place::back) {
    view_.erase(Table::back, keys::back(role.number, life.priority, message.key.sequence));
    leave_window(role.back[index], message.key.sequence);
  } else if (life.place == Place::waiting) {
    view_.erase(Table::group, keys::group(role.number, message.home.group, message.key.sequence));
  }
  erase_due(message.key, life);
}

bool Machine::is_group_head(uint32_t role, std::string_view group, const BirthKey& key) const {
  std::string value;
  return view_.get(Table::head, keys::named(role, group), value) && keys::read_birth(value) == key;
}

bool Machine::join_group(RoleState& role, std::string_view group, const BirthKey& key) {
  std::string head;
  if (!view_.get(Table::head, keys::named(role.number, group), head)) {
    view_.put(Table::head, keys::named(role.number, group), keys::head_value(key, key.sequence + 1));
    return true;
  }
  if (key.sequence < keys::members_from(head)) {
    view_.put(Table::head, keys::named(role.number, group),
              keys::head_value(keys::read_birth(head), key.sequence));
  }
  view_.put(Table::group, keys::group(role.number, group, key.sequence), keys::birth(key));
  return false;
}

void Machine::leave_group(RoleState& role, std::string_view group, const BirthKey& key) {
  if (!group.empty() && is_group_head(role.number, group, key)) promote_next(role, group);
}

void Machine::promote_next(RoleState& role, std::string_view group) {
  std::optional<BirthKey> next;
  std::string head;
  static_cast<void>(view_.get(Table::head, keys::named(role.number, group), head));
  const std::string from = keys::group(role.number, group, keys::members_from(head));
  const std::string to = keys::after_prefix(from.substr(0, from.size() - 8));
  view_.scan(Table::group, from, to, [&](std::string_view, std::string_view value) {
    next = keys::read_birth(value);
    return false;
  });
  if (!next) {
    view_.erase(Table::head, keys::named(role.number, group));
    return;
  }
  view_.erase(Table::group, keys::group(role.number, group, next->sequence));
  view_.put(Table::head, keys::named(role.number, group), keys::head_value(*next, next->sequence + 1));
  auto message = load(*next);
  if (!message) {
    damage("the next message of a group");
    return;
  }
  LifeRecord& life = message->life;
  if (life.due_ms != 0) {
    // Its row in the schedule stands already; as head it holds the group until its time.
    life.place = life.due_on_wall ? Place::due_wall : Place::due_bus;
    put_life(*next, life);
  } else {
    place_back(role, *next, life);
  }
}

void Machine::free_keys(const BirthKey& key, LifeRecord& life, const HomeFacts& home) {
  RoleState& role = role_by_number(life.role);
  if (life.expire_at_ms != 0) {
    view_.erase(Table::due_wall, keys::due_wall(life.expire_at_ms, keys::WallKind::expire, key.sequence));
  }
  const bool until_end =
      home.unique_until_ms == 0 ? !PAWL_FAULT(unique_kept_at_end) : PAWL_FAULT(unique_for_freed_at_end);
  if (!home.unique.empty() && until_end) {
    const auto holder = unique_holder(role, home.unique);
    if (holder && *holder == key) view_.erase(Table::unique, keys::named(role.number, home.unique));
  }
  if (!PAWL_FAULT(ack_keeps_group_head)) leave_group(role, home.group, key);
}

void Machine::end_message(const BirthKey& key, LifeRecord& life, const HomeFacts& home, MessageState from,
                          Place end) {
  free_keys(key, life, home);
  RoleState& role = role_by_number(life.role);
  life.place = end;
  life.ended_at_ms = head_.wall_ms;
  leave_backlog(role, home.bytes);
  if (!PAWL_FAULT(count_kept_on_cancel) || end != Place::cancelled) shift(role, from, state_of(life));
  EndedItem item;
  item.key = key;
  item.role = life.role;
  item.state = static_cast<uint8_t>(state_of(life));
  item.has_blob = home.has_blob;
  item.invocations = life.deliveries - (life.deliveries > 0 && !life.invocation_written ? 1 : 0);
  item.bytes = home.bytes + life.result.size() + life.error_text.size();
  note_end(key, life);
  if (end != Place::done) {
    chronicle(end == Place::cancelled ? "message.cancel" : "message.expire",
              {{"id", encode_id(key)},
               {"role", role.record.name},
               {"delivery", std::to_string(life.deliveries)},
               {"reason", life.cancel_reason}});
  }
  put_life(key, life);
  head_.done_bytes += item.bytes;
  const int64_t keep_ms = role.config->keep_done_ms;
  if (keep_ms == 0) return purge(item);
  const int64_t at_ms = head_.bus_ms + keep_ms;
  ended_[at_ms].items.push_back(item);
}

// A store from before the bytes were counted has messages that were not.
void Machine::leave_backlog(RoleState& role, uint64_t bytes) {
  uint64_t& left = counts(role).bytes;
  left -= std::min(left, bytes);
}

void Machine::bury(const BirthKey& key, LifeRecord& life, const HomeFacts& home, MessageState from,
                   const Ruling& ruling) {
  free_keys(key, life, home);
  RoleState& role = role_by_number(life.role);
  life.place = Place::dead;
  life.ended_at_ms = head_.wall_ms;
  leave_backlog(role, home.bytes);
  life.dead_number = head_.next_dead++;
  put_life(key, life);
  DeadRecord record;
  record.key = key;
  record.role = life.role;
  record.error_class = life.error_class;
  record.fingerprint = life.fingerprint;
  record.at_ms = head_.wall_ms;
  record.bus_ms = head_.bus_ms;
  record.bytes = home.bytes + life.error_text.size() * 2;
  head_.dead_bytes += record.bytes;
  view_.put(Table::dead, keys::number(life.dead_number), encode(record));
  shift(role, from, MessageState::dead);
  ++counts(role).died;
  note_end(key, life);
  Headers fields = {{"id", encode_id(key)},
                    {"role", role.record.name},
                    {"delivery", std::to_string(life.deliveries)},
                    {"daemon", life.daemon},
                    {"class", std::string(class_name(life.error_class))},
                    {"text", life.error_text.substr(0, 512)},
                    {"fingerprint", fingerprint_text(life.fingerprint)},
                    {"spent", std::to_string(life.spent)}};
  add_usage(fields, life);
  if (!ruling.reason.empty()) fields.emplace_back("ruling", ruling.reason);
  chronicle("message.dead", std::move(fields));
}

void Machine::purge_rows(const BirthKey& key, bool has_blob, uint32_t invocations) {
  const std::string at = keys::birth(key);
  view_.erase(Table::home, at);
  view_.erase(Table::life, at);
  if (has_blob) view_.erase(Table::blob, at);
  for (uint32_t delivery = 1; delivery <= invocations; ++delivery) {
    view_.erase(Table::invocation, keys::invocation(key, delivery));
  }
}

void Machine::tell_past(const BirthKey& key, const RoleState& role, uint32_t invocations) {
  if (!ops_ || invocations == 0) return;
  std::string bytes;
  for (uint32_t delivery = 1; delivery <= invocations; ++delivery) {
    if (!view_.get(Table::invocation, keys::invocation(key, delivery), bytes)) continue;
    const auto record = decode<InvocationRecord>(bytes);
    if (!record || (record->outcome != Outcome::failed && record->outcome != Outcome::lapsed)) continue;
    ops_->forgets({role.record.name, encode_id(key), delivery, bytes.size(), &*record});
  }
}

void Machine::purge(const EndedItem& item) {
  RoleState& role = role_by_number(item.role);
  tell_past(item.key, role, item.invocations);
  purge_rows(item.key, item.has_blob, item.invocations);
  uint64_t& depth = counts(role).at(static_cast<MessageState>(item.state));
  PAWL_CHECK(depth > 0 && head_.done_bytes >= item.bytes);
  --depth;
  head_.done_bytes -= item.bytes;
}

// A dropped role's number stays known as long as a message that ended in it can be read.
void Machine::forget_role_if_done(RoleState& role) {
  if (!role.record.dropped || role.counts_dirty) return;
  const auto& depth = role.committed.depth;
  if (std::any_of(depth.begin(), depth.end(), [](uint64_t n) { return n != 0; })) return;
  view_.erase(Table::role, keys::role(role.number));
  view_.erase(Table::count, keys::role(role.number));
  for (int index = 0; index < 10; ++index) {
    view_.erase(Table::mark, keys::lane(role.number, static_cast<uint8_t>(index * 2)));
  }
  roles_.erase(role.number);
}

}  // namespace pawl::core
