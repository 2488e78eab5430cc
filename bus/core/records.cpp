#include "bus/core/records.h"

#include "bus/core/archive.h"
#include "bus/core/freeze.h"

namespace pawl::core {

template <typename Archive>
void serialize(Archive& ar, BirthKey& key) {
  ar(key.role, key.lane, key.sequence);
}

namespace {

// Enums and bools as numbers, checked on the way in.
template <typename Archive, typename E>
void word(Archive& ar, E& value, size_t count) {
  auto number = static_cast<uint8_t>(value);
  ar(number);
  if constexpr (Archive::reading) {
    if (number >= count) ar.damage();
    value = static_cast<E>(number);
  }
}
template <typename Archive>
void flag(Archive& ar, bool& value) {
  word(ar, value, 2);
}
template <typename Archive, typename T, size_t n>
void numbers(Archive& ar, std::array<T, n>& values) {
  for (T& value : values) ar(value);
}

}  // namespace

template <typename Archive>
void serialize(Archive& ar, HeadRecord& r, uint8_t) {
  ar(r.lease_ms, r.bus_ms, r.wall_ms, r.next_sequence, r.next_token, r.next_event, r.first_event, r.next_dead,
     r.next_role, r.jitter, r.due_bus_low, r.due_wall_low, r.ended_low, r.claimed_low, r.dead_low,
     r.done_bytes, r.dead_bytes, r.chronicle_bytes, r.alarms);
}

template <typename Archive>
void serialize(Archive& ar, RoleRecord& r, uint8_t version) {
  ar(r.name);
  flag(ar, r.paused);
  flag(ar, r.dropped);
  ar(r.pause_reason, r.paused_at_ms);
  if (version >= 2) ar(r.deployed, r.deployed_hash);
}

template <typename Archive>
void serialize(Archive& ar, DeployRecord& r, uint8_t) {
  ar(r.number, r.hash, r.command);
  flag(ar, r.has_prompt);
  ar(r.prompt_bytes, r.before, r.at_ms, r.by, r.reason);
}

template <typename Archive>
void serialize(Archive& ar, DeployLine& r) {
  ar(r.version, r.before);
  flag(ar, r.fresh);
  ar(r.at_ms, r.by, r.reason);
}
template <typename Archive>
void serialize(Archive& ar, DeployLog& r, uint8_t) {
  ar(r.next, r.kept, r.lines);
}

template <typename Archive>
void serialize(Archive& ar, RoleCounts& r, uint8_t version) {
  numbers(ar, r.depth);
  ar(r.pushed, r.claimed, r.done, r.failed, r.lapsed, r.released, r.died, r.tokens, r.cost);
  if (version >= 2) ar(r.bytes);
}

template <typename Archive>
void serialize(Archive& ar, Reservation& r) {
  ar(r.tokens, r.cost, r.probe);
}

template <typename Archive>
void serialize(Archive& ar, FreezeRecord& r, uint8_t) {
  ar(r.number);
  word(ar, r.kind, freeze_kind_names.size());
  word(ar, r.scope, freeze_scope_names.size());
  ar(r.reason, r.by, r.since_ms, r.until_ms);
  flag(ar, r.flagged);
}

template <typename Archive>
void serialize(Archive& ar, HomeRecord& r, uint8_t) {
  // A plain push has none of the options: one byte says so.
  uint8_t options = 0;
  if constexpr (!Archive::reading) {
    options = static_cast<uint8_t>((!r.headers.empty() ? 1 : 0) | (r.lease_ms != 0 ? 2 : 0) |
                                   (r.max_attempts != 0 ? 4 : 0) | (r.expire_at_ms != 0 ? 8 : 0) |
                                   (!r.unique.empty() ? 16 : 0) | (!r.group.empty() ? 32 : 0) |
                                   (r.blob_bytes != 0 ? 64 : 0));
  }
  ar(options, r.pushed_at_ms);
  if ((options & 64) != 0) {
    ar(r.blob_bytes);
  } else {
    ar(r.payload);
  }
  if ((options & 1) != 0) ar(r.headers);
  if ((options & 2) != 0) ar(r.lease_ms);
  if ((options & 4) != 0) ar(r.max_attempts);
  if ((options & 8) != 0) ar(r.expire_at_ms);
  if ((options & 16) != 0) ar(r.unique, r.unique_until_ms);
  if ((options & 32) != 0) ar(r.group);
}

template <typename Archive>
void serialize(Archive& ar, LifeRecord& r, uint8_t) {
  uint16_t parts = 0;
  if constexpr (!Archive::reading) {
    parts = static_cast<uint16_t>(
        (r.spent != 0 || r.crashes_in_row != 0 ? 1 : 0) | (r.due_ms != 0 ? 2 : 0) |
        (r.expire_at_ms != 0 ? 4 : 0) | (r.token != 0 ? 8 : 0) | (r.cancel ? 16 : 0) |
        (r.progress >= 0 || !r.note.empty() ? 32 : 0) | (r.has_error ? 64 : 0) | (r.releases != 0 ? 128 : 0) |
        (r.ended_at_ms != 0 ? 256 : 0) | (r.due_on_wall ? 512 : 0) | (r.invocation_written ? 1024 : 0) |
        (!r.cancel_reason.empty() ? 2048 : 0) | (r.reserved.empty() ? 0 : 4096) |
        (r.spent_delivery != 0 ? 8192 : 0) | (r.version.empty() ? 0 : 16384) | (r.limp.empty() ? 0 : 32768));
  }
  word(ar, r.place, 9);
  ar(parts, r.role, r.priority, r.deliveries);
  if ((parts & 1) != 0) {
    ar(r.spent, r.crashes_in_row);
    numbers(ar, r.causes);
  }
  if ((parts & 2) != 0) ar(r.due_ms);
  if ((parts & 4) != 0) ar(r.expire_at_ms);
  if ((parts & 8) != 0) {
    ar(r.token, r.daemon, r.claimed_at_ms, r.lease_ms, r.deadline_ms, r.tokens, r.cost);
  }
  if ((parts & 4096) != 0) serialize(ar, r.reserved);
  if ((parts & 8192) != 0) ar(r.spent_delivery);
  if ((parts & 16384) != 0) ar(r.version);
  if ((parts & 32768) != 0) ar(r.limp);
  if ((parts & 2048) != 0) ar(r.cancel_reason);
  if ((parts & 32) != 0) ar(r.progress, r.note);
  if ((parts & 64) != 0) {
    word(ar, r.error_class, class_count);
    ar(r.error_text, r.fingerprint);
  }
  if ((parts & 128) != 0) ar(r.released_by, r.releases);
  if ((parts & 256) != 0) ar(r.ended_at_ms, r.result, r.dead_number);
  if constexpr (Archive::reading) {
    r.cancel = (parts & 16) != 0;
    r.has_error = (parts & 64) != 0;
    r.due_on_wall = (parts & 512) != 0;
    r.invocation_written = (parts & 1024) != 0;
  }
}

template <typename Archive>
void serialize(Archive& ar, InvocationRecord& r, uint8_t version) {
  ar(r.delivery, r.token, r.daemon, r.start_ms, r.end_ms);
  word(ar, r.outcome, outcome_names.size());
  word(ar, r.error_class, class_count);
  ar(r.error_text, r.tokens, r.cost);
  if (version >= 2) serialize(ar, r.reserved);
  if (version >= 3) ar(r.version);
  if (version >= 4) ar(r.limp);
}

template <typename Archive>
void serialize(Archive& ar, DeadRecord& r, uint8_t) {
  ar(r.key, r.role);
  word(ar, r.error_class, class_count);
  ar(r.fingerprint, r.at_ms, r.bus_ms, r.bytes);
}

template <typename Archive>
void serialize(Archive& ar, EventRecord& r, uint8_t version) {
  ar(r.at_ms, r.bus_ms, r.kind, r.fields);
  if (version >= 2) ar(r.hash);
}

template <typename Archive>
void serialize(Archive& ar, ChronicleEnds& r, uint8_t) {
  ar(r.newest, r.before_first, r.chained_from);
}

template <typename Archive>
void serialize(Archive& ar, EndedItem& r) {
  ar(r.key, r.role, r.state);
  flag(ar, r.has_blob);
  ar(r.invocations, r.bytes);
}
template <typename Archive>
void serialize(Archive& ar, EndedRecord& r, uint8_t) {
  ar(r.items);
}
template <typename Archive>
void serialize(Archive& ar, ClaimedRecord& r, uint8_t) {
  ar(r.claims);
}

template <typename Record>
void append_record(std::string& out, const Record& record) {
  out += static_cast<char>(Record::version_now);
  RecordWriter writer(out);
  // serialize() serves both directions; writing changes nothing.
  serialize(writer, const_cast<Record&>(record), Record::version_now);
}

template <typename Record>
std::string encode(const Record& record) {
  std::string out;
  append_record(out, record);
  return out;
}

template <typename Record>
std::optional<Record> decode(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto version = static_cast<uint8_t>(bytes[0]);
  if (version == 0 || version > Record::version_now) return std::nullopt;
  RecordReader reader(bytes.substr(1));
  Record record;
  serialize(reader, record, version);
  if (!reader.whole()) return std::nullopt;
  return record;
}

#define PAWL_RECORD(Record)                                 \
  template void append_record(std::string&, const Record&); \
  template std::string encode(const Record&);               \
  template std::optional<Record> decode(std::string_view)
PAWL_RECORD(HeadRecord);
PAWL_RECORD(RoleRecord);
PAWL_RECORD(RoleCounts);
PAWL_RECORD(HomeRecord);
PAWL_RECORD(LifeRecord);
PAWL_RECORD(InvocationRecord);
PAWL_RECORD(DeadRecord);
PAWL_RECORD(EventRecord);
PAWL_RECORD(ChronicleEnds);
PAWL_RECORD(EndedRecord);
PAWL_RECORD(ClaimedRecord);
PAWL_RECORD(FreezeRecord);
PAWL_RECORD(DeployRecord);
PAWL_RECORD(DeployLog);
#undef PAWL_RECORD

uint64_t HomeRecord::bytes() const {
  uint64_t total = 64 + payload.size() + blob_bytes + unique.size() + group.size();
  for (const auto& [name, value] : headers) total += name.size() + value.size();
  return total;
}

MessageState state_of(const LifeRecord& life) {
  switch (life.place) {
    case Place::back:
      return MessageState::ready;
    case Place::due_bus:
    case Place::due_wall:
      return MessageState::scheduled;
    case Place::waiting:
      return life.due_ms != 0 ? MessageState::scheduled : MessageState::ready;
    case Place::claimed:
      return MessageState::claimed;
    case Place::done:
      return MessageState::done;
    case Place::dead:
      return MessageState::dead;
    case Place::cancelled:
      return MessageState::cancelled;
    case Place::expired:
      return MessageState::expired;
  }
  return MessageState::ready;
}

}  // namespace pawl::core
