#include "bus/ops/registry.h"

#include <utility>

#include "bus/ops/cron.h"
#include "bus/ops/incidents.h"
#include "bus/ops/memory.h"
#include "bus/ops/monitor.h"
#include "bus/ops/notify.h"
#include "bus/ops/policy_part.h"

namespace pawl::ops {

// A new part: its files, its tests, one line here.
std::unique_ptr<Ops> make_ops() {
  std::vector<std::unique_ptr<Part>> parts;
  parts.push_back(std::make_unique<Cron>());
  auto incidents = std::make_unique<Incidents>();
  auto notify = std::make_unique<Notify>(*incidents);
  auto memory = std::make_unique<Memory>(*incidents);
  auto monitor = std::make_unique<Monitor>(*incidents);
  auto policy = std::make_unique<PolicyPart>(*incidents);
  parts.push_back(std::move(incidents));
  parts.push_back(std::move(notify));
  parts.push_back(std::move(memory));
  parts.push_back(std::move(monitor));
  parts.push_back(std::move(policy));
  return std::make_unique<Ops>(std::move(parts));
}

}  // namespace pawl::ops
