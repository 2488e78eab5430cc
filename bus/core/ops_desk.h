// What the machine offers the ops layer, and when that is called; see office.h. Private to the core.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bus/core/desk.h"
#include "bus/core/office.h"

namespace pawl::core {

class Machine::OpsDesk final : public DeskFor<OfficeDesk, Table::ops> {
 public:
  OpsDesk(Machine& machine, Office& office) : DeskFor(machine), office_(office) {}

  // -- the machine's side
  Status open() { return office_.open(*this); }
  void configured() { office_.configured(*this); }
  void tick() { office_.tick(*this); }
  Wakeup next_wakeup() const { return office_.next_wakeup(); }
  bool needs_bus_time() const { return office_.next_wakeup().bus_ms.has_value(); }
  void command(const Operation& operation, const Caller& caller, ReplyWriter& writer) {
    office_.command(operation, caller, *this, writer);
  }
  void forgets(const EventRecord& event, uint64_t number, uint64_t bytes) {
    office_.forgets(event, number, bytes, *this);
  }
  void forgets(const PastFailure& failure) { office_.forgets(failure, *this); }
  void sealing() {
    deliver_notes();
    office_.sealing(*this);
  }
  void note(const EventRecord& event) { notes_.push_back(event); }
  // Tells the office of what was chronicled, and of what that leads to.
  void deliver_notes();
  // A safe point with a way out: news are told, and what was published meanwhile leaves.
  void settle(Outbox& outbox);
  std::vector<std::string> zones() const { return office_.zones(*this); }
  std::vector<IncidentBrief> incidents(std::string_view daemon, const std::vector<std::string>& roles) const {
    return office_.incidents_of(daemon, roles, *this);
  }

  // -- the office's side
  void each_claim(const std::function<void(const ClaimFacts&)>& visit) const override;
  std::optional<int64_t> oldest_ready_ms(std::string_view role) override;
  bool each_dead(uint64_t& next, size_t rows, const std::function<void(const DeadFacts&)>& visit) override;
  bool each_event(uint64_t& next, size_t rows,
                  const std::function<void(uint64_t, const EventRecord&)>& visit) const override;
  uint64_t last_event() const override { return m_.head_.next_event - 1; }
  void report(FactsSink& sink) const override { m_.gate_.report(sink, *m_.desk_); }
  Result<std::string> push(const op::Push& push, std::string_view by) override;
  void publish(std::string_view topic, std::string_view text) override {
    published_.emplace_back(topic, text);
  }
  Status pause(std::string_view role, std::string_view reason) override;
  Status resume(std::string_view role) override;
  size_t release_claims(std::string_view role, std::string_view by) override;
  Status restrict(const Restriction& restriction) override {
    return m_.gate_.restrict(restriction, *m_.desk_);
  }
  void lift(const Restriction& restriction) override { m_.gate_.lift(restriction, *m_.desk_); }

 private:
  Office& office_;
  std::vector<EventRecord> notes_;                              // not told yet
  std::vector<std::pair<std::string, std::string>> published_;  // topic, text; not handed out yet
};

}  // namespace pawl::core
