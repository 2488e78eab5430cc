// LIST, and the walk over the messages of a role in a state that CANCEL FILTER shares.
#include <algorithm>
#include <utility>

#include "bus/base/text.h"
#include "bus/core/fields.h"
#include "bus/core/machine.h"

namespace pawl::core {
namespace {

// A list cursor: the phase and the last key, in hex; "0" is both the start and the end.
std::string encode_cursor(int phase, std::string_view key) {
  return static_cast<char>('a' + phase) + hex_text(key);
}
bool decode_cursor(std::string_view cursor, int& phase, std::string& key) {
  phase = 0;
  key.clear();
  if (cursor == "0") return true;
  if (cursor.empty() || cursor[0] < 'a' || cursor[0] > 'z') return false;
  auto bytes = bytes_from_hex(cursor.substr(1));
  if (!bytes) return false;
  phase = cursor[0] - 'a';
  key = std::move(*bytes);
  return true;
}

// The first key behind `last` within the range of `prefix`.
std::string resume(const std::string& prefix, const std::string& last) {
  return last.empty() ? prefix : last + '\0';
}

}  // namespace

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
    bool left_over = false;
    for (const auto& [sequence, found] : merged) {
      left_over = sequence > covered || out.size() >= rows;
      if (left_over) break;
      out.push_back(found);
      last = sequence;
    }
    if (home_cut || back_cut || left_over) {
      key.clear();
      keys::append_be(key, last != 0 && out.size() >= rows ? last : covered, 8);
      return;
    }
  }
  if (phase > 10) phase = -1;  // a cursor that was never ours
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
      damage("a row of ended messages");
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

Fields Machine::list_fields(const RoleState& role, const Loaded& message) const {
  const LifeRecord& life = message.life;
  Fields fields;
  fields.text("id", encode_id(message.key));
  fields.text("role", role.record.name);
  fields.text("state", std::string(state_name(state_of(life))));
  fields.number("priority", life.priority);
  fields.number("pushed_at", message.home.pushed_at_ms);
  fields.number("attempt", int64_t{life.spent} + 1);
  fields.number("deliveries", life.deliveries);
  if (life.due_ms != 0) fields.number("due", due_on_wall_ms(life));
  if (!message.home.group.empty()) fields.text("group", message.home.group);
  if (life.place == Place::claimed) {
    fields.text("daemon", life.daemon);
    fields.number("deadline", wall_of_lease(life.deadline_ms));
  }
  add_error(fields, life);
  return fields;
}

void Machine::apply_list(const op::List& list, ReplyWriter& writer) {
  RoleState* role = find_role(list.role);
  std::string cursor(list.cursor);
  int phase = 0;
  std::string key;
  if (!decode_cursor(cursor, phase, key)) {
    return writer.error(make_error(Code::badarg, "CURSOR is what LIST answered, or 0"));
  }
  if (role == nullptr) cursor = "0";
  // In small pieces, so that the cursor is exact wherever the reply is full.
  constexpr size_t piece = 16;
  constexpr size_t bytes_max = limits::reply_bytes_max - piece * (limits::error_text_bytes_max + 2048);
  std::vector<Fields> maps;
  size_t bytes = 0;
  while (role != nullptr && maps.size() < list.count && bytes < bytes_max) {
    std::vector<BirthKey> found;
    enumerate(*role, list.state, cursor, std::min(piece, list.count - maps.size()), found);
    for (const BirthKey& at : found) {
      auto message = load(at);
      if (!message) continue;
      bytes += message->life.error_text.size() + 1024;
      maps.push_back(list_fields(*role, *message));
    }
    // A walk that found nothing in a step's worth of rows goes on in the next command.
    if (cursor == "0" || found.empty()) break;
  }
  writer.array(2);
  writer.bulk(cursor);
  writer.array(maps.size());
  for (const Fields& fields : maps) {
    writer.map(fields.size());
    fields.write(writer);
  }
}

}  // namespace pawl::core
