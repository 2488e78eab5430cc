#include "runner/launcher.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "runner/clock.h"
#include "runner/launcher_core.h"
#include "runner/own_children.h"
#include "runner/start_order.h"

namespace pawl::runner {
namespace {

constexpr int64_t idle_ms = 60'000;

std::string fresh_source(std::mt19937_64& random) {
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";
  std::string name;
  uint64_t bits = random();
  for (int i = 0; i < 12; ++i, bits >>= 5) name += digits[bits & 31];
  return name;
}

}  // namespace

Launcher::Launcher(LauncherOptions options, const UpFolder& folder, LogSink& log, ServiceManager manager,
                   bool again)
    : options_(std::move(options)),
      folder_(folder),
      log_(log),
      manager_(std::move(manager)),
      random_(std::random_device{}()),
      journal_(folder, "up-" + fresh_source(random_)),
      reload_bus_(again) {}

Status Launcher::open() {
  const Result<std::vector<size_t>> order = start_order(options_.daemons);
  if (!order) return order.error();
  for (const size_t index : *order) {
    Daemon daemon;
    daemon.spec = options_.daemons[index];
    daemons_.push_back(std::move(daemon));
  }
  for (size_t i = 0; i < daemons_.size(); ++i) {
    for (const std::string& name : daemons_[i].spec.after) {
      const size_t other = index_of(*find(name));
      daemons_[i].after.push_back(other);
      daemons_[other].dependents.push_back(i);
    }
  }
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&mask, signal);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a bus that goes away is an answer, not our end
  signals_ = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  control_ = folder_.listen_at("control");
  if (signals_ < 0 || control_ < 0) {
    return make_error(Code::err, "cannot listen at " + folder_.path() + "/control: " + std::strerror(errno));
  }
  become_subreaper();
  desk_ = std::make_unique<BusDesk>(options_.bus);
  reaps_ = folder_.reaps();
  journal_.recall();
  adopt_all();
  recall_failures();
  return {};
}

std::optional<LauncherOptions> Launcher::run() {
  for (Daemon& daemon : daemons_) {
    // Who was given up stays so through a kill of the launcher.
    if (daemon.state != LifeState::failed) {
      apply(daemon, daemon.retired ? LifeEvent::unwant : LifeEvent::want, "");
    }
  }
  settle();
  while (!(stopping_ && all_stopped()) && !may_hand_over()) {
    wait();
    turn(steady_now_ms());
  }
  for (const Caller& caller : callers_) close(caller.fd);
  close(control_);
  close(signals_);
  if (may_hand_over()) return std::move(next_);
  // A keeper's last orphans would have come to us.
  while (end_children_round()) {
  }
  folder_.unlink_socket("control");
  if (const Status forgotten = folder_.save_failures({}); !forgotten.ok())
    options_.say(forgotten.error().text);
  return std::nullopt;
}

// Between two states: whoever is being ended would look like one that runs to whoever takes over.
bool Launcher::may_hand_over() const {
  return next_ && !stopping_ && std::none_of(daemons_.begin(), daemons_.end(), [](const Daemon& daemon) {
           return daemon.state == LifeState::stopping || daemon.state == LifeState::restarting ||
                  daemon.state == LifeState::ending;
         });
}

Status Launcher::read_anew() {
  if (stopping_ || !options_.read_anew) return make_error(Code::err, "the launcher is stopping");
  const auto not_taken = [this](const std::string& why) {
    options_.say("the file was not taken: " + why);
    return make_error(Code::err, "pawl up did not take the file: " + why);
  };
  Result<LauncherOptions> read = options_.read_anew();
  if (!read) return not_taken(read.error().text);
  if (read->folder != options_.folder || read->bus.url() != options_.bus.url()) {
    return not_taken("another data folder or socket needs a restart of pawl up");
  }
  options_.say("reading the file anew");
  next_ = std::move(*read);
  next_->alone_ms = options_.alone_ms;
  next_->say = options_.say;
  next_->read_anew = options_.read_anew;
  return {};
}

bool Launcher::all_stopped() const {
  return std::all_of(daemons_.begin(), daemons_.end(),
                     [](const Daemon& daemon) { return daemon.state == LifeState::stopped; });
}

int64_t Launcher::next_wake_ms(int64_t now_ms) const {
  int64_t wake_ms = now_ms + idle_ms;
  for (const Daemon& daemon : daemons_) {
    if (daemon.state == LifeState::backoff) wake_ms = std::min(wake_ms, daemon.due_ms);
    if (daemon.state == LifeState::starting) wake_ms = std::min(wake_ms, daemon.ready_deadline_ms);
    const bool looking = daemon.remains || (daemon.state == LifeState::starting && !daemon.asked &&
                                            daemon.spec.ready != ReadyBy::started &&
                                            daemon.spec.ready != ReadyBy::notify && !daemon.check);
    const bool watching = daemon.state == LifeState::ready && daemon.spec.heartbeat_ms && !daemon.asked;
    if (looking || (watching && bus_ready())) wake_ms = std::min(wake_ms, daemon.check_at_ms);
  }
  if (!reaps_.empty() && !reap_asked_ && bus_ready()) wake_ms = std::min(wake_ms, reap_at_ms_);
  if (!journal_.empty() && !event_asked_ && bus_ready()) wake_ms = std::min(wake_ms, event_at_ms_);
  if (!policy_asked_ && !stopping_ && bus_ready()) wake_ms = std::min(wake_ms, policy_at_ms_);
  if (stopping_) {
    constexpr int64_t look_again_ms = 100;
    wake_ms = std::min(wake_ms, now_ms + look_again_ms);
  }
  if (manager_.watchdog_ms()) wake_ms = std::min(wake_ms, pet_at_ms_);
  return wake_ms;
}

void Launcher::wait() {
  const int64_t now_ms = steady_now_ms();
  int64_t wake_ms = next_wake_ms(now_ms);
  std::vector<pollfd> polls = {{signals_, POLLIN, 0}, {control_, POLLIN, 0}, {desk_->fd(), POLLIN, 0}};
  for (const Daemon& daemon : daemons_) {
    if (daemon.link) polls.push_back({daemon.link->fd(), POLLIN, 0});
    if (daemon.check) daemon.check->add_polls(&polls, &wake_ms);
  }
  for (const Caller& caller : callers_) polls.push_back({caller.fd, POLLIN, 0});
  poll(polls.data(), polls.size(), static_cast<int>(std::max<int64_t>(0, wake_ms - now_ms)));
}

void Launcher::turn(int64_t now_ms) {
  take_signals();
  for (Daemon& daemon : daemons_) {
    if (daemon.link) hear(daemon);
    if (daemon.remains && now_ms >= daemon.check_at_ms) clear_remains(daemon, now_ms);
    if (daemon.state == LifeState::backoff && now_ms >= daemon.due_ms) apply(daemon, LifeEvent::due, "");
    if (daemon.state == LifeState::starting) look_at(daemon, now_ms);
    if (daemon.state == LifeState::ready) look_after(daemon, now_ms);
  }
  take_answers(now_ms);
  send_reap(now_ms);
  send_reload();
  settle();
  send_event(now_ms);
  follow_policy(now_ms);
  take_callers();
  serve_waiting();
  collect_children();
  tell_manager(now_ms);
}

void Launcher::take_signals() {
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) stop_or_kill();
    if (info.ssi_signo == SIGHUP) static_cast<void>(read_anew());
  }
}

void Launcher::stop_or_kill() {
  if (!stopping_) {
    stopping_ = true;
    stopping_since_ms_ = steady_now_ms();
    options_.say("stopping");
    manager_.tell("STOPPING=1");
    return;
  }
  options_.say("killing what is left");
  for (Daemon& daemon : daemons_) {
    apply(daemon, LifeEvent::unwant, "killed");
    if (daemon.link) daemon.link->send("kill");
  }
}

// Keepers, and orphans of keepers that were killed. The commands of readiness checks collect themselves.
void Launcher::collect_children() {
  for (;;) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    const bool checks = std::any_of(daemons_.begin(), daemons_.end(), [&](const Daemon& daemon) {
      return daemon.check && daemon.check->pid() == info.si_pid;
    });
    if (checks) return;
    waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

void Launcher::tell_manager(int64_t now_ms) {
  if (manager_.watchdog_ms() && now_ms >= pet_at_ms_) {
    manager_.tell("WATCHDOG=1");
    pet_at_ms_ = now_ms + *manager_.watchdog_ms();
  }
  size_t ready = 0;
  size_t settled = 0;
  std::string failed;
  std::vector<bool> hopeless(daemons_.size());  // failed, or behind one that has
  for (size_t i = 0; i < daemons_.size(); ++i) {
    const Daemon& daemon = daemons_[i];
    hopeless[i] = daemon.state == LifeState::failed ||
                  (daemon.state == LifeState::waiting && std::any_of(daemon.after.begin(), daemon.after.end(),
                                                                     [&](size_t o) { return hopeless[o]; }));
    ready += daemon.state == LifeState::ready ? 1 : 0;
    settled += daemon.state == LifeState::ready || hopeless[i] || daemon.retired ? 1 : 0;
    if (daemon.state == LifeState::failed) failed += " " + daemon.spec.name;
  }
  std::string status =
      "STATUS=" + std::to_string(ready) + " of " + std::to_string(daemons_.size()) + " ready";
  if (!failed.empty()) status += "; failed:" + failed;
  if (status != told_status_) manager_.tell(told_status_ = status);
  if (!told_ready_ && settled == daemons_.size()) {
    told_ready_ = true;
    manager_.tell("READY=1");
    options_.say(failed.empty() ? "everything is ready" : "up, but failed:" + failed);
  }
}

Status run_launcher(LauncherOptions options) {
  Result<UpFolder> folder = UpFolder::open(options.folder);
  if (!folder) return folder.error();
  LogRule rule;
  rule.path = folder->log_path("launcher");
  Result<LogSink> log = LogSink::open(rule);
  if (!log) return log.error();
  const ServiceManager manager = ServiceManager::from_environment();
  std::optional<LauncherOptions> next = std::move(options);
  for (bool again = false; next; again = true) {
    Launcher launcher(std::move(*next), *folder, *log, manager, again);
    if (const Status opened = launcher.open(); !opened.ok()) return opened.error();
    next = launcher.run();
  }
  return {};
}

}  // namespace pawl::runner
