#include "bus/core/verify.h"

#include <optional>
#include <utility>

#include "bus/base/text.h"
#include "bus/core/batch.h"
#include "bus/core/chronicle.h"
#include "bus/core/fingerprint.h"
#include "bus/core/keys.h"
#include "bus/core/records.h"

namespace pawl::core {
namespace {

constexpr size_t problems_max = 100;

// Damaged rows may be shorter than they must be.
BirthKey birth_at(std::string_view bytes) {
  return bytes.size() < keys::birth_bytes ? BirthKey{} : keys::read_birth(bytes);
}
uint64_t number_at(std::string_view bytes, size_t at, int count) {
  return bytes.size() < at + static_cast<size_t>(count) ? 0 : keys::read_be(bytes, at, count);
}

class Verifier {
 public:
  explicit Verifier(const StateView& view) : view_(view) {}

  VerifyReport run() {
    if (load_head()) {
      load_roles();
      check_homes();
      check_index_rows();
      check_dead();
      check_chronicle();
      check_deployed();
      check_lanes();
      check_totals();
    }
    if (view_.failed()) problem("the store could not be read to its end");
    report_.ok = report_.problems.empty();
    return std::move(report_);
  }

 private:
  struct Role {
    RoleRecord record;
    RoleCounts counts;
    std::array<uint64_t, state_count> seen{};
    std::array<uint64_t, 10> marks{};
  };

  void problem(std::string text) {
    if (report_.problems.size() < problems_max) report_.problems.push_back(std::move(text));
  }
  std::optional<std::string> row(Table table, std::string_view key) const {
    std::string value;
    if (!view_.get(table, key, value)) return std::nullopt;
    return value;
  }
  // The row must be there and hold `expected`.
  void expect_row(Table table, const std::string& key, std::string_view expected, const std::string& who) {
    const auto value = row(table, key);
    if (!value) {
      problem(who + ": its row in " + std::string(table_name(table)) + " is missing");
    } else if (*value != expected) {
      problem(who + ": its row in " + std::string(table_name(table)) + " names another message");
    }
  }
  void each(Table table, const std::function<void(std::string_view, std::string_view)>& visit) {
    view_.scan(table, "", "", [&](std::string_view key, std::string_view value) {
      ++report_.rows;
      visit(key, value);
      return true;
    });
  }

  bool load_head();
  void load_roles();
  void check_homes();
  void check_message(const BirthKey& key, const HomeRecord& home, const std::optional<LifeRecord>& life);
  void check_placed(const BirthKey& key, const HomeRecord& home, const LifeRecord& life,
                    const std::string& who);
  void check_group(const BirthKey& key, const HomeRecord& home, const LifeRecord& life,
                   const std::string& who);
  void check_index_rows();
  void check_schedules();
  void check_claimed();
  void check_ended();
  void check_dead();
  void check_chronicle();
  void check_deployed();
  void check_lanes();
  void check_totals();
  std::optional<LifeRecord> life_of(const BirthKey& key);
  std::optional<HomeRecord> home_of(const BirthKey& key);

  const StateView& view_;
  VerifyReport report_;
  HeadRecord head_;
  std::map<uint32_t, Role> roles_;
  uint64_t claimed_seen_ = 0;
  uint64_t ended_bytes_ = 0;
  uint64_t ended_seen_ = 0;
};

bool Verifier::load_head() {
  const auto chain = row(Table::meta, chain_key);
  const auto head = row(Table::meta, keys::head_row);
  if (!chain && !head) {
    each(Table::home, [&](std::string_view, std::string_view) { problem("a message without a head row"); });
    return false;
  }
  if (!chain || !decode_chain(*chain)) problem("the chain row is missing or damaged");
  auto record = head ? decode<HeadRecord>(*head) : std::nullopt;
  if (!record) {
    problem("the head row is missing or damaged");
    return false;
  }
  head_ = *record;
  return true;
}

void Verifier::load_roles() {
  each(Table::role, [&](std::string_view key, std::string_view value) {
    auto record = decode<RoleRecord>(value);
    if (!record || key.size() != 4) return problem("a damaged role row");
    Role& role = roles_[static_cast<uint32_t>(number_at(key, 0, 4))];
    role.record = std::move(*record);
  });
  each(Table::count, [&](std::string_view key, std::string_view value) {
    const auto counts = decode<RoleCounts>(value);
    const auto role =
        key.size() == 4 ? roles_.find(static_cast<uint32_t>(number_at(key, 0, 4))) : roles_.end();
    if (!counts || role == roles_.end()) return problem("counts of no role, or damaged ones");
    role->second.counts = *counts;
  });
  each(Table::mark, [&](std::string_view key, std::string_view value) {
    const auto role =
        key.size() == 5 ? roles_.find(static_cast<uint32_t>(number_at(key, 0, 4))) : roles_.end();
    if (value.size() != 8 || role == roles_.end() || (static_cast<uint8_t>(key[4]) & 1) != 0) {
      return problem("a low-water mark of no lane");
    }
    role->second.marks[static_cast<uint8_t>(key[4]) / 2] = number_at(value, 0, 8);
  });
}

void Verifier::check_homes() {
  each(Table::home, [&](std::string_view key, std::string_view value) {
    const auto home = decode<HomeRecord>(value);
    if (!home || key.size() != keys::birth_bytes) return problem("a damaged home row");
    const BirthKey birth = birth_at(key);
    std::optional<LifeRecord> life;
    if (const auto stored = row(Table::life, key)) {
      life = decode<LifeRecord>(*stored);
      if (!life) return problem(encode_id(birth) + ": a damaged life row");
    }
    ++report_.messages;
    check_message(birth, *home, life);
  });
  each(Table::life, [&](std::string_view key, std::string_view) {
    if (!row(Table::home, key)) problem("a life row without a home row");
  });
  each(Table::blob, [&](std::string_view key, std::string_view value) {
    const auto stored = row(Table::home, key);
    const auto home = stored ? decode<HomeRecord>(*stored) : std::nullopt;
    if (!home || home->blob_bytes != value.size()) problem("a blob row that no message needs");
  });
  each(Table::invocation, [&](std::string_view key, std::string_view value) {
    const auto record = decode<InvocationRecord>(value);
    if (!record || key.size() != keys::birth_bytes + 4) return problem("a damaged invocation row");
    const BirthKey birth = birth_at(key);
    const auto life = life_of(birth);
    if (!life || record->delivery == 0 || record->delivery > life->deliveries ||
        number_at(key, keys::birth_bytes, 4) != record->delivery) {
      problem(encode_id(birth) + ": an invocation that was no delivery of it");
    }
  });
}

std::optional<LifeRecord> Verifier::life_of(const BirthKey& key) {
  const auto stored = row(Table::life, keys::birth(key));
  return stored ? decode<LifeRecord>(*stored) : std::nullopt;
}

std::optional<HomeRecord> Verifier::home_of(const BirthKey& key) {
  const auto stored = row(Table::home, keys::birth(key));
  return stored ? decode<HomeRecord>(*stored) : std::nullopt;
}

void Verifier::check_message(const BirthKey& key, const HomeRecord& home,
                             const std::optional<LifeRecord>& life) {
  const std::string who = encode_id(key);
  if (key.sequence >= head_.next_sequence) problem(who + ": a sequence that was never given out");
  if (home.blob_bytes != 0 && !row(Table::blob, keys::birth(key))) problem(who + ": its payload is missing");
  LifeRecord at = life.value_or(LifeRecord{});
  if (!life) {
    at.role = key.role;
    at.priority = static_cast<uint8_t>(priority_of_lane(key.lane));
    at.expire_at_ms = home.expire_at_ms;
    if (lane_is_parked(key.lane)) problem(who + ": was not claimable at birth, and has no life row");
  }
  const auto role = roles_.find(at.role);
  if (role == roles_.end()) return problem(who + ": its role has no row");
  const MessageState state = state_of(at);
  ++role->second.seen[static_cast<size_t>(state)];
  if (!life && key.sequence <= role->second.marks[key.lane / 2]) {
    problem(who + ": ready in its home lane, but below the low-water mark; nobody would claim it");
  }
  if (life) check_placed(key, home, at, who);
  const bool live =
      state == MessageState::scheduled || state == MessageState::ready || state == MessageState::claimed;
  if (!live) return;
  check_group(key, home, at, who);
  if (at.expire_at_ms > head_.due_wall_low && state != MessageState::claimed) {
    expect_row(Table::due_wall, keys::due_wall(at.expire_at_ms, keys::WallKind::expire, key.sequence),
               keys::birth(key), who);
  }
  if (!home.unique.empty() && home.unique_until_ms == 0) {
    const auto holder = row(Table::unique, keys::named(at.role, home.unique));
    if (!holder || birth_at(*holder) != key) problem(who + ": does not hold its unique key");
  }
}

void Verifier::check_placed(const BirthKey& key, const HomeRecord& home, const LifeRecord& life,
                            const std::string& who) {
  const std::string birth = keys::birth(key);
  if (life.due_ms != 0) {
    const std::string due = life.due_on_wall ? keys::due_wall(life.due_ms, keys::WallKind::due, key.sequence)
                                             : keys::due_bus(life.due_ms, key.sequence);
    expect_row(life.due_on_wall ? Table::due_wall : Table::due_bus, due, birth, who);
  }
  const bool scheduled = life.place == Place::due_bus || life.place == Place::due_wall;
  if (scheduled && (life.due_ms == 0 || life.due_on_wall != (life.place == Place::due_wall))) {
    problem(who + ": scheduled without a time");
  }
  if (life.due_ms != 0 && !scheduled && life.place != Place::waiting)
    problem(who + ": has a time, but is not scheduled");
  switch (life.place) {
    case Place::back:
      expect_row(Table::back, keys::back(life.role, life.priority, key.sequence), birth, who);
      break;
    case Place::waiting:
      if (home.group.empty()) problem(who + ": waits in a group, but has none");
      expect_row(Table::group, keys::group(life.role, home.group, key.sequence), birth, who);
      break;
    case Place::claimed:
      ++claimed_seen_;
      if (life.token == 0 || life.token >= head_.next_token)
        problem(who + ": claimed under a token never given out");
      break;
    case Place::dead: {
      const auto stored = row(Table::dead, keys::number(life.dead_number));
      const auto record = stored ? decode<DeadRecord>(*stored) : std::nullopt;
      if (!record || record->key != key) problem(who + ": dead, but not among the dead letters");
      break;
    }
    case Place::due_bus:
    case Place::due_wall:
      break;
    case Place::done:
    case Place::cancelled:
    case Place::expired:
      if (life.ended_at_ms == 0) problem(who + ": ended without a time");
      ++ended_seen_;
      break;
  }
}

void Verifier::check_group(const BirthKey& key, const HomeRecord& home, const LifeRecord& life,
                           const std::string& who) {
  if (home.group.empty()) return;
  const auto head = row(Table::head, keys::named(life.role, home.group));
  if (!head) return problem(who + ": its group has no head");
  const bool is_head = birth_at(*head) == key;
  if (is_head == (life.place == Place::waiting)) {
    problem(who + (is_head ? ": waits behind itself" : ": is not the head of its group, yet not behind it"));
  }
}

void Verifier::check_index_rows() {
  each(Table::back, [&](std::string_view key, std::string_view value) {
    const BirthKey birth = birth_at(value);
    const auto life = life_of(birth);
    if (!life || life->place != Place::back ||
        keys::back(life->role, life->priority, birth.sequence) != key) {
      problem(encode_id(birth) + ": a row in the return lane that is not its place");
    }
  });
  each(Table::group, [&](std::string_view key, std::string_view value) {
    const BirthKey birth = birth_at(value);
    const auto life = life_of(birth);
    const auto home = home_of(birth);
    const bool waits = life && home && life->place == Place::waiting;
    if (!waits || keys::group(life->role, home->group, birth.sequence) != key) {
      return problem(encode_id(birth) + ": a group row, but it does not wait there");
    }
    const auto head = row(Table::head, keys::named(life->role, home->group));
    if (head && birth.sequence < keys::members_from(*head)) {
      problem(encode_id(birth) + ": waits where its group is not looked through any more");
    }
  });
  each(Table::head, [&](std::string_view key, std::string_view value) {
    const BirthKey birth = birth_at(value);
    const auto home = home_of(birth);
    const auto life = life_of(birth);
    const uint32_t role = life ? life->role : birth.role;
    const MessageState state = life ? state_of(*life) : MessageState::ready;
    if (!home || keys::named(role, home->group) != key || state > MessageState::claimed) {
      problem(encode_id(birth) + ": heads a group that it is not in, or has ended");
    }
  });
  each(Table::unique, [&](std::string_view key, std::string_view value) {
    if (value.size() != keys::birth_bytes + 8) return problem("a damaged unique row");
    if (number_at(value, keys::birth_bytes, 8) != 0) return;
    const BirthKey birth = birth_at(value);
    const auto life = life_of(birth);
    const auto home = home_of(birth);
    const bool live = home && (!life || state_of(*life) <= MessageState::claimed);
    if (!live || keys::named(life ? life->role : birth.role, home->unique) != key) {
      problem(encode_id(birth) + ": holds a unique key that is not its own, or is gone or has ended");
    }
  });
  check_schedules();
  check_claimed();
  check_ended();
}

void Verifier::check_schedules() {
  const auto check_due = [&](std::string_view key, const BirthKey& birth, bool wall) {
    const auto life = life_of(birth);
    const auto at_ms = static_cast<int64_t>(number_at(key, 0, 8));
    if (!life || life->due_ms != at_ms || life->due_on_wall != wall ||
        state_of(*life) != MessageState::scheduled) {
      problem(encode_id(birth) + ": a row in a schedule that is not its time");
    }
  };
  each(Table::due_bus, [&](std::string_view key, std::string_view value) {
    if (static_cast<int64_t>(number_at(key, 0, 8)) < head_.due_bus_low)
      problem("a due row below the mark of due_bus");
    check_due(key, birth_at(value), false);
  });
  each(Table::due_wall, [&](std::string_view key, std::string_view value) {
    if (key.size() != 17) return problem("a damaged row in due_wall");
    if (static_cast<int64_t>(number_at(key, 0, 8)) < head_.due_wall_low)
      problem("a due row below the mark of due_wall");
    const auto kind = static_cast<keys::WallKind>(key[8]);
    if (kind == keys::WallKind::unique) {
      // One that has run out waits for its turn to be removed.
      const bool over = static_cast<int64_t>(number_at(key, 0, 8)) <= head_.wall_ms;
      if (!over && !row(Table::unique, value))
        problem("a row in due_wall for a unique key that nobody holds");
      return;
    }
    const BirthKey birth = birth_at(value);
    if (kind == keys::WallKind::due) return check_due(key, birth, true);
    const auto life = life_of(birth);
    const auto home = home_of(birth);
    const int64_t expire_ms = life ? life->expire_at_ms : home ? home->expire_at_ms : 0;
    if (!home || expire_ms != static_cast<int64_t>(number_at(key, 0, 8)) ||
        (life && state_of(*life) > MessageState::claimed)) {
      problem(encode_id(birth) + ": an expiry row that is not its own");
    }
  });
}

void Verifier::check_claimed() {
  uint64_t listed = 0;
  each(Table::claimed, [&](std::string_view key, std::string_view value) {
    const auto record = decode<ClaimedRecord>(value);
    if (!record || key.size() != 8) return problem("a damaged row of live claims");
    if (number_at(key, 0, 8) < head_.claimed_low) problem("a row of live claims below its mark");
    uint64_t live = 0;
    for (const auto& [birth, token] : record->claims) {
      const auto life = life_of(birth);
      if (life && life->place == Place::claimed && life->token == token) ++live;
    }
    if (live == 0) problem("a row of live claims without one");
    listed += live;
  });
  if (listed != claimed_seen_) {
    problem(std::to_string(claimed_seen_) + " messages are claimed, " + std::to_string(listed) +
            " are listed; the others would never lapse");
  }
}

void Verifier::check_ended() {
  uint64_t items = 0;
  each(Table::ended, [&](std::string_view key, std::string_view value) {
    const auto record = decode<EndedRecord>(value);
    if (!record) return problem("a damaged row for retention");
    if (static_cast<int64_t>(number_at(key, 0, 8)) < head_.ended_low)
      problem("a row for retention below its mark");
    for (const EndedItem& item : record->items) {
      ++items;
      ended_bytes_ += item.bytes;
      const auto life = life_of(item.key);
      if (!life || static_cast<uint8_t>(state_of(*life)) != item.state) {
        problem(encode_id(item.key) + ": listed for retention, but it has not ended so");
      }
    }
  });
  if (items != ended_seen_) {
    problem(std::to_string(ended_seen_) + " messages have ended, " + std::to_string(items) +
            " are listed for retention");
  }
  if (ended_bytes_ != head_.done_bytes) problem("the bytes of ended messages are counted wrong");
}

void Verifier::check_dead() {
  uint64_t bytes = 0;
  each(Table::dead, [&](std::string_view key, std::string_view value) {
    const auto record = decode<DeadRecord>(value);
    if (!record || key.size() != 8) return problem("a damaged row of a dead letter");
    if (number_at(key, 0, 8) < head_.dead_low) problem("a dead letter below the mark");
    bytes += record->bytes;
    const auto life = life_of(record->key);
    if (!life || life->place != Place::dead || life->dead_number != number_at(key, 0, 8)) {
      problem(encode_id(record->key) + ": among the dead letters, but not dead");
    }
  });
  if (bytes != head_.dead_bytes) problem("the bytes of dead letters are counted wrong");
}

void Verifier::check_chronicle() {
  uint64_t bytes = 0;
  uint64_t expected = head_.first_event;
  const auto ends_row = row(Table::meta, keys::chronicle_row);
  const auto ends = ends_row ? decode<ChronicleEnds>(*ends_row) : ChronicleEnds{};
  if (!ends) return problem("the chronicle's row is damaged");
  std::string newest = ends->before_first;
  each(Table::chronicle, [&](std::string_view key, std::string_view value) {
    const uint64_t number = key.size() == 8 ? number_at(key, 0, 8) : 0;
    if (number != expected) problem("the chronicle has a gap before entry " + std::to_string(number));
    expected = number + 1;
    bytes += value.size();
    const auto event = decode<EventRecord>(value);
    if (!event) return problem("entry " + std::to_string(number) + " of the chronicle is damaged");
    const bool from_before_hashes = ends->chained_from == 0 || number < ends->chained_from;
    if (from_before_hashes && event->hash.empty()) return;
    if (from_before_hashes || hex_text(event->hash) != chronicle_hash(hex_text(newest), number, event->at_ms,
                                                                      event->kind, event->fields)) {
      problem("entry " + std::to_string(number) + " of the chronicle does not follow the one before it");
    }
    newest = event->hash;
  });
  if (newest != ends->newest) problem("the chronicle does not end with the hash on record");
  if (expected != head_.next_event) problem("the chronicle does not reach its newest entry");
  if (bytes != head_.chronicle_bytes) problem("the bytes of the chronicle are counted wrong");
}

void Verifier::check_deployed() {
  std::map<uint32_t, const RoleRecord*> roles;
  for (const auto& [number, role] : roles_) roles[number] = &role.record;
  report_.rows += verify_deployed(view_, roles, [this](std::string text) { problem(std::move(text)); });
}

void Verifier::check_lanes() {
  for (const auto& [number, role] : roles_) {
    for (const uint64_t mark : role.marks) {
      if (mark >= head_.next_sequence && mark != 0)
        problem(role.record.name + ": a low-water mark ahead of every message");
    }
  }
}

void Verifier::check_totals() {
  for (const auto& [number, role] : roles_) {
    for (size_t i = 0; i < state_count; ++i) {
      if (role.seen[i] == role.counts.depth[i]) continue;
      problem("role " + role.record.name + ": " + std::to_string(role.counts.depth[i]) + " counted as " +
              std::string(state_names[i]) + ", " + std::to_string(role.seen[i]) + " found");
    }
  }
}

}  // namespace

VerifyReport verify(const StateView& view) { return Verifier(view).run(); }

}  // namespace pawl::core
