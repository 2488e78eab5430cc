// One channel's turn of the notify gate; for notify_gate.cpp and notify_tick.cpp only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bus/ops/notify_gate.h"

namespace pawl::ops {

class NotifyGate::Step {
 public:
  Step(const NotifyChannel& channel, Lane& lane, NotifyCounts& counts, int64_t now_ms,
       std::vector<Notice>& out)
      : channel_(channel), lane_(lane), counts_(counts), now_ms_(now_ms), out_(out) {}

  void raise(const Raise& raised);
  void tick();
  // The earliest time after now at which tick() has something to do.
  std::optional<int64_t> next_due() const;

 private:
  Tracked& track(const Raise& raised);
  void note(Tracked& tracked, const Raise& raised);
  void raise_ultra(Tracked& tracked);
  void raise_concern(Tracked& tracked);
  // The rule that holds a concern's news back now; empty: none. With `set`, remembers what it waits for.
  std::string_view held_by(Tracked& tracked, bool set);
  bool tick_one(Tracked& tracked);
  void tick_digest();
  void tick_storm();
  int64_t due_of(const Tracked& tracked) const;
  int64_t next_quiet_end() const;

  void send(Tracked& tracked, NoticeKind kind, bool later);
  void hold(Tracked& tracked, Fate fate, std::string_view rule);
  void send_list(NoticeKind kind, const std::string& head, bool Tracked::*waits);
  void mark_told(Tracked& tracked);
  NoticeKind kind_of(const Tracked& tracked) const;
  Notice notice_of(const Tracked& tracked, NoticeKind kind) const;
  bool quiet_at(int64_t wall_ms) const;
  int64_t interval_of(const Tracked& tracked) const;
  bool settled(const Tracked& tracked) const { return now_ms_ - tracked.changed_ms >= channel_.settle_ms; }
  bool storming();
  void wait_for_storm(Tracked& tracked);

  const NotifyChannel& channel_;
  Lane& lane_;
  NotifyCounts& counts_;
  int64_t now_ms_;
  std::vector<Notice>& out_;
};

}  // namespace pawl::ops
