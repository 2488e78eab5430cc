// Claims, runs a command for each message, keeps its claim alive, reports: what `pawl exec` and `pawl run`
// have in common.
//
// One thread, one poll loop; a connection for each lane that claims (and may be parked in CLAIM … WAIT), one
// that extends and settles; another hears of freezes once something runs for longer. A failure of any is
// survived: what runs goes on, its end is reported once the bus is back. What cannot be reported for a freeze
// is reported after it. With a spool, what cannot be reported at once is on disk meanwhile.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runner/freeze_watch.h"
#include "runner/job.h"
#include "runner/lane.h"
#include "runner/voice.h"

namespace pawl::runner {

class Spool;

struct WorkCounts {
  int64_t handled = 0;
  int64_t failed = 0;  // attempts that failed or whose claim was lost
  int64_t cancelled = 0;
  int64_t released = 0;
  int64_t unreported = 0;  // left behind in a freeze
  int64_t spooled = 0;     // left on disk, for the next process

  int64_t ended() const { return handled + failed + cancelled + released; }
};

struct WorkOptions {
  std::string daemon;
  bool once = false;   // one message; goes with one lane
  bool drain = false;  // until nothing is ready or scheduled
  int64_t once_wait_ms = 0;
  // A bus that is gone is waited for so long; nothing: forever, from the start on, and what a role's command
  // or its claims meet is that role's trouble alone.
  std::optional<int64_t> reconnect_ms;
  bool resident() const { return !reconnect_ms; }
};

struct WorkPlace {
  client::Endpoint endpoint;
  client::Timeouts timeouts;
  Surroundings surroundings;
  FreezeWatch::ReadFlags read_flags;
};

// Why a loop ended.
struct WorkEnd {
  enum class Why : uint8_t {
    finished,     // all that was to be done, or told to stop
    refused,      // the bus answered `code`, and that does not pass
    held,         // with `once`: nothing was begun, `code` held it back
    frozen,       // outcomes were left behind in a freeze
    unreachable,  // the bus is gone
    failed,       // a command did not start
  };
  Why why = Why::finished;
  Code code = Code::err;
};

// What the owner of a loop adds to it. Called on the loop's thread.
class WorkHost {
 public:
  WorkHost() = default;
  WorkHost(const WorkHost&) = delete;
  WorkHost& operator=(const WorkHost&) = delete;
  virtual ~WorkHost() = default;

  // Something is about to be claimed or begun: lanes and setups are to be what they should be.
  virtual void refresh(int64_t /*now_ms*/) {}
  // Once a turn; lowers *wake_ms to when the next one must be, at the latest.
  virtual void turn(int64_t /*now_ms*/, int64_t* /*wake_ms*/) {}
  // SIGHUP.
  virtual void hang_up() {}
  // Told to stop, before anything is ended.
  virtual void stopping() {}
  virtual bool verbose() const { return false; }

  // Whether a message of the lane may begin that is to be run with this deployed version (0: none). `wait`:
  // the host calls WorkLoop::begin_waiting() when that has changed. `refuse`: it is given back, *why says
  // why.
  enum class Readiness : uint8_t { begin, wait, refuse };
  virtual Readiness readiness(const Lane& /*lane*/, int64_t /*deployed*/, std::string* /*why*/) {
    return Readiness::begin;
  }
};

// Whether a refusal with that code is over some time, and what was asked may be asked again.
bool passes_by_itself(Code code);

class WorkLoop {
 public:
  // `signal_fd` becomes readable with a signalfd_siginfo for SIGINT, SIGTERM and SIGHUP. Everything pointed
  // to outlives the loop; `host` and `spool` may be null.
  WorkLoop(WorkOptions options, WorkPlace place, Voice* voice, int signal_fd, WorkHost* host, Spool* spool);
  WorkLoop(const WorkLoop&) = delete;
  WorkLoop& operator=(const WorkLoop&) = delete;
  ~WorkLoop();

  // The pointer lives until a turn after retire() in which nothing of the lane's runs any more.
  Lane* add_lane(std::vector<std::string> roles, size_t capacity, SetupPtr setup);
  void retire(Lane* lane);

  // Asks about each message of the role again that the host made wait.
  void begin_waiting(const std::string& role);

  // Until there is nothing left to do.
  WorkEnd run();

  const WorkCounts& counts() const { return counts_; }
  // The connection that extends and settles, for what else is to be asked.
  Link& reports() { return reports_; }
  size_t running() const { return jobs_.size(); }
  bool shutting_down() const { return shutting_down_; }

 private:
  // Claiming.
  bool may_claim(const Lane& lane, int64_t now_ms) const;
  void claim(Lane* lane, int64_t now_ms);
  void claim_where_possible(int64_t now_ms);
  void on_claims(Lane* lane, const client::Reply& reply, const std::string& version);
  void on_claim_error(Lane* lane, const Error& error);
  void take(Lane* lane, client::Reply claim, const std::string& version);
  SetupPtr setup_for(Lane* lane, const std::string& without);
  void begin_when_ready(Job* job, client::Reply claim);
  void begin(Job* job, const client::Reply& claim);
  void start_failed(Job* job, const Error& error);
  void refuse(Job* job, client::Command settle, Job::Ending ending);
  void look_for_the_end(int64_t now_ms);
  void on_depth(const client::Reply* reply);

  // Jobs.
  void extend_due(int64_t now_ms);
  void on_extended(Job* job, const client::Reply* reply);
  void settle_due(int64_t now_ms);
  void on_settled(Job* job, const client::Reply* reply);
  void on_settle_error(Job* job, const Error& error);
  void resolve_unsure(Job* job);
  void count(Job* job);
  void pump_jobs(int64_t now_ms);
  void lose(Job* job, const std::string& why);
  void forget(Job* job);
  void remove_settled();
  bool any_running() const;

  // The spool.
  void take_up_spool();
  void keep_on_disk(Job* job);
  void leave_on_disk();

  // Freezes.
  void watch_freeze(int64_t now_ms);
  void begin_freeze(int64_t now_ms);
  void end_freeze(int64_t now_ms);
  void leave_unreported(Job* job);

  // The loop.
  std::optional<WorkEnd> connect_first(int64_t now_ms);
  void connect_when_due(int64_t now_ms);
  bool finished(int64_t now_ms);
  void wait_for_something(int64_t now_ms, int64_t wake_ms);
  void pump_links(int64_t now_ms);
  void read_signals();
  void begin_shutdown();
  void watch_links(int64_t now_ms);
  void give_up();
  void show_progress();
  WorkEnd ended() const;
  std::optional<int64_t> down_since_ms() const;
  const Error& link_failure() const;
  bool claims_in_flight() const;

  const WorkOptions options_;
  const WorkPlace place_;
  Voice* voice_;
  const int signal_fd_;
  WorkHost* host_;
  Spool* spool_;
  WorkHost no_host_;
  std::list<std::unique_ptr<Lane>> lanes_;
  Link reports_;
  FreezeWatch watch_;
  std::list<std::unique_ptr<Job>> jobs_;
  WorkCounts counts_;

  std::optional<Code> held_code_;  // nothing is held
  size_t depth_asked_ = 0;
  int64_t depth_ = 0;
  bool drained_ = false;
  bool taken_once_ = false;
  bool claimed_once_ = false;  // something was asked for
  int64_t once_until_ms_ = 0;

  bool frozen_ = false;  // and what runs was told
  bool shutting_down_ = false;
  bool gave_up_ = false;
  int64_t idle_since_ms_ = 0;  // nothing runs and the bus is gone
  bool down_said_ = false;
  bool spool_failure_said_ = false;
  std::optional<WorkEnd> stop_;  // why it ended early
};

}  // namespace pawl::runner
