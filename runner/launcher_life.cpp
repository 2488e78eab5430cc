// What becomes of daemons: events through the table, and what the table says is done.
#include <algorithm>

#include "bus/base/parse.h"
#include "runner/clock.h"
#include "runner/launcher_core.h"

namespace pawl::runner {
namespace {

constexpr int64_t tells_on_stop_ms = 2'000;               // how long a stop waits to tell the bus of the dead
constexpr std::string_view config_error_end = "exit 78";  // sysexits: EX_CONFIG; no restart mends it

std::string json_text(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// "1.2s" for people; whole units above a minute.
std::string rough(int64_t ms) {
  constexpr int64_t second = 1000;
  constexpr int64_t minute = 60 * second;
  if (ms < second) return std::to_string(ms) + "ms";
  if (ms < minute) return std::to_string(ms / second) + "." + std::to_string(ms % second / 100) + "s";
  return format_duration(ms / second * second);
}

}  // namespace

Daemon* Launcher::find(std::string_view name) {
  const auto at = std::find_if(daemons_.begin(), daemons_.end(),
                               [&](const Daemon& daemon) { return daemon.spec.name == name; });
  return at == daemons_.end() ? nullptr : &*at;
}

void Launcher::apply(Daemon& daemon, LifeEvent event, const std::string& why) {
  const LifeState from = daemon.state;
  const LifeStep step = next(from, event);
  if (step.state == from && step.action == LifeAction::none) return;
  daemon.state = step.state;
  daemon.why = why;
  enter(daemon, from);
  act(daemon, step.action);
  record(daemon, from, event);
  if (step.action == LifeAction::escalate) escalate(daemon);
  if (from == LifeState::ready) lose(daemon);
}

// What each state begins with, whatever led to it.
void Launcher::enter(Daemon& daemon, LifeState from) {
  const int64_t now_ms = steady_now_ms();
  if (from == LifeState::ready) daemon.ready_for_ms = now_ms - daemon.ready_since_ms;
  if (from == LifeState::starting) daemon.check.reset();
  if (daemon.state == LifeState::starting) {
    daemon.ready_deadline_ms = now_ms + daemon.spec.ready_within_ms;
    daemon.check_at_ms = now_ms;
    daemon.ready_for_ms = 0;
  }
  if (daemon.state == LifeState::ready) {
    daemon.ready_since_ms = now_ms;
    daemon.reds = 0;
    daemon.check_at_ms = now_ms + daemon.spec.heartbeat_ms.value_or(0);
    daemon.run.ready = true;
    save(daemon);
  }
}

void Launcher::act(Daemon& daemon, LifeAction action) {
  switch (action) {
    case LifeAction::none:
    case LifeAction::arm:
    case LifeAction::escalate:
      return;  // the policy has set the time; people are told after it is on record
    case LifeAction::spawn:
      spawn(daemon);
      return;
    case LifeAction::stop:
      if (daemon.link) daemon.link->send("stop " + std::to_string(daemon.spec.stop_within_ms));
      return;
  }
}

void Launcher::record(const Daemon& daemon, LifeState from, LifeEvent event) {
  const std::string_view to = life_state_name(daemon.state);
  std::string why = daemon.why;
  if (daemon.state == LifeState::starting && daemon.run.keeper.pid != 0 && why.empty()) {
    why = "boot " + daemon.run.boot;
  }
  // For the chronicle first: what somebody has read in the log is not lost by killing the launcher. That
  // there is something to start is no news.
  if (from != LifeState::stopped || daemon.state != LifeState::waiting) {
    tell_chronicle(daemon, to,
                   {{"from", std::string(life_state_name(from))},
                    {"trigger", std::string(life_event_name(event))},
                    {"reason", why},
                    {"ended", daemon.state == LifeState::ending ? daemon.end_code : ""}});
  }
  log_.note("{\"at\":" + std::to_string(wall_now_ms()) + ",\"daemon\":" + json_text(daemon.spec.name) +
            ",\"from\":" + json_text(life_state_name(from)) + ",\"to\":" + json_text(to) +
            ",\"event\":" + json_text(life_event_name(event)) + ",\"why\":" + json_text(why) + ",\"boot\":" +
            json_text(daemon.run.boot) + ",\"pid\":" + std::to_string(daemon.run.main.pid) + "}");
  options_.say(daemon.spec.name + ": " + std::string(to) + (why.empty() ? "" : " (" + why + ")"));
}

void Launcher::tell_chronicle(const Daemon& daemon, std::string_view kind, const LifeJournal::Fields& more) {
  LifeJournal::Fields fields = {{"daemon", daemon.spec.name}, {"boot", daemon.run.boot}};
  if (daemon.run.main.pid != 0) fields.emplace_back("pid", std::to_string(daemon.run.main.pid));
  fields.insert(fields.end(), more.begin(), more.end());
  const Status kept = journal_.add(kind, wall_now_ms(), fields);
  if (!kept.ok()) options_.say(daemon.spec.name + ": " + kept.error().text);
}

void Launcher::escalate(const Daemon& daemon) {
  tell_chronicle(daemon, "escalate",
                 {{"tier", "ultra"},
                  {"reason", daemon.why},
                  {"log", folder_.log_path(daemon.spec.name)},
                  {"command", options_.relaunch + daemon.spec.name}});
  options_.say(daemon.spec.name + ": it needs a person: look at " + folder_.log_path(daemon.spec.name) +
               ", mend it, then: " + options_.relaunch + daemon.spec.name);
}

// Who needs it is restarted after it. They end now, and wait for it to be ready again.
void Launcher::lose(const Daemon& daemon) {
  if (stopping_) return;
  for (const size_t other : daemon.dependents) {
    const std::vector<std::string>& needs = daemons_[other].spec.needs;
    if (std::find(needs.begin(), needs.end(), daemon.spec.name) == needs.end()) continue;
    if (has_process(daemons_[other].state)) {
      apply(daemons_[other], LifeEvent::restart, "it needs " + daemon.spec.name);
    }
  }
}

// Nothing of the incarnation is left; that is proven.
void Launcher::on_gone(Daemon& daemon) {
  const int64_t now_ms = steady_now_ms();
  daemon.remains = false;
  daemon.link.reset();
  daemon.asked = false;
  if (auto group = ControlGroup::open(daemon.run.group)) group->remove();
  folder_.unlink_socket("sock/" + daemon.run.boot);
  if (daemon.spec.name != bus_daemon_name) reap(daemon.spec.name, daemon.run.boot);
  folder_.drop(daemon.spec.name);
  daemon.run = RunRecord{};
  if (daemon.state != LifeState::ending) {
    apply(daemon, LifeEvent::emptied, daemon.state == LifeState::stopping ? "" : "again at once");
    return;
  }
  const RestartRule& rule = daemon.spec.restart;
  const RestartVerdict verdict = daemon.history.failed(rule, now_ms, daemon.ready_for_ms, random_());
  save_failures();
  if (daemon.end_code == config_error_end) {
    apply(daemon, LifeEvent::exhausted, "its configuration is wrong: " + daemon.end_text);
  } else if (!verdict.again) {
    apply(daemon, LifeEvent::exhausted,
          std::to_string(verdict.failures) + " failures within " + format_duration(rule.restarts_per_ms) +
              ", the last: " + daemon.end_text);
  } else {
    daemon.due_ms = now_ms + verdict.delay_ms;
    apply(daemon, LifeEvent::emptied,
          "again in " + rough(verdict.delay_ms) + ", restart " + std::to_string(verdict.failures) + " of " +
              std::to_string(rule.restarts_max) + " within " + format_duration(rule.restarts_per_ms));
  }
}

bool Launcher::cleared(const Daemon& daemon) const {
  return std::all_of(daemon.after.begin(), daemon.after.end(),
                     [this](size_t other) { return daemons_[other].state == LifeState::ready; });
}

// Daemons stand in the order of their start, so one pass starts whatever can start.
void Launcher::settle() {
  if (stopping_) {
    settle_stop();
    return;
  }
  for (Daemon& daemon : daemons_) {
    if (daemon.state == LifeState::waiting && cleared(daemon)) apply(daemon, LifeEvent::cleared, "");
  }
}

void Launcher::settle_stop() {
  for (auto at = daemons_.rbegin(); at != daemons_.rend(); ++at) {
    const bool alone = std::all_of(at->dependents.begin(), at->dependents.end(), [this](size_t other) {
      return daemons_[other].state == LifeState::stopped;
    });
    if (!alone) continue;
    const bool untold = !reaps_.empty() || !journal_.empty();
    const bool owes = at->spec.name == bus_daemon_name && at->state == LifeState::ready && untold &&
                      steady_now_ms() - stopping_since_ms_ < tells_on_stop_ms;
    if (!owes) apply(*at, LifeEvent::unwant, "");
  }
}

}  // namespace pawl::runner
