// One child process that handles one message: payload on stdin, result on stdout,
// error text on stderr, reports as lines on file descriptor 3, in a process group
// of its own.
//
// For a poll loop of one thread: add_polls() → poll() → pump() until done(). Nothing
// here blocks. The child gets an empty signal mask, default signal actions and no
// descriptor above 3. It hangs on a reaper (reaper.h): when the child has ended, or this
// process is gone, every process that came from it is killed, in whatever group or
// session; done() comes after the last of them, so that nothing outlives its claim.
//
// Times are of the steady clock, in milliseconds, given by the caller.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"
#include "runner/reaper.h"

namespace pawl::runner {

struct HandlerSpec {
  std::vector<std::string> command;           // looked up in PATH; not empty
  std::vector<std::string> environment;       // NAME=value replaces what is inherited, NAME alone drops it
  std::string input;                          // stdin, then its end
  size_t output_bytes_max = size_t{1} << 20;  // of stdout; the rest is read and dropped
  size_t error_tail_bytes_max = 4096;         // of stderr: the last ones are kept
  std::optional<int64_t> deadline_ms;         // then the group is ended
  int64_t kill_after_ms = 5000;               // from TERM to KILL
  // The process has no children but handlers: who outlives a reaper that was killed is ended as one of them.
  bool alone = true;
  std::function<void(std::string_view)> on_report;  // one line from descriptor 3, without its end
};

struct HandlerResult {
  std::string not_begun;  // why the command could not be run; empty: it was
  bool signalled = false;
  int code = 0;                  // exit code, or the signal's number
  std::string output;            // stdout, at most output_bytes_max
  uint64_t output_bytes = 0;     // all of stdout; more than output.size(): it was cut
  std::string error_first_line;  // of stderr, at most 256 bytes
  std::string error_tail;
  bool timed_out = false;      // ended by its deadline
  bool out_of_memory = false;  // killed by the kernel for want of memory
};

class Handler {
 public:
  // ERR when the process cannot be started (no such program, no memory, no descriptors);
  // what only the kernel finds out (no such interpreter) comes as the result's `not_begun`.
  static Result<std::unique_ptr<Handler>> start(HandlerSpec spec, int64_t now_ms);

  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  ~Handler();  // kills whatever still runs, and waits for its end

  pid_t pid() const { return pid_; }  // -1 until pump() has heard of it
  bool done() const { return done_; }
  const HandlerResult& result() const { return result_; }

  // Appends what this child waits for, and lowers *wake_ms (steady clock) to the time
  // at which pump() must be called at the latest.
  void add_polls(std::vector<pollfd>* polls, int64_t* wake_ms) const;
  // Does whatever can be done now. Cheap when there is nothing.
  void pump(int64_t now_ms);
  // TERM to the group now, KILL after kill_after_ms. Further calls change nothing. Ends a pause.
  void terminate(int64_t now_ms);
  // STOP to the group; its deadline stands still until resume(). Not for one that is being ended.
  void pause(int64_t now_ms);
  void resume(int64_t now_ms);
  bool paused() const { return paused_at_ms_.has_value(); }
  // KILL to the group now.
  void kill_now();

 private:
  Handler() = default;
  void feed_input();
  void drain_output();
  void drain_errors();
  void drain_reports();
  void deliver_lines(bool at_end);
  void order(Order what);
  bool take_news(int64_t now_ms);  // whether there was some
  void note_exit(bool signalled, int number, int64_t now_ms);
  bool deadline_runs() const;
  void finish();
  void close_all();

  HandlerSpec spec_;
  HandlerResult result_;
  pid_t pid_ = -1;
  Reaper reaper_;
  int input_ = -1;
  int output_ = -1;
  int errors_ = -1;
  int reports_ = -1;
  size_t input_sent_ = 0;
  std::string report_line_;
  bool report_line_too_long_ = false;
  bool first_line_ended_ = false;
  bool exited_ = false;
  bool finishing_ = false;
  bool killed_ = false;       // by us
  bool all_gone_ = false;     // nobody of its processes is left
  bool reaper_lost_ = false;  // somebody killed it
  bool done_ = false;
  int64_t exited_at_ms_ = 0;
  int64_t last_pump_ms_ = 0;
  std::optional<int64_t> kill_at_ms_;
  std::optional<int64_t> paused_at_ms_;
};

// The path that start() would run for `program`, or nothing when there is none.
std::optional<std::string> find_program(const std::string& program);

}  // namespace pawl::runner
