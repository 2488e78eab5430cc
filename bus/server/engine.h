// The bus, the store under it and the thread that waits for the disk; and how
// they come back after a failed commit.
//
// A failure is not an error answer: bus and store are thrown away and opened
// again, after 100 ms and then after pauses that double up to 5 s until a commit
// succeeds. While the store cannot be opened for writing it is opened read-only
// between the attempts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bus/core/bus.h"
#include "bus/server/backend.h"
#include "bus/server/relay.h"
#include "bus/server/worker.h"

namespace pawl::server {

enum class EngineMode : uint8_t {
  serving,
  reopening,  // no bus yet; what comes may wait
  read_only,  // reads only; reason() says why
  down,       // nothing can be read either; reason() says why
};

enum class EngineEvent : uint8_t {
  none,
  committed,
  failed,    // the bus is gone, and with it what was not durable
  reopened,  // a new bus serves
  degraded,  // a new bus reads only, or there is none
};

// Thread: the loop's.
class Engine {
 public:
  // `gate` and `office` outlive the engine; `notify` is called on another thread when poll() has something.
  Engine(core::BusConfig config, core::Gate& gate, OpenBackend open, std::function<void()> notify,
         core::Office* office = nullptr);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The first opening, on the caller's thread; fails as the store or the bus does.
  Status start();

  // What holds now; later ones take its place.
  const core::BusConfig& config() const { return config_; }
  EngineMode mode() const { return mode_; }
  const std::string& reason() const { return reason_; }
  // Null while reopening or down.
  core::Bus* bus() { return bus_.get(); }
  const core::Bus* bus() const { return bus_.get(); }
  std::shared_ptr<store::Store> store() const { return backend_ ? backend_->store : nullptr; }

  // What a bus that is opened from now on gets. Requires serving.
  void set_config(core::BusConfig config);

  // Sequence of the batch whose commit runs; 0: none does.
  uint64_t in_flight() const { return in_flight_; }
  // The commit in flight is over, and poll() has not said so yet.
  bool has_ended() const { return in_flight_ != 0 && worker_.done(); }
  uint64_t durable() const { return durable_; }
  uint64_t commits() const { return commits_; }
  int64_t last_commit_us() const { return last_commit_us_; }

  // Seals the open batch and begins its commit, on the thread that may wait for the disk or, with `here`, in
  // commit_here(). Requires serving, nothing in flight and something to seal. `first` runs on the same thread
  // right before; the commit goes on whatever it answers.
  void submit(bool here = false, std::function<Status()> first = {});
  // What the newest `first` answered.
  const Status& first_status() const { return first_status_; }
  // What is to be committed here, if anything; see Worker::run_here. False: the loop is another thread's.
  bool commit_here(Relay& relay);
  // Whether the commit ended within `microseconds`; blocks meanwhile.
  bool wait_for_commit(long microseconds);
  // What the worker has done since. After `failed` there is no bus.
  EngineEvent poll(Instant now);
  // The bus says of itself that it failed. A commit in flight is waited for first: poll() answers `failed`
  // then.
  void abandon(const std::string& why);
  bool abandoned() const { return abandoned_; }
  // Begins to reopen when it is time.
  void reopen_if_due(Instant now);
  std::optional<int64_t> next_reopen_ms() const;

 private:
  struct Attempt;  // one reopening, made on the worker's thread

  void commit();
  EngineEvent finish_commit(Instant now);
  EngineEvent finish_attempt(Instant now);
  EngineEvent fail(Instant now, const std::string& why);
  static void attempt(Attempt& attempt, const core::BusConfig& config, core::Gate& gate, core::Office* office,
                      const OpenBackend& open);

  core::BusConfig config_;
  core::Gate& gate_;
  core::Office* office_;
  OpenBackend open_;

  EngineMode mode_ = EngineMode::down;
  std::string reason_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<core::Bus> bus_;

  // Owned by the worker's thread while a job runs.
  core::Batch batch_;
  Status commit_status_;
  std::function<Status()> first_;
  Status first_status_;
  int64_t commit_us_ = 0;
  std::shared_ptr<Attempt> attempt_;

  uint64_t in_flight_ = 0;
  bool due_here_ = false;  // sealed, for commit_here()
  uint64_t durable_ = 0;
  uint64_t commits_ = 0;
  int64_t last_commit_us_ = 0;
  bool abandoned_ = false;
  std::string abandoned_why_;
  int64_t pause_ms_;
  int64_t reopen_at_ms_ = 0;
  Worker worker_;  // last: its thread must end before what its jobs use
};

}  // namespace pawl::server
