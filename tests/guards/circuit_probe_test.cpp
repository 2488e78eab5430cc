// Probes: who is one, how its end counts, and what a restart keeps.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/guards/breaker_kit.h"

namespace pawl::guards {
namespace {

TEST_CASE("probe: the first claim after the cooldown, and only that one") {
  BreakerKit kit;
  kit.open_role("plain");
  CHECK(kit.breaker.next_wakeup_ms() == kit.desk.time.bus_ms + 1000);
  kit.pass(999);
  CHECK(kit.state("role:plain") == "open");
  CHECK_FALSE(kit.claim("plain", 1).has_value());
  CHECK(kit.ask("plain").retry_at_ms == kit.desk.time.wall_ms + 1);
  kit.desk.woken.clear();
  kit.pass(1);
  CHECK(kit.state("role:plain") == "half_open");
  CHECK(kit.desk.woken == std::vector<std::string>{"plain"});
  CHECK(kit.newest("breaker.half_open").field("circuit") == "role:plain");
  CHECK_FALSE(kit.breaker.next_wakeup_ms().has_value());
  const auto probe = kit.claim("plain", 1);
  REQUIRE(probe.has_value());
  CHECK(probe->reserved.probe == "role:plain@2000\n");
  for (int i = 0; i < 3; ++i) CHECK_FALSE(kit.claim("plain", 2).has_value());
  CHECK_FALSE(kit.ask("plain").retry_at_ms.has_value());
  kit.desk.woken.clear();
  kit.end(*probe, End{});
  CHECK(kit.state("role:plain") == "closed");
  CHECK(kit.desk.woken == std::vector<std::string>{"plain"});
  CHECK(kit.desk.rows.empty());
  const FakeDesk::Event& event = kit.newest("breaker.probe");
  CHECK(event.field("circuit") == "role:plain");
  CHECK(event.field("message") == encode_id(probe->message));
  CHECK(event.field("delivery") == "1");
  CHECK(event.field("daemon") == "d@1");
  CHECK(event.field("outcome") == "done");
  CHECK_FALSE(kit.claim("plain", 2)->is_probe());
}

TEST_CASE("probe: a claim in the turn in which the cooldown ends needs no tick") {
  BreakerKit kit;
  kit.open_role("plain");
  kit.desk.pass(999);
  CHECK_FALSE(kit.claim("plain", 1).has_value());
  kit.desk.pass(1);
  kit.desk.woken.clear();
  CHECK(kit.claim("plain", 1)->is_probe());
  CHECK(kit.desk.count("breaker.half_open") == 1);
  CHECK(kit.desk.woken.empty());  // there is nothing to take
  CHECK_FALSE(kit.claim("plain", 2).has_value());
  kit.breaker.tick(kit.desk);
  CHECK(kit.desk.count("breaker.half_open") == 1);
}

TEST_CASE("probe: how its end counts") {
  struct Row {
    const char* what;
    End end;
    const char* role;        // state of role:mail when the probe tried that
    const char* dependency;  // state of needs:smtp when the probe tried that
    bool spend_role;         // what was spent in each case
    bool spend_dependency;
  };
  const End gone{Outcome::released, ErrorClass::unknown, "", false};
  const std::vector<Row> rows = {
      {"done", End{}, "closed", "closed", true, true},
      {"transient", failed(ErrorClass::transient), "open", "half_open", false, false},
      {"timeout", failed(ErrorClass::timeout), "open", "half_open", false, false},
      {"rate_limited", failed(ErrorClass::rate_limited), "open", "half_open", false, false},
      {"auth", failed(ErrorClass::auth), "open", "half_open", false, false},
      {"dependency_down", failed(ErrorClass::dependency_down), "open", "half_open", false, false},
      {"of another one", failed(ErrorClass::dependency_down, "paper: x"), "open", "half_open", false, false},
      {"names it", failed(ErrorClass::dependency_down, "smtp: x"), "open", "open", false, false},
      {"crash", failed(ErrorClass::crash), "half_open", "half_open", true, true},
      {"lapse",
       {Outcome::lapsed, ErrorClass::lease_expired, "x", false},
       "half_open",
       "half_open",
       true,
       true},
      {"bad_input", failed(ErrorClass::bad_input), "half_open", "half_open", true, true},
      {"out_of_memory", failed(ErrorClass::out_of_memory), "half_open", "half_open", true, true},
      {"quota", failed(ErrorClass::quota), "half_open", "half_open", true, true},
      {"cancelled", failed(ErrorClass::cancelled), "half_open", "half_open", true, true},
      {"unknown", failed(ErrorClass::unknown), "half_open", "half_open", true, true},
      {"fatal", {Outcome::failed, ErrorClass::timeout, "x", true}, "half_open", "half_open", true, true},
      {"released", gone, "half_open", "half_open", true, true},
  };
  for (const Row& row : rows) {
    for (const bool of_role : {true, false}) {
      INFO(row.what << (of_role ? ", of the role" : ", of the dependency"));
      BreakerKit kit;
      const std::string circuit = of_role ? "role:mail" : "needs:smtp";
      if (of_role) {
        kit.open_role("mail");
      } else {
        kit.breaker.open_dependency("smtp", "red", kit.desk);
      }
      kit.pass(1000);
      const TestClaim probe = *kit.claim("mail", 1);
      kit.desk.woken.clear();
      const core::Ruling ruling = kit.end(probe, row.end);
      CHECK(ruling.spend == (of_role ? row.spend_role : row.spend_dependency));
      const std::string expected = of_role ? row.role : row.dependency;
      CHECK(kit.state(circuit) == expected);
      CHECK(kit.desk.count("breaker.probe") == 1);
      // The slot is free, or there is none.
      if (expected == "open") {
        CHECK(kit.newest("breaker.open").field("cooldown_ms") == "2000");
        CHECK(kit.desk.woken.empty());
        kit.pass(1999);
        CHECK_FALSE(kit.claim("mail", 2).has_value());
        kit.pass(1);
      } else {
        CHECK_FALSE(kit.desk.woken.empty());
      }
      CHECK(kit.claim("mail", 2)->is_probe() == (expected != "closed"));
    }
  }
}

TEST_CASE("probe: the cooldown grows to its cap while probes fail, and is short again afterwards") {
  BreakerKit kit;
  kit.open_role("plain");
  uint64_t message = 1;
  for (const int64_t cooldown_ms : {1000, 2000, 4000, 4000}) {
    CHECK(kit.newest("breaker.open").field("cooldown_ms") == std::to_string(cooldown_ms));
    kit.pass(cooldown_ms);
    CHECK_FALSE(kit.end(*kit.claim("plain", message++), failed(ErrorClass::timeout)).spend);
  }
  CHECK(kit.newest("breaker.open").field("failures") == "7");
  kit.pass(4000);
  kit.end(*kit.claim("plain", message), End{});
  CHECK(kit.state("role:plain") == "closed");
  kit.open_role("plain");
  CHECK(kit.newest("breaker.open").field("cooldown_ms") == "1000");
  CHECK(kit.newest("breaker.open").field("failures") == "3");
}

TEST_CASE("probe: a message that fails every time does not keep the others waiting for ever") {
  BreakerKit kit;
  kit.open_role("plain");
  kit.pass(1000);
  // First in its lane, so it is the probe each time.
  CHECK_FALSE(kit.end(*kit.claim("plain", 1), failed(ErrorClass::transient)).spend);
  CHECK(kit.state("role:plain") == "open");
  kit.pass(2000);
  CHECK_FALSE(kit.end(*kit.claim("plain", 1, 2), failed(ErrorClass::transient)).spend);
  // It has failed as a probe before: the next one may try at once.
  CHECK(kit.state("role:plain") == "half_open");
  SECTION("which goes well") {
    kit.end(*kit.claim("plain", 2), End{});
    CHECK(kit.state("role:plain") == "closed");
    CHECK(kit.fail("plain", 1).spend);
  }
  SECTION("which fails as well") {
    kit.end(*kit.claim("plain", 2), failed(ErrorClass::transient));
    CHECK(kit.state("role:plain") == "open");
    CHECK(kit.newest("breaker.open").field("cooldown_ms") == "4000");
  }
  SECTION("there is no other: it gets a few tries a period") {
    for (uint32_t more = 2; more <= Circuit::unsure_max; ++more) {
      CHECK(kit.state("role:plain") == "half_open");
      CHECK_FALSE(kit.end(*kit.claim("plain", 1, more + 1), failed(ErrorClass::transient)).spend);
    }
    CHECK(kit.state("role:plain") == "open");
  }
}

TEST_CASE("probe: crashes") {
  BreakerKit kit;
  SECTION("of an outage of crashes are not spent, and open it again after a few") {
    kit.open_role("plain", ErrorClass::crash);
    kit.pass(1000);
    for (uint32_t i = 1; i <= Circuit::unsure_max; ++i) {
      CHECK(kit.state("role:plain") == "half_open");
      CHECK_FALSE(kit.end(*kit.claim("plain", i), failed(ErrorClass::crash)).spend);
    }
    CHECK(kit.state("role:plain") == "open");
    CHECK(kit.newest("breaker.open").field("cooldown_ms") == "2000");
  }
  SECTION("of another outage are spent: it may be a message that kills whoever tries it") {
    kit.open_role("plain", ErrorClass::timeout);
    const TestClaim in_flight{"plain", BirthKey{1, 8, 50}, 1, {}};
    kit.pass(1000);
    CHECK(kit.end(*kit.claim("plain", 1), failed(ErrorClass::crash)).spend);
    CHECK(kit.state("role:plain") == "half_open");
    CHECK_FALSE(kit.end(in_flight, failed(ErrorClass::crash)).spend);
  }
  SECTION("of a dependency's probe may open the role's circuit") {
    kit.breaker.open_dependency("smtp", "red", kit.desk);
    kit.pass(1000);
    CHECK(kit.end(*kit.claim("mail", 1), failed(ErrorClass::crash)).spend);
    CHECK(kit.end(*kit.claim("mail", 2), failed(ErrorClass::crash)).spend);
    CHECK_FALSE(kit.end(*kit.claim("mail", 3), failed(ErrorClass::crash)).spend);
    CHECK(kit.state("role:mail") == "open");
    CHECK(kit.desk.unspent.size() == 2);
  }
}

TEST_CASE("probe: work of the role that was in flight and is done closes a half-open circuit") {
  BreakerKit kit;
  const TestClaim early{"plain", BirthKey{1, 8, 50}, 1, {}};
  kit.open_role("plain");
  kit.end(early, End{});
  CHECK(kit.state("role:plain") == "open");
  kit.pass(1000);
  const TestClaim probe = *kit.claim("plain", 1);
  kit.end(TestClaim{"mail", BirthKey{1, 8, 51}, 1, {}}, End{});
  CHECK(kit.state("role:plain") == "half_open");
  kit.end(early, End{});
  CHECK(kit.state("role:plain") == "closed");
  // The circuit opens anew; the old probe is none of its.
  kit.open_role("plain");
  kit.pass(1000);
  const TestClaim second = *kit.claim("plain", 2);
  CHECK_FALSE(kit.end(probe, failed(ErrorClass::timeout)).spend);
  CHECK(kit.state("role:plain") == "half_open");
  CHECK_FALSE(kit.claim("plain", 3).has_value());
  kit.end(second, End{});
  CHECK(kit.state("role:plain") == "closed");
}

TEST_CASE("probe: a restart keeps open circuits and probes that are out") {
  BreakerKit kit;
  kit.open_role("plain");
  kit.breaker.open_dependency("smtp", "red", kit.desk);
  kit.fail("mail", 1);
  kit.fail("mail", 2);
  kit.desk.pass(400);
  kit.restart({});
  CHECK(kit.state("role:plain") == "open");
  CHECK(kit.state("needs:smtp") == "open");
  CHECK(kit.breaker.next_wakeup_ms() == kit.desk.time.bus_ms + 600);
  CHECK(kit.ask("plain").retry_at_ms == kit.desk.time.wall_ms + 600);
  CHECK(kit.ask("plain").reason.find("3 different messages failed") != std::string::npos);
  // What had failed before, but was no outage yet, is forgotten.
  CHECK(kit.fail("mail", 3).spend);
  kit.pass(600);
  const TestClaim probe = *kit.claim("plain", 1);
  SECTION("whose claim is live") {
    kit.restart({probe});
    CHECK_FALSE(kit.claim("plain", 2).has_value());
    CHECK_FALSE(kit.end(probe, failed(ErrorClass::timeout)).spend);
    CHECK(kit.state("role:plain") == "open");
    kit.restart({});
    CHECK(kit.newest("breaker.open").field("cooldown_ms") == "2000");
    kit.pass(1999);
    CHECK(kit.state("role:plain") == "open");
    kit.pass(1);
    CHECK(kit.state("role:plain") == "half_open");
    // Who has failed as a probe before is remembered as well.
    kit.restart({});
    kit.end(*kit.claim("plain", 1, 2), failed(ErrorClass::timeout));
    CHECK(kit.state("role:plain") == "half_open");
  }
  SECTION("whose claim is not: the slot is free") {
    kit.restart(
        {TestClaim{"plain", BirthKey{1, 8, 9}, 1, {0, 0, "role:plain@7\nneeds:smtp@2000\nx@\n@\n", ""}}});
    CHECK(kit.claim("plain", 2).has_value());
  }
  SECTION("closed circuits leave nothing") {
    kit.end(probe, End{});
    kit.restart({});
    CHECK(kit.state("role:plain") == "closed");
    CHECK(kit.desk.rows.size() == 1);
  }
}

TEST_CASE("probe: a damaged row is no circuit to go on with") {
  BreakerKit kit;
  kit.open_role("plain");
  const std::string row = kit.desk.rows.begin()->second;
  struct Row {
    std::string key;
    std::string value;
    bool opens;
  };
  const std::vector<Row> rows = {
      {"breaker/role:plain", row, true},
      {"breaker/needs:x", row, true},
      {"breaker/role:plain", "", false},
      {"breaker/role:plain", row.substr(0, row.size() - 1), false},
      {"breaker/role:plain", row + " ", false},
      {"breaker/roll:plain", row, false},
      {"breaker/role:", row, false},
      {"breaker/", row, false},
      {"breaker/role:a b", row, false},
      {"other/role:a b", "no row of the breaker's", true},
  };
  for (const Row& one : rows) {
    INFO(one.key << ": " << one.value.size() << " bytes");
    kit.desk.rows = {{one.key, one.value}};
    CircuitBreaker breaker;
    if (one.opens) {
      CHECK_NOTHROW(breaker.open(kit.desk));
    } else {
      CHECK_THROWS_AS(breaker.open(kit.desk), std::runtime_error);
    }
  }
}

// Seeded histories over several roles and dependencies with restarts. What is checked after each step: a
// claim is granted while a circuit of its role is not closed only as the probe of all of them; there is one
// live probe a circuit; the chronicle tells of legal moves only, and of all of them; rows stand for what is
// not closed; a restart changes nothing.
class History {
 public:
  explicit History(uint32_t seed) : random_(seed) {
    kit_.desk.bus.guards.outage_messages = 2 + seed % 3;
    kit_.desk.bus.guards.cooldown_ms = 50;
    kit_.desk.bus.guards.cooldown_max_ms = 300;
  }
  void step() {
    switch (random_() % 8) {
      case 0:
      case 1:
      case 2:
        return claim();
      case 3:
      case 4:
      case 5:
        return end();
      case 6:
        return kit_.pass(random_() % 60);
      default:
        break;
    }
    if (random_() % 4 == 0) kit_.breaker.open_dependency("paper", "red", kit_.desk);
    if (random_() % 2 == 0) return;
    const std::string before = states();
    kit_.restart(live_);
    REQUIRE(states() == before);
  }
  void check() {
    std::map<std::string, int> probes;
    for (const TestClaim& claim : live_) {
      for (const std::string& circuit : current_probes(claim)) ++probes[circuit];
    }
    for (const auto& [circuit, count] : probes) REQUIRE(count == 1);
    for (; seen_ < kit_.desk.events.size(); ++seen_) {
      const FakeDesk::Event& event = kit_.desk.events[seen_];
      std::string& state = told_.try_emplace(event.field("circuit"), "closed").first->second;
      const std::string from = state;
      if (event.kind == "breaker.open") state = "open";
      if (event.kind == "breaker.half_open") state = "half_open";
      if (event.kind == "breaker.close") state = "closed";
      if (event.kind == "breaker.probe") continue;
      ++moves;
      const bool legal = (from == "closed" && state == "open") || (from == "open" && state == "half_open") ||
                         (from == "half_open" && state != "half_open");
      INFO(event.field("circuit") << ": " << from << " to " << state);
      REQUIRE(legal);
    }
    size_t rows = 0;
    for (const auto& [circuit, state] : told_) {
      REQUIRE(kit_.state(circuit) == state);
      const bool has_row = kit_.desk.rows.count("breaker/" + circuit) != 0;
      REQUIRE(has_row == (state != "closed"));
      rows += has_row ? 1 : 0;
    }
    REQUIRE(kit_.desk.rows.size() == rows);
    const auto next = kit_.breaker.next_wakeup_ms();
    for (const auto& [circuit, state] : told_) {
      if (state == "open") REQUIRE((next.has_value() && *next <= kit_.desk.time.bus_ms + 300));
    }
  }
  int moves = 0;

 private:
  std::string role() { return std::vector<std::string>{"mail", "post", "plain"}[random_() % 3]; }
  std::vector<std::string> circuits_of(const std::string& role) {
    std::vector<std::string> all = {"role:" + role};
    for (const std::string& needed : kit_.desk.make(role).config.needs) all.push_back("needs:" + needed);
    return all;
  }
  // The marks of a claim that no later probe of the same circuit has outdated.
  std::vector<std::string> current_probes(const TestClaim& claim) {
    std::vector<std::string> current;
    for (const auto& [circuit, mark] : probes_) {
      if (kit_.state(circuit) == "half_open" && claim.reserved.probe.find(mark) != std::string::npos) {
        current.push_back(circuit);
      }
    }
    return current;
  }
  void claim() {
    const std::string of = role();
    const auto claim = kit_.claim(of, random_() % 12, ++deliveries_);
    if (!claim) return;
    for (const std::string& circuit : circuits_of(of)) {
      const size_t at = claim->reserved.probe.find(circuit + "@");
      const bool probes = at != std::string::npos;
      REQUIRE(probes == (kit_.state(circuit) != "closed"));
      if (!probes) continue;
      REQUIRE(kit_.state(circuit) == "half_open");
      // The one before has ended, or its circuit has opened anew since.
      const std::string mark = claim->reserved.probe.substr(at, claim->reserved.probe.find('\n', at) - at);
      for (const TestClaim& other : live_) REQUIRE(other.reserved.probe.find(mark) == std::string::npos);
      probes_[circuit] = mark;
    }
    live_.push_back(*claim);
  }
  void end() {
    if (live_.empty()) return;
    const size_t at = random_() % live_.size();
    const TestClaim claim = live_[at];
    live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(at));
    const std::vector<std::string> texts = {"smtp: x", "paper: x", "x"};
    End how;
    const auto dice = random_() % 10;
    if (dice < 7) how = failed(static_cast<ErrorClass>(random_() % core::class_count), texts[random_() % 3]);
    if (dice == 7) how = {Outcome::released, ErrorClass::unknown, "", false};
    if (dice == 8) how = {Outcome::lapsed, ErrorClass::lease_expired, "x", false};
    how.final = dice < 7 && random_() % 10 == 0;
    const size_t given_back = kit_.desk.unspent.size();
    const core::Ruling ruling = kit_.end(claim, how);
    // What gives others back is not spent itself.
    if (kit_.desk.unspent.size() > given_back) REQUIRE_FALSE(ruling.spend);
    if (how.final || how.outcome != Outcome::failed) REQUIRE(ruling.spend);
  }
  std::string states() const {
    std::string all;
    for (const auto& [circuit, state] : told_) all += circuit + "=" + kit_.state(circuit) + " ";
    for (const auto& [key, row] : kit_.desk.rows) all += key + row;
    return all;
  }

  std::mt19937 random_;
  BreakerKit kit_;
  std::vector<TestClaim> live_;
  std::map<std::string, std::string> probes_;  // newest mark, by circuit
  std::map<std::string, std::string> told_;    // state by the chronicle
  size_t seen_ = 0;
  uint32_t deliveries_ = 0;
};

TEST_CASE("probe: whatever happens, legal moves and one probe a circuit") {
  int moves = 0;
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    History history(seed);
    for (int i = 0; i < 400; ++i) {
      INFO("seed " << seed << ", step " << i);
      history.step();
      history.check();
    }
    moves += history.moves;
  }
  CHECK(moves > 1000);
}

}  // namespace
}  // namespace pawl::guards
