// Guard "health": daemons show signs of life (BEAT); one that goes silent or errs far beyond its usual is
// red. A red daemon gets no claims itself, and the circuit of what it is to others opens.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "guards/circuit_breaker.h"
#include "guards/daemon_health.h"
#include "guards/guard.h"

namespace pawl::guards {

// A row "health/NAME" a daemon, written when something about it changes and every few minutes; beats are of
// memory. A restart of the bus begins every silence anew.
class Health final : public Guard {
 public:
  // `breaker` outlives it.
  explicit Health(CircuitBreaker& breaker) : breaker_(breaker) {}

  std::string_view name() const override { return "health"; }
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_daemons; }
  uint8_t hears() const override { return hears_ticks; }

  // Throws std::runtime_error when a row is damaged.
  void open(core::Desk& desk) override;
  Answer admit_daemon(std::string_view daemon, const core::Desk& desk) const override;
  void tick(core::Desk& desk) override;
  std::optional<int64_t> next_wakeup_ms() const override;
  // BEAT, DAEMONS, DAEMON, DAEMON FORGET.
  bool command(const core::Operation& operation, const core::Caller& caller, core::Desk& desk,
               core::ReplyWriter& writer) override;
  // `runners`: daemons that serve the role and are well; `unserved` 1 when all of those it had are gone.
  void describe(const core::RoleFacts& role, const core::Desk& desk, core::Fields& fields) const override;
  void report(core::FactsSink& sink, const core::Desk& desk) const override;

 private:
  using Daemons = std::map<std::string, DaemonHealth, std::less<>>;
  struct Serving {
    uint64_t daemons = 0;
    uint64_t well = 0;
  };

  void beat(const core::op::Beat& beat, core::Desk& desk, core::ReplyWriter& writer);
  void write_reply(const std::string& name, const DaemonHealth& daemon, const core::Desk& desk,
                   core::ReplyWriter& writer) const;
  void list(const core::Desk& desk, core::ReplyWriter& writer) const;
  void show(std::string_view name, const core::Desk& desk, core::ReplyWriter& writer) const;
  void forget(std::string_view name, const core::Caller& caller, core::Desk& desk, core::ReplyWriter& writer);
  void write_daemon(const std::string& name, const DaemonHealth& daemon, const core::Desk& desk,
                    core::ReplyWriter& writer) const;
  // Takes the colour that its numbers make now, and does what follows from another one.
  void look(const std::string& name, DaemonHealth& daemon, core::Desk& desk);
  void note_drift(const std::string& name, DaemonHealth& daemon, core::Desk& desk) const;
  void escalate(const std::string& name, DaemonHealth& daemon, core::Desk& desk);
  void save(const std::string& name, DaemonHealth& daemon, core::Desk& desk);
  void save_waiting(core::Desk& desk);
  // Before and after anything that may change whether a daemon serves its roles.
  void leave_roles(const DaemonHealth& daemon);
  void join_roles(const DaemonHealth& daemon);
  void tell_served(core::Desk& desk);
  void expect(const std::string& name, DaemonHealth& daemon, int64_t now_ms);
  void forget_look(const std::string& name, DaemonHealth& daemon);

  CircuitBreaker& breaker_;
  Daemons daemons_;
  std::set<std::string, std::less<>> red_;
  std::map<std::string, Serving, std::less<>> roles_;  // by name, as daemons say that they serve them
  std::set<std::string, std::less<>> unserved_;        // told so in the chronicle
  std::set<std::string, std::less<>> touched_;         // roles whose Serving changed
  // Bus time, name: when its silence may mean something. Not after it does; in DaemonHealth::look_ms as well.
  std::set<std::pair<int64_t, std::string>> looks_;
  std::vector<std::string> saves_;  // rows that wait for each other
  int64_t saves_at_ms_ = 0;         // bus time
};

}  // namespace pawl::guards
