// The quota breaker over a desk without a bus, and claims that are told to it as the core does.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "guards/quota_breaker.h"
#include "tests/guards/fake_desk.h"
#include "tests/support/reply_tree.h"

namespace pawl::guards {

constexpr int64_t hour_ms = 3'600'000;
constexpr int64_t day_ms = 24 * hour_ms;

inline core::QuotaConfig tokens(int64_t cap, std::optional<int64_t> estimate = std::nullopt,
                                int64_t per_ms = hour_ms) {
  return {core::QuotaKind::tokens, cap, per_ms, estimate};
}

struct QuotaRig {
  using Kind = core::QuotaKind;
  struct Claim {
    std::string role;
    core::Reservation reserved;
    uint64_t tokens = 0;
    uint64_t cost = 0;
  };

  QuotaRig() { open(); }
  // The caps of role "research" and of the fleet.
  explicit QuotaRig(std::vector<core::QuotaConfig> role, std::vector<core::QuotaConfig> fleet = {}) {
    if (!role.empty()) desk.bus.roles["research"].quotas = std::move(role);
    desk.bus.system_quotas = std::move(fleet);
    open();
  }

  FakeDesk desk;
  std::unique_ptr<QuotaBreaker> guard = std::make_unique<QuotaBreaker>();

  void open(const std::vector<Claim*>& live = {}) {
    guard = std::make_unique<QuotaBreaker>();
    guard->open(desk);
    for (const Claim* claim : live) {
      guard->restored(FakeDesk::facts(desk.make(claim->role)), claim->reserved, claim->tokens, claim->cost);
    }
  }
  // As a reload of pawl.toml.
  void configure(const std::string& role, std::vector<core::QuotaConfig> quotas) {
    (role == "*" ? desk.bus.system_quotas : desk.bus.roles[role].quotas) = std::move(quotas);
    guard->configured(desk);
  }
  core::Verdict ask(const std::string& role, std::string_view daemon = "d1") {
    const core::RoleFacts facts = FakeDesk::facts(desk.make(role));
    return guard->admit_claim({facts, daemon, desk.time}, desk).verdict();
  }
  std::optional<Claim> take(const std::string& role) {
    if (!ask(role).allowed) return std::nullopt;
    return force(role);
  }
  // As in mode observe.
  Claim force(const std::string& role) {
    const core::RoleFacts facts = FakeDesk::facts(desk.make(role));
    Claim claim{role, {}};
    guard->taken({facts, "d1", desk.time}, claim.reserved, desk);
    return claim;
  }
  void report(Claim& claim, uint64_t tokens, uint64_t cost, bool live = true) {
    const core::RoleFacts facts = FakeDesk::facts(desk.make(claim.role));
    const uint64_t tokens_now = std::max(tokens, claim.tokens);
    const uint64_t cost_now = std::max(cost, claim.cost);
    guard->used({facts, claim.reserved, live, claim.tokens, tokens_now, claim.cost, cost_now}, desk);
    claim.tokens = tokens_now;
    claim.cost = cost_now;
  }
  void end(Claim& claim, core::Outcome outcome = core::Outcome::done) {
    const core::RoleFacts facts = FakeDesk::facts(desk.make(claim.role));
    core::Ending ending{.role = facts, .message = {}, .reserved = claim.reserved};
    ending.outcome = outcome;
    ending.tokens = claim.tokens;
    ending.cost = claim.cost;
    guard->ended(ending, {}, desk);
    if (outcome != core::Outcome::lapsed) claim.reserved = {};
  }
  // A claim from start to end.
  bool work(const std::string& role, uint64_t tokens, uint64_t cost = 0) {
    auto claim = take(role);
    if (!claim) return false;
    report(*claim, tokens, cost);
    end(*claim);
    return true;
  }

  test::Value run(const core::Operation& operation) {
    test::TreeWriter writer;
    CHECK(guard->command(operation, core::Caller(1, "alice", nullptr), desk, writer));
    return writer.take();
  }
  test::Value set(std::string_view role, Kind what, int64_t cap, int64_t per_ms,
                  std::optional<int64_t> estimate = std::nullopt) {
    return run(core::op::QuotaSet{role, what, cap, per_ms, estimate});
  }
  test::Value drop(std::string_view role, Kind what, int64_t per_ms) {
    return run(core::op::QuotaDrop{role, what, per_ms});
  }
  // Status reads see what was sealed.
  test::Value get(std::optional<std::string_view> role = std::nullopt) {
    guard->sealing(desk);
    return run(core::op::QuotaGet{role});
  }
  // A number of the one cap of that role and kind; -1: it is left out.
  int64_t shown(std::string_view role, std::string_view name, Kind what = Kind::tokens) {
    for (const test::Value& cap : get(role).items) {
      if (cap.field("what")->text != core::quota_kind_names[static_cast<size_t>(what)]) continue;
      const test::Value* field = cap.field(name);
      return field == nullptr ? -1 : field->number;
    }
    return -1;
  }
};

}  // namespace pawl::guards
