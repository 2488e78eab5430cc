// A guard sees what happens before it happens, and may refuse it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bus/core/gate.h"

namespace pawl::guards {

// What a guard that fails itself (throws) stands for.
enum class FailureDirection : uint8_t {
  open,    // lets through: its protection is worth less than the work
  closed,  // refuses: what it protects from is worse than standing still
};

// What a guard wants to be asked about; a set of bits.
enum Asks : uint8_t { asks_operations = 1, asks_claims = 2, asks_failures = 4, asks_daemons = 8 };

// What a guard wants to be told; a set of bits. Leaving one out saves every message a call.
enum Hears : uint8_t {
  hears_nothing = 0,
  hears_claims = 1,  // taken()
  hears_usage = 2,   // used()
  hears_ends = 4,    // ended()
  hears_ticks = 8,   // tick() and next_wakeup_ms()
  hears_seals = 16,  // sealing()
  hears_all = 31,
};

using core::Answer;
inline Answer allow() { return {}; }

// Contract: questions have no effect; a guard that counts or reserves does so in taken(), used(), ended()
// and tick(), which come whatever its mode is. Guards read no clock: times come with the desk. State that
// must last stands in rows (Desk::put), keys begin with name() and a slash; open() reads them.
// Thread: one, the bus's. Ownership: the chain's.
class Guard {
 public:
  Guard() = default;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  virtual ~Guard() = default;

  // As GUARD LIST, EXPLAIN and the errors call it.
  virtual std::string_view name() const = 0;
  virtual FailureDirection failure_direction() const = 0;
  virtual uint8_t asks() const = 0;
  virtual uint8_t hears() const { return hears_all; }
  // False: it always enforces.
  virtual bool has_mode() const { return true; }
  virtual core::GuardMode default_mode() const { return core::GuardMode::enforce; }

  // A bus was opened: forget everything, read the rows.
  virtual void open(core::Desk& /*desk*/) {}
  virtual void restored(const core::RoleFacts& /*role*/, const core::Reservation& /*reserved*/,
                        uint64_t /*tokens*/, uint64_t /*cost*/) {}
  virtual void configured(core::Desk& /*desk*/) {}

  // Before an operation reaches the bus. A transaction is asked about item by item, never as a whole.
  virtual Answer admit(const core::Operation& /*operation*/, const core::Caller& /*caller*/,
                       const core::Desk& /*desk*/) const {
    return allow();
  }
  // Before a daemon, name or name@boot, is granted any claim at all.
  virtual Answer admit_daemon(std::string_view /*daemon*/, const core::Desk& /*desk*/) const {
    return allow();
  }
  // Before a claim is granted; the first refusal wins.
  virtual Answer admit_claim(const core::Candidate& /*candidate*/, const core::Desk& /*desk*/) const {
    return allow();
  }
  // The claim is granted: reserve. What is written into `reserved` stays with the claim.
  virtual void taken(const core::Candidate& /*candidate*/, core::Reservation& /*reserved*/,
                     core::Desk& /*desk*/) {}
  // How a failure counts; one that is not to be spent wins over one that is poison.
  virtual core::Ruling judge(const core::Ending& /*ending*/, const core::Desk& /*desk*/) const { return {}; }
  virtual void used(const core::Usage& /*usage*/, core::Desk& /*desk*/) {}
  virtual void ended(const core::Ending& /*ending*/, const core::Ruling& /*ruling*/, core::Desk& /*desk*/) {}

  virtual void tick(core::Desk& /*desk*/) {}
  // The open batch is about to be sealed, with what it brought: rows that changed since go into it, once.
  virtual void sealing(core::Desk& /*desk*/) {}
  // Bus time of the next tick() that does something, if any.
  virtual std::optional<int64_t> next_wakeup_ms() const { return std::nullopt; }
  // An operation of this guard's own. False: it is not.
  virtual bool command(const core::Operation& /*operation*/, const core::Caller& /*caller*/,
                       core::Desk& /*desk*/, core::ReplyWriter& /*writer*/) {
    return false;
  }
  // Fields of ROLE and ROLES, of committed rows or of memory.
  virtual void describe(const core::RoleFacts& /*role*/, const core::Desk& /*desk*/,
                        core::Fields& /*fields*/) const {}
  // The kinds of restriction that this guard is for.
  virtual bool restricts(core::Restriction::Kind /*kind*/) const { return false; }
  // Nothing: it is of another kind. STATE where it stands already; NOTFOUND.
  virtual std::optional<Status> restrict(const core::Restriction& /*restriction*/, core::Desk& /*desk*/) {
    return std::nullopt;
  }
  virtual void lift(const core::Restriction& /*restriction*/, core::Desk& /*desk*/) {}
  // What it knows of the fleet, for the ops layer; the chain tells of counters and modes itself.
  virtual void report(core::FactsSink& /*sink*/, const core::Desk& /*desk*/) const {}

  // True: nothing is configured and nothing has happened that a claim could run into. Then admit_daemon() and
  // admit_claim() would allow, taken() and ended() of what is done would do nothing, and the chain calls none
  // of them. All else comes.
  bool idle() const { return idle_; }

 protected:
  // The guard keeps it right: with open() and configured(), and with whatever else changes it.
  void set_idle(bool idle) { idle_ = idle; }

 private:
  bool idle_ = false;
};

// Whether it holds for a role of pawl.toml, or for those that are not in it.
template <typename Test>
bool any_role(const core::BusConfig& config, const Test& test) {
  return test(config.defaults) || std::any_of(config.roles.begin(), config.roles.end(),
                                              [&](const auto& entry) { return test(entry.second); });
}

// A refusal; the chain adds the guard's name.
inline core::Verdict refuse(Code code, core::Scope scope, std::string reason) {
  core::Verdict verdict;
  verdict.allowed = false;
  verdict.code = code;
  verdict.scope = scope;
  verdict.reason = std::move(reason);
  return verdict;
}

}  // namespace pawl::guards
