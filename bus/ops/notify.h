// The notify gate in the bus: what incidents raise goes through it, notices leave as entries of the chronicle
// that the mirror posts.
//
//   notify.sent   to (the channel), notice (opened, escalated, reminder …), tier, incident, title, text, and
//                 suppressed: how many were since the last notice
//   notify.held   to, rule (by which), notice, tier, incident, title, suppressed
//
// Channels are the [[notify]] of pawl.toml that name tiers. Row "notify/gate": the gate's state, once a
// batch. A freeze holds no notice back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bus/ops/incidents.h"
#include "bus/ops/notify_gate.h"
#include "bus/ops/part.h"

namespace pawl::ops {

class Notify final : public Part {
 public:
  explicit Notify(Incidents& incidents);

  std::string_view name() const override { return "notify"; }
  void open(core::OfficeDesk& desk) override;
  void configured(core::OfficeDesk& desk) override;
  void tick(core::OfficeDesk& desk) override;
  core::Wakeup next_wakeup() const override;
  void sealing(core::OfficeDesk& desk) override;
  bool command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
               core::ReplyWriter& writer) override;

 private:
  void raised(const Incident& incident, core::OfficeDesk& desk);
  void raise(const Incident& incident, const std::vector<NotifyChannel>& channels, core::OfficeDesk& desk);
  void chronicle(const std::vector<Notice>& notices, core::OfficeDesk& desk) const;
  // Never goes backwards, which the gate asks for.
  int64_t wall_ms(const core::OfficeDesk& desk);
  void look_ahead();

  const Incidents& incidents_;
  std::vector<NotifyChannel> channels_;
  std::vector<NotifyChannel> new_channels_;  // that have not been told of the ultras that are open
  NotifyGate gate_;
  std::optional<int64_t> due_ms_;  // wall
  int64_t wall_ms_ = 0;
  bool changed_ = false;  // and not in the row yet
  bool raised_ = false;   // due_ms_ is as of before
};

}  // namespace pawl::ops
