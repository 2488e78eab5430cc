// `pawl run`: the composition root of the agent runner.
#include <unistd.h>

#include "bus/base/ids.h"
#include "cli/config.h"
#include "cli/dispatch.h"
#include "cli/kill_flags.h"
#include "cli/values.h"
#include "cli/work_place.h"
#include "runner/agent_runner.h"
#include "runner/spool.h"

namespace pawl::cli {
namespace {

constexpr const char* default_config = "pawl.toml";

// Beside the data of the bus where that is on this machine.
std::string spool_folder(const Session& session, const FileConfig& file, const client::Endpoint& endpoint,
                         const std::string& name) {
  const std::string beside = data_beside(endpoint, file) + "/spool";
  return first_said(session.arguments.text("spool"), nullptr, file.run.spool, beside) + "/" + name;
}

}  // namespace

int run_run(Session* session) {
  const Arguments& arguments = session->arguments;
  const std::string config = arguments.text("config").value_or(default_config);
  const auto file = load_config(config);
  if (!file) return session->fail(exit_usage, file.error().text);
  const auto where = configured_endpoint(*session, *file);
  if (!where) return session->fail(where.error());
  runner::RunnerOptions options;
  options.name =
      first_said(arguments.text("name"), "PAWL_DAEMON", file->run.name, "runner-" + own_host_name());
  options.boot = first_said(std::nullopt, "PAWL_BOOT", "", runner::fresh_boot_id());
  options.heartbeat_ms = file->run.heartbeat_ms;
  options.drain = arguments.has("drain");
  options.verbose = arguments.has("verbose");
  if (!well_formed_name(options.name) || !well_formed_name(options.boot) ||
      !well_formed_daemon(options.name + "@" + options.boot)) {
    return session->fail(exit_usage, "a daemon's name is 1 to 128 of A-Z a-z 0-9 . _ : -, not '" +
                                         printable(options.name) + "'");
  }
  auto spool = runner::Spool::open(spool_folder(*session, *file, *where, options.name));
  if (!spool) return session->fail(exit_failed, spool.error().text);
  const runner::LoadRunConfig load = [config]() -> Result<runner::RunConfig> {
    auto loaded = load_config(config);
    if (!loaded) return loaded.error();
    return std::move(loaded->run);
  };
  runner::RoleRegistry registry(config, load, arguments.words,
                                runner::PromptStore(spool->folder_of("prompts")));
  if (const Status opened = registry.open(); !opened) return session->fail(exit_usage, opened.error().text);
  raise_descriptor_limit();
  const int signals = open_signals(true);
  if (signals < 0) return session->fail(exit_failed, "cannot listen for signals");
  const int64_t started = steady_now_ms();
  OutputVoice voice(&session->out);
  runner::AgentRunner agent(options, work_place(*where, session->timeouts()), &registry, &*spool, &voice,
                            signals);
  const runner::WorkEnd end = agent.run();
  close(signals);
  print_summary(session, agent.counts(), steady_now_ms() - started);
  // What a message met is on record with it; a service that was told to stop has not failed.
  const bool told = end.why == runner::WorkEnd::Why::finished && !options.drain;
  return told ? exit_ok : exit_code_of(end, agent.counts());
}

}  // namespace pawl::cli
