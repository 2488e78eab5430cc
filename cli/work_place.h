// What the workers, `pawl exec` and `pawl run`, get from the command line: their voice, their signals, the
// place of their bus, and the exit code of their end.
#pragma once

#include <string>

#include "cli/config.h"
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

// An option, else a variable (null: none), else the file, else what is usual.
std::string first_said(const std::optional<std::string>& option, const char* variable,
                       const std::string& in_file, const std::string& otherwise);
// Where the file says that its bus is, for who did not say it otherwise (--url, PAWL_URL).
Result<client::Endpoint> configured_endpoint(const Session& session, const FileConfig& file);
// From / on; a relative one counts from the folder that this process works in.
std::string absolute(const std::string& path);
// The folder of the bus's data where that is on this machine, else the one of the file, else ./pawl-data.
std::string data_beside(const client::Endpoint& endpoint, const FileConfig& file);

// A signalfd for SIGINT, SIGTERM and, with `hang_up`, SIGHUP, which are blocked from here on; -1: none.
int open_signals(bool hang_up);
// Each command takes six descriptors; the soft limit is often 1024.
void raise_descriptor_limit();

int exit_code_of(const runner::WorkEnd& end, const runner::WorkCounts& counts);
void print_summary(Session* session, const runner::WorkCounts& counts, int64_t took_ms);

}  // namespace pawl::cli
