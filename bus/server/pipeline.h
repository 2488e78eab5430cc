// THE MAIN PATH.
//
//   bytes → parse → decode → bus.apply, guards first         run_commands(), serve()
//   → bus.tick → seal → the journal commits                  end_turn()
//   → the replies leave                                      begin_turn()
//
// One batch is in flight; what arrives meanwhile forms the next. No reply leaves
// before the newest open batch that it wrote or read is durable: each is tagged
// with the sequence of that batch and stays in its client's ReplyQueue until then.
// Status reads answer from committed values and are tagged 0, "now".
//
// Knows no sockets. Thread: the loop's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bus/protocol/command_table.h"
#include "bus/server/client.h"
#include "bus/server/engine.h"
#include "bus/server/flag_files.h"
#include "bus/server/pubsub.h"
#include "bus/server/reloader.h"

namespace pawl::server {

class Session;

constexpr int64_t flag_look_ms = 100;   // while nothing else happens
constexpr int64_t slow_kill_ms = 2000;  // then a KILL is answered without being durable

struct PipelineOptions {
  size_t output_soft_bytes = limits::output_soft_bytes;
  // Small commits are made by the loop's thread, in commit_here().
  bool commits_here = false;
  std::string flag_directory;  // where KILL and KILL_HARD are; empty: nowhere
  LoadConfig load_config;      // for RELOAD; may be empty
};

class Pipeline final : private core::Outbox {
 public:
  // The engine outlives the pipeline.
  Pipeline(Engine& engine, PipelineOptions options);
  ~Pipeline() override;

  // Session commands go there; set before the first command.
  void set_session(Session& session) { session_ = &session; }

  // Clients are the server's; they are added and removed between turns.
  void add(Client& client);
  // Gives back what it was to get and did not.
  void remove(Client& client);

  // Takes in what became durable since: its replies and broadcasts are released.
  void begin_turn(Instant now);
  // After begin_turn and before any command of the turn: a flag file made before a command was sent is seen.
  void look_at_flags();
  void set_disk(core::DiskMark mark) {
    disk_ = mark;
    if (core::Bus* bus = engine_.bus()) bus->set_disk(mark);
  }
  // Runs what the client has sent, at most one turn's budget. True: there is more to run at once.
  bool run_commands(Client& client);
  // Due work of the bus, unless `draining`; then the next commit begins if none runs. True: another
  // turn should follow at once.
  bool end_turn(bool draining);
  // After end_turn and writing. False: the disk hangs, and the loop goes on in another thread.
  bool commit_here(Relay& relay) { return engine_.commit_here(relay); }
  // A commit has ended that begin_turn() has not taken in.
  bool has_committed() const { return engine_.has_ended(); }

  // Clients that have bytes to write or are to be closed, and clients that can go on; both are forgotten.
  std::vector<Client*> take_dirty() { return std::exchange(dirty_, {}); }
  std::vector<Client*> take_runnable() { return std::exchange(runnable_, {}); }

  // Monotonic time of the next turn that is needed without any input.
  std::optional<int64_t> next_wakeup_ms() const;
  // Nothing is in flight and nothing is left to commit.
  bool settled() const;

  // -- for the session --
  // An operation that is not parked: true when it was answered, false when the client waits (for room, or
  // parked).
  bool serve(Client& client, uint16_t flags, core::Operation operation);
  // One reply that depends on nothing uncommitted.
  template <typename Write>
  void answer(Client& client, const Write& write) {
    write(writer_to(client));
    client.replies.end_reply(0);
    mark_dirty(client);
  }
  void answer_error(Client& client, const Error& error);
  // RELOAD, as serve().
  bool reload(Client& client);
  // The same for a signal; how it came out goes to the log. False: there is no room now.
  bool reload_for_signal();
  // The command that runs is answered later, with finish_wait: then the client goes on.
  void wait_for_verify(Client& client);
  void finish_wait(Client& client);
  // Likewise, but by the same command, which is run once more.
  void run_again(Client& client);
  // Its user has gone: whatever it waits for or listens to ends, and the connection closes.
  void turn_out(Client& client, const Error& error);
  // Who gave the command that runs.
  const core::Caller& caller() const { return caller_; }
  Client* find(core::ClientId id);
  PubSub& hub() { return hub_; }
  Engine& engine() { return engine_; }
  Instant now() const { return now_; }
  uint64_t commands() const { return commands_; }
  size_t client_count() const { return clients_.size(); }
  size_t parked() const { return parked_; }
  const core::BusTotals& totals() const { return totals_; }
  void mark_dirty(Client& client);

 private:
  struct Broadcast {
    uint64_t sequence;
    std::string topic;
    std::string text;
  };

  // core::Outbox
  core::ReplyWriter& reply_to(core::ClientId client) override;
  void carries_claim(core::ClientId client, const BirthKey& message, uint64_t token) override;
  void publish(std::string_view topic, std::string_view text) override;

  bool run_command(Client& client, size_t frame_bytes);
  bool decode_and_run(Client& client, const protocol::Command& command);
  bool queue_in_multi(Client& client, const protocol::Command& command);
  bool may_run(const Client& client) const;
  void half_sent(Client& client);

  bool serve_status(Client& client, uint16_t flags, const core::Operation& operation);
  static bool hands_out_claims(const core::Operation& operation);
  // Closes the replies just written: they leave once batch `tag` is durable.
  void settle(uint64_t tag);
  uint64_t current_tag();
  void deliver_broadcasts();
  void configured(const NewConfig& config);

  core::Bus* writable_bus();
  std::optional<Error> no_bus_for(const core::Operation& operation, uint16_t flags) const;
  Error read_only_error() const;
  bool has_room(uint16_t flags) const;
  bool is_quick_commit() const;
  bool wait_for_room(Client& client);
  void fit_wait(Client& client, core::Operation& operation) const;
  void park(Client& client, uint16_t flags, const core::Operation& operation);
  void unpark(Client& client);

  // pipeline_freeze.cpp: a KILL that cannot commit acts in memory and through the flag files.
  struct PendingKill {
    core::ClientId client;
    core::FreezeRecord freeze;
    uint64_t sequence;      // of its batch
    int64_t since_ms;       // monotonic
    uint64_t reply_ends;    // of the client's replies
    bool only;              // nothing was held in front of it
    bool answered = false;  // with "durable 0", as the disk hangs
  };
  bool serve_without_disk(Client& client, const core::Operation& operation);
  void note_kill(Client& client, bool was_holding);
  void begin_held_freeze();
  const core::FreezeRecord* undurable_freeze() const;
  void freeze_committed();
  void hold_freeze(const core::FreezeRecord& freeze);
  // True: the client has its answer, "durable 0".
  bool answer_undurable(const PendingKill& kill);
  void give_up_slow_kills();
  std::function<Status()> flag_writer();
  void answer_freeze(Client& client, const core::FreezeRecord& freeze);

  // pipeline_zones.cpp
  void give_zones();
  std::optional<Error> resolve_zone(core::Operation& operation);

  void committed();
  void lose_uncommitted();
  void resume_parked();
  bool end_turn_without_bus();
  void wake_stalled();
  void give_back_claims();
  protocol::RespWriter& writer_to(Client& client);

  Engine& engine_;
  PipelineOptions options_;
  Session* session_ = nullptr;
  PubSub hub_;
  Instant now_;

  std::unordered_map<core::ClientId, Client*> clients_;
  std::vector<Client*> dirty_;
  std::vector<Client*> runnable_;
  std::vector<core::ClientId> holding_;  // may hold replies of a batch that is not durable
  std::vector<core::ClientId> stalled_;  // wait for room
  uint64_t park_counter_ = 0;
  size_t parked_ = 0;

  // Of the apply or tick that runs.
  std::vector<Client*> touched_;
  std::string nowhere_;  // replies to clients that have gone
  protocol::RespWriter writer_{nowhere_};
  std::vector<std::string_view> args_;
  size_t frame_bytes_ = 0;
  core::Caller caller_{0};  // of the command that runs

  int64_t open_position_ = 0;  // replies given from the open batch
  std::deque<Broadcast> broadcasts_;
  size_t fresh_broadcasts_ = 0;  // of the apply or tick that runs, at the end of the list
  std::vector<HandedOut> to_give_back_;
  std::vector<HandedOut> giving_back_;  // in batches that are not durable
  uint64_t giving_back_sequence_ = 0;
  uint64_t commands_ = 0;
  core::BusTotals totals_;

  FlagFiles flags_;
  core::DiskMark disk_ = core::DiskMark::ample;
  core::FreezeRecord last_freeze_;                 // the newest durable one
  std::optional<core::FreezeRecord> held_freeze_;  // could not be committed; begins anew with the next bus
  std::vector<PendingKill> pending_kills_;
  uint64_t flag_number_ = 0;      // the freeze whose files are being written
  int64_t flag_retry_at_ms_ = 0;  // monotonic
  Reloader reloader_;
  int64_t zones_due_ms_ = INT64_MIN;  // monotonic
  core::ZoneRules zone_of_set_;       // of the CRON SET that runs
};

}  // namespace pawl::server
