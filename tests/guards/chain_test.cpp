// The chain over guards that always say the same: rulings, and guards that are idle.
#include "guards/guard_chain.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

// A candidate's role lives as long as the candidate.
struct Asked {
  explicit Asked(FakeDesk& desk)
      : facts(FakeDesk::facts(desk.make("research"))), candidate{facts, "d1", desk.time} {}
  core::RoleFacts facts;
  core::Candidate candidate;
};

// Rules on every failure alike.
class Judge final : public Guard {
 public:
  explicit Judge(core::Ruling ruling) : ruling_(std::move(ruling)) {}
  std::string_view name() const override { return "judge"; }
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_failures; }
  core::Ruling judge(const core::Ending& /*ending*/, const core::Desk& /*desk*/) const override {
    return ruling_;
  }

 private:
  core::Ruling ruling_;
};

TEST_CASE("chain: of several rulings, not spent wins over poison, and the first poison over the next") {
  const core::Ruling spent;
  const core::Ruling unspent{false, false, "outage"};
  const core::Ruling poison{true, true, "poison"};
  const core::Ruling other{true, true, "other"};
  struct Row {
    core::Ruling first;
    core::Ruling second;
    core::Ruling expected;
  };
  const std::vector<Row> rows = {{spent, spent, spent},      {spent, poison, poison},
                                 {poison, spent, poison},    {unspent, poison, unspent},
                                 {poison, unspent, unspent}, {poison, other, poison}};
  FakeDesk desk;
  const Asked asked(desk);
  const core::Reservation reserved;
  for (const Row& row : rows) {
    INFO(row.first.reason << ", " << row.second.reason);
    std::vector<std::unique_ptr<Guard>> judges;
    judges.push_back(std::make_unique<Judge>(row.first));
    judges.push_back(std::make_unique<Judge>(row.second));
    const GuardChain guards(std::move(judges));
    const core::Ruling ruling =
        guards.judge(core::Ending{.role = asked.facts, .message = {}, .reserved = reserved}, desk);
    CHECK(ruling.spend == row.expected.spend);
    CHECK(ruling.poison == row.expected.poison);
    CHECK(ruling.reason == row.expected.reason);
  }
}

// Refuses everything whenever it is asked.
class Idler final : public Guard {
 public:
  explicit Idler(bool is_idle, std::string* log) : log_(log) { set_idle(is_idle); }
  std::string_view name() const override { return "idler"; }
  FailureDirection failure_direction() const override { return FailureDirection::closed; }
  uint8_t asks() const override { return asks_operations | asks_claims | asks_failures | asks_daemons; }
  Answer admit(const core::Operation& /*operation*/, const core::Caller& /*caller*/,
               const core::Desk& /*desk*/) const override {
    return refuse(Code::busy, core::Scope::fleet, "always");
  }
  Answer admit_daemon(std::string_view /*daemon*/, const core::Desk& /*desk*/) const override {
    return refuse(Code::busy, core::Scope::fleet, "always");
  }
  Answer admit_claim(const core::Candidate& /*candidate*/, const core::Desk& /*desk*/) const override {
    return refuse(Code::busy, core::Scope::fleet, "always");
  }
  core::Ruling judge(const core::Ending& /*ending*/, const core::Desk& /*desk*/) const override {
    return {false, false, "always"};
  }
  void taken(const core::Candidate& /*candidate*/, core::Reservation& /*reserved*/,
             core::Desk& /*desk*/) override {
    *log_ += "taken ";
  }
  void used(const core::Usage& /*usage*/, core::Desk& /*desk*/) override { *log_ += "used "; }
  void ended(const core::Ending& ending, const core::Ruling& /*ruling*/, core::Desk& /*desk*/) override {
    *log_ += std::string(core::outcome_names[static_cast<size_t>(ending.outcome)]) + " ";
  }
  void tick(core::Desk& /*desk*/) override { *log_ += "tick "; }

 private:
  std::string* log_;
};

TEST_CASE("chain: an idle guard is passed by where a claim comes and is done, and nowhere else") {
  const bool idle = GENERATE(false, true);
  FakeDesk desk;
  std::string log;
  std::vector<std::unique_ptr<Guard>> one;
  one.push_back(std::make_unique<Idler>(idle, &log));
  GuardChain guards(std::move(one));
  const Asked asked(desk);
  CHECK(guards.admit_claim(asked.candidate, desk).allowed() == idle);
  CHECK(guards.admit_daemon("d1", desk).allowed() == idle);
  CHECK_FALSE(guards.admit(core::op::Push(), core::Caller(1), desk).allowed());
  const core::Reservation nothing = guards.taken(asked.candidate, desk);
  core::Ending ending{asked.facts, {}, 1,     "d1",   core::Outcome::done, core::ErrorClass::unknown,
                      "",          0,  false, nothing};
  guards.ended(ending, {}, desk);
  ending.outcome = core::Outcome::failed;
  CHECK_FALSE(guards.judge(ending, desk).spend);
  guards.ended(ending, {}, desk);
  guards.used(core::Usage{asked.facts, nothing}, desk);
  guards.tick(desk);
  CHECK(log == (idle ? "failed used tick " : "taken done failed used tick "));
}

}  // namespace
}  // namespace pawl::guards
