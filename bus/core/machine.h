// The inside of Bus: everything between an operation and the rows that it writes.
// One class, cut by family over several files:
//   machine.cpp   opening, turns, sealing, roles      push.cpp    entering
//   claim.cpp     taking, windows                     settle.cpp  leaving a claim
//   ends.cpp      placing, groups, ends               change.cpp  cancel, move
//   dead.cpp      dead letters                        read.cpp    get, explain, roles
//   list.cpp      list                                deploy.cpp  versions of what a role runs
//   timers.cpp    clocks, due rows, lapses, retention waits.cpp   parked commands, events
//   freeze.cpp    the kill switch                     desk.cpp    what guards are offered
//   reap.cpp      claims of a process that is gone    chronicle.cpp, event_add.cpp
//   deploy.cpp    versions of what a role runs        ops_desk.cpp what the ops layer is offered
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "bus/base/result.h"
#include "bus/core/bus.h"
#include "bus/core/chronicle.h"
#include "bus/core/faults.h"
#include "bus/core/home_cache.h"
#include "bus/core/keys.h"
#include "bus/core/lanes.h"
#include "bus/core/overlay.h"
#include "bus/core/records.h"
#include "bus/core/waits.h"

namespace pawl::core {

class Fields;

// The name of a daemon without the id of its present process.
constexpr std::string_view without_boot(std::string_view daemon) {
  return daemon.substr(0, daemon.find('@'));
}

struct RoleState {
  uint32_t number = 0;
  RoleRecord record;
  const RoleConfig* config = nullptr;
  RoleCounts counts;     // as of the open batch
  RoleCounts sealed;     // as of the batch in flight
  RoleCounts committed;  // what status reads show
  RoleRecord sealed_record;
  RoleRecord committed_record;
  std::string version;  // that the newest claim said it is run with; "": none did since the start
  std::string sealed_version;
  std::string committed_version;
  bool counts_dirty = false;
  std::array<Lane, 10> home;  // by 9 - priority
  std::array<Lane, 10> back;
  std::array<bool, 10> mark_dirty{};
  // Totals at each of the last six ten-second marks, for rates a minute; oldest first.
  std::deque<RoleCounts> history;
  // A guard's refusal of its claims. Asked again at that bus time, or when something wakes the role.
  std::optional<Verdict> held;
  int64_t held_until_ms = 0;
  // When the newest refusal said it would pass: in wall time, and in bus time as of then.
  int64_t retry_wall_ms = 0;
  int64_t retry_bus_ms = 0;
};

// What the end of a message needs of its home row.
struct HomeFacts {
  std::string unique;
  int64_t unique_until_ms = 0;
  std::string group;
  uint64_t bytes = 0;
  bool has_blob = false;

  explicit HomeFacts(const HomeRecord& home)
      : unique(home.unique),
        unique_until_ms(home.unique_until_ms),
        group(home.group),
        bytes(home.bytes()),
        has_blob(home.blob_bytes != 0) {}
};

struct LiveClaim {
  BirthKey key;
  LifeRecord life;
  HomeFacts home;
  uint32_t max_attempts = 0;  // 0: the role's
  uint64_t batch = 0;         // whose row in `claimed` lists it
};

struct Loaded {
  BirthKey key;
  HomeRecord home;
  LifeRecord life;
  bool fresh = false;  // no life row: ready in its home lane
};

struct Granted {
  const LiveClaim* claim = nullptr;  // lives until the next operation
  const RoleState* role = nullptr;
  HomeRecord home;
};

struct ClaimAsk {
  std::string_view daemon;
  std::vector<std::string_view> roles;
  size_t count = 1;
  std::optional<int64_t> lease_ms;
  std::string_view version{};
};

struct ClaimOutcome {
  std::vector<Granted> granted;
  bool loading = false;            // a window was still being filled
  bool all_held = false;           // a guard holds every role, or the daemon
  bool daemon_held = false;        // others may still be served
  std::optional<Verdict> verdict;  // of the one that passes first
};

using Claims = std::unordered_map<uint64_t, LiveClaim>;  // by sequence

class Machine {
 public:
  // `office` may be null.
  Machine(const StateView& committed, const BusConfig& config, Gate& gate, Office* office);
  ~Machine();
  Status open();

  // machine.cpp
  void begin_turn(Instant now);
  Applied apply(const Caller& caller, const Operation& operation, Outbox& outbox);
  Batch seal();
  void committed();
  bool has_changes() const { return !view_.open_empty() || clocks_due_; }
  size_t open_bytes() const { return view_.open_bytes(); }
  uint64_t open_sequence() const { return chain_.sequence + 1; }
  bool failed() const { return view_.failed() || !damage_.empty(); }
  std::string failure() const;
  BusTotals totals() const;
  void reconfigure(const BusConfig& config, const std::string& changes, const std::string& by);
  void set_disk(DiskMark mark);
  // freeze.cpp
  const FreezeRecord& freeze() const { return freeze_; }
  const FreezeRecord& committed_freeze() const { return committed_freeze_; }
  void set_freeze_flagged(bool flagged);
  // timers.cpp
  void tick(Outbox& outbox);
  bool more_work() const { return more_work_; }
  std::optional<int64_t> next_wakeup_ms() const;
  // waits.cpp
  void disconnected(ClientId client);
  // ops_desk.cpp
  std::vector<std::string> zones() const;

 private:
  // ---- machine.cpp: roles
  RoleState* find_role(std::string_view name);
  RoleState& role_by_number(uint32_t number);
  // Why there may be no such role, if so.
  std::optional<Error> check_role(std::string_view name);
  Result<RoleState*> role_for_write(std::string_view name);
  RoleState& make_role(std::string_view name);
  void put_role(const RoleState& role) {
    view_.put(Table::role, keys::role(role.number), encode(role.record));
  }
  RoleCounts& counts(RoleState& role);
  void shift(RoleState& role, MessageState from, MessageState to);
  static RoleFacts facts(const RoleState& role) {
    return {role.record.name, role.number, role.config, &role.record, &role.counts};
  }
  Clocks clocks() const { return {head_.wall_ms, head_.bus_ms, head_.lease_ms}; }
  Applied dispatch(const Caller& caller, const Operation& operation, Outbox& outbox);
  void damage(std::string_view what);
  Status load_roles();
  Status load_claims();
  uint64_t jitter(uint64_t below_or_at);
  void flush_ended();

  // ---- freeze.cpp
  Status load_freeze();
  void apply_kill_set(const Caller& caller, const op::KillSet& set, Outbox& outbox);
  void apply_kill_clear(const Caller& caller, const op::KillClear& clear, Outbox& outbox);
  void apply_kill_files(const op::KillFiles& files, Outbox& outbox);
  void begin_freeze(FreezeRecord freeze, Outbox& outbox);
  void end_freeze(std::string_view by, std::string_view reason, Outbox& outbox);
  void put_freeze();
  void tick_freeze(Outbox& outbox);

  // ---- desk.cpp
  template <typename Seam, Table rows>
  class DeskFor;
  class GuardDesk;
  class OpsDesk;
  const Verdict* ask_claim(RoleState& role, const Candidate& candidate);
  void wake(RoleState& role);
  void wake_all();
  void end_holds();
  bool unspend(const BirthKey& key, uint32_t delivery);

  // ---- push.cpp
  void apply_push(const op::Push& push, ReplyWriter& writer);
  void apply_multi_push(const op::MultiPush& push, ReplyWriter& writer);
  BirthKey push_message(RoleState& role, const op::Push& push);
  void put_new_parked(RoleState& role, const BirthKey& key, const op::Push& push, const HomeRecord& home,
                      bool behind_head);
  std::optional<BirthKey> unique_holder(const RoleState& role, std::string_view unique) const;
  void hold_unique(const RoleState& role, const BirthKey& key, std::string_view unique, int64_t until_ms);
  void apply_transaction(const op::Transaction& transaction, ReplyWriter& writer);
  std::optional<Error> check_transaction(const op::Transaction& transaction);

  // ---- claim.cpp
  Applied apply_claim(ClientId client, const op::Claim& claim, Outbox& outbox);
  ClaimOutcome take(const ClaimAsk& ask);
  bool behind_loaders(const std::vector<std::string_view>& roles) const;
  void write_claims(ClientId client, const ClaimOutcome& outcome, ReplyWriter& writer, Outbox& outbox);
  std::optional<HomeRecord> home_of(const LaneEntry& entry, bool from_home);
  const LiveClaim& grant(RoleState& role, const LaneEntry& entry, bool from_home, const HomeRecord& home,
                         const ClaimAsk& ask, Reservation reserved);
  size_t first_turn(std::string_view daemon, const std::vector<std::string_view>& roles);
  void served(std::string_view daemon, const RoleState& role);
  Error refusal(const Verdict& verdict) const;
  enum class Peek : uint8_t { found, nothing, loading };
  Peek peek(RoleState& role, Lane*& lane, bool& from_home, int& index);
  void refill(RoleState& role, int index, bool home);
  size_t rows_at_once() const {
    return std::min({config_.refill_rows_at_once, config_.refill_rows_per_step, config_.window_entries_max});
  }
  // Return the rows looked at.
  size_t refill_home(RoleState& role, int index, Lane& lane);
  size_t refill_back(RoleState& role, int index, Lane& lane);
  // False: it went to disk only.
  bool offer(RoleState& role, Lane& lane, const LaneEntry& entry);
  void leave_window(Lane& lane, uint64_t sequence);
  void shrink_windows();
  uint64_t home_mark(const Lane& lane) const;

  // ---- settle.cpp
  LiveClaim* find_claim(std::string_view id, std::string_view token);
  void charge(LifeRecord& life, const op::Usage& usage, bool live = true);
  void charge_lost(std::string_view id, std::string_view token, const op::Usage& usage);
  // What a delivery that failed had used, for its entry of the chronicle.
  static void add_usage(Headers& fields, const LifeRecord& life);
  void write_lost(std::string_view id, ReplyWriter& writer);
  void apply_ack(ClientId client, const op::Ack& ack, ReplyWriter& writer, Outbox& outbox);
  void apply_multi_ack(const op::MultiAck& ack, ReplyWriter& writer);
  void apply_fail(const op::Fail& fail, ReplyWriter& writer);
  void apply_extend(const op::Extend& extend, ReplyWriter& writer);
  void write_extended(const LiveClaim& claim, ReplyWriter& writer);
  void apply_release(const op::Release& release, ReplyWriter& writer);
  void apply_unclaim(const op::Unclaim& unclaim);
  void acknowledge(LiveClaim& claim, std::string_view result, std::string_view version = {});
  void fail_claim(LiveClaim& claim, const op::Fail& fail, ReplyWriter& writer);
  void spend(LifeRecord& life, ErrorClass error_class);
  // The guards' say on a failed or lapsed delivery, and what they keep of it afterwards.
  Ruling judge(LiveClaim& closed, Outcome outcome, bool final);
  void settled(LiveClaim& closed, Outcome outcome, const Ruling& ruling = {}, bool final = false);
  Ending ending_of(const RoleFacts& role, const LiveClaim& closed, Outcome outcome) const;
  int64_t backoff_ms(const RoleState& role, ErrorClass error_class, uint32_t before);
  void lapse(LiveClaim& claim);
  void end_unheard(LiveClaim& claim, ErrorClass error_class, std::string text);
  void release_claim(LiveClaim& claim, int64_t delay_ms);
  // The claim is over: out of the live set, its invocation on record.
  Claims::node_type close_claim(const LiveClaim& claim, Outcome outcome, ErrorClass error_class,
                                std::string_view text);
  uint32_t max_attempts(const RoleState& role, uint32_t own) const;

  // ---- chronicle.cpp, event_add.cpp
  Status load_chronicle();
  void apply_event_add(const Caller& caller, const op::EventAdd& add, ReplyWriter& writer);
  void chronicle(std::string_view kind, Headers fields);
  void seal_chronicle();
  size_t retain_chronicle();
  Applied apply_events(ClientId client, const op::Events& events, Outbox& outbox);
  // False, and nothing written, when there is nothing to tell.
  bool write_events(const EventsAsk& ask, bool even_if_empty, ClientId client, Outbox& outbox);
  void serve_events(Outbox& outbox);
  // ---- deploy.cpp
  class Deployments;
  void note_version(LifeRecord& life, std::string_view version);

  // ---- reap.cpp
  void load_reaps();
  std::vector<uint64_t> claims_of(std::string_view daemon) const;
  bool reap_some(std::string_view daemon, std::vector<uint64_t>& sequences);
  void apply_reap(const Caller& caller, const op::Reap& reap, ReplyWriter& writer);
  void tick_reaps();

  // ---- ends.cpp
  std::optional<Loaded> load(const BirthKey& key);
  std::optional<Loaded> load(std::string_view id);
  bool read_payload(Loaded& message);
  void put_life(const BirthKey& key, const LifeRecord& life) {
    view_.put(Table::life, keys::birth(key), encoded(life));
  }
  // Good until the next call.
  template <typename Record>
  std::string_view encoded(const Record& record) {
    encoded_.clear();
    append_record(encoded_, record);
    return encoded_;
  }
  void place_back(RoleState& role, const BirthKey& key, LifeRecord& life);
  void place_due(const BirthKey& key, LifeRecord& life, int64_t at_ms, bool wall);
  void erase_due(const BirthKey& key, LifeRecord& life);
  // Takes a scheduled or ready message out of lanes, schedules and group rows; its group head stays.
  void unplace(const Loaded& message, LifeRecord& life);
  bool is_group_head(uint32_t role, std::string_view group, const BirthKey& key) const;
  bool join_group(RoleState& role, std::string_view group, const BirthKey& key);
  void leave_group(RoleState& role, std::string_view group, const BirthKey& key);
  void promote_next(RoleState& role, std::string_view group);
  // The message, in state `from` and in no index any more, ends. Not for dead letters.
  void end_message(const BirthKey& key, LifeRecord& life, const HomeFacts& home, MessageState from,
                   Place end);
  void leave_backlog(RoleState& role, uint64_t bytes);
  void bury(const BirthKey& key, LifeRecord& life, const HomeFacts& home, MessageState from,
            const Ruling& ruling);
  void free_keys(const BirthKey& key, LifeRecord& life, const HomeFacts& home);
  void purge(const EndedItem& item);
  void purge_rows(const BirthKey& key, bool has_blob, uint32_t invocations);
  // The ops layer sees what failed before its rows go.
  void tell_past(const BirthKey& key, const RoleState& role, uint32_t invocations);
  void forget_role_if_done(RoleState& role);

  // ---- change.cpp
  void apply_cancel(const op::Cancel& cancel, ReplyWriter& writer);
  MessageState cancel_message(Loaded& message, std::string_view reason);
  Applied apply_cancel_filter(ClientId client, const op::CancelFilter& filter, Outbox& outbox);
  void apply_move(const op::Move& move, ReplyWriter& writer);
  void relocate(Loaded& message, uint8_t priority, RoleState& to, bool moves_key);
  void apply_pause(const op::Pause& pause, ReplyWriter& writer, Outbox& outbox);
  void apply_resume(const op::Resume& resume, ReplyWriter& writer, Outbox& outbox);
  void apply_role_drop(const op::RoleDrop& drop, ReplyWriter& writer);
  void expire_message(Loaded& message);

  // ---- dead.cpp
  struct DeadQuery;
  bool dead_matches(const DeadQuery& query, const DeadRecord& record);
  void apply_dead_list(const op::DeadList& list, ReplyWriter& writer);
  void apply_dead_get(const op::DeadGet& get, ReplyWriter& writer);
  Applied apply_dead_count(ClientId client, const op::DeadCount& count, Outbox& outbox);
  Applied apply_dead_groups(ClientId client, const op::DeadGroups& groups, Outbox& outbox);
  Applied apply_dead_replay(ClientId client, const op::DeadReplay& replay, Outbox& outbox);
  void apply_dead_edit(const op::DeadEdit& edit, ReplyWriter& writer);
  Applied apply_dead_drop(ClientId client, const op::DeadDrop& drop, Outbox& outbox);
  std::optional<Error> load_dead_ids(const std::vector<std::string_view>& ids, std::vector<Loaded>& out);
  struct ReplayJob;
  bool step_replay(ReplayJob& job);
  bool replay_one(Loaded& message, ReplayJob& job);
  void drop_dead(const Loaded& message);
  void write_dead(const DeadRecord& record, const Loaded& message, ReplyWriter& writer);
  bool scan_dead(uint64_t& next, size_t rows, const std::function<bool(uint64_t, const DeadRecord&)>& sink);

  // ---- read.cpp
  void apply_get(std::string_view id, bool dead_only, ReplyWriter& writer);
  void write_message(Loaded& message, ReplyWriter& writer);
  std::vector<InvocationRecord> invocations(const Loaded& message);
  void apply_list(const op::List& list, ReplyWriter& writer);
  Fields list_fields(const RoleState& role, const Loaded& message) const;
  // Up to `rows` keys of a role in a state, from `cursor` on; the cursor is "0" when none are left.
  void enumerate(RoleState& role, MessageState state, std::string& cursor, size_t rows,
                 std::vector<BirthKey>& out);
  void enumerate_ready(RoleState& role, int& phase, std::string& key, size_t rows,
                       std::vector<BirthKey>& out);
  void enumerate_scheduled(RoleState& role, int& phase, std::string& key, size_t rows,
                           std::vector<BirthKey>& out);
  void enumerate_ended(RoleState& role, MessageState state, int& phase, std::string& key, size_t rows,
                       std::vector<BirthKey>& out);
  void apply_explain(const op::Explain& explain, ReplyWriter& writer);
  void apply_roles(const Caller& caller, ReplyWriter& writer);
  void apply_role_info(const op::RoleInfo& info, ReplyWriter& writer);
  void write_role(RoleState& role, ReplyWriter& writer);
  std::optional<int64_t> oldest_ready_ms(RoleState& role);
  int64_t wall_of_bus(int64_t bus_ms) const { return head_.wall_ms + (bus_ms - head_.bus_ms); }
  int64_t wall_of_lease(int64_t lease_ms) const { return head_.wall_ms + (lease_ms - head_.lease_ms); }
  int64_t due_on_wall_ms(const LifeRecord& life) const {
    return life.due_on_wall ? life.due_ms : wall_of_bus(life.due_ms);
  }

  // ---- timers.cpp
  void tick_rows(Outbox& outbox);
  size_t fire_due_bus();
  size_t fire_due_wall();
  void fire_due(const BirthKey& key);
  size_t sweep_lapses();
  size_t retain_done();
  bool first_ended(std::string& row, std::string& value) const;
  size_t retain_dead();
  void alarm(uint8_t bit, bool near, std::string_view what);
  void run_jobs(Outbox& outbox);
  void load_windows(Outbox& outbox);
  bool turn_history();
  void find_next_due();
  int64_t first_time(Table table, std::string_view from) const;

  // ---- waits.cpp
  Wait& park(ClientId client, WaitKind kind, int64_t wait_ms);
  void unpark(uint64_t number);
  void serve_ready(Outbox& outbox);
  enum class Served : uint8_t { over, waits, passed_over };
  Served serve_claim_wait(Wait& wait, Outbox& outbox, bool last_chance);
  uint64_t first_waiter(const std::set<uint64_t>& passed_over);
  void serve_results(Outbox& outbox);
  void end_waits(Outbox& outbox);
  Applied apply_get_result(ClientId client, const op::GetResult& get, Outbox& outbox);
  static void write_result(MessageState state, std::string_view result, ReplyWriter& writer);
  void note_end(const BirthKey& key, const LifeRecord& life);
  Applied start_job(ClientId client, bool reads_only, Job job, Outbox& outbox);
  void readied(const RoleState& role) { readied_.insert(role.record.name); }

  Overlay view_;
  BusConfig config_;
  Gate& gate_;
  std::unique_ptr<Desk> desk_;
  std::unique_ptr<OpsDesk> ops_;  // null: there is no ops layer
  HeadRecord head_;
  FreezeRecord freeze_;                                             // as of the open batch
  FreezeRecord sealed_freeze_;                                      // as of the batch in flight
  FreezeRecord committed_freeze_;                                   // what status reads show
  std::optional<FreezeRecord> wanted_freeze_;                       // by a guard; begins with the next tick
  std::optional<std::pair<std::string, std::string>> wanted_thaw_;  // by, reason
  std::map<std::string, std::vector<uint64_t>> reaps_;  // name@boot → claims of it that are still to be ended
  DiskMark disk_ = DiskMark::ample;
  ChainLink chain_;
  int64_t mono_ms_ = 0;
  bool first_turn_ = true;
  uint64_t turn_ = 0;
  bool clocks_due_ = false;
  int64_t clocks_saved_mono_ms_ = 0;
  std::string damage_;  // the first row that must be there, or decode, and did not
  bool more_work_ = false;
  bool batch_is_full_ = false;  // background work waits for the next one

  std::map<uint32_t, std::unique_ptr<RoleState>> roles_;
  std::map<std::string, RoleState*, std::less<>> role_names_;
  std::map<std::string, RoleState*, std::less<>> shown_names_;  // as committed, for status reads
  Claims claims_;
  std::set<std::pair<int64_t, uint64_t>> leases_;              // deadline in lease time, sequence
  std::map<uint64_t, size_t> claim_batches_;                   // batch → live claims that it lists
  std::map<std::string, uint32_t, std::less<>> daemon_turns_;  // cache of table daemon
  size_t window_entries_ = 0;
  HomeCache home_cache_{config_.home_cache_bytes};
  std::string encoded_;      // of the record written last
  std::string row_;          // read last by a claim
  std::vector<bool> asked_;  // of a claim's roles: nothing more is there

  int64_t next_due_bus_ms_ = 0;
  int64_t next_due_wall_ms_ = 0;
  int64_t next_ended_ms_ = 0;  // bus time
  // Rows of `ended` before this time are gone, but for those that came in since: a role with a shorter
  // keeping time, when the room for ended messages is used up and the others go before theirs.
  int64_t ended_from_ = 0;
  std::set<std::pair<int64_t, uint64_t>> early_ended_;  // time, batch
  int64_t history_mono_ms_ = 0;

  // Of the open batch.
  std::map<int64_t, EndedRecord> ended_;  // by the bus time when retention may take them
  std::vector<std::pair<BirthKey, uint64_t>> batch_claims_;
  std::vector<RoleState*> dirty_roles_;
  std::vector<RoleState*> sealed_roles_;

  uint64_t next_wait_ = 1;
  std::map<uint64_t, Wait> waits_;
  std::unordered_map<ClientId, uint64_t> wait_of_client_;
  std::set<std::pair<int64_t, uint64_t>> wait_deadlines_;  // monotonic
  std::map<std::string, std::set<uint64_t>, std::less<>> role_waits_;
  std::map<uint64_t, std::set<uint64_t>> result_waits_;  // by sequence
  std::set<uint64_t> event_waits_;
  std::set<uint64_t> loading_waits_;                  // claims that met a window being filled
  std::set<std::pair<int64_t, uint32_t>> hold_ends_;  // bus time, role number
  std::set<std::string> readied_;                     // roles with something new to claim
  std::vector<EndedResult> ended_results_;            // that somebody waits for
  bool events_added_ = false;
  ChronicleEnds chronicle_ends_;
  bool chronicle_changed_ = false;
  std::deque<JobEntry> jobs_;
};

}  // namespace pawl::core
