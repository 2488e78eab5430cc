// What opens a circuit, what it holds, and what is not spent.
#include "guards/circuit_breaker.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/guards/breaker_kit.h"

namespace pawl::guards {
namespace {

std::string described(BreakerKit& kit, const std::string& role) {
  core::Fields fields;
  const core::RoleFacts facts = kit.facts(role);
  kit.breaker.describe(facts, kit.desk, fields);
  class Writer final : public core::ReplyWriter {
   public:
    std::string said;
    void nil() override {}
    void integer(int64_t value) override { said += std::to_string(value) + "|"; }
    void bulk(std::string_view bytes) override { said += std::string(bytes) + "|"; }
    void simple(std::string_view text) override { said += std::string(text) + "|"; }
    void error(const Error& error) override { said += error_line(error) + "|"; }
    void array(size_t) override {}
    void map(size_t) override {}
  } writer;
  fields.write(writer);
  return writer.said;
}

TEST_CASE("breaker: different messages that fail alike open the role's circuit, unspent") {
  BreakerKit kit;
  CHECK(kit.fail("plain", 1).spend);
  CHECK(kit.fail("plain", 2, ErrorClass::timeout).spend);
  CHECK(kit.fail("plain", 2, ErrorClass::timeout).spend);  // the same message again
  CHECK(kit.ask("plain").allowed);
  CHECK(kit.desk.rows.empty());
  const core::Ruling ruling = kit.fail("plain", 3, ErrorClass::auth, "401\nsecond line");
  CHECK_FALSE(ruling.spend);
  CHECK_FALSE(ruling.poison);
  CHECK(ruling.reason == "not spent: an outage; with this failure circuit role:plain opens");
  // Each that came before is given back, the newest delivery of each.
  REQUIRE(kit.desk.unspent.size() == 3);
  for (const auto& [message, delivery] : kit.desk.unspent) CHECK(message.sequence <= 2);
  REQUIRE(kit.desk.count("breaker.open") == 1);
  const FakeDesk::Event& event = kit.newest("breaker.open");
  CHECK(event.field("circuit") == "role:plain");
  CHECK(event.field("failures") == "3");
  CHECK(event.field("cooldown_ms") == "1000");
  CHECK(event.field("unspent") == "3");
  CHECK(event.field("reason") == "3 different messages failed within 1m, the last with auth: 401");
  CHECK(kit.desk.rows.size() == 1);
  CHECK(kit.desk.rows.begin()->first == "breaker/role:plain");

  const core::Verdict verdict = kit.ask("plain");
  CHECK_FALSE(verdict.allowed);
  CHECK_FALSE(verdict.empty);
  CHECK(verdict.code == Code::open);
  CHECK(verdict.scope == core::Scope::role);
  CHECK(verdict.subject == "role:plain");
  CHECK(verdict.value == 3);
  CHECK(verdict.limit == 3);
  CHECK(verdict.retry_at_ms == kit.desk.time.wall_ms + 1000);
  CHECK(verdict.reason ==
        "circuit role:plain is open (3 different messages failed within 1m, the last with auth: 401); one "
        "claim tries it after 1s");
  CHECK(kit.ask("mail").allowed);
  CHECK(kit.ask("post").allowed);
}

TEST_CASE("breaker: which failures may be an outage's") {
  struct Row {
    const char* what;
    End end;
    bool counts;
  };
  const std::vector<Row> rows = {
      {"transient", failed(ErrorClass::transient), true},
      {"timeout", failed(ErrorClass::timeout), true},
      {"rate_limited", failed(ErrorClass::rate_limited), true},
      {"auth", failed(ErrorClass::auth), true},
      {"dependency_down", failed(ErrorClass::dependency_down), true},
      {"crash", failed(ErrorClass::crash), true},
      {"bad_input", failed(ErrorClass::bad_input), false},
      {"out_of_memory", failed(ErrorClass::out_of_memory), false},
      {"quota", failed(ErrorClass::quota), false},
      {"cancelled", failed(ErrorClass::cancelled), false},
      {"FAIL lease_expired", failed(ErrorClass::lease_expired), false},
      {"unknown", failed(ErrorClass::unknown), false},
      {"FAIL transient DEAD", {Outcome::failed, ErrorClass::transient, "x", true}, false},
      {"FAIL crash of a class that is fatal", {Outcome::failed, ErrorClass::crash, "x", true}, false},
      {"lapse", {Outcome::lapsed, ErrorClass::lease_expired, "x", false}, false},
      {"release", {Outcome::released, ErrorClass::unknown, "", false}, false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    BreakerKit kit;
    for (uint64_t message = 1; message <= 3; ++message) {
      const core::Ruling ruling = kit.end(*kit.claim("plain", message), row.end);
      CHECK(ruling.spend == (message < 3 || !row.counts));
    }
    CHECK(kit.state("role:plain") == (row.counts ? "open" : "closed"));
    CHECK(kit.desk.unspent.size() == (row.counts ? 2 : 0));
    // While it is open, those of its kind that come in are not spent, others are.
    BreakerKit open;
    const TestClaim in_flight = *open.claim("plain", 9);
    const TestClaim later = *open.claim("plain", 10);
    open.open_role("plain");
    CHECK(open.end(in_flight, row.end).spend == !row.counts);
    open.pass(1000);
    CHECK(open.state("role:plain") == "half_open");
    const core::Ruling ruling = open.end(later, row.end);
    CHECK(ruling.spend == !row.counts);
    if (row.counts) CHECK(ruling.reason == "not spent: circuit role:plain is half open");
    CHECK(open.state("role:plain") == "half_open");
    CHECK(open.desk.count("breaker.open") == 1);
  }
}

TEST_CASE("breaker: a role that mostly succeeds has no outage") {
  BreakerKit kit;
  for (uint64_t message = 1; message <= 50; ++message) {
    CHECK(kit.fail("plain", message).spend);
    kit.end(*kit.claim("plain", 1000), End{});
    kit.end(*kit.claim("plain", 1000), End{});
  }
  CHECK(kit.desk.events.empty());
  kit.desk.bus.guards.outage_percent = 33;
  CHECK_FALSE(kit.fail("plain", 51).spend);
}

TEST_CASE("breaker: in mode observe or off a circuit opens, and nothing is given back") {
  BreakerKit kit;
  kit.enforced = false;
  kit.open_role("plain");
  CHECK(kit.state("role:plain") == "open");
  CHECK(kit.newest("breaker.open").field("unspent") == "0");
  CHECK(kit.desk.unspent.empty());
  // Claims pass all the same, and none of them is a probe before its time.
  CHECK_FALSE(kit.take("plain", 1).is_probe());
  kit.pass(1000);
  const TestClaim probe = kit.take("plain", 2);
  CHECK(probe.is_probe());
  CHECK_FALSE(kit.take("plain", 3).is_probe());
  kit.end(probe, End{});
  CHECK(kit.state("role:plain") == "closed");
}

TEST_CASE("breaker: whom dependency_down blames") {
  struct Row {
    const char* role;
    const char* text;
    const char* opens;
    const char* opens_too;
  };
  const std::string long_name(128, 'n');
  const std::string too_long = std::string(129, 'n') + ": x";
  const std::vector<Row> rows = {
      {"mail", "smtp: connection refused", "needs:smtp", ""},
      {"mail", "smtp: ", "needs:smtp", ""},
      {"mail", "smtp: a: b", "needs:smtp", ""},
      {"mail", "smtp", "role:mail", ""},
      {"mail", "smtp:refused", "role:mail", ""},
      {"mail", " smtp: refused", "role:mail", ""},
      {"mail", "the smtp: refused", "role:mail", ""},
      {"mail", "", "role:mail", ""},
      {"mail", ": refused", "role:mail", ""},
      {"mail", "SMTP: refused", "role:mail", ""},
      {"mail", "nobody-knows: refused", "role:mail", ""},
      {"mail", too_long.c_str(), "role:mail", ""},
      // What another role needs: the role itself would not be held by that circuit.
      {"mail", "paper: jam", "role:mail", "needs:paper"},
      {"plain", "smtp: refused", "role:plain", "needs:smtp"},
  };
  for (const Row& row : rows) {
    INFO(row.role << " says '" << row.text << "'");
    BreakerKit kit;
    for (uint64_t message = 1; message <= 3; ++message) {
      CHECK(kit.fail(row.role, message, ErrorClass::dependency_down, row.text).spend == (message < 3));
    }
    for (const char* circuit :
         {"role:mail", "role:plain", "needs:smtp", "needs:paper", "needs:nobody-knows"}) {
      INFO(circuit);
      const bool open = std::string(circuit) == row.opens || std::string(circuit) == row.opens_too;
      CHECK(kit.state(circuit) == (open ? "open" : "closed"));
    }
  }
  // Other classes blame nobody.
  BreakerKit kit;
  for (uint64_t message = 1; message <= 3; ++message)
    kit.fail("mail", message, ErrorClass::timeout, "smtp: x");
  CHECK(kit.state("role:mail") == "open");
  CHECK(kit.state("needs:smtp") == "closed");
}

TEST_CASE("breaker: a dependency's circuit counts over all roles and holds all that need it") {
  BreakerKit kit;
  CHECK(kit.fail("mail", 1, ErrorClass::dependency_down, "smtp: x").spend);
  CHECK(kit.fail("post", 2, ErrorClass::dependency_down, "smtp: x").spend);
  CHECK(kit.fail("mail", 1, ErrorClass::dependency_down, "smtp: x").spend);
  CHECK_FALSE(kit.fail("post", 3, ErrorClass::dependency_down, "smtp: y").spend);
  CHECK(kit.state("needs:smtp") == "open");
  CHECK(kit.desk.unspent.size() == 3);
  for (const char* role : {"mail", "post"}) {
    const core::Verdict verdict = kit.ask(role);
    CHECK(verdict.code == Code::open);
    CHECK(verdict.subject == "needs:smtp");
    CHECK(verdict.retry_at_ms == kit.desk.time.wall_ms + 1000);
  }
  CHECK(kit.ask("plain").allowed);
  CHECK(described(kit, "mail") ==
        "breaker|open|breaker_reason|needs:smtp: 3 different messages failed within 1m, the last with "
        "dependency_down: smtp: y|");
  CHECK(described(kit, "plain") == "breaker|closed|");
  // One probe for all of them; all are woken when it may be tried, and when it closes.
  kit.desk.woken.clear();
  kit.pass(1000);
  CHECK(kit.desk.woken == std::vector<std::string>{"mail", "post"});
  const auto probe = kit.claim("post", 4);
  REQUIRE(probe.has_value());
  CHECK(probe->is_probe());
  CHECK_FALSE(kit.claim("mail", 5).has_value());
  const core::Verdict verdict = kit.ask("mail");
  CHECK(verdict.subject == "needs:smtp");
  CHECK_FALSE(verdict.retry_at_ms.has_value());
  CHECK(verdict.reason.find("one claim tries it now") != std::string::npos);
  // Success of a role that does not need it, or of another claim, says nothing about it.
  kit.end(TestClaim{"mail", BirthKey{1, 8, 6}, 1, {}}, End{});
  kit.end(*kit.claim("plain", 7), End{});
  CHECK(kit.state("needs:smtp") == "half_open");
  kit.desk.woken.clear();
  kit.end(*probe, End{});
  CHECK(kit.state("needs:smtp") == "closed");
  CHECK(kit.desk.woken == std::vector<std::string>{"mail", "post"});
  CHECK(kit.newest("breaker.close").field("circuit") == "needs:smtp");
  CHECK(kit.desk.rows.empty());
  CHECK(kit.claim("mail", 5).has_value());
}

TEST_CASE("breaker: a role held by several circuits is held by the one that lasts") {
  BreakerKit kit;
  kit.open_role("post");
  kit.desk.pass(300);
  CHECK(kit.breaker.open_dependency("paper", "red", kit.desk));
  kit.desk.pass(300);
  CHECK(kit.ask("post").subject == "needs:paper");
  CHECK(described(kit, "post").starts_with("breaker|open|breaker_reason|role:post: "));
  kit.pass(400);
  CHECK(kit.state("role:post") == "half_open");
  CHECK(kit.ask("post").subject == "needs:paper");
  CHECK(described(kit, "post") == "breaker|open|breaker_reason|needs:paper: red|");
  kit.pass(300);
  // One claim tries both.
  const auto probe = kit.claim("post", 1);
  REQUIRE(probe.has_value());
  CHECK(kit.desk.count("breaker.half_open") == 2);
  CHECK_FALSE(kit.ask("post").allowed);
  CHECK_FALSE(kit.end(*probe, failed(ErrorClass::dependency_down, "paper: jam")).spend);
  CHECK(kit.state("needs:paper") == "open");
  CHECK(kit.state("role:post") == "open");
  CHECK(kit.desk.count("breaker.probe") == 2);
  kit.pass(2000);
  kit.end(*kit.claim("post", 2), End{});
  CHECK(kit.state("needs:paper") == "closed");
  CHECK(kit.state("role:post") == "closed");
}

TEST_CASE("breaker: opened from outside") {
  BreakerKit kit;
  CHECK_FALSE(kit.breaker.open_dependency("nobody-needs", "red", kit.desk));
  CHECK(kit.breaker.open_dependency("smtp", "heartbeat missed", kit.desk));
  CHECK_FALSE(kit.breaker.open_dependency("smtp", "heartbeat missed", kit.desk));
  CHECK(kit.desk.count("breaker.open") == 1);
  CHECK(kit.newest("breaker.open").field("reason") == "heartbeat missed");
  CHECK(kit.newest("breaker.open").field("failures") == "0");
  CHECK_FALSE(kit.ask("mail").allowed);
  CHECK_FALSE(kit.ask("mail").value.has_value());
  CHECK(kit.breaker.next_wakeup_ms() == kit.desk.time.bus_ms + 1000);
  kit.pass(1000);
  const TestClaim probe = *kit.claim("mail", 1);
  // Red again while its probe is out: that one decides nothing any more.
  CHECK(kit.breaker.open_dependency("smtp", "red", kit.desk));
  CHECK(kit.newest("breaker.open").field("cooldown_ms") == "2000");
  kit.end(probe, End{});
  CHECK(kit.state("needs:smtp") == "open");
  CHECK(kit.state("needs:elsewhere") == "closed");
  CHECK(kit.state("smtp") == "closed");
}

TEST_CASE("breaker: what failed before somebody else opened the circuit opens it no second time") {
  BreakerKit kit;
  const auto blame = [&](uint64_t message) {
    return kit.fail("mail", message, ErrorClass::dependency_down, "smtp: refused");
  };
  CHECK(blame(1).spend);
  CHECK(blame(2).spend);
  CHECK(kit.breaker.open_dependency("smtp", "red", kit.desk));
  kit.pass(1000);
  kit.end(*kit.claim("mail", 3), End{});
  REQUIRE(kit.state("needs:smtp") == "closed");
  CHECK(blame(4).spend);
  CHECK(kit.state("needs:smtp") == "closed");
}

// The third message comes in a minute in which most go well; its second failure tips the scales.
TEST_CASE("breaker: the message at hand is ruled on, and not given an earlier attempt back") {
  BreakerKit kit;
  kit.desk.bus.guards.outage_percent = 50;
  kit.fail("plain", 1);
  kit.desk.make("plain").counts.done += 4;
  kit.fail("plain", 2);
  kit.fail("plain", 3);
  REQUIRE(kit.state("role:plain") == "closed");
  CHECK_FALSE(kit.fail("plain", 1).spend);
  REQUIRE(kit.state("role:plain") == "open");
  REQUIRE(kit.desk.unspent.size() == 2);
  for (const auto& [message, delivery] : kit.desk.unspent) CHECK(message.sequence != 1);
}

TEST_CASE("breaker: what is not configured any more is let go") {
  BreakerKit kit;
  kit.breaker.open_dependency("smtp", "red", kit.desk);
  kit.breaker.open_dependency("paper", "red", kit.desk);
  kit.open_role("plain");
  kit.need("post", {"smtp"});
  kit.breaker.configured(kit.desk);
  kit.breaker.tick(kit.desk);
  CHECK(kit.state("needs:paper") == "closed");
  CHECK(kit.newest("breaker.drop").field("circuit") == "needs:paper");
  CHECK(kit.state("needs:smtp") == "open");
  CHECK(kit.state("role:plain") == "open");
  // A role that was dropped.
  kit.desk.roles.erase("plain");
  kit.pass(60'000);
  CHECK(kit.state("role:plain") == "closed");
  CHECK(kit.desk.rows.size() == 1);
  // A name in the defaults is needed by every role that the file does not list.
  kit.desk.bus.defaults.needs = {"dns"};
  kit.breaker.configured(kit.desk);
  CHECK(kit.breaker.open_dependency("dns", "red", kit.desk));
}

TEST_CASE("breaker: a role that names a dependency twice tries it once") {
  BreakerKit kit;
  kit.need("mail", {"smtp", "smtp"});
  kit.breaker.open_dependency("smtp", "red", kit.desk);
  kit.pass(1000);
  const TestClaim probe = *kit.claim("mail", 1);
  CHECK(probe.reserved.probe == "needs:smtp@2000\n");
}

}  // namespace
}  // namespace pawl::guards
