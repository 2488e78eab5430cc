// Roles that go on without what they need: who is granted what, whose outcome counts for what, and what the
// chronicle says.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "guards/registry.h"
#include "tests/guards/breaker_kit.h"
#include "tests/scenario/scenario.h"

namespace pawl::guards {
namespace {

// "light" and "both" limp, "mail" and "post" are held (BreakerKit).
struct LimpKit : BreakerKit {
  LimpKit() {
    limp("light", {"smtp"});
    limp("both", {"smtp", "paper"});
    breaker.configured(desk);
  }
  bool down(const std::string& dependency) {
    return breaker.open_dependency(dependency, "daemon " + dependency + " is red", desk);
  }
  std::string without(const std::string& role) { return take(role, 1).reserved.limp; }
};

TEST_CASE("limp: a role that can goes on without what is out, the others are held") {
  LimpKit kit;
  REQUIRE(kit.without("light") == "");
  REQUIRE(kit.down("smtp"));
  CHECK_FALSE(kit.ask("mail").allowed);
  CHECK(kit.ask("light").allowed);
  CHECK(kit.without("light") == "smtp");
  CHECK(kit.without("both") == "smtp");
  REQUIRE(kit.down("paper"));
  CHECK(kit.without("both") == "smtp,paper");
  CHECK_FALSE(kit.take("both", 1).is_probe());
  CHECK(kit.without("plain") == "");
}

TEST_CASE("limp: the role's own circuit holds it all the same") {
  LimpKit kit;
  kit.down("smtp");
  kit.open_role("light");
  const core::Verdict verdict = kit.ask("light");
  CHECK_FALSE(verdict.allowed);
  CHECK(verdict.subject == "role:light");
  kit.pass(1000);
  // Both want a probe now.
  const auto probe = kit.claim("light", 9);
  REQUIRE(probe);
  CHECK(probe->reserved.limp == "");
  CHECK(probe->is_probe());
  CHECK_FALSE(kit.ask("light").allowed);
}

TEST_CASE("limp: one probe runs with everything, the others go on without until it is over") {
  LimpKit kit;
  kit.down("smtp");
  kit.pass(1000);
  REQUIRE(kit.state("needs:smtp") == "half_open");
  const TestClaim probe = *kit.claim("light", 1);
  CHECK(probe.is_probe());
  CHECK(probe.reserved.limp == "");
  const TestClaim other = *kit.claim("light", 2);
  CHECK_FALSE(other.is_probe());
  CHECK(other.reserved.limp == "smtp");
  CHECK_FALSE(kit.ask("mail").allowed);

  SECTION("it goes well") {
    kit.end(other, {});
    CHECK(kit.state("needs:smtp") == "half_open");
    kit.end(probe, {});
    CHECK(kit.state("needs:smtp") == "closed");
    CHECK(kit.without("light") == "");
    CHECK(kit.ask("mail").allowed);
  }
  SECTION("it fails") {
    kit.end(probe, failed(ErrorClass::dependency_down, "smtp: refused"));
    CHECK(kit.state("needs:smtp") == "open");
    CHECK(kit.newest("breaker.open").field("cooldown_ms") == "2000");
    CHECK(kit.without("light") == "smtp");
    CHECK(kit.desk.count("role.limp") == 2);
  }
  SECTION("it comes back untried") {
    kit.end(probe, {Outcome::released, ErrorClass::unknown, "", false});
    CHECK(kit.without("light") == "");
    CHECK(kit.state("needs:smtp") == "half_open");
  }
}

TEST_CASE("limp: with one thing still out nobody tries the other") {
  LimpKit kit;
  kit.down("smtp");
  kit.pass(500);
  kit.down("paper");
  kit.pass(500);
  REQUIRE(kit.state("needs:smtp") == "half_open");
  REQUIRE(kit.state("needs:paper") == "open");
  const TestClaim claim = *kit.claim("both", 1);
  CHECK(claim.reserved.limp == "smtp,paper");
  CHECK_FALSE(claim.is_probe());
  CHECK(kit.take("light", 2).is_probe());
  kit.pass(500);
  CHECK(kit.without("both") == "smtp,paper");  // the probe of smtp is out
}

TEST_CASE("limp: what ran without says nothing of it, and counts for its role") {
  struct Row {
    const char* what;
    End end;
    bool spent;
  };
  const std::vector<Row> rows = {
      {"done", {}, true},
      {"blames it", failed(ErrorClass::dependency_down, "smtp: refused"), true},
      {"fails otherwise", failed(ErrorClass::timeout, "x"), true},
      {"lapses", {Outcome::lapsed, ErrorClass::lease_expired, "x", false}, true},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    LimpKit kit;
    kit.down("smtp");
    const TestClaim early = *kit.claim("light", 1);
    CHECK(kit.end(early, row.end).spend == row.spent);
    CHECK(kit.state("needs:smtp") == "open");
    const TestClaim late = *kit.claim("light", 2);
    kit.pass(1000);
    REQUIRE(kit.state("needs:smtp") == "half_open");
    CHECK(kit.end(late, row.end).spend == row.spent);
    CHECK(kit.state("needs:smtp") == "half_open");
    CHECK(kit.desk.count("breaker.probe") == 0);
    CHECK(kit.desk.count("breaker.open") == 1);
  }
  // The third different message makes an outage of the role, not of what it was told to go on without.
  LimpKit kit;
  kit.down("smtp");
  for (uint64_t message = 1; message <= 3; ++message) {
    const auto claim = kit.claim("light", message);
    REQUIRE(claim);
    kit.end(*claim, failed(ErrorClass::dependency_down, "smtp: refused"));
  }
  CHECK(kit.state("role:light") == "open");
  CHECK(kit.newest("breaker.open").field("circuit") == "role:light");
}

TEST_CASE("limp: in the chronicle once each, whatever happens between") {
  LimpKit kit;
  kit.limp("slow", {"smtp"});
  kit.down("smtp");
  REQUIRE(kit.desk.count("role.limp") == 3);
  const FakeDesk::Event begin = kit.newest("role.limp");
  CHECK(begin.field("role") == "slow");
  CHECK(begin.field("state") == "begin");
  CHECK(begin.field("without") == "smtp");
  CHECK(begin.field("reason") == "circuit needs:smtp is open: daemon smtp is red");
  CHECK(kit.desk.rows.contains("breaker/limp:slow"));
  kit.down("paper");
  kit.pass(1000);
  kit.restart({});
  CHECK(kit.desk.count("role.limp") == 3);
  kit.end(*kit.claim("slow", 1), {});
  REQUIRE(kit.state("needs:smtp") == "closed");
  // "both" still goes on without paper.
  CHECK(kit.desk.count("role.limp") == 5);
  const FakeDesk::Event& end = kit.newest("role.limp");
  CHECK(end.field("role") == "slow");
  CHECK(end.field("state") == "end");
  CHECK(end.field("without") == "smtp");
  CHECK(end.field("reason") == "circuit needs:smtp is closed");
  CHECK(end.field("lasted_ms") == "1000");
  CHECK_FALSE(kit.desk.rows.contains("breaker/limp:slow"));
  CHECK(kit.desk.rows.contains("breaker/limp:both"));
}

TEST_CASE("limp: a configuration that changes begins and ends it as well") {
  LimpKit kit;
  kit.down("smtp");
  REQUIRE(kit.desk.count("role.limp") == 2);
  kit.desk.make("light").config.limp = false;
  kit.limp("mail", {"smtp"});
  kit.breaker.configured(kit.desk);
  REQUIRE(kit.desk.count("role.limp") == 4);
  CHECK(kit.newest("role.limp").field("role") == "mail");
  CHECK(kit.newest("role.limp").field("state") == "begin");
  CHECK_FALSE(kit.desk.rows.contains("breaker/limp:light"));
  // Over a restart too.
  kit.desk.make("mail").config.limp = false;
  kit.restart({});
  CHECK(kit.desk.count("role.limp") == 5);
  CHECK(kit.newest("role.limp").field("role") == "mail");
  CHECK(kit.newest("role.limp").field("state") == "end");
  // Nobody needs it any more.
  for (const char* role : {"both", "light", "mail", "post"}) kit.need(role, {});
  kit.breaker.configured(kit.desk);
  CHECK(kit.desk.count("role.limp") == 6);
  CHECK(kit.newest("role.limp").field("role") == "both");
}

TEST_CASE("limp: a damaged row is told, and no list names what is not in it") {
  LimpKit kit;
  kit.down("smtp");
  std::string& row = kit.desk.rows.find("breaker/limp:light")->second;
  const std::string good = row;
  for (const std::string& bad : {std::string(), good.substr(0, 2), "\x02" + good.substr(1), good + "x"}) {
    row = bad;
    CHECK_THROWS(kit.breaker.open(kit.desk));
  }
  row = good;
  CHECK_NOTHROW(kit.breaker.open(kit.desk));
  CHECK(LimpMode::names("smtp,paper", "paper"));
  CHECK(LimpMode::names("smtp", "smtp"));
  CHECK_FALSE(LimpMode::names("smtp,paper", "pap"));
  CHECK_FALSE(LimpMode::names("smtp,paper", "mtp"));
  CHECK_FALSE(LimpMode::names("", ""));
}

// ---- Over a whole bus -----------------------------------------------------------

core::BusConfig limping() {
  core::BusConfig config;
  config.guards.cooldown_ms = 5000;
  config.roles["mail"].needs = {"slack"};
  config.roles["lite"].needs = {"slack"};
  config.roles["lite"].limp = true;
  return config;
}

std::string guarded(const std::string& table) { return core::play(table, limping(), make_guard_chain); }

TEST_CASE("limp on a bus: a claim tells what it goes on without, and so do its invocation and EXPLAIN") {
  CHECK(guarded(R"(
    mpush lite a b c                         | m1 m2 m3
    push mail d                              | d1
    role lite                                | breaker=closed -limp
    beat slack boot=b1 interval=1000         | colour=green
    +3001ms
    role lite                                | breaker=open limp=slack
    role mail                                | breaker=open -limp
    claim w mail                             | !OPEN needs:slack
    explain d1                               | breaker
    explain m1                               | limp
    claim w lite                             | m1
    get m1                                   | limped=slack
    explain m1                               | claim
    ack m1                                   | OK
    get m1                                   | limped=slack
    claim w lite                             | m2
    fail m2 dependency_down 'slack: gone' in=9000 | state=scheduled
    get m2                                   | spent=1
    get m2                                   | limped=slack
    beat slack boot=b1                       | colour=green
    role lite                                | breaker=open limp=slack
    +5s
    claim w lite                             | m3
    get m3                                   | limped=no
    ack m3                                   | OK
    role lite                                | breaker=closed -limp
    claim w mail                             | d1
    events 0 kind=role                       | role.limp role.limp
  )") == "");
}

TEST_CASE("limp on a bus: a guard that does not refuse has nobody limp") {
  for (const char* mode : {"off", "observe"}) {
    INFO(mode);
    CHECK(guarded(std::string("guard breaker ") + mode + " | OK" + R"(
      mpush lite a b                         | m1 m2
      beat slack boot=b1 interval=1000       | colour=green
      +3001ms
      role lite                              | breaker=open
      claim w lite                           | m1
      get m1                                 | limped=no
      guard breaker enforce                  | OK
      claim w lite                           | m2
      get m2                                 | limped=slack
    )") == "");
  }
}

}  // namespace
}  // namespace pawl::guards
