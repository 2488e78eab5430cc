#include "guards/registry.h"

#include <utility>

#include "guards/authorisation.h"
#include "guards/circuit_breaker.h"
#include "guards/concurrency.h"
#include "guards/health.h"
#include "guards/kill_switch.h"
#include "guards/load_shed.h"
#include "guards/pause.h"
#include "guards/poison_breaker.h"
#include "guards/quota_breaker.h"
#include "guards/rate.h"
#include "guards/size.h"
#include "guards/stuck_claim_sweep.h"
#include "guards/velocity.h"

namespace pawl::guards {

// A new guard: its pair of files, its tests, one line here.
std::unique_ptr<GuardChain> make_guard_chain() {
  std::vector<std::unique_ptr<Guard>> guards;
  guards.push_back(std::make_unique<Authorisation>());
  guards.push_back(std::make_unique<Size>());
  guards.push_back(std::make_unique<KillSwitch>());
  guards.push_back(std::make_unique<LoadShed>());
  guards.push_back(std::make_unique<Pause>());
  auto breaker = std::make_unique<CircuitBreaker>();
  CircuitBreaker& circuits = *breaker;
  guards.push_back(std::move(breaker));
  guards.push_back(std::make_unique<Concurrency>());
  guards.push_back(std::make_unique<Rate>());
  guards.push_back(std::make_unique<QuotaBreaker>());
  guards.push_back(std::make_unique<Velocity>());
  guards.push_back(std::make_unique<StuckClaimSweep>());
  guards.push_back(std::make_unique<PoisonBreaker>());
  guards.push_back(std::make_unique<Health>(circuits));
  return std::make_unique<GuardChain>(std::move(guards));
}

}  // namespace pawl::guards
