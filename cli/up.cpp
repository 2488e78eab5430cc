// The composition root of `pawl up`: configuration → daemons → launcher.
#include "cli/up.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bus/protocol/command_table.h"
#include "cli/commands.h"
#include "cli/dispatch.h"
#include "cli/mirror.h"
#include "cli/work_place.h"
#include "runner/handler.h"
#include "runner/keeper.h"
#include "runner/start_order.h"

namespace pawl::cli {
namespace {

constexpr std::string_view default_config = "pawl.toml";
constexpr std::string_view default_data = "./pawl-data";
constexpr std::string_view none = "none";
constexpr int64_t bus_ready_within_ms = 600'000;  // opening a large store after a crash takes its time
constexpr int64_t bus_stop_within_ms = 30'000;
constexpr int64_t mirror_ends_within_ms = 5'000;
constexpr int64_t runner_stop_within_ms = 60'000;  // handlers may end their work

std::string this_program() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : "/proc/self/exe";
}

std::string data_of(const FileConfig& file) {
  return absolute(file.data.value_or(std::string(default_data)));
}

// Where the bus of this file answers, and as whom it is asked.
Result<client::Endpoint> endpoint_of(const FileConfig& file) {
  client::Endpoint endpoint;
  const std::string socket = file.socket.value_or(data_of(file) + "/pawl.sock");
  if (socket != none) {
    auto parsed = client::parse_url("unix://" + absolute(socket));
    if (!parsed) return parsed.error();
    endpoint = std::move(*parsed);
  } else {
    auto parsed = client::parse_url("tcp://" + file.listen.value_or("127.0.0.1:7295"));
    if (!parsed) return parsed.error();
    endpoint = std::move(*parsed);
  }
  if (file.password) {
    endpoint.password = *file.password;
  } else if (const char* given = std::getenv("PAWL_URL"); given != nullptr && !file.bus.users.empty()) {
    const auto who = client::parse_url(given);
    if (!who) return who.error();
    endpoint.user = who->user;
    endpoint.password = who->password;
  }
  return endpoint;
}

runner::DaemonSpec own_daemon(std::string name, std::vector<std::string> command,
                              std::vector<std::string> after) {
  runner::DaemonSpec daemon;
  daemon.name = std::move(name);
  daemon.command = std::move(command);
  daemon.after = std::move(after);
  return daemon;
}

bool bus_knows_beats() {
  const std::array<std::string_view, 1> beat = {"BEAT"};
  return protocol::find_command(beat) != nullptr;
}

runner::DaemonSpec mirror_daemon(const FileConfig& file, const std::string& program,
                                 const std::string& config_path) {
  runner::DaemonSpec mirror = own_daemon("mirror", {program, "mirror", "--config", config_path},
                                         {std::string(runner::bus_daemon_name)});
  if (bus_knows_beats()) mirror.ready = runner::ReadyBy::heartbeat;
  // It waits for the posts that are on their way.
  for (const runner::NotifyChannel& channel : file.notify) {
    mirror.stop_within_ms = std::max(mirror.stop_within_ms, channel.timeout_ms + mirror_ends_within_ms);
  }
  return mirror;
}

// Whether what runs it could run it: found now, it is a typing error; found later, it is a failure.
std::string fault_of_command(const runner::DaemonSpec& daemon) {
  const std::string& directory = daemon.directory;
  struct stat folder {};
  if (!directory.empty() && (::stat(directory.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode))) {
    return ".dir is " + directory + ", which is no folder; create it, or take the key out";
  }
  std::string program = daemon.command[0];
  if (!directory.empty() && program[0] != '/' && program.find('/') != std::string::npos) {
    program = directory + "/" + program;
  }
  if (runner::find_program(program)) return "";
  return ".command: there is no program '" + program + "' that may be run; check the path and its mode";
}

Status check_commands(const std::vector<runner::DaemonSpec>& daemons,
                      const std::vector<runner::RoleConfig>& roles) {
  std::string faults;
  for (const runner::DaemonSpec& daemon : daemons) {
    const std::string fault = fault_of_command(daemon);
    if (fault.empty()) continue;
    faults += (faults.empty() ? "" : "\n") + daemon.source + ": daemon." + daemon.name + fault;
  }
  // The runner would say the same, again and again, in its log.
  for (const runner::RoleConfig& role : roles) {
    if (role.command.empty()) continue;
    if (!role.shell && !runner::find_program(role.command[0])) {
      faults += (faults.empty() ? "" : "\n") + role.command_place + ": role." + role.name +
                ".command: there is no program '" + role.command[0] +
                "' that may be run; check the path and its mode";
    }
    if (!role.prompt.empty() && ::access(role.prompt.c_str(), R_OK) != 0) {
      faults += (faults.empty() ? "" : "\n") + role.prompt_place + ": role." + role.name +
                ".prompt: cannot read " + role.prompt + ": " + std::strerror(errno);
    }
  }
  if (!faults.empty()) return make_error(Code::badarg, faults);
  return {};
}

std::string config_of(const Session& session) {
  return session.arguments.text("config").value_or(std::string(default_config));
}

int complain(Session* session, const Error& error, const std::string& config, int code) {
  // A file's faults are a line each and name their places themselves.
  if (!error.text.starts_with(config + ":")) return session->fail(code, error.text);
  std::fprintf(stderr, "%s\n", error.text.c_str());
  return code;
}

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return make_error(Code::err, "cannot create " + path + ": " + std::strerror(errno));
}

}  // namespace

Result<runner::LauncherOptions> plan_launcher(const FileConfig& file, const std::string& program,
                                              const std::string& config_path) {
  runner::LauncherOptions options;
  options.program = program;
  options.folder = data_of(file) + "/up";
  options.relaunch = "pawl ops relaunch --data " + data_of(file) + " ";
  Result<client::Endpoint> endpoint = endpoint_of(file);
  if (!endpoint) return endpoint.error();
  options.bus = std::move(*endpoint);
  const std::string bus_name(runner::bus_daemon_name);
  runner::DaemonSpec bus = own_daemon(bus_name, {program, "serve", "--config", config_path}, {});
  bus.ready = runner::ReadyBy::answers;
  bus.ready_within_ms = bus_ready_within_ms;
  bus.stop_within_ms = bus_stop_within_ms;
  options.daemons.push_back(std::move(bus));
  if (file.has_commands && find_command("run") != nullptr) {
    runner::DaemonSpec run = own_daemon("runner", {program, "run", "--config", config_path}, {bus_name});
    run.stop_within_ms = runner_stop_within_ms;
    if (bus_knows_beats()) run.ready = runner::ReadyBy::heartbeat;
    options.daemons.push_back(std::move(run));
  }
  if (file.has_notify && find_command("mirror") != nullptr) {
    options.daemons.push_back(mirror_daemon(file, program, config_path));
  }
  for (const runner::DaemonSpec& daemon : file.daemons) options.daemons.push_back(daemon);
  if (const auto order = runner::start_order(options.daemons); !order) return order.error();
  if (const Status commands = check_commands(options.daemons, file.run.roles); !commands.ok())
    return commands.error();
  return options;
}

Result<std::string> launcher_folder(const Session& session) {
  if (const auto data = session.arguments.text("data")) return absolute(*data) + "/up";
  const char* inherited = std::getenv("PAWL_UP");
  const auto given = session.arguments.text("config");
  if (!given && inherited != nullptr && *inherited != '\0') return std::string(inherited);
  const std::string config = config_of(session);
  if (!given && ::access(config.c_str(), F_OK) != 0) return absolute(std::string(default_data)) + "/up";
  const Result<FileConfig> file = load_config(config);
  if (!file) return file.error();
  return data_of(*file) + "/up";
}

int run_up(Session* session) {
  const std::string config = config_of(*session);
  const Result<FileConfig> file = load_config(config);
  if (!file) return complain(session, file.error(), config, exit_usage);
  Result<runner::LauncherOptions> options = plan_launcher(*file, this_program(), absolute(config));
  if (!options) return complain(session, options.error(), config, exit_usage);
  if (const Status notify = check_notify(*file); !notify.ok()) {
    return complain(session, notify.error(), config, exit_usage);
  }
  options->alone_ms = session->arguments.number("alone").value_or(options->alone_ms);
  const bool quiet = session->out.quiet();
  if (!quiet) {
    for (const std::string& notice : file->notices) std::fprintf(stderr, "%s\n", notice.c_str());
  }
  if (session->arguments.has("check")) {
    session->out.talk("the configuration is fine");
    return exit_ok;
  }
  options->read_anew = [config, program = options->program]() -> Result<runner::LauncherOptions> {
    const Result<FileConfig> anew = load_config(config);
    if (!anew) return anew.error();
    if (const Status notify = check_notify(*anew); !notify.ok()) return notify.error();
    return plan_launcher(*anew, program, absolute(config));
  };
  options->say = [quiet](std::string_view line) {
    if (!quiet) std::fprintf(stderr, "pawl: %s\n", std::string(line).c_str());
  };
  if (const Status made = make_folder(data_of(*file)); !made.ok()) {
    return session->fail(exit_failed, made.error().text);
  }
  const Status ran = runner::run_launcher(std::move(*options));
  return ran.ok() ? exit_ok : session->fail(exit_failed, ran.error().text);
}

int run_keep(const std::vector<std::string>& words) {
  const Result<runner::KeeperOptions> options = runner::parse_keeper_words(words);
  if (options) return runner::run_keeper(*options);
  std::fprintf(stderr, "pawl: %s\n", options.error().text.c_str());
  return exit_usage;
}

int run_ops_units(Session* session) {
  const bool systemd = session->arguments.has("systemd");
  if (systemd == session->arguments.has("launchd")) {
    return session->fail(exit_usage, "which one? ops units --systemd, or ops units --launchd");
  }
  const std::string config = config_of(*session);
  const Result<FileConfig> file = load_config(config);
  if (!file) return complain(session, file.error(), config, exit_usage);
  const auto options = plan_launcher(*file, this_program(), absolute(config));
  if (!options) return complain(session, options.error(), config, exit_usage);
  UnitPlan plan{options->program, absolute(config), absolute("."), data_of(*file), 0};
  if (plan.directory.ends_with("/.")) plan.directory.resize(plan.directory.size() - 2);
  for (const runner::DaemonSpec& daemon : options->daemons) plan.stop_within_ms += daemon.stop_within_ms;
  session->out.raw(systemd ? systemd_unit(plan) : launchd_unit(plan));
  return exit_ok;
}

}  // namespace pawl::cli
