#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>

#include "guards/guard_chain.h"
#include "guards/pause.h"
#include "guards/registry.h"
#include "guards/size.h"

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
  core::Verdict admit(const core::Operation& /*operation*/) const override { return answer(); }
  core::Verdict admit_claim(const core::Candidate& /*candidate*/) const override { return answer(); }
  void taken(const core::Candidate& /*candidate*/) override { note("taken"); }
  void observe(const Outcome& /*outcome*/) override { note("observe"); }
  void tick(int64_t /*wall_ms*/) override { note("tick"); }

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
  const Size guard(limit);
  for (const Row& row : rows) {
    INFO(row.what);
    const core::Verdict verdict = guard.admit(row.operation);
    CHECK(verdict.allowed == row.allowed);
    if (!row.allowed) {
      CHECK(verdict.code == Code::toobig);
      CHECK(verdict.limit == int64_t{limit});
      CHECK(verdict.reason.find("the limit is 100") != std::string::npos);
      CHECK(verdict.reason.find("payload_max") != std::string::npos);
    }
  }
  CHECK(guard.admit(core::op::MultiPush{"r", {at, over}}).reason.find("payload 2") == 0);
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
    core::RoleFacts role;
    role.name = "research";
    role.paused = row.paused;
    role.pause_reason = row.reason;
    const core::Verdict verdict = guard.admit_claim(core::Candidate{role, "d1", 0});
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
  const core::Verdict verdict = guards.admit(push("x"));
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
  const core::RoleFacts role;
  const auto verdicts = guards.explain(core::Candidate{role, "", 0});
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
    const core::RoleFacts role;
    const core::Candidate candidate{role, "d", 0};
    CHECK(guards.admit(push("x")).allowed == row.allowed);
    CHECK(guards.admit_claim(candidate).allowed == row.allowed);
    const core::Operation operation = push("x");
    guards.taken(candidate);
    guards.observe(Outcome{operation});
    guards.tick(0);
    CHECK(guards.counters()[0].failed == 5);
  }
}

TEST_CASE("chain: observed in reverse, ticked in order") {
  std::string log;
  GuardChain guards = chain(scripted("a", Scripted::Does::allow, FailureDirection::open, &log),
                            scripted("b", Scripted::Does::allow, FailureDirection::open, &log));
  const core::Operation operation = push("x");
  guards.observe(Outcome{operation});
  guards.tick(1);
  CHECK(log == "b.observe a.observe a.tick b.tick ");
}

TEST_CASE("chain: a transaction is admitted item by item and the refusal says which") {
  core::BusConfig config;
  config.payload_max = limit;
  const auto guards = make_guard_chain(config);
  const std::string over(limit + 1, 'x');
  core::op::Transaction transaction;
  transaction.items.push_back(std::get<core::op::Push>(push("fits")));
  transaction.items.push_back(std::get<core::op::Ack>(ack("fits")));
  CHECK(guards->admit(transaction).allowed);
  transaction.items.push_back(std::get<core::op::Push>(push(over)));
  const core::Verdict verdict = guards->admit(transaction);
  CHECK_FALSE(verdict.allowed);
  CHECK(verdict.guard == "size");
  CHECK(verdict.reason.find(" at=2") != std::string::npos);
}

TEST_CASE("chain: an error reply tells when a refusal passes") {
  core::Verdict verdict;
  verdict.allowed = false;
  verdict.code = Code::busy;
  verdict.reason = "later";
  CHECK(error_line(refusal(verdict, 1000)) == "BUSY later");
  verdict.retry_at_ms = 1500;
  CHECK(error_line(refusal(verdict, 1000)) == "BUSY later retry-after-ms=500");
  CHECK(error_line(refusal(verdict, 2000)) == "BUSY later retry-after-ms=0");
}

}  // namespace
}  // namespace pawl::guards
