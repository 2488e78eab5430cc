// The inside of the launcher; launcher.h is what others use.
//   launcher.cpp          the loop
//   launcher_life.cpp     events, the table's actions, order
//   launcher_keep.cpp     keepers: starting, hearing, adopting, ending what a dead one left
//   launcher_bus.cpp      readiness, claims of the dead, the chronicle
//   launcher_policy.cpp   restarts that the recovery policy asks for
//   launcher_control.cpp  pawl ops
#pragma once

#include <poll.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "runner/bus_desk.h"
#include "runner/handler.h"
#include "runner/keeper_link.h"
#include "runner/launcher.h"
#include "runner/life_journal.h"
#include "runner/lifecycle.h"
#include "runner/log_sink.h"
#include "runner/restart_policy.h"
#include "runner/sd_notify.h"
#include "runner/up_folder.h"

namespace pawl::runner {

// Times are of the steady clock in milliseconds unless they say otherwise.
struct Daemon {
  DaemonSpec spec;
  std::vector<size_t> after;       // indexes
  std::vector<size_t> dependents;  // who comes after it
  bool retired = false;            // left by an earlier launcher, no longer in the file

  LifeState state = LifeState::stopped;
  std::string why;  // of its state, for people
  RestartHistory history;
  uint32_t starts = 0;

  RunRecord run;  // of the incarnation that runs; its boot is empty when none does
  std::optional<KeeperLink> link;
  bool remains = false;  // the keeper has died: its tree is ended from here
  std::string end_code;  // "exit 1"; empty when it did not end by itself
  std::string end_text;  // the same, with the last that it said
  std::string note;      // the STATUS it gave itself
  int64_t ready_since_ms = 0;
  int64_t ready_for_ms = 0;  // of the incarnation that has ended
  int64_t ready_deadline_ms = 0;
  int64_t due_ms = 0;       // end of the back-off
  int64_t check_at_ms = 0;  // the next look, at readiness or at remains
  bool asked = false;       // the bus has been asked
  uint32_t reds = 0;        // looks in a row at which the bus saw it red
  std::unique_ptr<Handler> check;
};

constexpr uint64_t policy_tag = UINT64_MAX - 3;

class Launcher {
 public:
  // `again`: this one takes over from one that read its file anew.
  Launcher(LauncherOptions options, const UpFolder& folder, LogSink& log, ServiceManager manager, bool again);
  Status open();
  // Until everything is stopped: nothing; or until it is to go on with other options: these.
  std::optional<LauncherOptions> run();

 private:
  // launcher.cpp
  void wait();
  void turn(int64_t now_ms);
  void take_signals();
  void collect_children();
  int64_t next_wake_ms(int64_t now_ms) const;
  void tell_manager(int64_t now_ms);
  bool all_stopped() const;
  void stop_or_kill();
  Status read_anew();
  bool may_hand_over() const;

  // launcher_life.cpp
  void apply(Daemon& daemon, LifeEvent event, const std::string& why);
  void enter(Daemon& daemon, LifeState from);
  void act(Daemon& daemon, LifeAction action);
  void record(const Daemon& daemon, LifeState from, LifeEvent event);
  void tell_chronicle(const Daemon& daemon, std::string_view kind, const LifeJournal::Fields& more);
  void escalate(const Daemon& daemon);
  void settle();
  void settle_stop();
  void on_gone(Daemon& daemon);
  void lose(const Daemon& daemon);
  bool cleared(const Daemon& daemon) const;
  Daemon* find(std::string_view name);
  size_t index_of(const Daemon& daemon) const { return static_cast<size_t>(&daemon - daemons_.data()); }

  // launcher_keep.cpp
  void spawn(Daemon& daemon);
  std::vector<std::string> environment_of(const Daemon& daemon) const;
  void hear(Daemon& daemon);
  void obey(Daemon& daemon, const std::string& packet);
  void adopt_all();
  void save_failures();
  void recall_failures();
  void adopt(Daemon& daemon, const RunRecord& record);
  void on_ended(Daemon& daemon, const std::string& text);
  void keeper_lost(Daemon& daemon);
  bool is_known(pid_t child, const Daemon& dead) const;
  void clear_remains(Daemon& daemon, int64_t now_ms);
  void save(const Daemon& daemon);

  // launcher_bus.cpp
  void look_at(Daemon& daemon, int64_t now_ms);
  void look_after(Daemon& daemon, int64_t now_ms);
  void run_check(Daemon& daemon, int64_t now_ms);
  void take_answers(int64_t now_ms);
  void take_ready_answer(Daemon& daemon, const BusDesk::Answer& answer);
  void take_health_answer(Daemon& daemon, const BusDesk::Answer& answer);
  void reap(const std::string& name, const std::string& boot);
  void send_reap(int64_t now_ms);
  void send_event(int64_t now_ms);
  void take_event_answer(const BusDesk::Answer& answer, int64_t now_ms);
  void send_reload();
  void take_reload_answer(const BusDesk::Answer& answer);
  void take_reap_answer(const BusDesk::Answer& answer, int64_t now_ms);
  bool bus_ready() const;

  // launcher_policy.cpp
  void follow_policy(int64_t now_ms);
  void take_policy_answer(const BusDesk::Answer& answer, int64_t now_ms);
  void obey_policy(const client::Reply& entry);

  // launcher_control.cpp
  struct Caller {
    int fd = -1;
    std::string waits_for;  // a daemon's name
    std::string old_boot;
    bool done = false;
  };
  void take_callers();
  void serve(Caller& caller, const std::string& request);
  void serve_list(Caller& caller);
  void serve_restart(Caller& caller, Daemon& daemon, bool relaunch);
  void serve_waiting();
  static void answer(Caller& caller, const std::string& packet);

  LauncherOptions options_;
  const UpFolder& folder_;
  LogSink& log_;
  const ServiceManager manager_;
  std::vector<Daemon> daemons_;  // in the order of their start; does not grow after open()
  std::unique_ptr<BusDesk> desk_;
  std::mt19937_64 random_;
  int signals_ = -1;
  int control_ = -1;
  std::vector<Caller> callers_;
  UpFolder::Reaps reaps_;
  bool reap_asked_ = false;
  int64_t reap_at_ms_ = 0;
  LifeJournal journal_;
  bool event_asked_ = false;
  int64_t event_at_ms_ = 0;
  std::string event_refused_;  // what the bus said to it, so that it is said once
  std::string policy_after_;   // the chronicle is followed from here; empty: from what is its end now
  bool policy_asked_ = false;
  int64_t policy_at_ms_ = 0;
  std::string policy_refused_;           // as event_refused_
  std::optional<LauncherOptions> next_;  // the file has been read anew
  bool reload_bus_ = false;              // the bus is to read it too
  bool stopping_ = false;
  int64_t stopping_since_ms_ = 0;
  bool told_ready_ = false;
  std::string told_status_;
  int64_t pet_at_ms_ = 0;
};

}  // namespace pawl::runner
