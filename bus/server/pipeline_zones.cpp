// Time zones on their way to the schedules: the core is given their rules as data.
#include <utility>
#include <variant>

#include "bus/server/log.h"
#include "bus/server/pipeline.h"
#include "bus/server/time_zones.h"

namespace pawl::server {
namespace {

constexpr int64_t zones_every_ms = int64_t{24} * 3600 * 1000;

}  // namespace

// A new bus, another configuration, or a day that has passed.
void Pipeline::give_zones() {
  core::Bus* bus = writable_bus();
  if (bus == nullptr) return;
  zones_due_ms_ = now_.mono_ms + zones_every_ms;
  core::op::ZoneRulesGiven given;
  for (const std::string& name : bus->zones()) {
    auto rules = time_zone_rules(name, now_.wall_ms);
    if (rules.ok()) {
      given.zones.push_back(std::move(*rules));
    } else {
      // Those it had stay: an upgrade that lost a zone must not stop what runs by it.
      log::error(rules.error().text);
    }
  }
  if (given.zones.empty()) return;
  bus->apply(core::Caller(0, "server", nullptr), given, *this);
  settle(current_tag());
}

// CRON SET is given the rules of its zone; the error where there is none.
std::optional<Error> Pipeline::resolve_zone(core::Operation& operation) {
  auto* set = std::get_if<core::op::CronSet>(&operation);
  if (set == nullptr || set->zone.empty()) return std::nullopt;
  auto rules = time_zone_rules(set->zone, now_.wall_ms);
  if (!rules.ok()) return rules.error();
  zone_of_set_ = std::move(*rules);
  set->rules = &zone_of_set_;
  return std::nullopt;
}

}  // namespace pawl::server
