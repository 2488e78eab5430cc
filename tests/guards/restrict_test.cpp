// What the recovery policy may ask of the guards: opened circuits, lowered caps, shed priorities; kept over a
// restart, and taken back by nobody else.
#include <catch2/catch.hpp>
#include <string>

#include "guards/concurrency.h"
#include "guards/load_shed.h"
#include "guards/registry.h"
#include "tests/guards/breaker_kit.h"
#include "tests/guards/fake_desk.h"
#include "tests/scenario/scenario.h"

namespace pawl::guards {
namespace {

namespace op = core::op;
using core::Restriction;
using Kind = core::Restriction::Kind;

constexpr std::string_view by = "incident i1";
Restriction of(Kind kind, std::string_view subject, std::string_view who = by) {
  return {kind, subject, who, "it fails"};
}

// "ok", the code of the refusal, or "none" where the guard is not for it.
std::string answer(const std::optional<Status>& status) {
  if (!status) return "none";
  return status->ok() ? "ok" : std::string(code_name(status->error().code));
}

core::Verdict claim(const Concurrency& guard, FakeDesk& desk, const std::string& role) {
  const core::RoleFacts facts = FakeDesk::facts(desk.make(role));
  return guard.admit_claim({facts, "d1", desk.time}, desk).verdict();
}

TEST_CASE("restrict: concurrency is half of what is claimed, at least one, and never more than before") {
  struct Row {
    uint64_t cap;
    uint64_t live;
    std::string answer;
    uint64_t lowered;  // 0: as it was
  };
  for (const Row& row :
       {Row{0, 0, "ok", 1}, Row{0, 1, "ok", 1}, Row{0, 9, "ok", 4}, Row{8, 8, "ok", 4}, Row{8, 3, "ok", 1},
        Row{1, 1, "STATE", 0}, Row{1, 0, "STATE", 0}, Row{2, 0, "ok", 1}, Row{3, 9, "STATE", 0}}) {
    INFO(row.live << " of " << row.cap);
    FakeDesk desk;
    FakeDesk::Role& role = desk.make("r");
    role.config.concurrency = row.cap;
    desk.bus.roles["r"].concurrency = row.cap;
    role.counts.at(core::MessageState::claimed) = row.live;
    Concurrency guard;
    guard.open(desk);
    CHECK(guard.idle() == (row.cap == 0));
    CHECK(answer(guard.restrict(of(Kind::lower_concurrency, "r"), desk)) == row.answer);
    CHECK(desk.count("role.restricted") == (row.lowered == 0 ? 0 : 1));
    if (row.lowered == 0) continue;
    CHECK_FALSE(guard.idle());
    for (const bool restarted : {false, true}) {
      INFO(restarted);
      Concurrency other;
      other.open(desk);
      const Concurrency& now = restarted ? other : guard;
      CHECK_FALSE(now.idle());
      role.counts.at(core::MessageState::claimed) = row.lowered - 1;
      CHECK(claim(now, desk, "r").allowed);
      role.counts.at(core::MessageState::claimed) = row.lowered;
      const core::Verdict verdict = claim(now, desk, "r");
      CHECK_FALSE(verdict.allowed);
      CHECK(verdict.empty);
      CHECK(verdict.limit == static_cast<int64_t>(row.lowered));
      CHECK(verdict.reason.find("incident i1") != std::string::npos);
    }
    CHECK(answer(guard.restrict(of(Kind::lower_concurrency, "r", "incident i2"), desk)) == "STATE");
    guard.lift(of(Kind::lower_concurrency, "r", "incident i2"), desk);
    CHECK_FALSE(claim(guard, desk, "r").allowed);
    guard.lift(of(Kind::open_circuit, "r"), desk);
    CHECK_FALSE(claim(guard, desk, "r").allowed);
    guard.lift(of(Kind::lower_concurrency, "r"), desk);
    CHECK(desk.rows.empty());
    CHECK(desk.woken == std::vector<std::string>{"r"});
    CHECK(desk.count("role.unrestricted") == 1);
    CHECK(guard.idle() == (row.cap == 0));
    role.counts.at(core::MessageState::claimed) = row.lowered;
    CHECK(claim(guard, desk, "r").allowed == (row.cap == 0 || row.lowered < row.cap));
  }
  FakeDesk desk;
  Concurrency guard;
  guard.open(desk);
  CHECK(answer(guard.restrict(of(Kind::lower_concurrency, "nobody"), desk)) == "NOTFOUND");
  CHECK(answer(guard.restrict(of(Kind::shed_by_priority, "*"), desk)) == "none");
}

TEST_CASE("restrict: damaged rows are said") {
  FakeDesk desk;
  desk.rows["concurrency/r"] = "x";
  Concurrency concurrency;
  CHECK_THROWS(concurrency.open(desk));
  desk.rows = {{"shed/priority", "x"}};
  LoadShed shed;
  CHECK_THROWS(shed.open(desk));
}

TEST_CASE("restrict: while priorities are shed, pushes below the default are refused") {
  FakeDesk desk;
  LoadShed guard;
  guard.open(desk);
  const auto admit = [&](const LoadShed& shed, int priority) {
    op::Push push;
    push.role = "r";
    push.priority = priority;
    return shed.admit(push, core::Caller{1}, desk).verdict();
  };
  CHECK(answer(guard.restrict(of(Kind::shed_by_priority, "r"), desk)) == "NOTFOUND");
  CHECK(answer(guard.restrict(of(Kind::lower_concurrency, "*"), desk)) == "none");
  CHECK(admit(guard, 0).allowed);
  CHECK(answer(guard.restrict(of(Kind::shed_by_priority, "*"), desk)) == "ok");
  CHECK(answer(guard.restrict(of(Kind::shed_by_priority, "*", "incident i2"), desk)) == "STATE");
  LoadShed restarted;
  restarted.open(desk);
  for (const LoadShed* shed : {&guard, &restarted}) {
    for (int priority = 0; priority <= 9; ++priority) {
      INFO(priority);
      const core::Verdict verdict = admit(*shed, priority);
      CHECK(verdict.allowed == (priority >= limits::priority_default));
      if (verdict.allowed) continue;
      CHECK(verdict.code == Code::busy);
      CHECK(verdict.retry_at_ms.has_value());
      CHECK(verdict.reason.find("incident i1") != std::string::npos);
    }
    CHECK(shed->admit(op::MultiPush{"r", {"x"}}, core::Caller{1}, desk).allowed());
  }
  guard.lift(of(Kind::shed_by_priority, "*", "incident i2"), desk);
  CHECK_FALSE(admit(guard, 0).allowed);
  guard.lift(of(Kind::shed_by_priority, "*"), desk);
  CHECK(admit(guard, 0).allowed);
  CHECK(desk.rows.empty());
  CHECK(desk.count("role.restricted") == 1);
  CHECK(desk.count("role.unrestricted") == 1);
}

TEST_CASE("restrict: a circuit that is opened probes and closes by itself, or is closed with the incident") {
  BreakerKit kit;
  CHECK(answer(kit.breaker.restrict(of(Kind::open_circuit, "role:nobody"), kit.desk)) == "NOTFOUND");
  CHECK(answer(kit.breaker.restrict(of(Kind::open_circuit, "needs:nobody"), kit.desk)) == "NOTFOUND");
  CHECK(answer(kit.breaker.restrict(of(Kind::open_circuit, "mail"), kit.desk)) == "NOTFOUND");
  CHECK(answer(kit.breaker.restrict(of(Kind::shed_by_priority, "*"), kit.desk)) == "none");
  for (const std::string circuit : {"role:plain", "needs:smtp"}) {
    INFO(circuit);
    const std::string role = circuit == "role:plain" ? "plain" : "mail";
    CHECK(answer(kit.breaker.restrict(of(Kind::open_circuit, circuit), kit.desk)) == "ok");
    CHECK(kit.newest("breaker.open").field("by") == "incident i1");
    CHECK_FALSE(kit.ask(role).allowed);
    CHECK(kit.ask(role).reason.find("it fails") != std::string::npos);
    CHECK(answer(kit.breaker.restrict(of(Kind::open_circuit, circuit), kit.desk)) == "STATE");
    // As it is after a restart.
    kit.breaker.open(kit.desk);
    CHECK_FALSE(kit.ask(role).allowed);
    kit.breaker.lift(of(Kind::open_circuit, circuit, "incident i2"), kit.desk);
    CHECK(kit.state(circuit) == "open");
    kit.breaker.lift(of(Kind::open_circuit, circuit), kit.desk);
    CHECK(kit.state(circuit) == "closed");
    CHECK(kit.ask(role).allowed);
    CHECK(kit.desk.rows.empty());
    CHECK(kit.breaker.idle());

    // It tries by itself.
    CHECK(answer(kit.breaker.restrict(of(Kind::open_circuit, circuit), kit.desk)) == "ok");
    kit.pass(1000);
    kit.end(*kit.claim(role, 1), End{});
    CHECK(kit.state(circuit) == "closed");
    kit.breaker.lift(of(Kind::open_circuit, circuit), kit.desk);
    CHECK(kit.desk.rows.empty());
  }
  // What failures opened is not the incident's to close.
  CHECK(kit.breaker.open_dependency("smtp", "red", kit.desk));
  kit.breaker.lift(of(Kind::open_circuit, "needs:smtp"), kit.desk);
  CHECK(kit.state("needs:smtp") == "open");
}

TEST_CASE("restrict: a guard that does not enforce does not restrict") {
  FakeDesk desk;
  desk.make("r");
  desk.bus.guards.modes["concurrency"] = core::GuardMode::observe;
  auto chain = make_guard_chain();
  REQUIRE(chain->open(desk).ok());
  CHECK(answer(chain->restrict(of(Kind::lower_concurrency, "r"), desk)) == "STATE");
  CHECK(desk.rows.empty());
  CHECK(answer(chain->restrict(of(Kind::open_circuit, "role:r"), desk)) == "ok");
  chain->lift(of(Kind::open_circuit, "role:r"), desk);
  CHECK(answer(chain->restrict(of(Kind::shed_by_priority, "*"), desk)) == "ok");
}

}  // namespace
}  // namespace pawl::guards
