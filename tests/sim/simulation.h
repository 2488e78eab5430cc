// The seeded simulation: virtual clients, a clock, a store and a Bus, all moved
// by one seed, compared reply by reply with the reference model.
//
// Drives the Bus as bus/core/bus.h says the pipeline does, and breaks what may
// break: workers die, connections close before their answer, the process ends
// with batches open or in flight, a commit fails with its rows there or not, the
// wall clock is set hours forth and back, the machine hangs.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/core/bus.h"
#include "guards/registry.h"
#include "tests/sim/audit.h"
#include "tests/sim/model.h"
#include "tests/sim/op_maker.h"
#include "tests/sim/rng.h"
#include "tests/sim/world.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/reply_tree.h"

namespace pawl::sim {

struct SimFailure {
  uint64_t seed = 0;
  size_t step = 0;
  std::string operation;  // what was going on
  std::string what;       // expected and got
};
std::string to_text(const SimFailure& failure);

struct SimResult {
  std::optional<SimFailure> failure;
  core::Hash chain{};  // of the last batch: the same seed gives the same
  size_t operations = 0;
  size_t restarts = 0;
  size_t messages = 0;
};

// Runs one seed for `steps` turns, then drains and verifies. `trace`, when given,
// gets every operation and reply.
SimResult simulate(uint64_t seed, size_t steps, std::ostream* trace = nullptr);

class Simulation {
 public:
  Simulation(uint64_t seed, std::ostream* trace);

  SimResult run(size_t steps);

 private:
  struct Outgoing {
    uint64_t needs;  // sequence of the batch that must be durable first
    Reply reply;
  };
  struct InFlight {
    core::Batch batch;
    Model model;  // as of the seal
  };

  bool failed() const { return failure_.has_value(); }
  void fail(const std::string& what);
  void note(const std::string& line);

  // simulation.cpp
  void open_bus();
  void begin_turn();
  void do_something();
  core::Applied apply(const core::Operation& operation, core::ClientId client,
                      const core::UserConfig* user = nullptr);
  const core::UserConfig* somebody();
  void walk_list(core::op::List list);
  void tick();
  void check_wakeup();
  void check_published();
  void take_replies(std::vector<Reply> replies);
  void end_turn();
  void seal();
  void commit();
  bool write_flight();
  void deliver();
  void turn();

  // trouble.cpp
  void move_clock();
  void disk_fills();
  uint64_t refusals() const;
  void storm();
  void siege();
  void some_client_goes_away();
  void crash();
  void failed_commit();
  enum class Process { lives, died };
  void reopen(uint64_t durable_sequence, Process process);
  void give_back_undelivered();

  // drain.cpp
  void drain();
  void lift_limits();
  void drain_turn();
  void settle_everything();
  bool all_ended() const;
  void check_retired();
  void check_rows();

  uint64_t seed_;
  std::ostream* trace_;
  Rng rng_;
  const World world_;
  OpMaker maker_;
  core::BusConfig config_;
  test::FakeClock clock_;
  std::unique_ptr<guards::GuardChain> gate_;
  std::unique_ptr<test::MemoryStore> store_;
  std::unique_ptr<core::Bus> bus_;
  test::RecordingOutbox outbox_;

  Audit audit_;
  Model live_;
  Model durable_;
  std::optional<InFlight> flight_;
  std::vector<Outgoing> outgoing_;
  Known known_;
  // Claims whose answer never left: given back in the next turn.
  std::vector<std::pair<std::string, std::string>> undelivered_;
  core::ClientId next_client_ = 1;
  size_t drain_turns_ = 0;

  bool draining_ = false;

  size_t step_ = 0;
  std::string doing_;
  std::optional<SimFailure> failure_;
  SimResult result_;
};

}  // namespace pawl::sim
