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

namespace {

// So many deliveries of role r, the first of which fail for good, of one fingerprint or of several.
std::string window(int number, int deliveries, int failures, bool alike = false) {
  const std::string at = "w" + std::to_string(number) + ".";
  std::string push = "mpush r";
  std::string names;
  std::string done = "mack";
  std::string failed;
  for (int i = 0; i < deliveries; ++i) {
    const std::string name = "w" + std::to_string(number) + "x" + std::to_string(i);
    push += " p";
    names += " " + name;
    if (i < failures) {
      const std::string host = {static_cast<char>('g' + i / 10), static_cast<char>('g' + i % 10), 'x'};
      failed += "& fail " + name + " timeout 'no answer from " + (alike ? "it" : host) + "' dead\n";
    } else {
      done += " " + name;
    }
  }
  std::string table =
      push + " |" + names + "\nclaim d r n=" + std::to_string(deliveries) + " |" + names + "\n";
  if (failures < deliveries) table += done + "\n";
  return table + failed;
}

core::BusConfig with_leak() {
  MonitorConfig monitor;
  monitor.role.clear();
  monitor.limits.dead_growth = 1000;
  monitor.limits.dead_backlog = 1000;
  return with_monitor(monitor);
}

}  // namespace

TEST_CASE("monitor: a slow leak of errors is found, though no window is much worse than the one before") {
  const int failures[] = {1, 1, 1, 1, 2, 2, 3, 3, 4, 5};
  std::string table;
  int number = 0;
  for (const int failed : failures) {
    ++number;
    table += window(number, 100, failed) + "+2h\nsweep | number=" + std::to_string(number) + " findings=0\n";
    if (number == 5) table += "restart down=1h\n";
  }
  table += "incidents | none\n" + window(11, 100, 6) + R"(
    +2h
    sweep                            | number=11 result=concern findings=1
    incidentget i1                   | fingerprint=monitor:errors:r:timeout tier=concern roles=r
    restart
    +1m
    sweep                            | number=12 result=concern findings=1
    incidentget i1                   | count=1 -cleared_at
  )";
  // The leak is mended: a window that is long enough says so.
  table += window(13, 50, 0) + R"(
    +1h
    sweep                            | number=13 result=nominal findings=0
    +11m
    incidents                        | none
  )";
  CHECK(swept(table, with_leak()) == "");
}

TEST_CASE("monitor: a role that begins to fail altogether is an ultra") {
  CHECK(swept(window(1, 30, 30) + R"(
    sweep                            | result=ultra findings=1
    incidentget i1                   | tier=ultra fingerprint=monitor:errors:r:timeout
  )",
              with_leak()) == "");
}

TEST_CASE("monitor: a death that follows a lapse is one failure, a cancelled handler none") {
  core::BusConfig config = with_leak();
  config.defaults.max_attempts = 1;
  std::string table;
  for (int i = 0; i < 4; ++i) {
    const std::string name = "m" + std::to_string(i);
    table +=
        "push r x | " + name + "\nclaim d r lease=1000 | " + name + "\n+20m\nget " + name + " | state=dead\n";
  }
  // Five are too few to be found as ten would be; with a fifth of its class there are enough.
  table += R"(
    sweep                            | findings=0
    push r x                         | c
    claim d r                        | c
    fail c cancelled stopped         | state=scheduled
    sweep since=1700000000000        | findings=0 -since
    cancel c
    push r x                         | m9
    claim d r lease=1000             | m9
    +2s
    sweep since=1700000000000        | findings=1 -since
    incidentget i1                   | fingerprint=monitor:errors:r:lease_expired
  )";
  CHECK(swept(table, config) == "");
}

TEST_CASE("monitor: SINCE goes back to the sweep before that time") {
  std::string table = window(1, 20, 0) + "sweep | number=1 -since\n+2h\n" + window(2, 20, 6) +
                      "sweep | number=2 since=-7200000 findings=1\n+2h\n";
  table += R"(
    sweep                            | number=3 since=-7200000 findings=0
    sweep since=1700007200000        | number=4 since=-7200000 findings=0
    sweep since=1700007199999        | number=5 since=-14400000 findings=1
    sweep since=1700099999999        | number=6 since=+0
    sweep since=1                    | number=7 -since
  )";
  CHECK(swept(table, with_leak()) == "");
}

TEST_CASE("monitor: under a hard freeze it sweeps on, and a freeze that stands long is raised by itself") {
  CHECK(swept(R"(
    push r x                         | m1
    killhard drill
    sweep                            | result=ultra findings=1
    incidents                        | none
    +59m
    incidents                        | none
    +2m
    incidents                        | i1
    incidentget i1                   | fingerprint=monitor:freeze tier=ultra count=1
    +10h
    incidents                        | i1
    restart
    +1m
    incidentget i1                   | count=1 -cleared_at
    clearhard over
    +10s
    incidentget i1                   | state=open cleared_at=-10000..0
    +1h
    incidents                        | i1
    +70m
    incidents                        | i1 i2
    incidentget i2                   | fingerprint=monitor:overdue
  )",
              with_leak()) == "");
}

TEST_CASE("monitor: a quota that will be used up tonight is told of today") {
  // No section: the checks begin with the first sweep, and nobody waits for the next.
  core::BusConfig config;
  core::RoleConfig role;
  role.quotas.push_back({core::QuotaKind::tokens, 1000, 24 * 3'600'000, 1});
  config.roles["r"] = role;
  CHECK(swept(R"(
    sweep                            | number=1 findings=0
    +2h
    push r a                         | m1
    claim d r                        | m1
    ack m1 tokens=200                | OK
    sweep                            | number=2 findings=1
    incidentget i1                   | fingerprint=monitor:quota:r:tokens:1d tier=concern roles=r
    +50m
    incidentget i1                   | -cleared_at
    +30m
    incidents                        | none
    sweep                            | number=3 findings=0
    push r b                         | m2
    claim d r                        | m2
    ack m2 tokens=750                | OK
    +10s
    incidents                        | i2
    incidentget i2                   | fingerprint=monitor:quota:r:tokens:1d count=1
    push r c                         | m3
    claim d r                        | m3
    ack m3 tokens=150                | OK
    +10s
    incidentget i2                   | count=2 tier=concern
    incidentack i2                   | OK
    +20h
    incidentget i2                   | count=2 -cleared_at
    +6h
    incidentget i2                   | state=closed count=2
    incidents                        | none
  )",
              config) == "");
}

TEST_CASE("monitor: claims that are held long, or stuck") {
  CHECK(swept(R"(
    push r a                         | m1
    push r b                         | m2
    claim d@1 r lease=20000000       | m1
    claim e@1 r lease=20000000       | m2
    +10m
    extend m2
    sweep                            | findings=0
    +10m
    sweep                            | findings=1
    incidentget i1                   | fingerprint=monitor:stuck:r daemons=d roles=r
    extend m1
    +1h
    cancel m2                        | claimed
    +4h
    extend m1
    extend m2
    sweep                            | findings=2
    incidentget i1                   | daemons=d,e
    incidentget i2                   | fingerprint=monitor:long:r
    mack m1 m2
    sweep                            | findings=0
  )") == "");
}

TEST_CASE(
    "monitor: what the chronicle has an incident for gets no second one, and the policy leaves the monitor's "
    "to people") {
  MonitorConfig monitor;
  monitor.role.clear();
  const core::BusConfig config = with_monitor(monitor);
  CHECK(swept(window(1, 30, 12, true) + R"(
    incidents                        | i1
    sweep                            | number=1 findings=2
    incidents                        | i1
    +100m
    incidents                        | none
    sweep                            | number=2 findings=0
  )",
              config) == "");
  CHECK(swept(window(1, 30, 12) + R"(
    incidents                        | none
    sweep                            | number=1 findings=2
    incidents                        | i1 i2
    incidentget i1                   | fingerprint=monitor:errors:r:timeout tier=concern
    +100m
    incidentget i1                   | tier=concern
    role r                           | breaker=closed paused=0
    events 0 kind=policy.decision    | none
  )",
              config) == "");
}

}  // namespace pawl::ops
