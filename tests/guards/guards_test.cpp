#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>

#include "guards/guard_chain.h"
#include "guards/kill_switch.h"
#include "guards/pause.h"
#include "guards/registry.h"
#include "guards/size.h"
#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

constexpr size_t limit = 100;

core::Operation push(std::string_view payload,
                     std::vector<std::pair<std::string_view, std::string_view>> headers = {}) {
  core::op::Push operation;
  operation.role = "research";
  operation.payload = payload;
  operation.headers = std::move(headers);
  return operation;
}

core::Operation ack(std::string_view result) {
  core::op::Ack operation;
  operation.result = result;
  return operation;
}

// Refuses, allows or throws as told, and writes down what it saw.
class Scripted final : public Guard {
 public:
  enum class Does { allow, refuse, fail };
  Scripted(std::string name, Does does, FailureDirection direction, std::string* log = nullptr)
      : name_(std::move(name)), does_(does), direction_(direction), log_(log) {}

  std::string_view name() const override { return name_; }
  FailureDirection failure_direction() const override { return direction_; }
  uint8_t asks() const override { return asks_operations | asks_claims | asks_failures; }
  Answer admit(const core::Operation& /*operation*/, const core::Caller& /*caller*/,
               const core::Desk& /*desk*/) const override {
    return answer();
  }
  Answer admit_claim(const core::Candidate& /*candidate*/, const core::Desk& /*desk*/) const override {
    return answer();
  }
  void taken(const core::Candidate& /*candidate*/, core::Reservation& /*reserved*/,
             core::Desk& /*desk*/) override {
    note("taken");
  }
  core::Ruling judge(const core::Ending& /*ending*/, const core::Desk& /*desk*/) const override {
    if (does_ == Does::fail) throw std::runtime_error("guard broke");
    return {does_ == Does::allow, false, "scripted"};
  }
  void ended(const core::Ending& /*ending*/, const core::Ruling& /*ruling*/, core::Desk& /*desk*/) override {
    note("ended");
  }
  void tick(core::Desk& /*desk*/) override { note("tick"); }

 private:
  core::Verdict answer() const {
    if (does_ == Does::fail) throw std::runtime_error("guard broke");
    core::Verdict verdict;
    verdict.allowed = does_ == Does::allow;
    verdict.code = Code::busy;
    verdict.reason = "scripted";
    return verdict;
  }
  void note(const char* what) {
    if (log_ != nullptr) *log_ += name_ + "." + what + " ";
    if (does_ == Does::fail) throw std::runtime_error("guard broke");
  }

  std::string name_;
  Does does_;
  FailureDirection direction_;
  std::string* log_;
};

GuardChain chain_of(std::vector<std::unique_ptr<Guard>> guards) { return GuardChain(std::move(guards)); }

template <typename... Guards>
GuardChain chain(Guards... guards) {
  std::vector<std::unique_ptr<Guard>> list;
  (list.push_back(std::move(guards)), ...);
  return chain_of(std::move(list));
}

std::unique_ptr<Guard> scripted(std::string name, Scripted::Does does,
                                FailureDirection direction = FailureDirection::closed,
                                std::string* log = nullptr) {
  return std::make_unique<Scripted>(std::move(name), does, direction, log);
}

const core::Caller anyone{1};

// A candidate's role lives as long as the candidate.
struct Asked {
  explicit Asked(FakeDesk& desk, const std::string& role = "research")
      : facts(FakeDesk::facts(desk.make(role))), candidate{facts, "d1", desk.time} {}
  core::RoleFacts facts;
  core::Candidate candidate;
};

TEST_CASE("size: refuses one byte over the limit and nothing below") {
  const std::string at(limit, 'x');
  const std::string over(limit + 1, 'x');
  const std::string half(limit / 2, 'h');
  struct Row {
    const char* what;
    core::Operation operation;
    bool allowed;
  };
  const std::vector<Row> rows = {
      {"payload at", push(at), true},
      {"payload over", push(over), false},
      {"headers at", push("", {{half, half}}), true},
      {"headers over by a name", push("", {{half, half}, {"n", ""}}), false},
      {"headers over by a value", push("", {{half, ""}, {"", over}}), false},
      {"payload and headers are counted apart", push(at, {{half, half}}), true},
      {"mpush at", core::op::MultiPush{"r", {at, at}}, true},
      {"mpush second over", core::op::MultiPush{"r", {at, over}}, false},
      {"result at", ack(at), true},
      {"result over", ack(over), false},
      {"edit at", core::op::DeadEdit{"id", at}, true},
      {"edit over", core::op::DeadEdit{"id", over}, false},
      {"a read has no size", core::op::Get{over}, true},
  };
  FakeDesk desk;
  desk.bus.payload_max = limit;
  const Size guard;
  for (const Row& row : rows) {
    INFO(row.what);
    const core::Verdict verdict = guard.admit(row.operation, anyone, desk).verdict();
    CHECK(verdict.allowed == row.allowed);
    if (!row.allowed) {
      CHECK(verdict.code == Code::toobig);
      CHECK(verdict.limit == int64_t{limit});
      CHECK(verdict.reason.find("the limit is 100") != std::string::npos);
      CHECK(verdict.reason.find("payload_max") != std::string::npos);
    }
  }
  CHECK(guard.admit(core::op::MultiPush{"r", {at, over}}, anyone, desk).verdict().reason.find("payload 2") ==
        0);
}

TEST_CASE("pause: holds the claims of a paused role and says why") {
  struct Row {
    bool paused;
    const char* reason;
    bool allowed;
    const char* text;
  };
  const std::vector<Row> rows = {
      {false, "", true, ""},
      {false, "left over", true, ""},
      {true, "", false, "role research is paused; RESUME research lets its claims go on"},
      {true, "bad prompt", false,
       "role research is paused (bad prompt); RESUME research lets its claims go on"},
  };
  const Pause guard;
  for (const Row& row : rows) {
    FakeDesk desk;
    FakeDesk::Role& role = desk.make("research");
    role.record.paused = row.paused;
    role.record.pause_reason = row.reason;
    const core::Verdict verdict = guard.admit_claim(Asked(desk).candidate, desk).verdict();
    CHECK(verdict.allowed == row.allowed);
    CHECK(verdict.reason == row.text);
    if (!row.allowed) {
      CHECK(verdict.code == Code::paused);
      CHECK_FALSE(verdict.retry_at_ms.has_value());
    }
  }
}

TEST_CASE("chain: the first refusal wins, is named and counted; later guards are not asked") {
  const GuardChain guards =
      chain(scripted("one", Scripted::Does::allow), scripted("two", Scripted::Does::refuse),
            scripted("three", Scripted::Does::refuse));
  const FakeDesk desk;
  const core::Verdict verdict = guards.admit(push("x"), anyone, desk).verdict();
  CHECK_FALSE(verdict.allowed);
  CHECK(verdict.guard == "two");
  const auto counters = guards.counters();
  REQUIRE(counters.size() == 3);
  CHECK((counters[0].evaluated == 1 && counters[0].refused == 0));
  CHECK((counters[1].evaluated == 1 && counters[1].refused == 1));
  CHECK((counters[2].evaluated == 0 && counters[2].refused == 0));
}

TEST_CASE("chain: explain asks every guard and counts none") {
  const GuardChain guards =
      chain(scripted("one", Scripted::Does::refuse), scripted("two", Scripted::Does::allow),
            scripted("three", Scripted::Does::refuse));
  FakeDesk desk;
  const auto verdicts = guards.explain(Asked(desk).candidate, desk);
  REQUIRE(verdicts.size() == 2);
  CHECK(verdicts[0].guard == "one");
  CHECK(verdicts[1].guard == "three");
  for (const GuardCounters& one : guards.counters()) CHECK(one.evaluated == 0);
}

TEST_CASE("chain: a guard that throws is answered for by its failure direction") {
  struct Row {
    FailureDirection direction;
    bool allowed;
  };
  for (const Row row : {Row{FailureDirection::open, true}, Row{FailureDirection::closed, false}}) {
    GuardChain guards = chain(scripted("broken", Scripted::Does::fail, row.direction));
    FakeDesk desk;
    const Asked asked(desk);
    CHECK(guards.admit(push("x"), anyone, desk).allowed() == row.allowed);
    CHECK(guards.admit_claim(asked.candidate, desk).allowed() == row.allowed);
    const core::Reservation reserved = guards.taken(asked.candidate, desk);
    const core::Ending ending{.role = asked.facts, .message = {}, .reserved = reserved};
    // A judge that fails leaves the failure as it is: spent.
    CHECK(guards.judge(ending, desk).spend);
    guards.ended(ending, {}, desk);
    guards.tick(desk);
    CHECK(guards.counters()[0].failed == 6);
    CHECK(guards.counters()[0].refused == (row.allowed ? 0 : 2));
    CHECK(desk.count("guard.failed") == 1);
    desk.pass(60'000);
    guards.tick(desk);
    CHECK(desk.count("guard.failed.summary") == 1);
  }
}

TEST_CASE("chain: told in reverse, ticked in order") {
  std::string log;
  GuardChain guards = chain(scripted("a", Scripted::Does::allow, FailureDirection::open, &log),
                            scripted("b", Scripted::Does::allow, FailureDirection::open, &log));
  FakeDesk desk;
  const Asked asked(desk);
  const core::Reservation reserved;
  guards.ended(core::Ending{.role = asked.facts, .message = {}, .reserved = reserved}, {}, desk);
  guards.tick(desk);
  CHECK(log == "b.ended a.ended a.tick b.tick ");
}

// What a reply writer is told, as words.
class Words final : public core::ReplyWriter {
 public:
  std::string said;
  void nil() override { said += "nil "; }
  void integer(int64_t value) override { said += std::to_string(value) + " "; }
  void bulk(std::string_view bytes) override { said += std::string(bytes) + " "; }
  void simple(std::string_view text) override { said += std::string(text) + " "; }
  void error(const Error& error) override { said += error_line(error) + " "; }
  void array(size_t) override {}
  void map(size_t) override {}
};

TEST_CASE("chain: modes are set at run time, kept in a row, and over the file's") {
  FakeDesk desk;
  desk.bus.guards.modes["one"] = core::GuardMode::observe;
  GuardChain guards = chain(scripted("one", Scripted::Does::refuse));
  REQUIRE(guards.open(desk).ok());
  const Asked asked(desk);
  SECTION("observe counts, chronicles and lets through") {
    CHECK(guards.admit_claim(asked.candidate, desk).allowed());
    guards.tick(desk);
    CHECK(guards.counters()[0].would_refuse == 1);
    CHECK(guards.explain(asked.candidate, desk).empty());
    CHECK(desk.count("guard.would_refuse") == 1);
  }
  SECTION("off does not ask") {
    Words words;
    guards.command(core::op::SetGuardMode{"one", core::GuardMode::off}, anyone, desk, words);
    CHECK(words.said == "OK ");
    CHECK(desk.woken == std::vector<std::string>{""});
    CHECK(guards.admit_claim(asked.candidate, desk).allowed());
    CHECK(guards.counters()[0].evaluated == 0);
  }
  SECTION("enforce outlives a restart, and a reload of the file") {
    Words words;
    guards.command(core::op::SetGuardMode{"ONE", core::GuardMode::enforce}, anyone, desk, words);
    CHECK(desk.count("guard.mode") == 1);
    guards.configured(desk);
    CHECK_FALSE(guards.admit_claim(asked.candidate, desk).allowed());
    GuardChain next = chain(scripted("one", Scripted::Does::refuse));
    REQUIRE(next.open(desk).ok());
    CHECK_FALSE(next.admit_claim(asked.candidate, desk).allowed());
  }
  SECTION("GUARD LIST shows the one that is durable") {
    Words words;
    desk.commits = false;
    guards.command(core::op::SetGuardMode{"one", core::GuardMode::off}, anyone, desk, words);
    guards.command(core::op::GuardList{}, anyone, desk, words);
    CHECK(words.said.find("mode observe") != std::string::npos);
    desk.commits = true;
    guards.command(core::op::GuardList{}, anyone, desk, words);
    CHECK(words.said.find("mode off") != std::string::npos);
  }
  SECTION("a name that no guard has") {
    Words words;
    guards.command(core::op::SetGuardMode{"two", core::GuardMode::off}, anyone, desk, words);
    CHECK(words.said == "NOTFOUND no guard 'two'; there are one ");
  }
}

TEST_CASE("chain: refusals are chronicled as the first one, then one summary a minute") {
  FakeDesk desk;
  GuardChain guards = chain(scripted("one", Scripted::Does::refuse));
  const Asked asked(desk);
  for (int i = 0; i < 1000; ++i) guards.refused(guards.admit_claim(asked.candidate, desk).verdict(), desk);
  guards.tick(desk);
  CHECK(desk.count("guard.refuse") == 1);
  CHECK(desk.count("guard.refuse.summary") == 0);
  desk.pass(60'000);
  guards.tick(desk);
  REQUIRE(desk.count("guard.refuse.summary") == 1);
  CHECK(desk.events.back().field("count") == "999");
  desk.pass(60'000);
  guards.tick(desk);
  CHECK(desk.events.size() == 2);
  guards.refused(guards.admit_claim(asked.candidate, desk).verdict(), desk);
  CHECK(desk.count("guard.refuse") == 2);
}

TEST_CASE("freeze: what each scope stops") {
  namespace op = core::op;
  using core::FreezeScope;
  const std::string_view no_freeze = "---";
  struct Row {
    const char* what;
    core::Operation operation;
    std::string_view stopped;  // under intake, claims, all: s or -
  };
  op::DeadReplay dry;
  dry.dry_run = true;
  const std::vector<Row> rows = {
      {"PUSH", push("x"), "sss"},
      {"MPUSH", op::MultiPush{"r", {"x"}}, "sss"},
      {"DEAD REPLAY", op::DeadReplay{}, "sss"},
      {"DEAD REPLAY DRYRUN", dry, no_freeze},
      {"CLAIM", op::Claim{}, "-ss"},
      {"ACK", op::Ack{}, "--s"},
      {"MACK", op::MultiAck{}, "--s"},
      {"FAIL", op::Fail{}, "--s"},
      {"RELEASE", op::Release{}, "--s"},
      {"CANCEL", op::Cancel{}, "--s"},
      {"CANCEL FILTER", op::CancelFilter{}, "--s"},
      {"MOVE", op::Move{}, "--s"},
      {"DEAD EDIT", op::DeadEdit{}, "--s"},
      {"DEAD DROP", op::DeadDrop{}, "--s"},
      {"ROLE DROP", op::RoleDrop{}, "--s"},
      {"EXTEND", op::Extend{}, no_freeze},
      {"GET", op::Get{}, no_freeze},
      {"KILL CLEAR", op::KillClear{}, no_freeze},
      {"KILL SET", op::KillSet{}, no_freeze},
      {"QUOTA SET", op::QuotaSet{}, no_freeze},
      {"GUARD MODE", op::SetGuardMode{}, no_freeze},
      {"PAUSE", op::Pause{}, no_freeze},
      {"RESUME", op::Resume{}, no_freeze},
      {"DEPLOY SET", op::DeploySet{}, no_freeze},
      {"DEPLOY ROLLBACK", op::DeployRollback{}, no_freeze},
      {"DEPLOY LIST", op::DeployList{}, no_freeze},
      {"DEPLOY GET", op::DeployGet{}, no_freeze},
      {"EVENTS", op::Events{}, no_freeze},
  };
  const KillSwitch guard;
  for (const Row& row : rows) {
    for (size_t scope = 0; scope < 3; ++scope) {
      INFO(row.what << " under " << core::freeze_scope_names[scope]);
      FakeDesk desk;
      CHECK(guard.admit(row.operation, anyone, desk).allowed());
      desk.standing.kind = core::FreezeKind::soft;
      desk.standing.scope = static_cast<FreezeScope>(scope);
      desk.standing.reason = "fire drill";
      desk.standing.until_ms = 5'000'000;
      const core::Verdict verdict = guard.admit(row.operation, anyone, desk).verdict();
      CHECK(verdict.allowed == (row.stopped[scope] == '-'));
      if (verdict.allowed) continue;
      CHECK(verdict.code == Code::frozen);
      CHECK(verdict.retry_at_ms == 5'000'000);
      CHECK(verdict.reason.find("fire drill") != std::string::npos);
    }
  }
  FakeDesk desk;
  desk.standing.kind = core::FreezeKind::soft;
  for (const auto& [scope, allowed] :
       {std::pair(FreezeScope::intake, true), std::pair(FreezeScope::claims, false),
        std::pair(FreezeScope::all, false)}) {
    desk.standing.scope = scope;
    CHECK(guard.admit_claim(Asked(desk).candidate, desk).allowed() == allowed);
  }
}

TEST_CASE("chain: a transaction is admitted item by item and the refusal says which") {
  FakeDesk desk;
  desk.bus.payload_max = limit;
  const auto guards = make_guard_chain();
  const std::string over(limit + 1, 'x');
  core::op::Transaction transaction;
  transaction.items.push_back(std::get<core::op::Push>(push("fits")));
  transaction.items.push_back(std::get<core::op::Ack>(ack("fits")));
  CHECK(guards->admit(transaction, anyone, desk).allowed());
  transaction.items.push_back(std::get<core::op::Push>(push(over)));
  const core::Verdict verdict = guards->admit(transaction, anyone, desk).verdict();
  CHECK_FALSE(verdict.allowed);
  CHECK(verdict.guard == "size");
  CHECK(verdict.reason.find(" at=2") != std::string::npos);
}

}  // namespace
}  // namespace pawl::guards
