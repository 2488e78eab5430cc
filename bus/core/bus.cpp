#include "bus/core/bus.h"

#include <utility>

#include "bus/core/machine.h"

namespace pawl::core {

Bus::Bus(std::unique_ptr<Machine> machine) : machine_(std::move(machine)) {}
Bus::~Bus() = default;

Result<std::unique_ptr<Bus>> Bus::open(const StateView& committed, const BusConfig& config, Gate& gate,
                                       Office* office) {
  auto machine = std::make_unique<Machine>(committed, config, gate, office);
  if (Status status = machine->open(); !status) return status.error();
  return std::unique_ptr<Bus>(new Bus(std::move(machine)));
}

void Bus::begin_turn(Instant now) { machine_->begin_turn(now); }
Applied Bus::apply(const Caller& caller, const Operation& operation, Outbox& outbox) {
  return machine_->apply(caller, operation, outbox);
}
void Bus::tick(Outbox& outbox) { machine_->tick(outbox); }
bool Bus::more_work() const { return machine_->more_work(); }
std::optional<int64_t> Bus::next_wakeup_ms() const { return machine_->next_wakeup_ms(); }
void Bus::disconnected(ClientId client) { machine_->disconnected(client); }
bool Bus::has_changes() const { return machine_->has_changes(); }
size_t Bus::open_bytes() const { return machine_->open_bytes(); }
uint64_t Bus::open_sequence() const { return machine_->open_sequence(); }
Batch Bus::seal() { return machine_->seal(); }
void Bus::committed() { machine_->committed(); }
BusTotals Bus::totals() const { return machine_->totals(); }
const FreezeRecord& Bus::freeze() const { return machine_->freeze(); }
const FreezeRecord& Bus::committed_freeze() const { return machine_->committed_freeze(); }
void Bus::set_freeze_flagged(bool flagged) { machine_->set_freeze_flagged(flagged); }
void Bus::set_disk(DiskMark mark) { machine_->set_disk(mark); }
void Bus::reconfigure(const BusConfig& config, const std::string& changes, const std::string& by) {
  machine_->reconfigure(config, changes, by);
}
std::vector<std::string> Bus::zones() const { return machine_->zones(); }
bool Bus::failed() const { return machine_->failed(); }
std::string Bus::failure() const { return machine_->failure(); }

}  // namespace pawl::core
