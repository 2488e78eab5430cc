// The seam between the core and the guards. The core asks before every operation, before every claim
// and before a failure counts; it tells what became of each claim. Guards keep what must last in rows of
// their own, which ride in the same batch.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/ids.h"
#include "bus/base/result.h"
#include "bus/core/config.h"
#include "bus/core/facts.h"
#include "bus/core/fields.h"
#include "bus/core/freeze.h"
#include "bus/core/operation.h"
#include "bus/core/records.h"
#include "bus/core/reply.h"
#include "bus/core/state_view.h"
#include "bus/core/words.h"

namespace pawl::core {

enum class Scope : uint8_t { fleet, role, group, message };

// Allow, or refuse with what to tell and until when.
struct Verdict {
  bool allowed = true;
  bool empty = false;  // of a claim: being at this cap is emptiness, not an error
  Code code = Code::err;
  std::string guard;   // name of the guard that refused
  std::string reason;  // for a person; says what to do
  Scope scope = Scope::role;
  std::string subject;                 // what the scope is: a role's name, a dependency's; may be empty
  std::optional<int64_t> retry_at_ms;  // wall time; nothing: not by itself
  std::optional<int64_t> value;        // what was measured
  std::optional<int64_t> limit;        // against what

  static Verdict allow() { return {}; }
};

// To a question: nothing, which allows, or a refusal. Allowing costs a pointer; it happens several times a
// message, and refusing seldom.
class Answer {
 public:
  Answer() = default;
  Answer(Verdict verdict) {  // NOLINT: a verdict is an answer
    if (!verdict.allowed) verdict_ = std::make_unique<Verdict>(std::move(verdict));
  }
  bool allowed() const { return verdict_ == nullptr; }
  Verdict verdict() const { return allowed() ? Verdict::allow() : *verdict_; }

 private:
  std::unique_ptr<Verdict> verdict_;
};

// The three clocks (contract), in milliseconds.
struct Clocks {
  int64_t wall_ms = 0;
  int64_t bus_ms = 0;
  int64_t lease_ms = 0;
};

// How full the disk is; each stops more than the one before (design 2.12). Measured by the server.
enum class DiskMark : uint8_t { ample, low, critical };

// Who asks. Without users every caller may do everything.
struct Caller {
  Caller(ClientId number) : client(number) {}  // NOLINT: a client is a caller without a name
  Caller(ClientId number, std::string_view called, const UserConfig* known)
      : client(number), name(called), user(known) {}
  ClientId client;
  std::string_view name;             // as the chronicle calls it; empty: unknown
  const UserConfig* user = nullptr;  // null: no users are configured, or it is the bus itself
};

// What guards may know of a role; as of the open batch. Lives until the next operation.
struct RoleFacts {
  std::string_view name;
  uint32_t number = 0;
  const RoleConfig* config = nullptr;
  const RoleRecord* record = nullptr;
  const RoleCounts* counts = nullptr;

  uint64_t depth(MessageState state) const { return counts->at(state); }
};

// A claim about to be granted.
struct Candidate {
  const RoleFacts& role;
  std::string_view daemon;  // empty when asked by EXPLAIN
  Clocks clocks;
};

// How a delivery ended.
struct Ending {
  const RoleFacts& role;
  BirthKey message;
  uint32_t delivery = 0;
  std::string_view daemon = {};
  Outcome outcome = Outcome::done;
  ErrorClass error_class = ErrorClass::unknown;  // when failed or lapsed
  std::string_view text = {};                    // when failed or lapsed
  uint32_t crashes_in_row = 0;                   // crash or lease_expired endings right before this one
  bool final = false;                            // dead whatever guards say: FAIL … DEAD, a fatal class
  const Reservation& reserved;                   // by Gate::taken
  uint64_t tokens = 0;                           // reported, totals of the delivery
  uint64_t cost = 0;                             // micro-dollars
  int64_t started_ms = 0;                        // wall
  std::string_view limp = {};                    // dependencies that it went on without, with commas
};

// How a failed or lapsed delivery counts.
struct Ruling {
  bool spend = true;    // an outage's failures are not
  bool poison = false;  // dead now, whatever attempts are left
  std::string reason;   // for the chronicle and the dead letter
  int64_t rest_ms = 0;  // after a FAIL: not before is it tried again, whatever its backoff says
};

// Usage that a delivery has reported; totals so far.
struct Usage {
  const RoleFacts& role;
  const Reservation& reserved;
  bool live = true;  // false: reported after the claim had ended
  // Tokens and micro-dollars charged before, and now; never less than before.
  uint64_t tokens_before = 0;
  uint64_t tokens = 0;
  uint64_t cost_before = 0;
  uint64_t cost = 0;
};

// An open incident, as a daemon is told of it.
struct IncidentBrief {
  std::string id;
  std::string tier;  // concern, ultra
  std::string title;
};
// The array of them in BEAT and EXTEND.
void write_incidents(const std::vector<IncidentBrief>& incidents, ReplyWriter& writer);

// What the recovery policy asks of the guards, until it is lifted. Kept over restarts.
struct Restriction {
  enum class Kind : uint8_t {
    open_circuit,       // subject "role:NAME" or "needs:NAME": opened now; it probes and closes by itself
    lower_concurrency,  // subject: a role: half of what it has claimed now, at least one at a time
    shed_by_priority,   // subject "*": pushes below priority 5 are refused
  };
  Kind kind = Kind::open_circuit;
  std::string_view subject;
  std::string_view by;      // "incident i42"
  std::string_view reason;  // for a person
};
constexpr std::array<std::string_view, 3> restriction_names = {"open_circuit", "lower_concurrency",
                                                               "shed_by_priority"};

// What the core offers a guard. Const members may be used by any question; the others only where a guard
// is handed a Desk that is not const. Thread: the bus's.
class Desk {
 public:
  Desk() = default;
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;
  virtual ~Desk() = default;

  virtual Clocks clocks() const = 0;
  virtual const BusConfig& config() const = 0;
  virtual const FreezeRecord& freeze() const = 0;
  virtual DiskMark disk() const = 0;
  virtual std::optional<RoleFacts> role(std::string_view name) const = 0;
  // Every role that there is, by number; dropped ones left out.
  virtual void each_role(const std::function<void(const RoleFacts&)>& visit) const = 0;
  // The present role of a message; nothing: there is no such message.
  virtual std::optional<RoleFacts> role_of(std::string_view id) const = 0;
  // Open incidents that affect a daemon (without its boot) or one of the roles; committed ones.
  virtual std::vector<IncidentBrief> incidents_of(std::string_view /*daemon*/,
                                                  const std::vector<std::string>& /*roles*/) const {
    return {};
  }

  // Rows of the guards, table `guard`. Keys begin with the guard's name and a slash.
  virtual bool get(std::string_view key, std::string& value) const = 0;
  virtual void scan(std::string_view prefix, const RowSink& sink) const = 0;
  // The same as of the newest durable batch, for status reads.
  virtual bool get_committed(std::string_view key, std::string& value) const = 0;
  virtual void scan_committed(std::string_view prefix, const RowSink& sink) const = 0;
  virtual void put(std::string_view key, std::string_view value) = 0;
  virtual void erase(std::string_view key) = 0;

  virtual void chronicle(std::string_view kind, Headers fields) = 0;
  // What held this role's claims may be over: they are asked about again. Empty: every role's.
  virtual void wake(std::string_view role) = 0;
  // The failure of this delivery was an outage's: the attempt is given back, if the message still lives and
  // this was its newest delivery. True: it was.
  virtual bool unspend(const BirthKey& message, uint32_t delivery) = 0;
  // A soft freeze by the guard; over an existing one nothing happens. It begins after what runs now.
  virtual void freeze_softly(FreezeScope scope, std::string_view by, std::string_view reason,
                             int64_t until_ms) = 0;
  // Ends the freeze that `by` began, if it still stands.
  virtual void thaw(std::string_view by, std::string_view reason) = 0;
};

// Every answer by default: allow, and nothing more.
class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  virtual ~Gate() = default;

  // A bus was opened over `desk`'s rows: forget everything, read them. `desk` lives until the next open().
  virtual Status open(Desk& /*desk*/) { return {}; }
  // While opening, after open(): each live claim.
  virtual void restored(const RoleFacts& /*role*/, const Reservation& /*reserved*/, uint64_t /*tokens*/,
                        uint64_t /*cost*/) {}
  // desk.config() is another one now.
  virtual void configured(Desk& /*desk*/) {}

  // Before an operation. A transaction is asked about item by item; a refusal then names the item: "at=N".
  virtual Answer admit(const Operation& /*operation*/, const Caller& /*caller*/, const Desk& /*desk*/) const {
    return {};
  }
  // Before a daemon (name or name@boot) is granted any claim at all. What holds it holds nobody else.
  virtual Answer admit_daemon(std::string_view /*daemon*/, const Desk& /*desk*/) const { return {}; }
  // Before a claim is granted. Const: reserving is for taken(), after all guards allowed.
  virtual Answer admit_claim(const Candidate& candidate, const Desk& desk) const = 0;
  virtual Reservation taken(const Candidate& /*candidate*/, Desk& /*desk*/) { return {}; }
  // The refusal that somebody was told of.
  virtual void refused(const Verdict& /*verdict*/, Desk& /*desk*/) {}
  // Every guard's refusal, not only the first: EXPLAIN.
  virtual std::vector<Verdict> explain(const Candidate& candidate, const Desk& desk) const = 0;

  // Before a failure or a lapse counts.
  virtual Ruling judge(const Ending& /*ending*/, const Desk& /*desk*/) const { return {}; }
  virtual void used(const Usage& /*usage*/, Desk& /*desk*/) {}
  // The delivery is over, and counted as judged.
  virtual void ended(const Ending& /*ending*/, const Ruling& /*ruling*/, Desk& /*desk*/) {}

  // Once a turn.
  virtual void tick(Desk& /*desk*/) {}
  // The open batch is about to be sealed: the place to put a row once that has changed many times.
  virtual void sealing(Desk& /*desk*/) {}
  // Bus time of the next thing that tick() would do, if any.
  virtual std::optional<int64_t> next_wakeup_ms() const { return std::nullopt; }
  // GUARD and QUOTA commands.
  virtual void command(const Operation& /*operation*/, const Caller& /*caller*/, Desk& /*desk*/,
                       ReplyWriter& writer) {
    writer.error(make_error(Code::err, "this bus has no guards"));
  }
  // Fields of ROLE and ROLES; status reads, so of committed rows or of memory.
  virtual void describe(const RoleFacts& /*role*/, const Desk& /*desk*/, Fields& /*fields*/) const {}
  // STATE where it stands already or the guard is off, NOTFOUND for an unknown subject. Chronicled.
  virtual Status restrict(const Restriction& restriction, Desk& /*desk*/) {
    return make_error(Code::state, "no guard can do " +
                                       std::string(restriction_names[static_cast<size_t>(restriction.kind)]));
  }
  // The one that `by` asked for, if it still stands.
  virtual void lift(const Restriction& /*restriction*/, Desk& /*desk*/) {}
  // What the guards know, for the ops layer.
  virtual void report(FactsSink& /*sink*/, const Desk& /*desk*/) const {}
};

}  // namespace pawl::core
