// What clients may ask of the core, decoded. Views point into the connection's
// buffer and live until Bus::apply returns; the core copies what it keeps.
//
// The decoder has already checked: names, ids' and tokens' alphabet, numbers and
// their ranges, option words, item counts. It has not checked sizes against
// `payload_max` (guard "size") nor whether an id exists.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bus/base/limits.h"
#include "bus/core/config.h"
#include "bus/core/freeze.h"
#include "bus/core/words.h"
#include "bus/core/zone_rules.h"

namespace pawl::core::op {

using Text = std::string_view;

struct Push {
  Text role;
  Text payload;
  int priority = limits::priority_default;
  std::optional<int64_t> delay_ms;  // bus time, from now
  std::optional<int64_t> at_ms;     // wall time; never together with delay_ms
  std::optional<Text> unique;
  std::optional<int64_t> unique_for_ms;
  std::optional<Text> group;
  std::optional<uint32_t> max_attempts;
  std::optional<int64_t> lease_ms;
  std::optional<int64_t> expire_ms;  // from the push
  std::vector<std::pair<Text, Text>> headers;
};

struct MultiPush {
  Text role;
  std::vector<Text> payloads;
};

struct Claim {
  Text daemon;
  std::vector<Text> roles;
  size_t count = 1;
  std::optional<int64_t> wait_ms;  // nothing: answer at once
  std::optional<int64_t> lease_ms;
  Text version{};  // of what it is run with; empty: not said
};

// Totals of this delivery so far.
struct Usage {
  std::optional<int64_t> tokens;
  std::optional<int64_t> cost;  // micro-dollars
};

struct Next {
  std::vector<Text> roles;
  size_t count = 1;
  std::optional<int64_t> lease_ms;
};

struct Ack {
  Text id;
  Text token;
  Text result;
  Usage usage;
  std::optional<Next> next;
  Text version{};  // empty: as at the claim; also of what NEXT claims
};

struct MultiAck {
  std::vector<std::pair<Text, Text>> items;  // id, token
};

struct Fail {
  Text id;
  Text token;
  ErrorClass error_class = ErrorClass::unknown;
  Text text;
  std::optional<int64_t> retry_in_ms;
  bool dead = false;
  Usage usage;
  Text version{};  // likewise
};

struct Extend {
  Text id;
  Text token;
  std::optional<int64_t> lease_ms;
  std::optional<std::pair<int64_t, Text>> progress;  // percent 0 to 100, note
  Usage usage;
  Text version{};  // likewise
};

struct Release {
  Text id;
  Text token;
  std::optional<int64_t> delay_ms;
};

struct Cancel {
  Text id;
  Text reason;
};

struct CancelFilter {
  Text role;
  std::optional<MessageState> state;  // scheduled, ready or claimed; nothing: all three
  std::optional<size_t> limit;
};

struct Move {
  Text id;
  std::optional<int> priority;
  std::optional<Text> to_role;
};

struct Get {
  Text id;
};

struct GetResult {
  Text id;
  std::optional<int64_t> wait_ms;
};

using TransactionItem = std::variant<Push, Ack, Fail>;
struct Transaction {
  std::vector<TransactionItem> items;
};

struct List {
  Text role;
  MessageState state = MessageState::ready;
  Text cursor;  // "0": from the start
  size_t count = 100;
};

struct Roles {};
struct RoleInfo {
  Text role;
};
struct RoleDrop {
  Text role;
};
struct Pause {
  Text role;
  Text reason;
};
struct Resume {
  Text role;
};

struct DeadFilter {
  std::optional<Text> role;
  std::optional<ErrorClass> error_class;
  std::optional<Text> fingerprint;
  std::optional<int64_t> since_ms;  // wall time of the death
  std::optional<Text> match;        // a substring of the error text or the payload
};

struct DeadList {
  DeadFilter filter;
  Text cursor = "0";
  size_t count = 100;
};
struct DeadGet {
  Text id;
};
struct DeadCount {
  DeadFilter filter;
};
struct DeadGroups {
  DeadFilter filter;
};
struct DeadReplay {
  std::vector<Text> ids;  // or, when empty, the filter
  DeadFilter filter;
  std::optional<size_t> limit;
  std::optional<Text> to_role;
  bool reset = false;
  bool dry_run = false;
};
struct DeadEdit {
  Text id;
  Text payload;
};
struct DeadDrop {
  std::vector<Text> ids;  // or, when empty, the filter
  DeadFilter filter;
};

struct Explain {
  Text id;
};

struct Events {
  std::optional<uint64_t> after;  // nothing: "$", only what comes from now on
  size_t count = 100;
  std::optional<int64_t> wait_ms;
  Text kind;            // empty: all; "message" also selects "message.retry"
  bool hashes = false;  // with each entry its place in the chain (chronicle.h)
};

// An entry of the chronicle that somebody else than the bus writes.
struct EventAdd {
  Text kind;
  // Who counts his entries: one with a number at or below his last is there already. Empty: nobody does.
  Text source;
  uint64_t number = 0;
  std::vector<std::pair<Text, Text>> fields;
};

// Status reads: answered from committed values, never wait.
struct Info {};

struct KillSet {
  bool hard = false;
  FreezeScope scope = FreezeScope::all;
  std::optional<int64_t> for_ms;
  Text reason;
};
struct KillClear {
  bool hard = false;
  Text reason;
};
struct KillStatus {};  // a status read

// Not on the wire: the flag files, whenever they are not as the freeze that stands.
struct KillFiles {
  bool soft = false;     // DIR/KILL is there
  bool hard = false;     // DIR/KILL_HARD is there
  bool written = false;  // DIR/KILL was written by hand while a soft freeze stands: it is what it says now
  FreezeScope scope = FreezeScope::all;
  int64_t until_ms = 0;
  Text reason;
};

struct QuotaSet {
  Text role;  // or "*"
  QuotaKind what = QuotaKind::tokens;
  int64_t cap = 0;
  int64_t per_ms = 0;
  std::optional<int64_t> estimate;
};
struct QuotaGet {            // a status read
  std::optional<Text> role;  // or "*"; nothing: every cap
};
struct QuotaDrop {
  Text role;
  QuotaKind what = QuotaKind::tokens;
  int64_t per_ms = 0;
};

struct GuardList {};  // a status read
struct SetGuardMode {
  Text name;
  GuardMode mode = GuardMode::enforce;
};

// A sign of life of a process.
struct Beat {
  Text daemon;                             // without its boot
  Text boot;                               // of its process; empty: not told
  std::optional<int64_t> interval_ms;      // at which it means to beat
  std::optional<std::vector<Text>> roles;  // that it serves
  std::optional<std::vector<Text>> needs;  // daemons that it depends on
  std::optional<int64_t> errors;           // total of its process
  Text state;
  std::vector<std::pair<Text, Text>> values;
};
struct Daemons {};   // a status read
struct DaemonInfo {  // a status read
  Text daemon;
};
struct DaemonForget {
  Text daemon;
};
// The process is gone, and nothing of it is left: its claims end as crashes.
struct Reap {
  Text daemon;
  Text boot;
};

// Versions of what a role runs: a command, a prompt or both, in the place of what its runners' files say.
struct DeploySet {
  Text role;
  std::vector<Text> command;   // an argument vector; empty: as it is
  std::optional<Text> prompt;  // bytes; nothing: as it is
  Text reason;
};
struct DeployRollback {
  Text role;
  std::optional<uint64_t> to;  // 0: the files' own; nothing: what ran before the present one
  Text reason;
};
struct DeployList {
  Text role;
};
struct DeployGet {
  Text role;
  std::optional<uint64_t> version;  // nothing: the present one
};

// A schedule: `role` gets `payload` whenever `expression` says so.
struct CronSet {
  Text name;
  Text expression;
  Text role;
  Text payload;
  Text zone{};  // empty: UTC
  CatchUp catch_up = CatchUp::skip;
  const ZoneRules* rules = nullptr;  // of the zone; the server's, good until Bus::apply returns
};
struct CronList {};
struct CronDrop {
  Text name;
};
// An incident that somebody reports; one that is open under its fingerprint is updated instead.
struct IncidentOpen {
  Tier tier = Tier::concern;
  Text title;
  Text fingerprint{};       // empty: made of the title
  std::vector<Text> roles;  // names, or prefixes that end with '*'
  std::vector<Text> daemons;
  Text owner{};
  Text note{};
};
struct IncidentList {
  bool closed = false;  // those, newest first; otherwise the open ones, oldest first
  std::optional<Tier> tier;
  Text role{};          // empty: any
  uint64_t cursor = 0;  // as the page before said
  size_t count = 100;
};
struct IncidentGet {
  Text id;
};
struct IncidentAck {
  Text id;
  Text owner{};  // empty: who asks
};
struct IncidentNote {
  Text id;
  Text text;
};
struct IncidentClose {
  Text id;
  Text reason{};
};
// What the bus has learned of incidents.
enum class Study : uint8_t { insights, graph, notices, unknown };
struct IncidentStudy {
  Study what = Study::insights;
  Text fingerprint{};  // of the graph; empty: all of it
  size_t count = 100;  // of insights and unknown ones
};
// One look of the monitor at everything.
struct Sweep {
  std::optional<int64_t> since_ms;  // wall time; nothing: since the sweep before
};
// Not on the wire. The server's: zones as they are at its start, after a RELOAD, and once a day.
struct ZoneRulesGiven {
  std::vector<ZoneRules> zones;
};

// Not on the wire. The server's: claims of a reply that could not be delivered.
struct Unclaim {
  std::vector<std::pair<std::string_view, std::string_view>> items;  // id, token
};

}  // namespace pawl::core::op

namespace pawl::core {

using Operation =
    std::variant<op::Push, op::MultiPush, op::Claim, op::Ack, op::MultiAck, op::Fail, op::Extend, op::Release,
                 op::Cancel, op::CancelFilter, op::Move, op::Get, op::GetResult, op::Transaction, op::List,
                 op::Roles, op::RoleInfo, op::RoleDrop, op::Pause, op::Resume, op::DeadList, op::DeadGet,
                 op::DeadCount, op::DeadGroups, op::DeadReplay, op::DeadEdit, op::DeadDrop, op::Explain,
                 op::Events, op::Info, op::Unclaim, op::KillSet, op::KillClear, op::KillStatus, op::KillFiles,
                 op::QuotaSet, op::QuotaGet, op::QuotaDrop, op::GuardList, op::SetGuardMode, op::Beat,
                 op::Daemons, op::DaemonInfo, op::DaemonForget, op::Reap, op::DeploySet, op::DeployRollback,
                 op::DeployList, op::DeployGet, op::EventAdd, op::CronSet, op::CronList, op::CronDrop,
                 op::ZoneRulesGiven, op::IncidentOpen, op::IncidentList, op::IncidentGet, op::IncidentAck,
                 op::IncidentNote, op::IncidentClose, op::IncidentStudy, op::Sweep>;

}  // namespace pawl::core
