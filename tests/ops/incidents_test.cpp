// INCIDENT over a whole bus: what opens one, what raises it, what closes it, who is told.
#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "bus/ops/incident_signs.h"
#include "bus/ops/incidents.h"
#include "bus/ops/ops.h"
#include "bus/ops/ops_config.h"
#include "bus/ops/registry.h"
#include "guards/registry.h"
#include "tests/scenario/scenario.h"

namespace pawl::ops {
namespace {

// Without the policy, which would do something about them.
std::string watched(const std::string& table, core::BusConfig config = {}) {
  auto rules = std::make_shared<OpsConfig>();
  rules->policy_mode = core::GuardMode::off;
  config.office = std::move(rules);
  return core::play(table, config, guards::make_guard_chain, make_ops);
}

}  // namespace

TEST_CASE("incidents: opened, acknowledged, noted and closed by people") {
  CHECK(watched(R"(
    incident ultra 'prod is down' roles=web,proj.* daemons=edge note='since noon' | id=i1 tier=ultra state=open title='prod is down' count=1 roles=web,proj.* daemons=edge notes=1 -acknowledged_at
    incident concern 'mail is slow'  | id=i2 tier=concern -roles
    incidents                        | i1 i2
    incidents tier=ultra             | i1
    incidents role=proj.x            | i1
    incidents role=other             | none
    incidents n=1                    | i1
    incidentack i1 owner=ann         | OK
    incidentnote i1 'rolled back'    | OK
    incidentget i1                   | owner=ann notes=2 state=open
    incidentclose i1 fixed           | OK
    incidents                        | i2
    incidents closed                 | i1
    incidentget i1                   | state=closed reason=fixed
    incidentclose i1                 | !STATE closed INCIDENT
    incidentnote i1 x                | !STATE
    incidentack i9                   | !NOTFOUND
    incidentack nonsense             | !NOTFOUND
    incidentget i9                   | nil
    incident ultra 'prod is down'    | id=i3 count=1
    events 0 kind=incident           | incident.opened incident.opened incident.changed incident.changed incident.closed incident.opened
  )") == "");
}

TEST_CASE("incidents: one open incident a fingerprint, updated in place; its tier only rises") {
  CHECK(watched(R"(
    incident concern 'disk 17 is slow' | id=i1 count=1
    incident concern 'disk 23 is slow' | id=i1 count=2 title='disk 17 is slow'
    +1m
    incident concern other fingerprint=f1 roles=a | id=i2 count=1
    incident ultra worse fingerprint=f1 roles=b   | id=i2 count=2 tier=ultra title=worse roles=a,b
    incident concern less fingerprint=f1          | id=i2 count=3 tier=ultra title=worse
    incidents                        | i1 i2
    events 0 kind=incident           | incident.opened incident.opened incident.changed
  )") == "");
}

TEST_CASE("incidents: a red daemon is a concern, an ultra when it stays so, and over when it is well") {
  CHECK(watched(R"(
    beat svc interval=1000           | colour=green
    +10s
    incidents                        | i1
    incidentget i1                   | tier=concern fingerprint=daemon:svc daemons=svc count=1
    beat other interval=3600000      | incidents=0
    beat svc interval=1000
    +9m
    incidents                        | i1
    +15m
    incidentget i1                   | tier=ultra
    incidentclose i1 'it is gone'    | OK
  )") == "");
  CHECK(watched(R"(
    beat svc interval=1000
    +5s
    beat svc interval=1000 state=stopping
    incidentget i1                   | state=open
    +9m
    incidentget i1                   | state=open
    +2m
    incidentget i1                   | state=closed closed_by=bus
    events 0 kind=incident           | incident.opened incident.closed
  )") == "");
}

TEST_CASE("incidents: what flaps stays one, and is not closed under its own feet") {
  std::string table = "beat svc interval=1000\n";
  for (int i = 0; i < 40; ++i) table += "+5s\nbeat svc interval=1000\n";
  table += R"(
    incidents                        | i1
    events 0 kind=incident           | incident.opened
    beat svc state=stopping
    +11m
    incidents                        | none
    incidents closed                 | i1
    events 0 kind=incident           | incident.opened incident.closed
  )";
  CHECK(watched(table) == "");
}

TEST_CASE("incidents: an ultra whose cause is gone waits for a person") {
  CHECK(watched(R"(
    beat svc interval=1000
    +10m
    incidentget i1                   | tier=ultra -cleared_at
    beat svc interval=1000
    +1d
    incidentget i1                   | tier=ultra state=open
    beat svc interval=1000 state=stopping
    +1d
    incidentget i1                   | tier=ultra state=open cleared_at=-86400000
    events 0 kind=incident           | incident.opened incident.changed incident.changed incident.changed
    incidentclose i1                 | OK
  )") == "");
}

TEST_CASE("incidents: a concern becomes an ultra by age, by count and by spread") {
  core::BusConfig config;
  config.incidents.escalate_after_ms = 3'600'000;
  config.incidents.escalate_count = 3;
  config.incidents.escalate_spread = 3;
  CHECK(watched(R"(
    incident concern aging           | id=i1
    incident concern seen            | id=i2
    incident concern heard           | id=i3
    incidentack i3                   | OK
    +59m
    incidentget i1                   | tier=concern
    +2m
    incidentget i1                   | tier=ultra
    incidentget i3                   | tier=concern
    incident concern often           | id=i4
    incident concern often           | id=i4 tier=concern count=2
    incident concern often           | id=i4 tier=ultra count=3
    incident concern wide roles=a    | id=i5
    incident concern wide roles=b    | id=i5 tier=concern
    incident concern wide daemons=c  | id=i5 tier=ultra
  )",
                config) == "");
  config.incidents = {0, 0, 0, 0, 0};
  CHECK(watched(R"(
    incident concern aging           | id=i1
    +3d
    incidentget i1                   | tier=concern
    beat svc interval=1000
    +5s
    beat svc interval=1000
    incidents                        | i1
  )",
                config) == "");
}

TEST_CASE("incidents: daemons that are affected are told in BEAT and EXTEND") {
  CHECK(watched(R"(
    push web a                       | m1
    claim w@b1 web                   | m1
    extend m1                        | freeze=none -incidents
    beat w boot=b1 interval=3600000 roles=web | incidents=0
    beat x interval=3600000 roles=mail | incidents=0
    incident ultra down roles=we*    | id=i1
    +1s
    extend m1                        | incidents=1
    beat w boot=b1 interval=3600000  | incidents=1
    beat x interval=3600000          | incidents=0
    incident concern x daemons=x     | id=i2
    +1s
    beat x interval=3600000          | incidents=1
    incident concern all             | id=i3
    +1s
    beat x interval=3600000          | incidents=2
    extend m1                        | incidents=2
    incidentclose i1                 | OK
    incidentclose i3                 | OK
    +1s
    extend m1                        | -incidents
  )") == "");
}

TEST_CASE("incidents: in a freeze people go on with them") {
  CHECK(watched(R"(
    incidents                        | none
    kill drill
    incident ultra frozen            | id=i1
    incidentack i1                   | OK
    incidentnote i1 x                | OK
    incidentclose i1                 | OK
    clear over
  )") == "");
}

namespace {

core::EventRecord entry(std::string kind, core::Headers fields) {
  core::EventRecord event;
  event.kind = std::move(kind);
  event.fields = std::move(fields);
  return event;
}

}  // namespace

TEST_CASE("incidents: what in the chronicle is one") {
  struct Row {
    core::EventRecord event;
    std::string fingerprint;  // empty: it is none
    std::string tier;         // or "gone"
    std::string title;
    core::ErrorClass error_class = core::ErrorClass::unknown;
    int64_t quiet_ms = 0;
  };
  constexpr auto down = core::ErrorClass::dependency_down;
  const Row rows[] = {
      {entry("daemon.red", {{"daemon", "svc"}, {"reason", "silent"}}), "daemon:svc", "concern",
       "daemon svc is red", down},
      {entry("daemon.red", {{"daemon", "svc"}, {"reason", "rate limit reached"}}), "daemon:svc", "concern",
       "daemon svc is red", core::ErrorClass::rate_limited},
      {entry("daemon.escalate", {{"tier", "ultra"}, {"daemon", "svc@b1"}}), "daemon:svc", "ultra",
       "daemon svc stays red", down},
      {entry("launcher.escalate", {{"daemon", "svc"}, {"tier", "ultra"}}), "daemon:svc", "ultra",
       "daemon svc was given up by its launcher", core::ErrorClass::crash},
      {entry("launcher.escalate", {{"daemon", "svc"}, {"reason", "3 failures, the last: exit code 69"}}),
       "daemon:svc", "ultra", "daemon svc was given up by its launcher", down},
      {entry("launcher.ready", {{"daemon", "svc"}}), "daemon:svc", "gone", ""},
      {entry("daemon.green", {{"daemon", "svc"}}), "daemon:svc", "gone", ""},
      {entry("role.unserved", {{"role", "r"}}), "unserved:r", "concern",
       "role r has no daemon that serves it", down},
      {entry("role.served", {{"role", "r"}}), "unserved:r", "gone", ""},
      {entry("guard.failed", {{"guard", "rate"}}), "guard:rate", "ultra", "guard rate failed"},
      {entry("disk.mark", {{"from", "ample"}, {"to", "low"}}), "disk", "concern",
       "the disk is short of space", core::ErrorClass::quota},
      {entry("disk.mark", {{"from", "low"}, {"to", "critical"}}), "disk", "ultra", "the disk is nearly full",
       core::ErrorClass::quota},
      {entry("disk.mark", {{"from", "low"}, {"to", "ample"}}), "disk", "gone", ""},
      {entry("sweep.finding", {{"tier", "concern"}, {"role", "r"}, {"title", "errors"}}), "sweep.finding:r",
       "concern", "errors"},
      {entry("restart.given_up", {{"tier", "ultra"}, {"daemon", "svc@b1"}}), "restart.given_up:svc", "ultra",
       "restart.given_up of svc"},
      {entry("x.y", {{"tier", "ultra"}, {"text", "HTTP 429"}}), "x.y", "ultra", "x.y"},
      {entry("x.y", {{"tier", "ultra"}, {"text", "HTTP 429"}, {"role", "r"}}), "x.y:r", "ultra", "x.y of r",
       core::ErrorClass::rate_limited},
      {entry("sweep.storm", {{"role", "r"}}), "lapses:r", "concern",
       "role r loses its claims to expired leases", core::ErrorClass::lease_expired, 300'000},
      {entry("breaker.open", {{"circuit", "role:r"}, {"class", "timeout"}}), "breaker:role:r", "concern",
       "circuit role:r is open", core::ErrorClass::timeout},
      {entry("breaker.open", {{"circuit", "needs:x"}}), "breaker:needs:x", "concern",
       "circuit needs:x is open", down},
      {entry("breaker.open", {{"circuit", "needs:x"}, {"by", "health"}}), "", "", ""},
      {entry("breaker.close", {{"circuit", "role:r"}}), "breaker:role:r", "gone", ""},
      {entry("x.y", {{"tier", "ultra"}}), "x.y", "ultra", "x.y"},
      {entry("x.y", {{"tier", "grave"}}), "", "", ""},
      {entry("incident.opened", {{"tier", "ultra"}}), "", "", ""},
      {entry("message.dead", {{"role", "r"}}), "", "", ""},
  };
  const Classifier classifier;
  for (const Row& row : rows) {
    INFO(row.event.kind);
    const auto sign = sign_of(row.event, &classifier);
    REQUIRE(sign.has_value() == !row.fingerprint.empty());
    if (!sign) continue;
    CHECK(sign->sighting.fingerprint == row.fingerprint);
    CHECK(sign->gone == (row.tier == "gone"));
    if (sign->gone) continue;
    CHECK(core::tier_names[static_cast<size_t>(sign->sighting.tier)] == row.tier);
    CHECK(sign->sighting.title == row.title);
    CHECK(sign->sighting.error_class == row.error_class);
    CHECK(sign->sighting.quiet_ms == row.quiet_ms);
  }
}

TEST_CASE("incidents: a daemon that turns red while the circuit of its work is open is the same outage") {
  core::BusConfig config;
  config.roles["mail"].needs = {"slack"};
  CHECK(watched(R"(
    beat slack interval=1000
    push mail x                      | m1
    push mail x                      | m2
    push mail x                      | m3
    push mail x                      | m4
    push mail x                      | m5
    claim w mail n=5                 | *5
    fail m1 dependency_down 'slack: gone'
    & fail m2 dependency_down 'slack: gone'
    & fail m3 dependency_down 'slack: gone'
    & fail m4 dependency_down 'slack: gone'
    & fail m5 dependency_down 'slack: gone'
    incidentget i1                   | fingerprint=breaker:needs:slack tier=concern count=1
    +4s
    daemon slack                     | colour=red
    incidents                        | i1
    incidentget i1                   | tier=concern count=2 class=dependency_down
    +6m
    incidents                        | i1
    incidentget i1                   | tier=ultra count=3
    beat slack interval=1000
    incidentget i1                   | -cleared_at
    claim w mail                     | m1
    ack m1                           | OK
    incidentget i1                   | cleared_at=+0
    +10s
    incidents                        | i1 i2
    incidentget i2                   | fingerprint=daemon:slack
  )",
                config) == "");
}

TEST_CASE("incidents: a circuit that opens again after its probe is still of the class that opened it") {
  CHECK(watched(R"(
    push r    x                      | m1
    push r    x                      | m2
    push r    x                      | m3
    push r    x                      | m4
    push r    x                      | m5
    claim w r n=5                    | *5
    fail m1 crash 'signal 11'
    & fail m2 crash 'signal 11'
    & fail m3 crash 'signal 11'
    & fail m4 crash 'signal 11'
    & fail m5 crash 'signal 11'
    incidentget i1                   | fingerprint=breaker:role:r class=crash count=1
    +6s
    claim w r                        | m1
    fail m1 crash 'signal 11'
    claim w r                        | m2
    fail m2 crash 'signal 11'
    claim w r                        | m3
    fail m3 crash 'signal 11'
    claim w r                        | m4
    fail m4 crash 'signal 11'
    incidentget i1                   | class=crash count=2
  )") == "");
}

TEST_CASE("incidents: a row of the first version is read, damage is not") {
  Incident incident;
  incident.number = 3;
  incident.fingerprint = "daemon:svc";
  incident.count = 2;
  incident.error_class = core::ErrorClass::timeout;
  incident.quiet_ms = 300;
  incident.seen_bus_ms = 70;
  const std::string row = incident.encode();
  const auto copy = Incident::decode(3, row);
  REQUIRE(copy.has_value());
  CHECK(copy->error_class == core::ErrorClass::timeout);
  CHECK(copy->quiet_ms == 300);
  CHECK(copy->seen_bus_ms == 70);
  for (size_t length = 0; length < row.size(); ++length)
    CHECK_FALSE(Incident::decode(3, row.substr(0, length)));
  std::string older = row.substr(0, row.size() - 4);  // class 1, quiet 2, seen 1 byte
  older[0] = 1;
  const auto before = Incident::decode(3, older);
  REQUIRE(before.has_value());
  CHECK(before->error_class == core::ErrorClass::unknown);
  CHECK(before->count == 2);
  std::string newer = row;
  newer[0] = 3;
  CHECK_FALSE(Incident::decode(3, newer));
}

TEST_CASE("incidents: dead letters alike are one, and it is over when no more come") {
  // What is poison is the message's fault, and one is enough.
  CHECK(watched(R"(
    push r a                         | m1
    push r b                         | m2
    push r c                         | m3
    push r d                         | m4
    push r e                         | m5
    claim w r n=5                    | m1 m2 m3 m4 m5
    fail m1 bad_input 'no such field' dead
    fail m2 bad_input 'no such field' dead
    fail m3 bad_input 'no such field' dead
    fail m4 bad_input 'no such field' dead
    incidents                        | none
    fail m5 bad_input 'no such field' dead
    incidents                        | i1
    incidentget i1                   | tier=concern class=bad_input roles=r count=1 -daemons title='5 messages of role r died alike within an hour'
    push r f                         | m6
    claim w r                        | m6
    +4m
    fail m6 bad_input 'no such field' dead
    incidentget i1                   | count=2
    +4m
    incidentget i1                   | -cleared_at
    +2m
    incidentget i1                   | cleared_at=-60000
    +10m
    incidents                        | none
  )") == "");
  CHECK(watched(R"(
    push r a                         | m1
    claim w r                        | m1
    fail m1 bad_input 'no such field' dead
    +61m
    push r b                         | m2
    push r c                         | m3
    push r d                         | m4
    push r e                         | m5
    claim w r n=4                    | m2 m3 m4 m5
    fail m2 bad_input 'no such field' dead
    fail m3 bad_input 'no such field' dead
    fail m4 bad_input 'no such field' dead
    fail m5 bad_input 'no such field' dead
    incidents                        | none
  )") == "");
  core::BusConfig config;
  config.guards.poison_crashes = 2;
  CHECK(watched(R"(
    push r a                         | m1
    claim w@b r                      | m1
    reap w b                         | 1
    claim w@c r                      | m1
    reap w c                         | 1
    deadcount                        | 1
    incidents                        | i1
    incidentget i1                   | class=bad_input roles=r
  )",
                config) == "");
}

namespace {

class Broken final : public Part {
 public:
  std::string_view name() const override { return "broken"; }
  void tick(core::OfficeDesk& /*desk*/) override { throw std::runtime_error("a bug"); }
};

std::unique_ptr<Ops> make_broken() {
  std::vector<std::unique_ptr<Part>> parts;
  parts.push_back(std::make_unique<Broken>());
  parts.push_back(std::make_unique<Incidents>());
  return std::make_unique<Ops>(std::move(parts));
}

}  // namespace

TEST_CASE("incidents: a part of the ops layer that fails is an ultra") {
  CHECK(core::play(R"(
    push r a
    +1ms
    incidentget i1                   | tier=ultra fingerprint=ops:broken
  )",
                   {}, guards::make_guard_chain, make_broken) == "");
}

TEST_CASE("incidents: an open circuit of a guard that does not enforce is none") {
  core::BusConfig config;
  config.guards.modes["breaker"] = core::GuardMode::off;
  std::string table;
  for (int i = 1; i <= 12; ++i) {
    const std::string n = std::to_string(i);
    table += "push r " + n + " | m" + n + "\nclaim d r | m" + n + "\nfail m" + n + " dependency_down x\n";
  }
  CHECK(watched(table + "incidents | none\n", config) == "");
}

}  // namespace pawl::ops
