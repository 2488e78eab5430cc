// Keepers: starting one, hearing it, taking up with one that an earlier launcher left, and
// ending what is left when one has been killed.
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "runner/clock.h"
#include "runner/launcher_core.h"
#include "runner/own_children.h"
#include "runner/process_tree.h"

extern char** environ;

namespace pawl::runner {
namespace {

constexpr int64_t remains_every_ms = 20;
constexpr size_t boot_characters = 13;

// Not handed on: they speak of the launcher itself.
constexpr std::array<std::string_view, 12> own_variables = {
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS",     "LISTEN_PID",        "LISTEN_FDNAMES",
    "PAWL_URL",      "PAWL_DAEMON",   "PAWL_BOOT",    "PAWL_NOTIFY_FD", "PAWL_HEARTBEAT_MS", "PAWL_UP"};

std::string new_boot(std::mt19937_64& random) {
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";
  std::string boot;
  uint64_t bits = random();
  for (size_t i = 0; i < boot_characters; ++i, bits >>= 5) boot += digits[bits & 31];
  return boot;
}

// FNV-1a over everything that a changed file would change of the process.
std::string fingerprint_of(const DaemonSpec& spec) {
  uint64_t hash = 14695981039346656037ULL;
  const auto add = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    hash = (hash ^ 0xff) * 1099511628211ULL;
  };
  for (const std::string& word : spec.command) add(word);
  add(spec.directory);
  for (const auto& [name, value] : spec.environment) add(name + "=" + value);
  std::ostringstream text;
  text << std::hex << hash;
  return text.str();
}

}  // namespace

std::vector<std::string> Launcher::environment_of(const Daemon& daemon) const {
  std::vector<std::pair<std::string, std::string>> own = {{"PAWL_URL", options_.bus.url()},
                                                          {"PAWL_DAEMON", daemon.spec.name},
                                                          {"PAWL_BOOT", daemon.run.boot},
                                                          {"PAWL_UP", folder_.path()}};
  if (daemon.spec.heartbeat_ms) {
    own.emplace_back("PAWL_HEARTBEAT_MS", std::to_string(*daemon.spec.heartbeat_ms));
  }
  for (const auto& entry : daemon.spec.environment) own.push_back(entry);
  std::vector<std::string> all;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view name = std::string_view(*entry).substr(0, std::string_view(*entry).find('='));
    const bool replaced = std::any_of(own.begin(), own.end(), [&](const auto& o) { return o.first == name; });
    const bool dropped = std::find(own_variables.begin(), own_variables.end(), name) != own_variables.end();
    if (!replaced && !dropped) all.emplace_back(*entry);
  }
  for (const auto& [name, value] : own) all.push_back(name + "=" + value);
  return all;
}

void Launcher::save(const Daemon& daemon) {
  if (daemon.run.boot.empty()) return;
  const Status saved = folder_.save(daemon.run);
  // It runs all the same; only a launcher after this one would not know of it.
  if (!saved.ok()) options_.say(daemon.spec.name + ": " + saved.error().text);
}

// On record before it exists: a launcher killed in between leaves nothing unknown.
void Launcher::spawn(Daemon& daemon) {
  ++daemon.starts;
  daemon.end_text.clear();
  daemon.end_code.clear();
  daemon.note.clear();
  daemon.ready_since_ms = 0;
  daemon.run = RunRecord{};
  daemon.run.name = daemon.spec.name;
  daemon.run.boot = new_boot(random_);
  daemon.run.fingerprint = fingerprint_of(daemon.spec);
  daemon.run.started_at = wall_now_ms();
  if (const auto group = ControlGroup::create("pawl-" + daemon.run.boot)) daemon.run.group = group->path();
  save(daemon);
  KeeperOptions keeper;
  keeper.name = daemon.spec.name;
  keeper.group = daemon.run.group;
  keeper.directory = daemon.spec.directory;
  keeper.log = {folder_.log_path(daemon.spec.name), daemon.spec.log_bytes_max, daemon.spec.log_files,
                daemon.spec.log_bytes_per_second};
  keeper.notify = daemon.spec.ready == ReadyBy::notify;
  keeper.stop_within_ms = daemon.spec.stop_within_ms;
  keeper.alone_ms = options_.alone_ms;
  keeper.command = daemon.spec.command;
  Result<KeeperLink> link =
      KeeperLink::start(folder_, daemon.run.boot, options_.program, keeper, environment_of(daemon));
  if (!link) {
    daemon.end_text = link.error().text;
    daemon.remains = true;  // the table hears of it in the next turn, as of any other death
    daemon.check_at_ms = steady_now_ms();
    return;
  }
  daemon.link.emplace(std::move(*link));
  daemon.run.keeper = process_of(daemon.link->keeper_pid()).value_or(ProcessId{});
  save(daemon);
}

void Launcher::hear(Daemon& daemon) {
  while (daemon.link) {
    const std::optional<std::string> packet = daemon.link->take();
    if (packet) {
      obey(daemon, *packet);
    } else {
      if (daemon.link->closed()) keeper_lost(daemon);
      return;
    }
  }
}

void Launcher::obey(Daemon& daemon, const std::string& packet) {
  const std::string verb = packet.substr(0, packet.find(' '));
  const std::string rest = packet.size() > verb.size() ? packet.substr(verb.size() + 1) : "";
  if (verb == "hello") {
    std::istringstream words(rest);
    words >> daemon.run.main.pid >> daemon.run.main.start >> daemon.run.pipe;
    save(daemon);
    if (daemon.spec.ready == ReadyBy::started && daemon.run.main.start != 0) {
      apply(daemon, LifeEvent::readied, "pid " + std::to_string(daemon.run.main.pid));
    }
  } else if (verb == "up") {
    if (daemon.spec.ready == ReadyBy::notify) {
      apply(daemon, LifeEvent::readied, "pid " + std::to_string(daemon.run.main.pid));
    }
  } else if (verb == "status") {
    daemon.note = rest;
  } else if (verb == "ended") {
    on_ended(daemon, rest);
  } else if (verb == "empty") {
    daemon.link->send("bye");
    on_gone(daemon);
  }
}

// "exit 1", "signal 9" or "unstarted cannot run …", with a tab and the last line of its output.
void Launcher::on_ended(Daemon& daemon, const std::string& text) {
  constexpr std::string_view unstarted = "unstarted ";
  const size_t tab = text.find('\t');
  const std::string code = text.substr(0, tab);
  const bool own_fault = daemon.state == LifeState::starting || daemon.state == LifeState::ready;
  if (own_fault) {
    daemon.end_code = code;
    daemon.end_text = code.starts_with(unstarted) ? code.substr(unstarted.size()) : code;
    if (tab != std::string::npos) daemon.end_text += "; it said: " + text.substr(tab + 1);
  }
  apply(daemon, LifeEvent::died, daemon.end_text);
}

// Somebody killed it, so it proves nothing any more. Its children have come to us where it was ours.
void Launcher::keeper_lost(Daemon& daemon) {
  daemon.link.reset();
  daemon.remains = true;
  daemon.check_at_ms = steady_now_ms();
  if (daemon.end_text.empty()) daemon.end_text = "its keeper was killed";
}

// A child of ours that is another daemon's keeper, or runs its readiness check.
bool Launcher::is_known(pid_t child, const Daemon& dead) const {
  return std::any_of(daemons_.begin(), daemons_.end(), [&](const Daemon& other) {
    return (&other != &dead && other.run.keeper.pid == child) ||
           (other.check && is_within(other.check->pid(), child));
  });
}

void Launcher::clear_remains(Daemon& daemon, int64_t now_ms) {
  apply(daemon, LifeEvent::died, daemon.end_text);
  daemon.check_at_ms = now_ms + remains_every_ms;
  const auto group = ControlGroup::open(daemon.run.group);
  // Whom to end is looked up before anybody is: what is below one that has died is nobody's any more.
  std::vector<ProcessId> left = marked_processes("PAWL_BOOT=" + daemon.run.boot, daemon.run.pipe);
  if (alive(daemon.run.main)) left.push_back(daemon.run.main);
  // Orphans that came to us belong to a keeper that died; they may have hidden their marks.
  OwnChildren children;
  children.read();
  for (const pid_t child : children) {
    const auto process = is_known(child, daemon) ? std::nullopt : process_of(child);
    if (process) left.push_back(*process);
  }
  std::vector<pid_t> roots;
  for (const ProcessId& process : left) roots.push_back(process.pid);
  for (const ProcessId& process : descendants_of(roots)) left.push_back(process);
  for (const ProcessId& process : left) send_signal(process, SIGKILL);
  // Who forks and exits over and over has left the list before it is acted on.
  for (const pid_t child : children) {
    if (!is_known(child, daemon)) kill_child(child);
  }
  if (group && group->populated()) {
    group->kill_all();
    return;
  }
  if (left.empty()) on_gone(daemon);
}

void Launcher::adopt_all() {
  const std::vector<RunRecord> records = folder_.records();
  for (const RunRecord& record : records) {
    if (find(record.name) != nullptr) continue;
    Daemon daemon;
    daemon.spec.name = record.name;
    daemon.spec.command = {record.name};
    daemon.retired = true;
    daemons_.push_back(std::move(daemon));
  }
  for (const RunRecord& record : records) adopt(*find(record.name), record);
  // Sockets that nobody listens at any more.
  DIR* folder = opendir((folder_.path() + "/sock").c_str());
  if (folder == nullptr) return;
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    const bool used = std::any_of(daemons_.begin(), daemons_.end(),
                                  [&](const Daemon& daemon) { return daemon.run.boot == name; });
    if (name[0] != '.' && !used) folder_.unlink_socket("sock/" + name);
  }
  closedir(folder);
}

// The steady clock is this machine's and this run's; on disk they are on the wall's.
void Launcher::save_failures() {
  const int64_t offset_ms = wall_now_ms() - steady_now_ms();
  std::vector<UpFolder::Failures> all;
  for (const Daemon& daemon : daemons_) {
    if (daemon.history.failures().empty()) continue;
    UpFolder::Failures one{daemon.spec.name, daemon.history.in_a_row(), {}};
    for (const int64_t at : daemon.history.failures()) one.at.push_back(at + offset_ms);
    all.push_back(std::move(one));
  }
  if (const Status saved = folder_.save_failures(all); !saved.ok()) options_.say(saved.error().text);
}

void Launcher::recall_failures() {
  const int64_t now_ms = steady_now_ms();
  const int64_t offset_ms = wall_now_ms() - now_ms;
  for (const UpFolder::Failures& one : folder_.failures()) {
    Daemon* daemon = find(one.name);
    if (daemon == nullptr) continue;
    std::deque<int64_t> at;
    for (const int64_t wall : one.at) at.push_back(std::min(now_ms, wall - offset_ms));
    daemon->history.recall(one.in_a_row, std::move(at));
    if (!reload_bus_ && daemon->history.used_up(daemon->spec.restart, now_ms)) {
      daemon->end_text = "it had failed too often before this launcher began";
      apply(*daemon, LifeEvent::found_failed, daemon->end_text);
    }
  }
}

void Launcher::adopt(Daemon& daemon, const RunRecord& record) {
  daemon.run = record;
  Result<KeeperLink> link = KeeperLink::attach(folder_, record.boot);
  if (!link) {
    daemon.end_text = "it ended while no launcher ran";
    apply(daemon, LifeEvent::found, "left by an earlier launcher, without its keeper");
    daemon.remains = true;
    daemon.check_at_ms = steady_now_ms();
    return;
  }
  daemon.link.emplace(std::move(*link));
  apply(daemon, record.ready ? LifeEvent::found_up : LifeEvent::found, "adopted");
  if (!daemon.retired && record.fingerprint != fingerprint_of(daemon.spec)) {
    apply(daemon, LifeEvent::restart, "its configuration has changed");
  }
}

}  // namespace pawl::runner
