// Looking: GET, LIST, EXPLAIN, ROLES.
#include <algorithm>
#include <utility>

#include "bus/base/parse.h"
#include "bus/core/fingerprint.h"
#include "bus/core/machine.h"

namespace pawl::core {
namespace {

// A map whose size is known only at its end: the pairs are collected first.
class Fields {
 public:
  void text(std::string_view name, std::string value) {
    fields_.push_back({name, std::move(value), 0, false});
  }
  void number(std::string_view name, int64_t value) { fields_.push_back({name, {}, value, true}); }
  size_t size() const { return fields_.size(); }
  void write(ReplyWriter& writer) const {
    for (const Field& field : fields_) {
      writer.bulk(field.name);
      if (field.numeric) {
        writer.integer(field.value);
      } else {
        writer.bulk(field.bytes);
      }
    }
  }

 private:
  struct Field {
    std::string_view name;
    std::string bytes;
    int64_t value;
    bool numeric;
  };
  std::vector<Field> fields_;
};

void add_error(Fields& fields, const LifeRecord& life) {
  if (!life.has_error) return;
  fields.text("error_class", std::string(class_name(life.error_class)));
  fields.text("error_text", life.error_text);
  fields.text("fingerprint", fingerprint_text(life.fingerprint));
}

void write_invocation(const InvocationRecord& record, ReplyWriter& writer) {
  Fields fields;
  fields.number("delivery", record.delivery);
  fields.text("daemon", record.daemon);
  fields.number("start", record.start_ms);
  if (record.end_ms != 0) fields.number("end", record.end_ms);
  fields.text("outcome", record.end_ms == 0
                             ? "running"
                             : std::string(outcome_names[static_cast<size_t>(record.outcome)]));
  if (record.outcome == Outcome::failed || record.outcome == Outcome::lapsed) {
    fields.text("error_class", std::string(class_name(record.error_class)));
    fields.text("error_text", record.error_text);
  }
  fields.number("tokens", static_cast<int64_t>(record.tokens));
  fields.number("cost", static_cast<int64_t>(record.cost));
  writer.map(fields.size());
  fields.write(writer);
}

// A list cursor: the phase and the last key, in hex; "0" is both the start and the end.
std::string encode_cursor(int phase, std::string_view key) {
  std::string out(1, static_cast<char>('a' + phase));
  for (const char c : key) {
    out += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    out += "0123456789abcdef"[static_cast<uint8_t>(c) & 15];
  }
  return out;
}
bool decode_cursor(std::string_view cursor, int& phase, std::string& key) {
  phase = 0;
  key.clear();
  if (cursor == "0") return true;
  if (cursor.empty() || cursor.size() % 2 == 0 || cursor[0] < 'a' || cursor[0] > 'z') return false;
  phase = cursor[0] - 'a';
  const auto digit = [](char c) {
    return (c >= '0' && c <= '9') ? c - '0' : (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
  };
  for (size_t i = 1; i < cursor.size(); i += 2) {
    const int high = digit(cursor[i]);
    const int low = digit(cursor[i + 1]);
    if (high < 0 || low < 0) return false;
    key += static_cast<char>(high * 16 + low);
  }
  return true;
}

// The first key behind `last` within the range of `prefix`.
std::string resume(const std::string& prefix, const std::string& last) {
  return last.empty() ? prefix : last + '\0';
}

}  // namespace

std::vector<InvocationRecord> Machine::invocations(const Loaded& message) {
  std::vector<InvocationRecord> records;
  const std::string prefix = keys::birth(message.key);
  view_.scan(Table::invocation, prefix, keys::after_prefix(prefix),
             [&](std::string_view, std::string_view value) {
               auto record = decode<InvocationRecord>(value);
               if (record) {
                 records.push_back(std::move(*record));
               } else {
                 damaged_ = true;
               }
               return record.has_value() && records.size() < limits::items_per_command_max;
             });
  const LifeRecord& life = message.life;
  if (life.deliveries > 0 && !life.invocation_written) {
    // The newest delivery is still running, or went well: the life row has it.
    InvocationRecord newest;
    newest.delivery = life.deliveries;
    newest.token = life.token;
    newest.daemon = life.daemon;
    newest.start_ms = life.claimed_at_ms;
    newest.end_ms = life.ended_at_ms;
    newest.tokens = life.tokens;
    newest.cost = life.cost;
    records.push_back(std::move(newest));
  }
  return records;
}

void Machine::apply_get(std::string_view id, bool dead_only, ReplyWriter& writer) {
  auto message = load(id);
  if (!message || (dead_only && message->life.place != Place::dead)) return writer.nil();
  if (read_payload(*message)) write_message(*message, writer);
}

void Machine::write_message(Loaded& message, ReplyWriter& writer) {
  const LifeRecord& life = message.life;
  const HomeRecord& home = message.home;
  const RoleState& role = role_by_number(life.role);
  const MessageState state = state_of(life);
  Fields fields;
  fields.text("id", encode_id(message.key));
  fields.text("role", role.record.name);
  fields.text("state", std::string(state_name(state)));
  fields.number("priority", life.priority);
  fields.number("pushed_at", home.pushed_at_ms);
  fields.number("attempt", int64_t{life.spent} + 1);
  fields.number("spent", life.spent);
  fields.number("deliveries", life.deliveries);
  fields.number("max_attempts", max_attempts(role, home.max_attempts));
  fields.number("lease", home.lease_ms != 0 ? home.lease_ms : role.config->lease_ms);
  if (life.due_ms != 0) fields.number("due", due_on_wall_ms(life));
  if (life.expire_at_ms != 0) fields.number("expires_at", life.expire_at_ms);
  if (!home.unique.empty()) fields.text("unique", home.unique);
  if (!home.group.empty()) fields.text("group", home.group);
  if (state == MessageState::claimed) {
    fields.text("daemon", life.daemon);
    fields.number("claimed_at", life.claimed_at_ms);
    fields.number("deadline", wall_of_lease(life.deadline_ms));
    if (life.progress >= 0) fields.number("progress", life.progress);
    if (!life.note.empty()) fields.text("note", life.note);
  }
  if (life.cancel || !life.cancel_reason.empty()) {
    fields.number("cancel", 1);
    fields.text("cancel_reason", life.cancel_reason);
  }
  add_error(fields, life);
  if (life.ended_at_ms != 0) fields.number("ended_at", life.ended_at_ms);
  if (life.place == Place::done) fields.text("result", life.result);
  const std::vector<InvocationRecord> records = invocations(message);
  writer.map(fields.size() + 3);
  fields.write(writer);
  writer.bulk("payload");
  writer.bulk(home.payload);
  writer.bulk("headers");
  writer.map(home.headers.size());
  for (const auto& [name, value] : home.headers) {
    writer.bulk(name);
    writer.bulk(value);
  }
  writer.bulk("invocations");
  writer.array(records.size());
  for (const InvocationRecord& record : records) write_invocation(record, writer);
}

void Machine::enumerate_ready(RoleState& role, int& phase, std::string& key, size_t rows,
                              std::vector<BirthKey>& out) {
  // Phases 0 to 9: by priority, home and return lane merged by sequence. Phase 10: behind group heads.
  for (; phase < 10 && out.size() < rows; ++phase, key.clear()) {
    const uint64_t after = key.size() == 8 ? keys::read_be(key, 0, 8) : 0;
    std::map<uint64_t, BirthKey> merged;
    const auto home_lane = static_cast<uint8_t>(phase * 2);
    const BirthKey from{role.number, home_lane, after + 1};
    const std::string end = keys::after_prefix(keys::lane(role.number, home_lane));
    size_t examined = 0;
    uint64_t covered = UINT64_MAX;
    const uint64_t want = rows - out.size();
    view_.scan(Table::home, keys::birth(from), end, [&](std::string_view at, std::string_view) {
      const BirthKey found = keys::read_birth(at);
      std::string life;
      if (!view_.get(Table::life, at, life)) merged.emplace(found.sequence, found);
      covered = found.sequence;
      return merged.size() < want && ++examined < limits::list_rows_examined_max;
    });
    const bool home_cut = merged.size() >= want || examined >= limits::list_rows_examined_max;
    if (!home_cut) covered = UINT64_MAX;
    size_t returned = 0;
    bool back_cut = false;
    view_.scan(Table::back, keys::back(role.number, 9 - phase, after + 1),
               keys::after_prefix(keys::lane(role.number, static_cast<uint8_t>(phase))),
               [&](std::string_view at, std::string_view value) {
                 const uint64_t sequence = keys::read_be(at, 5, 8);
                 if (sequence > covered) return false;
                 merged.emplace(sequence, keys::read_birth(value));
                 back_cut = ++returned >= want;
                 if (back_cut) covered = sequence;
                 return !back_cut;
               });
    uint64_t last = 0;
    for (const auto& [sequence, found] : merged) {
      if (sequence > covered || out.size() >= rows) break;
      out.push_back(found);
      last = sequence;
    }
    if (home_cut || back_cut) {
      key.clear();
      keys::append_be(key, last != 0 && out.size() >= rows ? last : covered, 8);
      return;
    }
  }
  if (phase != 10 || out.size() >= rows) return;
  const std::string prefix = keys::role(role.number);
  bool cut = false;
  view_.scan(Table::group, resume(prefix, key), keys::after_prefix(prefix),
             [&](std::string_view at, std::string_view value) {
               key = std::string(at);
               const auto message = load(keys::read_birth(value));
               if (message && state_of(message->life) == MessageState::ready) out.push_back(message->key);
               cut = out.size() >= rows;
               return !cut;
             });
  if (!cut) phase = -1;
}

void Machine::enumerate_scheduled(RoleState& role, int& phase, std::string& key, size_t rows,
                                  std::vector<BirthKey>& out) {
  for (; phase < 2; ++phase, key.clear()) {
    const Table table = phase == 0 ? Table::due_bus : Table::due_wall;
    size_t examined = 0;
    bool cut = false;
    std::vector<std::pair<std::string, BirthKey>> found;
    view_.scan(table, resume("", key), "", [&](std::string_view at, std::string_view value) {
      key = std::string(at);
      if (table == Table::due_bus || static_cast<keys::WallKind>(at[8]) == keys::WallKind::due) {
        const auto message = load(keys::read_birth(value));
        if (message && message->life.role == role.number) out.push_back(message->key);
      }
      cut = out.size() >= rows || ++examined >= limits::list_rows_examined_max;
      return !cut;
    });
    if (cut) return;
  }
  phase = -1;
}

void Machine::enumerate_ended(RoleState& role, MessageState state, int& phase, std::string& key, size_t rows,
                              std::vector<BirthKey>& out) {
  flush_ended();
  size_t examined = 0;
  bool cut = false;
  // A row lists a batch; the cursor is its key and the place in it.
  size_t place = 0;
  std::string from;
  if (key.size() == 20) {
    place = keys::read_be(key, 16, 4);
    from = key.substr(0, 16);
  }
  view_.scan(Table::ended, from, "", [&](std::string_view at, std::string_view value) {
    const auto record = decode<EndedRecord>(value);
    if (!record) {
      damaged_ = true;
      return false;
    }
    for (size_t i = at == from ? place : 0; i < record->items.size(); ++i) {
      if (out.size() >= rows || examined >= limits::list_rows_examined_max) {
        key = std::string(at);
        keys::append_be(key, i, 4);
        cut = true;
        return false;
      }
      ++examined;
      const EndedItem& item = record->items[i];
      if (item.role == role.number && item.state == static_cast<uint8_t>(state)) out.push_back(item.key);
    }
    return true;
  });
  if (!cut) phase = -1;
}

void Machine::enumerate(RoleState& role, MessageState state, std::string& cursor, size_t rows,
                        std::vector<BirthKey>& out) {
  int phase = 0;
  std::string key;
  if (!decode_cursor(cursor, phase, key)) phase = -1;
  if (phase >= 0) {
    switch (state) {
      case MessageState::ready:
        enumerate_ready(role, phase, key, rows, out);
        break;
      case MessageState::scheduled:
        enumerate_scheduled(role, phase, key, rows, out);
        break;
      case MessageState::done:
      case MessageState::cancelled:
      case MessageState::expired:
        enumerate_ended(role, state, phase, key, rows, out);
        break;
      case MessageState::claimed: {
        const uint64_t after = key.size() == 8 ? keys::read_be(key, 0, 8) : 0;
        std::map<uint64_t, BirthKey> found;
        for (const auto& [sequence, claim] : claims_) {
          if (sequence > after && claim.life.role == role.number) found.emplace(sequence, claim.key);
        }
        phase = -1;
        for (const auto& [sequence, found_key] : found) {
          if (out.size() >= rows) {
            phase = 0;
            break;
          }
          out.push_back(found_key);
          key.clear();
          keys::append_be(key, sequence, 8);
        }
        break;
      }
      case MessageState::dead: {
        uint64_t next = key.size() == 8 ? keys::read_be(key, 0, 8) : 0;
        const bool more =
            scan_dead(next, limits::list_rows_examined_max, [&](uint64_t, const DeadRecord& record) {
              if (record.role == role.number) out.push_back(record.key);
              return out.size() < rows;
            });
        key.clear();
        keys::append_be(key, next, 8);
        if (!more) phase = -1;
        break;
      }
    }
  }
  cursor = phase < 0 ? "0" : encode_cursor(phase, key);
}

void Machine::apply_list(const op::List& list, ReplyWriter& writer) {
  RoleState* role = find_role(list.role);
  std::string cursor(list.cursor);
  int phase = 0;
  std::string key;
  if (!decode_cursor(cursor, phase, key)) {
    return writer.error(make_error(Code::badarg, "CURSOR is what LIST answered, or 0"));
  }
  std::vector<BirthKey> found;
  if (role == nullptr) {
    cursor = "0";
  } else {
    enumerate(*role, list.state, cursor, list.count, found);
  }
  std::vector<Fields> maps;
  for (const BirthKey& at : found) {
    auto message = load(at);
    if (!message) continue;
    const LifeRecord& life = message->life;
    Fields fields;
    fields.text("id", encode_id(at));
    fields.text("role", role->record.name);
    fields.text("state", std::string(state_name(state_of(life))));
    fields.number("priority", life.priority);
    fields.number("pushed_at", message->home.pushed_at_ms);
    fields.number("attempt", int64_t{life.spent} + 1);
    fields.number("deliveries", life.deliveries);
    if (life.due_ms != 0) fields.number("due", due_on_wall_ms(life));
    if (!message->home.group.empty()) fields.text("group", message->home.group);
    if (life.place == Place::claimed) {
      fields.text("daemon", life.daemon);
      fields.number("deadline", wall_of_lease(life.deadline_ms));
    }
    add_error(fields, life);
    maps.push_back(std::move(fields));
  }
  writer.array(2);
  writer.bulk(cursor);
  writer.array(maps.size());
  for (const Fields& fields : maps) {
    writer.map(fields.size());
    fields.write(writer);
  }
}

void Machine::apply_explain(const op::Explain& explain, ReplyWriter& writer) {
  auto message = load(explain.id);
  if (!message) return writer.nil();
  const LifeRecord& life = message->life;
  const RoleState& role = role_by_number(life.role);
  const MessageState state = state_of(life);
  std::vector<Fields> holds;
  const auto hold = [&](std::string_view guard, std::string scope, std::string reason) -> Fields& {
    Fields& fields = holds.emplace_back();
    fields.text("guard", std::string(guard));
    fields.text("scope", std::move(scope));
    fields.text("reason", std::move(reason));
    return fields;
  };
  if (state == MessageState::claimed) {
    Fields& fields =
        hold("claim", "message", "claimed by " + life.daemon + "; its lease runs until the deadline");
    fields.number("value", life.deliveries);
    fields.number("retry_at", wall_of_lease(life.deadline_ms));
  } else if (state != MessageState::scheduled && state != MessageState::ready) {
    hold("end", "message", "the message is " + std::string(state_name(state)));
  } else {
    if (life.due_ms != 0) {
      const bool backing_off = life.has_error && life.deliveries > 0;
      Fields& fields =
          hold(backing_off ? "backoff" : "delay", "message",
               backing_off ? "backing off after " + std::to_string(life.spent) + " spent attempts"
                           : "not before its time");
      fields.number("value", life.spent);
      if (backing_off) fields.number("limit", max_attempts(role, message->home.max_attempts));
      fields.number("retry_at", due_on_wall_ms(life));
    }
    if (life.place == Place::waiting) {
      std::string head;
      if (view_.get(Table::head, keys::named(role.number, message->home.group), head)) {
        hold("group", "group:" + message->home.group, "waits behind " + encode_id(keys::read_birth(head)));
      }
    }
    if (life.expire_at_ms != 0) {
      Fields& fields = hold("expiry", "message", "expires unless it is claimed before");
      fields.number("limit", life.expire_at_ms);
    }
    const RoleFacts role_facts = facts(role);
    for (const Verdict& verdict : gate_.explain(Candidate{role_facts, "", head_.wall_ms})) {
      Fields& fields = hold(
          verdict.guard, verdict.scope == Scope::role ? "role:" + role.record.name : "fleet", verdict.reason);
      if (verdict.value) fields.number("value", *verdict.value);
      if (verdict.limit) fields.number("limit", *verdict.limit);
      if (verdict.retry_at_ms) fields.number("retry_at", *verdict.retry_at_ms);
    }
  }
  writer.array(holds.size());
  for (const Fields& fields : holds) {
    writer.map(fields.size());
    fields.write(writer);
  }
}

std::optional<int64_t> Machine::oldest_ready_ms(RoleState& role) {
  if (role.committed.at(MessageState::ready) == 0) return std::nullopt;
  std::optional<BirthKey> oldest;
  for (int index = 0; index < 10; ++index) {
    for (const bool home : {true, false}) {
      Lane& lane = home ? role.home[static_cast<size_t>(index)] : role.back[static_cast<size_t>(index)];
      if (lane.needs_refill()) refill(role, index, home);
      if (!lane.empty() && (!oldest || lane.front().sequence < oldest->sequence)) oldest = lane.front().key;
    }
  }
  if (!oldest) return std::nullopt;
  std::string row;
  const auto home =
      view_.get(Table::home, keys::birth(*oldest), row) ? decode<HomeRecord>(row) : std::nullopt;
  if (!home) return std::nullopt;
  return std::max<int64_t>(0, head_.wall_ms - home->pushed_at_ms);
}

void Machine::write_role(RoleState& role, ReplyWriter& writer) {
  const RoleCounts& now = role.committed;
  Fields fields;
  fields.text("role", role.record.name);
  for (size_t i = 0; i < state_count; ++i) fields.number(state_names[i], static_cast<int64_t>(now.depth[i]));
  if (const auto oldest = oldest_ready_ms(role)) fields.number("oldest_ms", *oldest);
  fields.number("paused", role.record.paused ? 1 : 0);
  if (role.record.paused) fields.text("pause_reason", role.record.pause_reason);
  const RoleCounts before = role.history.empty() ? RoleCounts{} : role.history.front();
  const auto rate = [](uint64_t a, uint64_t b) { return static_cast<int64_t>(a >= b ? a - b : 0); };
  const bool known = !role.history.empty();
  fields.number("pushed_per_minute", known ? rate(now.pushed, before.pushed) : 0);
  fields.number("claimed_per_minute", known ? rate(now.claimed, before.claimed) : 0);
  fields.number("done_per_minute", known ? rate(now.done, before.done) : 0);
  fields.number("failed_per_minute", known ? rate(now.failed, before.failed) : 0);
  fields.number("pushed_total", static_cast<int64_t>(now.pushed));
  fields.number("claimed_total", static_cast<int64_t>(now.claimed));
  fields.number("done_total", static_cast<int64_t>(now.done));
  fields.number("failed_total", static_cast<int64_t>(now.failed));
  fields.number("lapsed_total", static_cast<int64_t>(now.lapsed));
  fields.number("released_total", static_cast<int64_t>(now.released));
  fields.number("dead_total", static_cast<int64_t>(now.died));
  fields.number("tokens_total", static_cast<int64_t>(now.tokens));
  fields.number("cost_total", static_cast<int64_t>(now.cost));
  const auto waiting = role_waits_.find(role.record.name);
  fields.number("waiting", waiting == role_waits_.end() ? 0 : static_cast<int64_t>(waiting->second.size()));
  writer.map(fields.size());
  fields.write(writer);
}

void Machine::apply_roles(ReplyWriter& writer) {
  writer.array(role_names_.size());
  for (const auto& [name, role] : role_names_) write_role(*role, writer);
}

void Machine::apply_role_info(const op::RoleInfo& info, ReplyWriter& writer) {
  RoleState* role = find_role(info.role);
  if (role == nullptr) {
    return writer.error(
        make_error(Code::notfound, "no role '" + std::string(info.role) + "'; ROLES lists those there are"));
  }
  write_role(*role, writer);
}

}  // namespace pawl::core
