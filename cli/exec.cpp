#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include "cli/dispatch.h"
#include "cli/exec_loop.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr int64_t jobs_max = 1000;

// A signalfd for SIGINT and SIGTERM, which are blocked from here on.
int open_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// Each command takes five descriptors; the soft limit is often 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void print_summary(Session* session, const ExecCounts& counts, int64_t took_ms) {
  if (session->out.json()) {
    Json document;
    document.set("handled", counts.handled);
    document.set("failed", counts.failed);
    document.set("cancelled", counts.cancelled);
    document.set("released", counts.released);
    document.set("unreported", counts.unreported);
    return session->out.document(document);
  }
  if (counts.handled + counts.failed + counts.cancelled + counts.released + counts.unreported == 0) {
    return session->out.talk("nothing came");
  }
  std::string text = format_count(counts.handled) + " handled";
  if (counts.failed > 0) text += ", " + format_count(counts.failed) + " failed";
  if (counts.cancelled > 0) text += ", " + format_count(counts.cancelled) + " cancelled";
  if (counts.released > 0) text += ", " + format_count(counts.released) + " given back";
  if (counts.unreported > 0) text += ", " + format_count(counts.unreported) + " not reported";
  session->out.talk(text + " in " + format_span(took_ms));
}

OnFreeze on_freeze_of(const std::string& word) {
  if (word == "terminate") return OnFreeze::terminate;
  return word == "finish" ? OnFreeze::finish : OnFreeze::pause;
}

}  // namespace

int run_exec(Session* session) {
  const Arguments& arguments = session->arguments;
  ExecOptions options;
  options.roles = arguments.words;
  options.command = arguments.rest;
  options.daemon = arguments.text("daemon").value_or(default_daemon_name());
  options.once = arguments.has("once");
  options.drain = arguments.has("drain");
  options.once_wait_ms = arguments.number("wait").value_or(0);
  options.lease_ms = arguments.number("lease");
  options.timeout_ms = arguments.number("timeout");
  options.reconnect_ms = arguments.number("reconnect").value_or(options.reconnect_ms);
  options.on_freeze = on_freeze_of(arguments.text("on-freeze").value_or("pause"));
  const int64_t jobs = arguments.number("jobs").value_or(1);
  if (jobs > jobs_max) return session->fail(exit_usage, "--jobs is at most " + std::to_string(jobs_max));
  options.jobs = static_cast<size_t>(jobs);
  if (options.once && options.drain)
    return session->fail(exit_usage, "--once and --drain exclude each other");
  if (arguments.has("wait") && !options.once) return session->fail(exit_usage, "--wait goes with --once");
  // Before anything is claimed: a slip in the command is not the messages' fault.
  if (!runner::find_program(options.command[0])) {
    return session->fail(exit_usage, "cannot run '" + options.command[0] + "': no such program");
  }
  const auto where = session->endpoint();
  if (!where) return session->fail(where.error());
  raise_descriptor_limit();
  const int signals = open_signals();
  if (signals < 0) return session->fail(exit_failed, "cannot listen for signals");
  const int64_t started = steady_now_ms();
  ExecLoop loop(std::move(options), *where, session->timeouts(), &session->out, signals);
  const int code = loop.run();
  close(signals);
  print_summary(session, loop.counts(), steady_now_ms() - started);
  return code;
}

}  // namespace pawl::cli
