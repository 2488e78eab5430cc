// The rows, as cereal records. Every record begins with a version byte.
//
// To change a record: add the field at the end of its serialize(), guarded by
// `version >= N`; raise its `version_now` to N; a reader of version N reads all
// older ones, and refuses newer ones. Never reorder, never reuse a flag bit.
// tests/core/records_test.cpp keeps one encoded specimen of every version.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/base/ids.h"
#include "bus/core/words.h"

namespace pawl::core {

// Written once a batch: what a successor needs besides the other rows.
struct HeadRecord {
  static constexpr uint8_t version_now = 1;
  // The three clocks (contract), in milliseconds.
  int64_t lease_ms = 0;
  int64_t bus_ms = 0;
  int64_t wall_ms = 0;
  uint64_t next_sequence = 1;  // of messages
  uint64_t next_token = 1;
  uint64_t next_event = 1;
  uint64_t first_event = 1;  // oldest that retention left
  uint64_t next_dead = 1;
  uint32_t next_role = 1;
  uint64_t jitter = 0;  // state of the generator behind back-off jitter
  // Every row of these tables below is gone: scans begin here, not among tombstones.
  int64_t due_bus_low = 0;
  int64_t due_wall_low = 0;
  int64_t ended_low = 0;
  uint64_t claimed_low = 0;
  uint64_t dead_low = 1;
  // Bytes that retention counts.
  uint64_t done_bytes = 0;
  uint64_t dead_bytes = 0;
  uint64_t chronicle_bytes = 0;
  uint8_t alarms = 0;  // bit 0: dead letters, bit 1: chronicle: warned that the limit is near
};

struct RoleRecord {
  static constexpr uint8_t version_now = 2;
  std::string name;
  bool paused = false;
  bool dropped = false;  // the name is free again; the number lives on until nothing refers to it
  std::string pause_reason;
  int64_t paused_at_ms = 0;  // wall
  // The version that runs; 0: what the runners' files say. Since version 2.
  uint64_t deployed = 0;
  uint64_t deployed_hash = 0;
};

// A deployed version of a role, its prompt left out.
struct DeployRecord {
  static constexpr uint8_t version_now = 1;
  uint64_t number = 0;               // counted from 1, never reused in a role
  uint64_t hash = 0;                 // over command and prompt
  std::vector<std::string> command;  // empty: what the file says
  bool has_prompt = false;           // false: likewise
  uint64_t prompt_bytes = 0;
  uint64_t before = 0;  // what ran when it was deployed
  int64_t at_ms = 0;    // wall
  std::string by;
  std::string reason;
};

// Each change of what a role runs, oldest first, and the versions that are kept.
struct DeployLine {
  uint64_t version = 0;  // runs from here on; 0: what the file says
  uint64_t before = 0;   // ran until here
  bool fresh = false;    // deployed just then; else gone back to
  int64_t at_ms = 0;     // wall
  std::string by;
  std::string reason;
};
struct DeployLog {
  static constexpr uint8_t version_now = 1;
  uint64_t next = 1;
  std::vector<uint64_t> kept;  // ascending
  std::vector<DeployLine> lines;
};

struct RoleCounts {
  static constexpr uint8_t version_now = 2;
  std::array<uint64_t, state_count> depth{};
  // Since the role was made.
  uint64_t pushed = 0;
  uint64_t claimed = 0;
  uint64_t done = 0;
  uint64_t failed = 0;
  uint64_t lapsed = 0;
  uint64_t released = 0;
  uint64_t died = 0;
  uint64_t tokens = 0;
  uint64_t cost = 0;   // micro-dollars
  uint64_t bytes = 0;  // of scheduled, ready and claimed messages; since version 2

  uint64_t& at(MessageState state) { return depth[static_cast<size_t>(state)]; }
  uint64_t at(MessageState state) const { return depth[static_cast<size_t>(state)]; }
};

using Headers = std::vector<std::pair<std::string, std::string>>;

// What was pushed. Rewritten only by DEAD EDIT.
struct HomeRecord {
  static constexpr uint8_t version_now = 1;
  int64_t pushed_at_ms = 0;  // wall
  std::string payload;       // empty when it has a blob row
  uint32_t blob_bytes = 0;   // size of the blob row's payload; 0: none
  Headers headers;
  int64_t lease_ms = 0;         // 0: the role's
  uint32_t max_attempts = 0;    // 0: the role's
  int64_t expire_at_ms = 0;     // wall; 0: never
  std::string unique;           // empty: none
  int64_t unique_until_ms = 0;  // wall; 0: while the message lives
  std::string group;            // empty: none

  // What retention counts.
  uint64_t bytes() const;
};

// Where a message stands; says which index row must exist for it.
enum class Place : uint8_t {
  back = 0,      // ready: a row in the return lane
  due_bus = 1,   // scheduled: a row in due_bus
  due_wall = 2,  // scheduled: a row in due_wall
  waiting = 3,   // behind a group head: a row in group, and one in due_* while `due_ms` is set
  claimed = 4,
  done = 5,
  dead = 6,  // a row in dead
  cancelled = 7,
  expired = 8,
};

// What guards hold back for a live claim; ends with it.
struct Reservation {
  uint64_t tokens = 0;
  uint64_t cost = 0;  // micro-dollars
  std::string probe;  // of each circuit that it tries a mark of the breaker's, followed by a line feed
  std::string limp;   // dependencies that it goes on without, with commas; kept in the life row, not here
  bool empty() const { return tokens == 0 && cost == 0 && probe.empty(); }
};

// What became of a message; no row while nothing has (it stands in its home lane, ready).
struct LifeRecord {
  static constexpr uint8_t version_now = 4;
  Place place = Place::back;
  uint32_t role = 0;  // at present
  uint8_t priority = 5;
  uint32_t deliveries = 0;
  uint32_t spent = 0;
  std::array<uint32_t, class_count> causes{};  // spent, by class
  uint32_t crashes_in_row = 0;                 // crash or lease_expired endings
  int64_t expire_at_ms = 0;                    // wall; 0: never
  int64_t due_ms = 0;                          // 0: none
  bool due_on_wall = false;

  // The newest delivery.
  uint64_t token = 0;
  std::string daemon;
  int64_t claimed_at_ms = 0;  // wall
  int64_t lease_ms = 0;
  int64_t deadline_ms = 0;  // lease time
  bool cancel = false;      // asked for
  std::string cancel_reason;
  int64_t progress = -1;  // percent; -1: none
  std::string note;
  uint64_t tokens = 0;
  uint64_t cost = 0;
  Reservation reserved;         // of the live claim, or of a lapsed one; since version 2
  uint32_t spent_delivery = 0;  // the newest that cost an attempt; since version 2
  std::string version;          // of what it is run with; since version 3
  std::string limp;             // dependencies that it runs without, with commas; since version 4

  // The newest failure, and releases in a row.
  bool has_error = false;
  ErrorClass error_class = ErrorClass::unknown;
  std::string error_text;
  uint64_t fingerprint = 0;
  std::string released_by;
  uint32_t releases = 0;

  // The end.
  int64_t ended_at_ms = 0;  // wall
  std::string result;
  uint64_t dead_number = 0;
  // The newest delivery has its own invocation row (it failed, lapsed or was released).
  bool invocation_written = false;
};

enum class Outcome : uint8_t { done, failed, lapsed, released, cancelled, expired };
constexpr std::array<std::string_view, 6> outcome_names = {"done",     "failed",    "lapsed",
                                                           "released", "cancelled", "expired"};

struct InvocationRecord {
  static constexpr uint8_t version_now = 4;
  uint32_t delivery = 0;
  uint64_t token = 0;
  std::string daemon;
  int64_t start_ms = 0;  // wall
  int64_t end_ms = 0;    // wall
  Outcome outcome = Outcome::done;
  ErrorClass error_class = ErrorClass::unknown;  // when failed or lapsed
  std::string error_text;
  uint64_t tokens = 0;
  uint64_t cost = 0;
  Reservation reserved;  // when it lapsed; since version 2
  std::string version;   // of what it was run with; since version 3
  std::string limp;      // dependencies that it ran without; since version 4
};

struct DeadRecord {
  static constexpr uint8_t version_now = 1;
  BirthKey key;
  uint32_t role = 0;  // at death
  ErrorClass error_class = ErrorClass::unknown;
  uint64_t fingerprint = 0;
  int64_t at_ms = 0;   // wall
  int64_t bus_ms = 0;  // for retention
  uint64_t bytes = 0;
};

struct EventRecord {
  static constexpr uint8_t version_now = 2;
  int64_t at_ms = 0;   // wall
  int64_t bus_ms = 0;  // for retention
  std::string kind;
  Headers fields;
  std::string hash;  // 32 bytes, chronicle.h; since version 2
};

// Written with each batch that adds to the chronicle or takes from it.
struct ChronicleEnds {
  static constexpr uint8_t version_now = 1;
  std::string newest;         // hash of the newest entry; empty: none has one
  std::string before_first;   // of the newest that retention took; empty: none that had one
  uint64_t chained_from = 0;  // the first entry with a hash; 0: none yet
};

// A row of `ended`: what retention removes, without having to read it first.
struct EndedItem {
  BirthKey key;
  uint32_t role = 0;
  uint8_t state = 0;  // a MessageState
  bool has_blob = false;
  uint32_t invocations = 0;  // deliveries that may have rows
  uint64_t bytes = 0;
};
struct EndedRecord {
  static constexpr uint8_t version_now = 1;
  std::vector<EndedItem> items;
};

struct ClaimedRecord {
  static constexpr uint8_t version_now = 1;
  std::vector<std::pair<BirthKey, uint64_t>> claims;  // message, token
};

// encode() appends the version byte and the fields; decode() is nothing for a newer version or damage.
template <typename Record>
std::string encode(const Record& record);
// The same, behind what `out` holds.
template <typename Record>
void append_record(std::string& out, const Record& record);
template <typename Record>
std::optional<Record> decode(std::string_view bytes);

MessageState state_of(const LifeRecord& life);

}  // namespace pawl::core
