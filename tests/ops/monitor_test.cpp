// SWEEP over a whole bus: what is found, what opens an incident and ends it, and what a restart must not
// forget.
#include <catch2/catch.hpp>
#include <string>

#include "bus/ops/ops_config.h"
#include "bus/ops/registry.h"
#include "guards/registry.h"
#include "tests/scenario/scenario.h"

namespace pawl::ops {
namespace {

core::BusConfig with_monitor(MonitorConfig monitor = {}) {
  core::BusConfig config;
  // Failures on purpose are no outage.
  config.guards.modes["breaker"] = core::GuardMode::off;
  monitor.on = true;
  auto rules = std::make_shared<OpsConfig>();
  rules->monitor = monitor;
  config.office = rules;
  schedule_monitor(monitor, config);
  return config;
}

std::string swept(const std::string& table, const core::BusConfig& config = {}) {
  return core::play(table, config, guards::make_guard_chain, make_ops);
}

}  // namespace

TEST_CASE("monitor: a bus without the section is left alone; a sweep of it tells and is chronicled") {
  CHECK(swept(R"(
    push r a                         | m1
    +1d
    events 0                         | none
    crons                            | none
    sweep                            | result=concern number=1 -since findings=1
    +30m
    sweep                            | number=2 since=-1800000 findings=1
    incidents                        | i1
    incidentget i1                   | fingerprint=monitor:waiting:r roles=r count=2 by=monitor
    claim d r                        | m1
    ack m1                           | OK
    sweep                            | result=nominal number=3 findings=0
    incidentget i1                   | cleared_at=+0 state=open
    +11m
    incidentget i1                   | state=closed closed_by=bus
    events 0 kind=monitor            | monitor.sweep monitor.sweep monitor.sweep
  )") == "");
}

TEST_CASE("monitor: the section pushes a sweep every interval, which is never two at once") {
  CHECK(swept(R"(
    crons                            | monitor
    +1h
    role monitor                     | !NOTFOUND
    +61m
    role monitor                     | ready=1 pushed_total=1
    sweep                            | number=1
    restart down=10m
    role monitor                     | ready=1 pushed_total=1
    +2h
    role monitor                     | ready=1 pushed_total=2
    claim d monitor                  | m1
    ack m1                           | OK
    role monitor                     | ready=0 done=1 pushed_total=2
  )",
              with_monitor()) == "");
}

TEST_CASE("monitor: sweeps that do not come are a concern, until one does") {
  MonitorConfig off;
  off.role.clear();
  CHECK(swept(R"(
    crons                            | none
    +239m
    incidents                        | none
    +2m
    incidents                        | i1
    incidentget i1                   | tier=concern fingerprint=monitor:overdue -roles count=1
    +5h
    incidentget i1                   | count=1
    sweep                            | number=1 findings=0
    incidentget i1                   | cleared_at=+0
    +3h
    sweep
    restart down=1d
    incidents                        | none
    +3h
    incidents                        | none
    +61m
    incidents                        | i2
  )",
              with_monitor(off)) == "");
}

}  // namespace pawl::ops
