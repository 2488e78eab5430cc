// A breaker on a desk without a bus: claims and their ends as the core reports them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bus/base/ids.h"
#include "guards/circuit_breaker.h"
#include "tests/guards/fake_desk.h"

namespace pawl::guards {

using core::ErrorClass;
using core::Outcome;

struct TestClaim {
  std::string role;
  BirthKey message;
  uint32_t delivery = 1;
  core::Reservation reserved;
  bool is_probe() const { return !reserved.probe.empty(); }
};

// How a delivery ends.
struct End {
  Outcome outcome = Outcome::done;
  ErrorClass error_class = ErrorClass::unknown;
  std::string text;
  bool final = false;
};
inline End failed(ErrorClass error_class, std::string text = "no answer") {
  return {Outcome::failed, error_class, std::move(text), false};
}

struct BreakerKit {
  BreakerKit() {
    desk.bus.guards.outage_messages = 3;
    desk.bus.guards.outage_window_ms = 60'000;
    desk.bus.guards.cooldown_ms = 1000;
    desk.bus.guards.cooldown_max_ms = 4000;
    need("mail", {"smtp"});
    need("post", {"smtp", "paper"});
    desk.make("plain");
    breaker.open(desk);
  }
  // A role that needs these, by its config.
  void need(const std::string& role, std::vector<std::string> needed) {
    desk.bus.roles[role].needs = needed;
    desk.make(role).config.needs = std::move(needed);
  }
  // The same, and that goes on without them.
  void limp(const std::string& role, std::vector<std::string> needed) {
    need(role, std::move(needed));
    desk.bus.roles[role].limp = desk.make(role).config.limp = true;
  }
  core::RoleFacts facts(const std::string& role) { return FakeDesk::facts(desk.make(role)); }

  core::Verdict ask(const std::string& role) {
    const core::RoleFacts role_facts = facts(role);
    return breaker.admit_claim(core::Candidate{role_facts, "d@1", desk.time}, desk).verdict();
  }
  // As if nobody had asked: what mode observe does.
  TestClaim take(const std::string& role, uint64_t message, uint32_t delivery = 1) {
    const core::RoleFacts role_facts = facts(role);
    TestClaim claim{role, BirthKey{role_facts.number, 8, message}, delivery, {}};
    breaker.taken(core::Candidate{role_facts, "d@1", desk.time}, claim.reserved, desk);
    return claim;
  }
  std::optional<TestClaim> claim(const std::string& role, uint64_t message, uint32_t delivery = 1) {
    if (!ask(role).allowed) return std::nullopt;
    return take(role, message, delivery);
  }
  core::Ruling end(const TestClaim& claim, const End& how) {
    if (how.outcome == Outcome::done) ++desk.make(claim.role).counts.done;
    const core::RoleFacts role_facts = facts(claim.role);
    core::Ending ending{.role = role_facts, .message = claim.message, .reserved = claim.reserved};
    ending.delivery = claim.delivery;
    ending.daemon = "d@1";
    ending.outcome = how.outcome;
    ending.error_class = how.error_class;
    ending.text = how.text;
    ending.final = how.final;
    ending.limp = claim.reserved.limp;
    const bool judged = how.outcome == Outcome::failed || how.outcome == Outcome::lapsed;
    core::Ruling ruling = judged ? breaker.judge(ending, desk) : core::Ruling();
    if (!enforced) ruling = {};
    breaker.ended(ending, ruling, desk);
    return ruling;
  }
  // Claims granted before anything was wrong.
  core::Ruling fail(const std::string& role, uint64_t message, ErrorClass error_class = ErrorClass::transient,
                    const std::string& text = "no answer") {
    return end(TestClaim{role, BirthKey{facts(role).number, 8, message}, 1, {}}, failed(error_class, text));
  }
  void open_role(const std::string& role, ErrorClass error_class = ErrorClass::transient) {
    for (uint64_t message = 101; message <= 103; ++message) fail(role, message, error_class);
  }
  void pass(int64_t ms) {
    desk.pass(ms);
    breaker.tick(desk);
  }
  std::string state(std::string_view circuit) const {
    return std::string(circuit_state_names[static_cast<size_t>(breaker.state_of(circuit))]);
  }
  // As after a restart: the same rows, and these claims are live.
  void restart(const std::vector<TestClaim>& live) {
    breaker.open(desk);
    for (const TestClaim& claim : live) breaker.restored(facts(claim.role), claim.reserved, 0, 0);
    breaker.tick(desk);
  }
  const FakeDesk::Event& newest(std::string_view kind) const {
    for (auto at = desk.events.rbegin(); at != desk.events.rend(); ++at) {
      if (at->kind == kind) return *at;
    }
    static const FakeDesk::Event none;
    return none;
  }

  FakeDesk desk;
  CircuitBreaker breaker;
  bool enforced = true;
};

}  // namespace pawl::guards
