// What the workers, `pawl exec` and `pawl run`, get from the command line: their voice, their signals, the
// place of their bus, and the exit code of their end.
#pragma once

#include <string>

#include "cli/session.h"
#include "runner/work_loop.h"

namespace pawl::cli {

// Talks through the session's output.
class OutputVoice : public runner::Voice {
 public:
  explicit OutputVoice(Output* out) : out_(out) {}
  void talk(std::string_view text) override { out_->talk(text); }
  void error(std::string_view text) override { out_->error(text); }
  void progress(std::string_view text) override { out_->progress(text); }
  bool shows_progress() const override { return out_->stderr_is_terminal(); }

 private:
  Output* out_;
};

// What the flag files beside this bus say; null where they are not at hand.
runner::FreezeWatch::ReadFlags flags_of(const client::Endpoint& endpoint);

runner::WorkPlace work_place(const client::Endpoint& endpoint, const client::Timeouts& timeouts);

// A signalfd for SIGINT, SIGTERM and, with `hang_up`, SIGHUP, which are blocked from here on; -1: none.
int open_signals(bool hang_up);
// Each command takes six descriptors; the soft limit is often 1024.
void raise_descriptor_limit();

int exit_code_of(const runner::WorkEnd& end, const runner::WorkCounts& counts);
void print_summary(Session* session, const runner::WorkCounts& counts, int64_t took_ms);

}  // namespace pawl::cli
