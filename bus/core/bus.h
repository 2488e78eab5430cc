// The bus: a deterministic state machine over StateView. The same committed
// rows, operations and times give the same batches, byte for byte.
//
// Life of a turn (bus/server/pipeline.h is the caller):
//   begin_turn(now) → apply(…)* → tick(…) → seal() → [the journal commits] → committed(sequence)
// At most one sealed batch is in flight; further turns may run meanwhile and form
// the next one. When a commit or a read fails, the owner destroys the Bus and
// opens a new one over the reopened store.
//
// Thread: one, the owner's. No exception leaves.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/base/result.h"
#include "bus/base/time.h"
#include "bus/core/batch.h"
#include "bus/core/config.h"
#include "bus/core/gate.h"
#include "bus/core/office.h"
#include "bus/core/operation.h"
#include "bus/core/reply.h"
#include "bus/core/state_view.h"

namespace pawl::core {

class Machine;

enum class Applied : uint8_t {
  replied,  // through the outbox, before apply returned
  parked,   // the reply comes in a later apply or tick
};

// Values that a status read shows, all committed.
struct BusTotals {
  uint64_t batch_sequence = 0;
  uint64_t live_claims = 0;
  uint64_t waiting = 0;
  uint64_t window_entries = 0;
  uint64_t done_bytes = 0;
  uint64_t dead_bytes = 0;
  uint64_t chronicle_bytes = 0;
};

class Bus {
 public:
  // Fails with READONLY or ERR when the rows are not a bus's, or from a newer version.
  // `committed`, `gate` and `office` outlive the Bus. Without an office nothing is scheduled or watched.
  static Result<std::unique_ptr<Bus>> open(const StateView& committed, const BusConfig& config, Gate& gate,
                                           Office* office = nullptr);
  ~Bus();

  // First thing in a turn. Bus time goes on by the monotonic difference to the turn before, lease time by
  // the same but at most 10 s, wall time to the later of itself and now.wall_ms.
  void begin_turn(Instant now);
  // The guards are asked first: a refusal is an error reply.
  Applied apply(const Caller& caller, const Operation& operation, Outbox& outbox);
  // Due messages, lapses, expiries, retention, jobs, waits that ended. Bounded; more_work() says
  // that another turn should follow at once.
  void tick(Outbox& outbox);
  bool more_work() const;
  // Monotonic time of the next thing that tick() would do, if any.
  std::optional<int64_t> next_wakeup_ms() const;
  // The client went away: forget what it waits for.
  void disconnected(ClientId client);

  // Rows written since the last seal?
  bool has_changes() const;
  // Approximate size of the open batch.
  size_t open_bytes() const;
  // Sequence that the open batch will get.
  uint64_t open_sequence() const;
  // Closes the open batch. Requires has_changes() and no other batch in flight.
  Batch seal();
  // The sealed batch is durable.
  void committed();

  BusTotals totals() const;
  // As of the open batch, and of the newest durable one.
  const FreezeRecord& freeze() const;
  const FreezeRecord& committed_freeze() const;
  // Whether the flag file of the freeze that stands is written; it counts as written from its begin.
  void set_freeze_flagged(bool flagged);
  // From the next turn on.
  void set_disk(DiskMark mark);
  // Another pawl.toml; chronicled with what it changes and who wanted it. Takes the place of the old one at
  // once.
  void reconfigure(const BusConfig& config, const std::string& changes, const std::string& by);
  // Time zones whose rules the schedules need: what op::ZoneRulesGiven is to give.
  std::vector<std::string> zones() const;
  // A read failed: nothing that this object says is to be trusted any more.
  bool failed() const;
  // Why, for the log; empty while nothing has failed.
  std::string failure() const;

 private:
  explicit Bus(std::unique_ptr<Machine> machine);
  std::unique_ptr<Machine> machine_;
};

}  // namespace pawl::core
