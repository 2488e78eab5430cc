// `pawl exec`: claims, runs a command for each message, keeps its claim alive, reports.
//
// One thread, one poll loop, two connections: one that claims (and may be parked in
// CLAIM … WAIT), one that extends and settles; a third hears of freezes once something runs for
// longer. A failure of any is survived: what runs goes on, its end is reported once the bus is
// back, within `reconnect_ms`. What cannot be reported for a freeze is reported after it.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "cli/exec_job.h"
#include "cli/exec_link.h"
#include "cli/freeze_watch.h"
#include "cli/output.h"

namespace pawl::cli {

struct ExecCounts {
  int64_t handled = 0;
  int64_t failed = 0;  // attempts that failed or whose claim was lost
  int64_t cancelled = 0;
  int64_t released = 0;
  int64_t unreported = 0;  // left behind in a freeze
};

class ExecLoop {
 public:
  // `signal_fd` becomes readable with a signalfd_siginfo for SIGINT and SIGTERM.
  ExecLoop(ExecOptions options, const client::Endpoint& endpoint, client::Timeouts timeouts, Output* out,
           int signal_fd);
  ExecLoop(const ExecLoop&) = delete;
  ExecLoop& operator=(const ExecLoop&) = delete;

  // Until there is nothing left to do; the exit code.
  int run();
  const ExecCounts& counts() const { return counts_; }

 private:
  // Claiming.
  bool may_claim(int64_t now_ms) const;
  void claim(int64_t now_ms);
  void on_claims(const client::Reply& reply);
  void on_claim_error(const Error& error);
  void take(client::Reply claim);
  void begin(ExecJob* job, const client::Reply& claim);
  void refuse(ExecJob* job, client::Command settle, ExecJob::Ending ending);
  void ask_depth(int64_t now_ms);
  void on_depth(const client::Reply* reply);

  // Jobs.
  void extend_due(int64_t now_ms);
  void on_extended(ExecJob* job, const client::Reply* reply);
  void settle_due(int64_t now_ms);
  void on_settled(ExecJob* job, const client::Reply* reply);
  void on_settle_error(ExecJob* job, const Error& error);
  void resolve_unsure(ExecJob* job);
  void count(ExecJob* job);
  void pump_jobs(int64_t now_ms);
  void lose(ExecJob* job, const std::string& why);
  bool any_running() const;

  // Freezes.
  void watch_freeze(int64_t now_ms);
  void begin_freeze(int64_t now_ms);
  void end_freeze(int64_t now_ms);
  void leave_unreported(ExecJob* job);

  // The loop.
  bool finished(int64_t now_ms);
  void wait_for_something(int64_t now_ms);
  void read_signals();
  void begin_shutdown();
  void watch_links(int64_t now_ms);
  void show_progress();
  int exit_code() const;

  const ExecOptions options_;
  const client::Endpoint endpoint_;
  Output* out_;
  const int signal_fd_;
  ExecLink claims_;
  ExecLink reports_;
  FreezeWatch watch_;
  std::list<std::unique_ptr<ExecJob>> jobs_;
  ExecCounts counts_;

  bool claim_in_flight_ = false;
  int64_t claim_at_ms_ = 0;  // not before
  int64_t claim_wait_ms_ = 0;
  std::string held_by_;  // the refusal said last, so that it is said once
  int held_code_ = 0;    // its exit code; 0: nothing is held
  size_t depth_asked_ = 0;
  int64_t depth_ = 0;
  bool drained_ = false;
  bool taken_once_ = false;
  int64_t once_until_ms_ = 0;

  bool frozen_ = false;  // and what runs was told
  bool shutting_down_ = false;
  bool gave_up_ = false;
  int64_t idle_since_ms_ = 0;  // nothing runs and the bus is gone
  bool down_said_ = false;
  int stop_code_ = 0;  // why it ended early; 0: it did not
};

}  // namespace pawl::cli
