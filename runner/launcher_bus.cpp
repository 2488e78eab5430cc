// Whether daemons are ready, and what the bus is told of those that have died.
#include "bus/base/parse.h"
#include "runner/clock.h"
#include "runner/launcher_core.h"

namespace pawl::runner {
namespace {

constexpr int64_t ask_every_ms = 50;
constexpr int64_t heartbeat_every_ms = 200;
constexpr int64_t command_every_ms = 500;
constexpr int64_t command_timeout_ms = 10'000;
constexpr int64_t reap_again_ms = 500;
constexpr uint32_t reds_until_unwell = 2;
constexpr uint64_t reap_tag = UINT64_MAX;
constexpr uint64_t reload_tag = UINT64_MAX - 1;
constexpr uint64_t event_tag = UINT64_MAX - 2;
constexpr int64_t event_again_ms = 500;

std::string what_never_came(ReadyBy ready) {
  switch (ready) {
    case ReadyBy::notify:
      return ": neither READY=1 at NOTIFY_SOCKET nor a byte at PAWL_NOTIFY_FD came";
    case ReadyBy::heartbeat:
      return ": no BEAT of it reached the bus";
    case ReadyBy::command:
      return ": its ready_command did not exit 0";
    case ReadyBy::answers:
      return ": it does not answer";
    case ReadyBy::started:
      break;
  }
  return "";
}

}  // namespace

bool Launcher::bus_ready() const {
  for (const Daemon& daemon : daemons_) {
    if (daemon.spec.name == bus_daemon_name) return daemon.state == LifeState::ready;
  }
  return true;  // somebody else keeps it
}

void Launcher::look_at(Daemon& daemon, int64_t now_ms) {
  if (now_ms >= daemon.ready_deadline_ms) {
    daemon.end_text = "not ready within " + format_duration(daemon.spec.ready_within_ms) +
                      what_never_came(daemon.spec.ready);
    apply(daemon, LifeEvent::late, daemon.end_text);
    return;
  }
  if (daemon.run.main.start == 0) return;  // its keeper has not told that it runs
  if (daemon.spec.ready == ReadyBy::command) {
    run_check(daemon, now_ms);
    return;
  }
  if (daemon.asked || now_ms < daemon.check_at_ms) return;
  if (daemon.spec.ready == ReadyBy::answers) {
    daemon.asked = true;
    daemon.check_at_ms = now_ms + ask_every_ms;
    desk_->ask(index_of(daemon), {"INFO"});
  } else if (daemon.spec.ready == ReadyBy::heartbeat) {
    daemon.check_at_ms = now_ms + heartbeat_every_ms;
    if (!bus_ready()) return;
    daemon.asked = true;
    desk_->ask(index_of(daemon), {"DAEMON", daemon.spec.name});
  }
}

// A process that hangs does not end by itself: once the bus has seen it red twice, it is ended.
void Launcher::look_after(Daemon& daemon, int64_t now_ms) {
  if (!daemon.spec.heartbeat_ms || daemon.asked || now_ms < daemon.check_at_ms || !bus_ready()) return;
  daemon.check_at_ms = now_ms + *daemon.spec.heartbeat_ms;
  daemon.asked = true;
  desk_->ask(index_of(daemon), {"DAEMON", daemon.spec.name});
}

void Launcher::take_health_answer(Daemon& daemon, const BusDesk::Answer& answer) {
  const client::Reply& reply = answer.reply;
  const bool red = answer.reached && !reply.is_error() && reply.text_of("boot") == daemon.run.boot &&
                   reply.text_of("colour") == "red";
  daemon.reds = red ? daemon.reds + 1 : 0;
  if (daemon.reds < reds_until_unwell) return;
  daemon.end_text = "its heartbeats are red";
  apply(daemon, LifeEvent::unwell, daemon.end_text);
}

void Launcher::run_check(Daemon& daemon, int64_t now_ms) {
  if (daemon.check) {
    daemon.check->pump(now_ms);
    if (!daemon.check->done()) return;
    const HandlerResult& result = daemon.check->result();
    const bool healthy = !result.signalled && result.code == 0;
    daemon.check.reset();
    if (healthy) apply(daemon, LifeEvent::readied, "its ready_command agrees");
    return;
  }
  if (now_ms < daemon.check_at_ms) return;
  daemon.check_at_ms = now_ms + command_every_ms;
  HandlerSpec spec;
  spec.command = daemon.spec.ready_command;
  spec.environment = environment_of(daemon);
  spec.deadline_ms = now_ms + command_timeout_ms;
  spec.alone = false;  // beside keepers
  Result<std::unique_ptr<Handler>> started = Handler::start(std::move(spec), now_ms);
  if (started) {
    daemon.check = std::move(*started);
  } else {
    daemon.note = "ready_command: " + started.error().text;
  }
}

void Launcher::take_answers(int64_t now_ms) {
  for (const BusDesk::Answer& answer : desk_->take()) {
    if (answer.tag == reap_tag) {
      take_reap_answer(answer, now_ms);
    } else if (answer.tag == reload_tag) {
      take_reload_answer(answer);
    } else if (answer.tag == event_tag) {
      take_event_answer(answer, now_ms);
    } else if (answer.tag == policy_tag) {
      take_policy_answer(answer, now_ms);
    } else {
      take_ready_answer(daemons_[answer.tag], answer);
    }
  }
}

void Launcher::take_ready_answer(Daemon& daemon, const BusDesk::Answer& answer) {
  daemon.asked = false;
  if (daemon.state == LifeState::ready && daemon.spec.heartbeat_ms) take_health_answer(daemon, answer);
  if (daemon.state != LifeState::starting) return;
  if (daemon.spec.ready == ReadyBy::answers) {
    // It answers; but another bus may sit on the socket, and ours be about to give up.
    const std::string mine = "process_id:" + std::to_string(daemon.run.main.pid) + "\r\n";
    const bool hidden = answer.reply.is_error();  // whoever may not see INFO sees at least that it answers
    if (answer.reached && (hidden || answer.reply.bytes.find(mine) != std::string::npos)) {
      apply(daemon, LifeEvent::readied, "pid " + std::to_string(daemon.run.main.pid));
    }
    return;
  }
  if (!answer.reached) return;
  if (answer.reply.is_error()) {
    daemon.note = "DAEMON " + daemon.spec.name + ": " + answer.reply.bytes;
  } else if (answer.reply.text_of("boot") == daemon.run.boot) {
    daemon.note.clear();  // what the bus said while there was none
    apply(daemon, LifeEvent::readied, "its first heartbeat");
  }
}

// Its claims are free once the bus has heard of it; on record until then.
void Launcher::reap(const std::string& name, const std::string& boot) {
  reaps_.emplace_back(name, boot);
  if (const Status saved = folder_.save_reaps(reaps_); !saved.ok()) options_.say(saved.error().text);
}

void Launcher::send_reap(int64_t now_ms) {
  if (reaps_.empty() || reap_asked_ || now_ms < reap_at_ms_ || !bus_ready()) return;
  reap_asked_ = true;
  desk_->ask(reap_tag, {"REAP", reaps_.front().first, reaps_.front().second});
}

void Launcher::take_reap_answer(const BusDesk::Answer& answer, int64_t now_ms) {
  reap_asked_ = false;
  if (!answer.reached) {
    reap_at_ms_ = now_ms + reap_again_ms;
    return;
  }
  const auto [name, boot] = reaps_.front();
  if (answer.reply.is_error()) {
    options_.say(name + ": the bus did not take REAP " + name + " " + boot + ": " + answer.reply.bytes);
  } else if (answer.reply.as_int().value_or(0) > 0) {
    options_.say(name + ": " + std::to_string(*answer.reply.as_int()) + " claims of boot " + boot + " freed");
  }
  reaps_.erase(reaps_.begin());
  if (const Status saved = folder_.save_reaps(reaps_); !saved.ok()) options_.say(saved.error().text);
}

// One at a time, so that they stand in the chronicle in their order.
void Launcher::send_event(int64_t now_ms) {
  if (journal_.empty() || event_asked_ || now_ms < event_at_ms_ || !bus_ready()) return;
  event_asked_ = true;
  desk_->ask(event_tag, journal_.next());
}

void Launcher::take_event_answer(const BusDesk::Answer& answer, int64_t now_ms) {
  event_asked_ = false;
  const bool refused = answer.reached && answer.reply.is_error();
  if (!answer.reached || (refused && answer.reply.error().code == Code::readonly)) {
    journal_.not_told();
    event_at_ms_ = now_ms + event_again_ms;
    return;
  }
  // A bus that takes none of them (no right, an older one) must not keep them for ever.
  if (refused && answer.reply.bytes != event_refused_) {
    event_refused_ = answer.reply.bytes;
    options_.say("the bus does not take an entry of its chronicle: " + event_refused_);
  }
  if (const Status saved = journal_.told(); !saved.ok()) options_.say(saved.error().text);
}

// Who read the file anew has the bus do it too.
void Launcher::send_reload() {
  if (!reload_bus_ || !bus_ready()) return;
  reload_bus_ = false;
  desk_->ask(reload_tag, {"RELOAD"});
}

void Launcher::take_reload_answer(const BusDesk::Answer& answer) {
  if (!answer.reached) {
    options_.say("bus: it could not be asked to read the file: " + answer.error);
  } else if (answer.reply.is_error()) {
    options_.say("bus: " + answer.reply.bytes);
  } else {
    for (const client::Reply& change : answer.reply.items) options_.say("bus: " + change.as_text());
  }
}

}  // namespace pawl::runner
