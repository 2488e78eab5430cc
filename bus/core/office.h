// The seam between the core and the ops layer (bus/ops): what runs the fleet rather than guarding it -
// schedules, incidents, the monitor, the recovery policy. Beside Gate in every respect:
//
//   operations  CRON, INCIDENT and the like reach Office::command() after the guards admitted them
//   time        tick() once a turn, before due messages, under a freeze as well; next_wakeup() says when
//               the next turn is needed
//   news        noted() gets every entry of the chronicle, its own included, at the next safe point: after
//               the operation or tick that wrote it, or at the seal. Never in the middle of a change, so an
//               office may push, pause or freeze from there; and always in the batch of the entry itself, so
//               that what follows from an entry is durable with it or not at all
//   rows        table `ops`, keys begin with the part's name and a slash; open() reads them
//   effects     through OfficeDesk, in the open batch: push (an ordinary push, guards are asked), chronicle,
//               publish (leaves once the batch is durable), pause, resume, a soft freeze, restrictions by the
//               guards, release of a role's claims
//   the past    forgets() gets what retention erases, in the batch that erases it
//   knowledge   roles with counts, live claims, dead letters, and what the guards say of themselves
//               (OfficeDesk::report)
//
// The same rules as for guards: no clock, random source or thread; what must last stands in rows; iterate in
// an order that follows from them. A bus without an office pays a null check a turn. Thread: the bus's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/facts.h"
#include "bus/core/gate.h"

namespace pawl::core {

// A claim that is held now.
struct ClaimFacts {
  BirthKey message;
  std::string_view role;
  std::string_view daemon;
  uint32_t delivery = 0;
  uint32_t spent = 0;         // attempts that the message has used up
  int64_t claimed_at_ms = 0;  // wall
  int64_t deadline_ms = 0;    // lease time
  int64_t lease_ms = 0;       // without a sign of life
  bool cancel_asked = false;
};

// A dead letter, without its payload.
struct DeadFacts {
  uint64_t number = 0;  // of the death, ascending
  BirthKey message;
  std::string_view role;  // at death
  ErrorClass error_class = ErrorClass::unknown;
  uint64_t fingerprint = 0;
  int64_t at_ms = 0;  // wall
};

// A delivery that did not succeed, of a message that retention is about to erase.
struct PastFailure {
  std::string_view role;
  std::string_view message;  // its id
  uint32_t delivery = 0;
  uint64_t bytes = 0;  // of its row
  const InvocationRecord* invocation = nullptr;
};

class OfficeDesk : public Desk {
 public:
  // Every live claim, the one that lapses first before the others.
  virtual void each_claim(const std::function<void(const ClaimFacts&)>& visit) const = 0;
  // How long the oldest ready message of the role has been waiting since its push; nothing: none is ready.
  virtual std::optional<int64_t> oldest_ready_ms(std::string_view role) = 0;
  // At most `rows` dead letters from number `next` on, which then stands behind the last one; false: there
  // are no more.
  virtual bool each_dead(uint64_t& next, size_t rows, const std::function<void(const DeadFacts&)>& visit) = 0;
  // At most `rows` entries of the chronicle from number `next` on, which then stands behind the last one;
  // false: there are no more. What retention has dropped is stepped over.
  virtual bool each_event(uint64_t& next, size_t rows,
                          const std::function<void(uint64_t, const EventRecord&)>& visit) const = 0;
  // The number of the newest entry; 0: there is none.
  virtual uint64_t last_event() const = 0;
  // Guards tell what they know; of the open batch and of memory.
  virtual void report(FactsSink& sink) const = 0;

  // A push in the name of `by`, with the guards' leave; the id, or the holder's where the unique key is held.
  // Refused, it has the guard's code and retry_after_ms, is counted and chronicled as any refusal.
  virtual Result<std::string> push(const op::Push& push, std::string_view by) = 0;
  // To subscribers, once the batch is durable.
  virtual void publish(std::string_view topic, std::string_view text) = 0;
  // As PAUSE and RESUME; a role that is not there is NOTFOUND. Chronicled.
  virtual Status pause(std::string_view role, std::string_view reason) = 0;
  virtual Status resume(std::string_view role) = 0;
  // Every claim of the role is given back, nothing spent; whoever held one finds it lost. How many: at most
  // 256, the rest stays. Chronicled once. Not under a freeze of everything.
  virtual size_t release_claims(std::string_view role, std::string_view by) = 0;
  virtual Status restrict(const Restriction& restriction) = 0;
  virtual void lift(const Restriction& restriction) = 0;
};

// When tick() has something to do, by either clock; nothing: until then nothing.
struct Wakeup {
  std::optional<int64_t> bus_ms;
  std::optional<int64_t> wall_ms;

  void sooner(const Wakeup& other) {
    if (other.bus_ms && (!bus_ms || *other.bus_ms < *bus_ms)) bus_ms = other.bus_ms;
    if (other.wall_ms && (!wall_ms || *other.wall_ms < *wall_ms)) wall_ms = other.wall_ms;
  }
};

// Every answer by default: nothing to do.
class Office {
 public:
  Office() = default;
  Office(const Office&) = delete;
  Office& operator=(const Office&) = delete;
  virtual ~Office() = default;

  // A bus was opened over `desk`'s rows: forget everything, read them; clocks are as of the last batch.
  // `desk` lives until the next open().
  virtual Status open(OfficeDesk& /*desk*/) { return {}; }
  // desk.config() is another one now.
  virtual void configured(OfficeDesk& /*desk*/) {}
  // Once a turn.
  virtual void tick(OfficeDesk& /*desk*/) {}
  virtual Wakeup next_wakeup() const { return {}; }
  // An entry of the chronicle. Entries that it writes meanwhile come in later calls.
  virtual void noted(const EventRecord& /*event*/, OfficeDesk& /*desk*/) {}
  // Retention, or DEAD DROP, is about to erase these, in the open batch: once each.
  virtual void forgets(const EventRecord& /*event*/, uint64_t /*number*/, uint64_t /*bytes*/,
                       OfficeDesk& /*desk*/) {}
  virtual void forgets(const PastFailure& /*failure*/, OfficeDesk& /*desk*/) {}
  // The open batch is about to be sealed: the place to put a row once that has changed many times. Chronicles
  // nothing, publishes nothing.
  virtual void sealing(OfficeDesk& /*desk*/) {}
  // An operation of this layer: one reply.
  virtual void command(const Operation& /*operation*/, const Caller& /*caller*/, OfficeDesk& /*desk*/,
                       ReplyWriter& writer) {
    writer.error(make_error(Code::err, "this bus has no ops layer"));
  }
  // Names of time zones whose rules it needs; sorted, each once.
  virtual std::vector<std::string> zones(const OfficeDesk& /*desk*/) const { return {}; }
  // Open incidents that affect a daemon (without its boot) or one of the roles, committed ones only.
  virtual std::vector<IncidentBrief> incidents_of(std::string_view /*daemon*/,
                                                  const std::vector<std::string>& /*roles*/,
                                                  const OfficeDesk& /*desk*/) const {
    return {};
  }
};

}  // namespace pawl::core
