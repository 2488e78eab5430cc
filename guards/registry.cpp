#include "guards/registry.h"

#include <utility>

#include "guards/kill_switch.h"
#include "guards/pause.h"
#include "guards/size.h"

namespace pawl::guards {

// A new guard: its pair of files, its tests, one line here.
std::unique_ptr<GuardChain> make_guard_chain() {
  std::vector<std::unique_ptr<Guard>> guards;
  guards.push_back(std::make_unique<Size>());
  guards.push_back(std::make_unique<KillSwitch>());
  guards.push_back(std::make_unique<Pause>());
  return std::make_unique<GuardChain>(std::move(guards));
}

}  // namespace pawl::guards
