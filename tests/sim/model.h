// The plain reference model: what the contract promises, with maps and loops
// over everything. Written from docs and contract only, never from the core, so
// that a mistake has to be made twice to stay unseen.
//
// It is told each operation together with what the bus answered, says what is
// wrong with the answer, and learns from it what only the bus can know: ids,
// tokens, the jitter of a back-off. A Model is a value: a copy taken when a batch
// is sealed is what the bus must be after losing everything later.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/base/time.h"
#include "bus/core/bus.h"
#include "tests/sim/accounts.h"
#include "tests/support/reply_tree.h"

namespace pawl::sim {

using core::ErrorClass;
using core::MessageState;
using test::Reply;
using test::Value;

struct ModelMessage {
  std::string id;
  std::string role;
  std::string payload;
  std::vector<std::pair<std::string, std::string>> headers;
  uint64_t order = 0;  // of the push
  int priority = 5;
  std::optional<std::string> group;
  std::optional<std::string> unique;
  std::optional<int64_t> unique_until;  // wall; nothing: while scheduled, ready or claimed
  std::optional<uint32_t> max_attempts;
  std::optional<int64_t> lease_ms;
  std::optional<int64_t> expire_at;  // wall

  MessageState state = MessageState::ready;
  std::optional<int64_t> due_bus;
  std::optional<int64_t> due_wall;
  uint32_t deliveries = 0;
  uint32_t spent = 0;
  uint32_t spent_least = 0;  // with outages the two may differ until an answer shows which it is
  uint32_t fatal_run = 0;    // crashes and lapses in a row, and nothing else that was spent between
  std::string release_daemon;
  uint32_t release_run = 0;
  bool cancel_asked = false;

  std::string daemon;  // of the live claim
  std::string token;
  int64_t claim_lease_ms = 0;
  int64_t lease_deadline = 0;  // lease time

  std::string result;
  ErrorClass error_class = ErrorClass::unknown;
  std::string error_text;
  int64_t ended_bus = 0;
  int64_t died_wall = 0;
  uint64_t death = 0;        // order of deaths
  bool may_be_gone = false;  // retention may have taken it
  bool gone = false;         // and was seen to have, or must have
};

struct ModelFreeze {
  core::FreezeKind kind = core::FreezeKind::none;
  core::FreezeScope scope = core::FreezeScope::all;
  std::string reason;
  std::string by;
  int64_t since = 0;  // wall
  int64_t until = 0;  // wall; 0: until it is cleared

  // Whether it stops what a freeze of that scope stops.
  bool stops(core::FreezeScope what) const;
};

class Model {
 public:
  explicit Model(const core::BusConfig& config);

  void begin_turn(Instant now);
  // One operation, what Bus::apply returned, and every reply that it wrote.
  void apply(core::ClientId client, const core::Operation& operation, core::Applied applied,
             const std::vector<Reply>& replies, const core::UserConfig* user = nullptr);
  // Whether that user may not ask for a read of status.
  bool denies(const core::Operation& operation, const core::UserConfig* user);
  // Replies to others, written beside a read of status.
  void served(const std::vector<Reply>& replies);
  // Bus::tick, and every reply that it wrote.
  void tick(const std::vector<Reply>& replies);
  void disconnected(core::ClientId client);
  // The process ended: waiters are gone, clocks stand until the next turn.
  void restarted();
  // A Bus was opened: the roles of the configuration are there.
  void opened();
  // Status reads show committed values: call it on the copy that is durable, at the time of the read.
  void judge_status(const core::Operation& operation, const Value& got, int64_t wall,
                    const core::UserConfig* user = nullptr);
  // LIST walked to its end.
  void judge_listing(std::string_view role, MessageState state, const std::vector<std::string>& ids);

  // The first thing that was wrong, if anything.
  const std::optional<std::string>& problem() const { return problem_; }

  const std::map<std::string, ModelMessage>& messages() const { return messages_; }
  const std::map<std::string, bool>& roles() const { return roles_; }  // name → paused
  size_t waiting() const { return claim_waiters_.size() + result_waiters_.size(); }
  bool waits(core::ClientId client) const;
  size_t count(std::string_view role, MessageState state) const;
  // Claims that lapse with the next tick, and whether that kills their message hangs on attempts that an
  // outage may have given back. GET shows them.
  std::vector<std::string> doubtful_lapses() const;
  int64_t wall_ms() const { return wall_; }
  const ModelFreeze& freeze() const { return freeze_; }
  // How often a freeze began or ended since the last call: so often is it told on pawl.freeze.
  size_t take_freeze_news();
  void set_disk(core::DiskMark mark) { disk_ = mark; }
  core::DiskMark disk() const { return disk_; }
  core::GuardMode mode(std::string_view guard) const;
  const Accounts& accounts() const { return accounts_; }
  // Claims of these roles would surely be refused, or surely come to nothing.
  bool surely_held(std::string_view role) const;
  // Monotonic time, as of this turn's clocks, at which the first thing is due that tick() must do.
  std::optional<int64_t> next_due_mono();

 private:
  struct Key {
    std::string id;
    std::optional<int64_t> until;
    bool loose = false;  // its role or message was dropped: the contract leaves open who holds it
  };
  struct ClaimWaiter {
    core::ClientId client;
    std::string daemon;
    std::vector<std::string> roles;
    size_t count;
    std::optional<int64_t> lease_ms;
    int64_t until_mono;
  };
  struct ResultWaiter {
    core::ClientId client;
    std::string id;
    int64_t until_mono;
  };
  using Pair = std::pair<std::string, std::string>;

  // model.cpp: what happens to messages
  ModelMessage* find(std::string_view id);
  ModelMessage* held(std::string_view id, std::string_view token);
  Key* key_holder(const std::string& role, const std::string& key);
  void leave_group(ModelMessage& message);
  void join_group(ModelMessage& message);
  void make_ready(ModelMessage& message);
  void end(ModelMessage& message, MessageState state);
  bool past_expiry(const ModelMessage& message) const;
  uint32_t attempts_allowed(const ModelMessage& message) const;
  bool ended_by_request_or_age(ModelMessage& message);
  void lapse(ModelMessage& message);
  void give_back(ModelMessage& message, int64_t delay_ms);
  void release(ModelMessage& message, std::optional<int64_t> delay_ms);
  void do_ack(ModelMessage& message, std::string_view result);
  void cancel(ModelMessage& message);
  void let_time_pass();
  void check_after_tick();

  // model_claims.cpp
  ModelMessage* best(const std::string& role, const std::set<std::string>& taken);
  // What a claim gets: for sure, or, where a guard may hold a role, as the answer has it.
  std::vector<ModelMessage*> plan(const std::string& daemon, const std::vector<std::string>& roles,
                                  size_t count, const Value* got = nullptr);
  bool is_paused(const std::string& role) const;
  void judge_claims(const std::string& daemon, const std::vector<std::string>& roles, size_t count,
                    std::optional<int64_t> lease_ms, bool refusal_is_error, const Value& got);
  void judge_one_claim(ModelMessage& message, const std::string& daemon, std::optional<int64_t> lease_ms,
                       const Value& got);
  void judge_claim(core::ClientId client, const core::op::Claim& claim, const Value* got);
  void judge_waiter(const Reply& reply, bool in_tick);

  // model_limits.cpp: what guards say, before an operation and before a claim
  struct Refusal {
    Code code;
    bool sure = true;  // false: it may pass as well
  };
  // model_rights.cpp
  std::optional<Refusal> denial_of(const core::Operation& operation) const;
  std::optional<Refusal> limit_of(const core::Operation& operation) const;
  bool too_big(const core::Operation& operation) const;
  std::optional<Refusal> refusal_of(const core::Operation& operation) const;
  std::optional<Refusal> backlog_refusal(const std::string& role, int priority, uint64_t messages,
                                         uint64_t bytes) const;
  bool judge_refused(const core::Operation& operation, const Value* got);
  void expect_refused(const std::string& what, Code code, const Value& got);
  enum class Hold : uint8_t { none, empty, refused };
  // With so many of its messages about to be claimed already.
  Hold hold_of(const std::string& role, size_t planned) const;
  bool at_concurrency(const std::string& role, size_t planned) const;
  bool at_rate(const std::string& role, size_t planned) const;
  Code refusing_code() const;
  bool may_be_held(const std::string& role) const;
  void note_doubt(const std::string& role);
  void judge_nothing(const std::vector<std::string>& roles, bool refusal_is_error, const Value& got);
  bool judge_limits(const core::Operation& operation, const Value& got);
  std::set<std::string> held_by(const ModelMessage& message) const;
  void judge_explain(const ModelMessage& message, const Value& got);

  // model_freeze.cpp
  std::optional<core::FreezeScope> stopping_freeze(const core::Operation& operation) const;
  void begin_freeze(core::FreezeKind kind, core::FreezeScope scope, std::string by, std::string_view reason,
                    int64_t until);
  void end_freeze();
  void expect_freeze(const std::string& what, const Value& got);
  bool judge_kill(core::ClientId client, const core::Operation& operation, const Value* got);
  bool all_frozen() const { return freeze_.stops(core::FreezeScope::all); }
  bool claims_frozen() const { return freeze_.stops(core::FreezeScope::claims); }

  // model_writes.cpp
  void judge_own(core::ClientId client, const core::Operation& operation, const Value* got);
  bool judge_change(const core::Operation& operation, const Value& got);
  void judge_push(const core::op::Push& push, const Value& got);
  ModelMessage& add_message(const std::string& role, std::string_view payload, const Value& got);
  void judge_cancel_filter(const core::op::CancelFilter& filter, const Value& got);
  void judge_move(const core::op::Move& move, const Value& got);
  void judge_transaction(const core::op::Transaction& transaction, const Value& got);
  void judge_role_drop(std::string_view role, const Value& got);

  // model_deploy.cpp
  bool judge_deploy(const core::Operation& operation, const Value& got);
  void judge_deploy_set(const core::op::DeploySet& set, const Value& got);
  void judge_rollback(const core::op::DeployRollback& rollback, const Value& got);
  void judge_version(const core::op::DeployGet& get, const Value& got);
  void judge_versions(const core::op::DeployList& list, const Value& got);
  void expect_change(const std::string& what, const std::string& role, uint64_t before, const Value& got);
  // The field "deployed" of a claim or a role.
  void expect_deployed(const std::string& what, const std::string& role, const Value& got);

  // model_settle.cpp
  bool judge_settling(const core::Operation& operation, const Value& got);
  void judge_ack(const core::op::Ack& ack, const Value& got);
  void judge_fail(ModelMessage& message, const core::op::Fail& fail, const Value& got);
  void judge_extend(const core::op::Extend& extend, const Value& got);
  std::pair<int64_t, int64_t> backoff_range(const ModelMessage& message, ErrorClass kind) const;

  bool may_be_an_outage(const ModelMessage& message, const core::op::Fail& fail) const;
  bool is_used_up(ModelMessage& message, bool in_doubt, const Value& got) const;
  void charge_late(std::string_view id, std::string_view token, const core::op::Usage& usage);
  bool poisons(const ModelMessage& message, ErrorClass kind) const;

  // model_reads.cpp
  void judge_read(const core::Operation& operation, const Value& got);
  void judge_get(std::string_view id, const Value& got);
  Value result_value(const ModelMessage& message) const;
  void judge_result(core::ClientId client, const core::op::GetResult& read, const Value* got);
  bool absent(std::string_view id, const Value& got);
  void judge_list(const core::op::List& list, const Value& got);
  void judge_role(const std::string& role, const Value& got);
  void judge_guards(const Value& got);

  // model_dead.cpp
  bool matches(const core::op::DeadFilter& filter, const ModelMessage& message) const;
  std::vector<ModelMessage*> dead_ones(const core::op::DeadFilter& filter);
  void judge_dead(const core::Operation& operation, const Value& got);
  void judge_replay(const core::op::DeadReplay& replay, const Value& got);
  bool bad_ids(const std::vector<std::string_view>& ids, const Value& got);
  bool conflicts(ModelMessage& message, const core::op::DeadReplay& replay, bool loose_holds);
  int64_t replay_all(const std::vector<std::string>& ids, const core::op::DeadReplay& replay,
                     bool loose_holds);
  void revive(ModelMessage& message, const core::op::DeadReplay& replay);

  void wrong(const std::string& what);
  void expect(const std::string& what, const Value& want, const Value& got);
  void expect_field(const std::string& what, const Value& got, std::string_view name, const Value& want);

  core::BusConfig config_;
  bool outages_;  // a failure may be put down to one, and then it is not spent
  int64_t wall_ = 0;
  int64_t mono_ = 0;
  int64_t bus_ = 0;
  int64_t lease_ = 0;
  bool clock_runs_ = false;  // false until the first turn after a start

  const core::UserConfig* user_ = nullptr;  // who asks, while he does; null: anybody
  ModelFreeze freeze_;
  size_t freeze_news_ = 0;
  std::map<std::string, core::GuardMode, std::less<>> modes_;  // as set
  core::DiskMark disk_ = core::DiskMark::ample;
  Accounts accounts_;
  // A role's tokens, in units of a token / per_ms, at a bus time.
  struct Bucket {
    int64_t level = 0;
    int64_t at = 0;
  };
  int64_t level_of(const std::string& role) const;
  std::map<std::string, Bucket> buckets_;
  std::map<std::string, uint32_t> spent_now_;  // by id: what GET has shown since the last operation
  std::set<std::string> doubted_;              // by the last plan: ready messages that the answer leaves out
  // Refused though nothing speaks for it, since that bus time.
  std::map<std::string, int64_t> doubts_;

  struct Version {
    std::vector<std::string> command;
    std::optional<std::string> prompt;
    uint64_t before = 0;
    bool same_as(const Version& other) const { return command == other.command && prompt == other.prompt; }
  };
  struct Versions {
    std::map<uint64_t, Version> kept;
    uint64_t next = 1;
    uint64_t current = 0;
    size_t changes = 0;
  };
  std::map<std::string, Versions> versions_;  // by role

  std::map<std::string, bool> roles_;
  std::map<std::string, ModelMessage> messages_;
  std::map<Pair, std::string> heads_;  // role, group → id
  std::map<Pair, Key> keys_;           // role, unique key
  std::map<std::string, std::string> served_;
  std::set<std::string> tokens_;
  uint64_t pushes_ = 0;
  uint64_t deaths_ = 0;
  std::vector<ClaimWaiter> claim_waiters_;
  std::vector<ResultWaiter> result_waiters_;
  std::optional<std::string> problem_;
};

// "name@boot" → "name"
std::string daemon_name(std::string_view daemon);

}  // namespace pawl::sim
