// INCIDENT: what somebody should look at (a concern) or get up for (an ultra), one open incident a
// fingerprint. What is seen again is counted into the one that is open, whose tier only rises.
//
//   opens     by what the chronicle tells (incident_signs.h), by other parts (saw()), by people
//   escalates a concern becomes an ultra when nobody has acknowledged it for `escalate_after`, when it was
//             seen `escalate_count` times, or when it affects `escalate_spread` roles and daemons
//   closes    a concern by itself, once its cause has been gone for `settle`; whatever flaps faster than that
//             stays one incident. Where nobody says that a cause is gone, it is when it was not seen for a
//             time that is the sign's (Sighting::quiet_ms). An ultra only by a person: when its cause goes,
//             it says so
//   is told   published on pawl.incident.ID when it opens, changes and closes, an ultra every `broadcast`
//             until then; to the daemons that it affects in BEAT and EXTEND; chronicled
//
// An incident that names no role and no daemon affects everything.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/ops/classifier.h"
#include "bus/ops/dead_groups.h"
#include "bus/ops/incident_rows.h"
#include "bus/ops/incident_signs.h"
#include "bus/ops/part.h"

namespace pawl::ops {

class Incidents final : public Part {
 public:
  std::string_view name() const override { return "incidents"; }
  void open(core::OfficeDesk& desk) override;
  void configured(core::OfficeDesk& desk) override;
  void tick(core::OfficeDesk& desk) override;
  core::Wakeup next_wakeup() const override;
  void noted(const core::EventRecord& event, core::OfficeDesk& desk) override;
  void sealing(core::OfficeDesk& desk) override;
  bool command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
               core::ReplyWriter& writer) override;
  void add_incidents(std::string_view daemon, const std::vector<std::string>& roles,
                     const core::OfficeDesk& desk,
                     std::vector<core::IncidentBrief>& incidents) const override;

  // -- for the other parts
  // The id of the incident that it went into; empty: there are too many open ones.
  std::string saw(const Sighting& sighting, std::string_view by, core::OfficeDesk& desk);
  // The cause is gone; nothing happens when no incident is open under it.
  void gone(std::string_view fingerprint, core::OfficeDesk& desk);
  // Null: none is open under it. Good until the next change.
  const Incident* find(std::string_view fingerprint) const;
  // Told of each sighting and change, after it. The listener outlives this.
  using Listener = std::function<void(const Incident&, core::OfficeDesk&)>;
  void listen(Listener listener) { listeners_.push_back(std::move(listener)); }
  // Of both tiers, oldest first.
  const std::map<uint64_t, Incident>& all_open() const { return open_; }
  // Whether something happened to open ones since take_touched(); after open(), to all of them.
  bool any_touched() const { return !touched_.empty(); }
  // Their numbers; some may be closed by now.
  std::set<uint64_t> take_touched() { return std::exchange(touched_, {}); }
  // Open or closed; nothing: there is none, or not any more.
  static std::optional<Incident> read(uint64_t number, const core::OfficeDesk& desk);
  // Those among the newest `most` numbers that are closed, the newest first.
  std::vector<Incident> newest_closed(uint64_t most, const core::OfficeDesk& desk) const;
  // People are told why; of an open one.
  void notify(uint64_t number, const std::string& why, core::OfficeDesk& desk);
  // The same, and a concern becomes an ultra.
  void call(uint64_t number, const std::string& why, core::OfficeDesk& desk);

 private:
  using Open = std::map<uint64_t, Incident>;

  Incident& begin(const Sighting& sighting, std::string_view by, core::OfficeDesk& desk);
  void see_again(Incident& incident, const Sighting& sighting, core::OfficeDesk& desk);
  // Why a concern is an ultra by now; empty: it is not.
  std::string escalation(const Incident& incident, const core::OfficeDesk& desk) const;
  void escalate(Incident& incident, const std::string& why, core::OfficeDesk& desk);
  void close(Open::iterator incident, std::string_view by, std::string_view reason, core::OfficeDesk& desk);
  static void save(const Incident& incident, core::OfficeDesk& desk);
  // Chronicles and publishes what became of it, and sees to its next broadcast.
  void tell(const Incident& incident, std::string_view what, core::Headers about, core::OfficeDesk& desk);
  static void publish(const Incident& incident, std::string_view what, core::OfficeDesk& desk);
  // Saves it as well.
  void changed(Incident& incident, std::string_view change, core::Headers about, core::OfficeDesk& desk);
  void forget_old(core::OfficeDesk& desk);
  // The fingerprint of the incident that this sighting belongs to.
  std::string belongs_to(const Sighting& sighting) const;
  void note_death(const core::EventRecord& event, core::OfficeDesk& desk);
  const Classifier& classifier(const core::OfficeDesk& desk);
  // When tick() has to look at it next, in bus time.
  void expect(const Incident& incident, const core::OfficeDesk& desk);

  // incident_commands.cpp
  void open_by_hand(const core::op::IncidentOpen& wanted, const core::Caller& caller, core::OfficeDesk& desk,
                    core::ReplyWriter& writer);
  void acknowledge(const core::op::IncidentAck& ack, const core::Caller& caller, core::OfficeDesk& desk,
                   core::ReplyWriter& writer);
  void list(const core::op::IncidentList& list, const core::Caller& caller, const core::OfficeDesk& desk,
            core::ReplyWriter& writer);
  static void get(std::string_view id, const core::Caller& caller, const core::OfficeDesk& desk,
                  core::ReplyWriter& writer);
  // The open incident of an id that this caller may change; null, and an error written.
  Incident* changeable(std::string_view id, const core::Caller& caller, const core::OfficeDesk& desk,
                       core::ReplyWriter& writer);

  Open open_;
  std::map<std::string, uint64_t, std::less<>> by_fingerprint_;
  std::map<uint64_t, int64_t> broadcast_ms_;      // bus time of the next one, of ultras
  std::set<std::pair<int64_t, uint64_t>> looks_;  // bus time, number
  std::map<uint64_t, int64_t> look_of_;
  std::vector<Listener> listeners_;
  std::set<uint64_t> touched_;
  std::optional<Classifier> classifier_;  // made when it is needed
  DeadGroups dead_;
  bool dead_changed_ = false;
  uint64_t next_number_ = 1;
  uint64_t closed_ = 0;        // rows of closed ones
  uint64_t first_closed_ = 1;  // no number below it has one
};

}  // namespace pawl::ops
