// One part of the ops layer: schedules, incidents, the monitor … What is said of core::Office holds for each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bus/core/office.h"

namespace pawl::ops {

// Contract: rows stand in table `ops`, keys begin with name() and a slash; open() reads them and throws
// std::runtime_error when one is damaged. Everything else may be called in any order after it. A part that
// throws elsewhere is chronicled as `ops.failed`, and the others go on. Thread: one, the bus's.
// Ownership: Ops. A part that needs another one gets it by reference when it is made (registry.cpp).
class Part {
 public:
  Part() = default;
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  virtual ~Part() = default;

  virtual std::string_view name() const = 0;
  // A bus was opened: forget everything, read the rows. Writes nothing.
  virtual void open(core::OfficeDesk& /*desk*/) {}
  // The configuration is another one.
  virtual void configured(core::OfficeDesk& /*desk*/) {}
  // Once a turn, under a freeze as well.
  virtual void tick(core::OfficeDesk& /*desk*/) {}
  // Nothing while it could not act anyway, as under a freeze: a time that is past makes the loop spin.
  virtual core::Wakeup next_wakeup() const { return {}; }
  // An entry of the chronicle, whoever wrote it.
  virtual void noted(const core::EventRecord& /*event*/, core::OfficeDesk& /*desk*/) {}
  // As core::Office says.
  virtual void forgets(const core::EventRecord& /*event*/, uint64_t /*number*/, uint64_t /*bytes*/,
                       core::OfficeDesk& /*desk*/) {}
  virtual void forgets(const core::PastFailure& /*failure*/, core::OfficeDesk& /*desk*/) {}
  virtual void sealing(core::OfficeDesk& /*desk*/) {}
  // An operation of this part's own: one reply. False: it is not, and nothing was written.
  virtual bool command(const core::Operation& /*operation*/, const core::Caller& /*caller*/,
                       core::OfficeDesk& /*desk*/, core::ReplyWriter& /*writer*/) {
    return false;
  }
  // Adds the time zones whose rules it needs.
  virtual void add_zones(const core::OfficeDesk& /*desk*/, std::vector<std::string>& /*zones*/) const {}
  // Open incidents that affect a daemon (without its boot) or one of the roles are added, committed ones
  // only.
  virtual void add_incidents(std::string_view /*daemon*/, const std::vector<std::string>& /*roles*/,
                             const core::OfficeDesk& /*desk*/,
                             std::vector<core::IncidentBrief>& /*incidents*/) const {}
};

}  // namespace pawl::ops
