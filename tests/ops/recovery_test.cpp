// The recovery policy over a whole bus, in virtual time: what it does about an incident, what it learns of
// it, what it takes back, and that the chronicle alone explains it.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bus/ops/course.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/ops_config.h"
#include "bus/ops/policy_part.h"
#include "bus/ops/registry.h"
#include "guards/registry.h"
#include "tests/ops/rig.h"
#include "tests/scenario/scenario.h"
#include "tests/support/reply_tree.h"

namespace pawl::ops {
namespace {

core::BusConfig with_rules(OpsConfig rules, core::BusConfig config = {}) {
  config.office = std::make_shared<OpsConfig>(std::move(rules));
  return config;
}

std::string recovers(const std::string& table, const core::BusConfig& config = {}) {
  return core::play(table, config, guards::make_guard_chain, make_ops);
}

PolicyRule rule(std::vector<Action> actions) {
  PolicyRule made;
  made.name = "own";
  made.actions = std::move(actions);
  return made;
}

core::BusConfig trying(std::vector<Action> actions, core::BusConfig config = {}) {
  OpsConfig rules;
  rules.policy = {rule(std::move(actions))};
  return with_rules(std::move(rules), std::move(config));
}

}  // namespace

TEST_CASE("recovery: a dependency is down: its circuit is held, it is restarted, what helped is learned") {
  core::BusConfig config;
  config.roles["mail"].needs = {"slack"};
  CHECK(recovers(R"(
    beat slack interval=1000
    +5s
    incidentget i1                   | class=dependency_down tier=concern
    role mail                        | breaker=open
    events 0 kind=policy             | policy.decision policy.restart
    +1m
    events 0 kind=policy             | policy.decision policy.restart
    +2m
    events 0 kind=policy             | policy.decision policy.restart policy.outcome policy.decision policy.restart
    beat slack interval=1000
    events 0 kind=policy             | policy.decision policy.restart policy.outcome policy.decision policy.restart policy.outcome
    beat slack interval=1000 state=stopping
    +11m
    incidents                        | none
    events 0 kind=policy             | *6
  )",
                 config) == "");
}

TEST_CASE("recovery: when nothing has helped, people are called, once") {
  CHECK(recovers(R"(
    note launcher.escalate daemon=svc reason='exit code 1' tier=ultra
    incidentget i1                   | class=crash tier=ultra
    events 0 kind=policy.restart     | policy.restart
    +8m
    events 0 kind=policy             | policy.decision policy.restart policy.outcome policy.decision policy.restart policy.outcome policy.decision
    events 0 kind=incident           | incident.opened incident.changed
    +1d
    events 0 kind=policy             | *7
    incidentclose i1                 | OK
    events 0 kind=policy             | *7
  )") == "");
}

TEST_CASE("recovery: a concern that is only told of is left to its own time") {
  CHECK(recovers(R"(
    note x.y tier=concern
    incidentget i1                   | tier=concern class=unknown
    events 0 kind=policy             | policy.decision
    +23h
    incidentget i1                   | tier=concern
    +2h
    incidentget i1                   | tier=ultra
    events 0 kind=policy             | policy.decision
    note y.z role=r tier=concern text='HTTP 503'
    incidentget i2                   | class=dependency_down
    events 0 kind=policy             | policy.decision policy.decision
    +1h
    incidentget i2                   | tier=concern
    events 0 kind=policy             | policy.decision policy.decision
  )") == "");
}

TEST_CASE("recovery: what people report or have acknowledged is theirs") {
  CHECK(recovers(R"(
    incident concern slow daemons=svc
    events 0 kind=policy             | none
    note launcher.escalate daemon=svc2 tier=ultra reason=gone
    events 0 kind=policy             | policy.decision policy.restart
    incidentack i2                   | OK
    +1h
    events 0 kind=policy             | policy.decision policy.restart policy.outcome
  )") == "");
}

TEST_CASE("recovery: restrictions stand until the incident ends, over restarts") {
  core::BusConfig config = trying({Action::lower_concurrency, Action::escalate});
  const std::string begin = R"(
    push r a                         | m1
    push r b                         | m2
    push r c                         | m3
    push r d                         | m4
    claim w@b r n=4                  | m1 m2 m3 m4
    note x.y role=r tier=concern
    events 0 kind=role               | role.restricted
    ack m1                           | OK
    ack m2                           | OK
    ack m3                           | OK
    push r e                         | m5
    push r f                         | m6
    restart
    claim w@b r n=2                  | m5
    explain m6                       | concurrency
    +11m
    incidentget i1                   | tier=ultra
    explain m6                       | concurrency
  )";
  CHECK(recovers(begin + R"(
    incidentclose i1                 | OK
    events 0 kind=role               | role.restricted role.unrestricted
    claim w@b r                      | m6
  )",
                 config) == "");
  config = trying({Action::shed_by_priority, Action::escalate});
  CHECK(recovers(R"(
    note x.y role=r tier=concern
    push r a pri=4              | !BUSY incident
    push r a                         | m1
    restart
    push r a pri=4              | !BUSY incident
    incidentclose i1                 | OK
    push r b pri=4              | m2
  )",
                 config) == "");
  // An ultra waits for a person; what holds work back does not, once the cause has been gone for a while.
  config = trying({Action::open_breaker, Action::escalate});
  config.roles["mail"].needs = {"svc"};
  CHECK(recovers(R"(
    note launcher.escalate daemon=svc tier=ultra reason=gone
    role mail                        | breaker=open
    note launcher.ready daemon=svc
    events 0 kind=policy             | policy.decision policy.outcome
    incidentget i1                   | state=open tier=ultra
    events 0 kind=breaker.close      | none
    +11m
    events 0 kind=breaker.close      | breaker.close
    role mail                        | breaker=closed
  )",
                 config) == "");
}

TEST_CASE("recovery: every action does what it says") {
  CHECK(recovers(R"(
    push r a                         | m1
    claim w@b r                      | m1
    note x.y role=r tier=concern
    get m1                           | state=ready attempt=1
    events 0 kind=role               | role.released
  )",
                 trying({Action::release})) == "");
  CHECK(recovers(R"(
    push r a                         | m1
    note x.y role=r tier=concern
    claim w@b r                      | !PAUSED
    restart
    incidentclose i1                 | OK
    claim w@b r                      | m1
  )",
                 trying({Action::pause_role})) == "");
  // A pause that somebody put over it is his.
  CHECK(recovers(R"(
    push r a
    note x.y role=r tier=concern
    pause r 'not today'              | OK
    incidentclose i1                 | OK
    claim w@b r                      | !PAUSED
  )",
                 trying({Action::pause_role})) == "");
  CHECK(recovers(R"(
    push r a                         | m1
    note x.y role=r tier=concern
    killstatus                       | freeze=soft scope=claims by='incident i1'
    +14m
    claim w@b r                      | !FROZEN
    +2m
    killstatus                       | freeze=none
    claim w@b r                      | m1
  )",
                 trying({Action::soft_freeze})) == "");
  CHECK(recovers(R"(
    push r a                         | m1
    note x.y role=r tier=concern
    events 0 kind=policy             | policy.decision
    role r                           | breaker=closed
    +4m
    events 0 kind=policy             | policy.decision
    +2m
    events 0 kind=policy             | policy.decision policy.outcome policy.decision
    incidentget i1                   | tier=ultra
  )",
                 trying({Action::retry_later})) == "");
  CHECK(recovers(R"(
    push r a                         | m1
    note x.y role=r tier=concern
    claim w@b r                      | !OPEN
    events 0 kind=incident.opened    | incident.opened
  )",
                 trying({Action::open_breaker})) == "");
}

TEST_CASE("recovery: what cannot be done is said, and the next is tried") {
  CHECK(recovers(
            R"(
    push r a                         | m1
    pause r                          | OK
    note x.y role=r daemon=d tier=concern
    events 0 kind=policy             | policy.decision policy.refused policy.decision policy.refused policy.decision policy.refused policy.decision policy.restart
  )",
            trying({Action::release, Action::pause_role, Action::open_breaker, Action::restart_daemon}, [] {
              core::BusConfig config;
              config.guards.modes["breaker"] = core::GuardMode::observe;
              return config;
            }())) == "");
}

TEST_CASE("recovery: caps bound what is done to one subject; then people are called") {
  OpsConfig rules;
  rules.policy = {rule({Action::restart_daemon, Action::escalate})};
  rules.caps[static_cast<size_t>(Action::restart_daemon)] = Cap{2, 3'600'000};
  CHECK(recovers(R"(
    note launcher.escalate daemon=svc reason=gone tier=ultra
    note launcher.ready daemon=svc
    note launcher.escalate daemon=svc reason=gone tier=ultra
    note launcher.ready daemon=svc
    events 0 kind=policy.restart     | policy.restart policy.restart
    note launcher.escalate daemon=svc reason=gone tier=ultra
    events 0 kind=policy.restart     | policy.restart policy.restart
    events 0 kind=policy             | policy.decision policy.restart policy.outcome policy.decision policy.restart policy.outcome policy.decision
    note launcher.escalate daemon=other reason=gone tier=ultra
    events 0 kind=policy.restart     | *3
  )",
                 with_rules(std::move(rules))) == "");
}

TEST_CASE("recovery: what brings many down is not mended by doing the same to each of them") {
  OpsConfig rules;
  rules.policy = {rule({Action::restart_daemon, Action::notify})};
  rules.caps[static_cast<size_t>(Action::restart_daemon)] = Cap{3, 600'000, 2};
  CHECK(recovers(R"(
    note launcher.escalate daemon=a reason=gone tier=ultra
    note launcher.escalate daemon=b reason=gone tier=ultra
    note launcher.escalate daemon=c reason=gone tier=ultra
    note launcher.escalate daemon=d reason=gone tier=ultra
    incidents                        | i1 i2 i3 i4
    events 0 kind=policy.restart     | policy.restart policy.restart
    +11m
    note launcher.escalate daemon=e reason=gone tier=ultra
    events 0 kind=policy.restart     | *3
  )",
                 with_rules(rules)) == "");
  rules.caps[static_cast<size_t>(Action::restart_daemon)] = Cap{3, 600'000, 0};
  CHECK(recovers(R"(
    note launcher.escalate daemon=a reason=gone tier=ultra
    note launcher.escalate daemon=b reason=gone tier=ultra
    note launcher.escalate daemon=c reason=gone tier=ultra
    events 0 kind=policy.restart     | *3
  )",
                 with_rules(rules)) == "");
}

TEST_CASE("recovery: a flood of dead letters alike is one incident, and it stops when they stop") {
  std::string table;
  for (int i = 1; i <= 12; ++i) table += "push r x | m" + std::to_string(i) + "\n";
  table += "claim w r n=12 | *12\n";
  for (int i = 1; i <= 12; ++i) {
    table += "fail m" + std::to_string(i) + " bad_input 'row " + std::to_string(i) + " is no row' dead\n";
  }
  table += R"(
    incidents                        | i1
    events 0 kind=policy             | policy.decision
    +1h
    incidents                        | none
    events 0 kind=policy             | policy.decision
    events 0 kind=incident           | incident.opened incident.changed incident.closed
  )";
  CHECK(recovers(table) == "");
}

TEST_CASE("recovery: under a freeze nothing is done, and then what runs has its time anew") {
  CHECK(recovers(R"(
    kill drill
    note launcher.escalate daemon=svc reason=gone tier=ultra
    +1h
    events 0 kind=policy             | none
    clear over
    events 0 kind=policy             | policy.decision policy.restart
    +1m
    kill drill
    +1h
    events 0 kind=policy             | policy.decision policy.restart
    clear over
    +1m
    events 0 kind=policy             | policy.decision policy.restart
    +2m
    events 0 kind=policy             | policy.decision policy.restart policy.outcome policy.decision policy.restart
  )") == "");
}

TEST_CASE("recovery: off and observe") {
  OpsConfig rules;
  rules.policy_mode = core::GuardMode::off;
  CHECK(recovers(R"(
    note launcher.escalate daemon=svc reason=gone tier=ultra
    +1h
    events 0 kind=policy             | none
  )",
                 with_rules(rules)) == "");
  rules.policy_mode = core::GuardMode::observe;
  CHECK(recovers(R"(
    note launcher.escalate daemon=svc reason=gone tier=ultra
    +1h
    events 0 kind=policy             | policy.decision
    note launcher.ready daemon=svc
    note launcher.escalate daemon=svc reason=gone tier=ultra
    events 0 kind=policy             | policy.decision policy.decision
  )",
                 with_rules(rules)) == "");
}

namespace {

// A week in which a daemon that others need is down each day: for a while nothing helps, then it comes back.
std::string week(bool restarts, std::vector<test::Value>* decisions = nullptr,
                 std::string* memory = nullptr) {
  core::BusConfig config;
  config.roles["mail"].needs = {"slack"};
  Rig rig(config, restarts);
  for (int day = 0; day < 7; ++day) {
    rig.beat();
    rig.pass(10'000);
    rig.pass(day % 2 == 0 ? 30'000 : 200'000);
    for (int i = 0; i < 30; ++i) {
      rig.beat();
      rig.pass(1000);
    }
    rig.beat("stopping");
    rig.close("i" + std::to_string(day + 1));
    rig.pass(24 * 3'600'000);
  }
  std::string text;
  for (const std::string_view kind : {"policy", "incident"}) {
    for (const test::Value& entry : rig.events(kind)) text += test::to_text(entry) + "\n";
  }
  if (decisions != nullptr) *decisions = rig.events("policy.decision");
  if (memory != nullptr) *memory = rig.row("policy/memory");
  return text;
}

}  // namespace

TEST_CASE("recovery: the same week twice is the same chronicle, which makes every decision again") {
  std::vector<test::Value> decisions;
  std::string memory;
  const std::string once = week(false, &decisions, &memory);
  CHECK(once == week(false));
  REQUIRE(decisions.size() == 10);
  for (const test::Value& entry : decisions) {
    const std::string bytes = entry.field("bytes")->text;
    const auto decision = decision_from_text(bytes);
    REQUIRE(decision.has_value());
    CHECK(decision_text(decide(PolicyTable(), decision->situation)) == bytes);
    CHECK_FALSE(decision_from_text(bytes.substr(1)));
    CHECK_FALSE(decision_from_text(bytes + "0g"));
    CHECK_FALSE(decision_from_text(bytes.substr(2)));
    CHECK(entry.field("table")->text == core::fingerprint_text(hash_of(PolicyTable())));
    CHECK(entry.field("subject")->text == decision->subject);
  }
  // With a restart of the bus after every question, it has learned the same.
  std::string other;
  week(true, nullptr, &other);
  CHECK(decode_policy_memory(memory).has_value());
  const uint64_t fingerprint = *incident_fingerprint("daemon:slack");
  const Measure restart = decode_policy_memory(memory)->measure(fingerprint, Action::restart_daemon);
  CHECK(restart.tries >= 3);
  CHECK(decode_policy_memory(other)->measure(fingerprint, Action::restart_daemon).tries == restart.tries);
}

TEST_CASE("recovery: a course is kept whole, and damage is seen") {
  Course course;
  course.tier = Tier::ultra;
  course.tried = {Action::notify, Action::release};
  course.quiet = true;
  course.held = {{core::Restriction::Kind::shed_by_priority, "*"}};
  course.paused = "q";
  course.running = Action::pause_role;
  course.subject = "r";
  course.decision = 9;
  course.begun_ms = 5;
  course.until_ms = 10;
  const std::string row = encode(course);
  CHECK(decode_course(row) == course);
  for (size_t length = 0; length < row.size(); ++length) CHECK_FALSE(decode_course(row.substr(0, length)));
  CHECK_FALSE(decode_course(row + "x"));
  course.running.reset();
  CHECK(decode_course(encode(course)) == course);
}

TEST_CASE("recovery: tables that differ have other hashes") {
  const PolicyTable shipped;
  CHECK(hash_of(shipped) == hash_of(PolicyTable()));
  PolicyTable other = shipped;
  other.caps[2].max += 1;
  CHECK(hash_of(other) != hash_of(shipped));
  CHECK(hash_of(PolicyTable({rule({Action::notify})})) != hash_of(shipped));
  CHECK(decision_number("d7") == 7);
  for (const char* wrong : {"", "d", "d0", "7", "i7", "d-1", "dx", "d99999999999999999999"}) {
    CHECK_FALSE(decision_number(wrong));
  }
}

}  // namespace pawl::ops
