// `pawl exec`: one command for the messages of some roles.
#include <unistd.h>

#include "cli/dispatch.h"
#include "cli/values.h"
#include "cli/work_place.h"

namespace pawl::cli {
namespace {

constexpr int64_t jobs_max = 1000;
constexpr int64_t reconnect_ms_default = 60'000;

}  // namespace

int run_exec(Session* session) {
  const Arguments& arguments = session->arguments;
  runner::WorkOptions options;
  options.daemon = arguments.text("daemon").value_or(default_daemon_name());
  options.once = arguments.has("once");
  options.drain = arguments.has("drain");
  options.once_wait_ms = arguments.number("wait").value_or(0);
  options.reconnect_ms = arguments.number("reconnect").value_or(reconnect_ms_default);
  runner::Setup setup;
  setup.command = arguments.rest;
  setup.lease_ms = arguments.number("lease");
  setup.timeout_ms = arguments.number("timeout");
  setup.on_freeze =
      runner::on_freeze_from(arguments.text("on-freeze").value_or("pause")).value_or(runner::OnFreeze::pause);
  const int64_t jobs = arguments.number("jobs").value_or(1);
  if (jobs > jobs_max) return session->fail(exit_usage, "--jobs is at most " + std::to_string(jobs_max));
  if (options.once && options.drain)
    return session->fail(exit_usage, "--once and --drain exclude each other");
  if (arguments.has("wait") && !options.once) return session->fail(exit_usage, "--wait goes with --once");
  // Before anything is claimed: a slip in the command is not the messages' fault.
  if (!runner::find_program(setup.command[0])) {
    return session->fail(exit_usage, "cannot run '" + setup.command[0] + "': no such program");
  }
  const auto where = session->endpoint();
  if (!where) return session->fail(where.error());
  raise_descriptor_limit();
  const int signals = open_signals(false);
  if (signals < 0) return session->fail(exit_failed, "cannot listen for signals");
  const int64_t started = steady_now_ms();
  OutputVoice voice(&session->out);
  runner::WorkLoop loop(std::move(options), work_place(*where, session->timeouts()), &voice, signals, nullptr,
                        nullptr);
  loop.add_lane(arguments.words, static_cast<size_t>(jobs),
                std::make_shared<const runner::Setup>(std::move(setup)));
  const runner::WorkEnd end = loop.run();
  close(signals);
  print_summary(session, loop.counts(), steady_now_ms() - started);
  return exit_code_of(end, loop.counts());
}

}  // namespace pawl::cli
