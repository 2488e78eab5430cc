// The quota breaker against a model that keeps every report for ever and counts them anew each time.
#include <catch2/catch.hpp>
#include <deque>
#include <map>

#include "tests/guards/quota_rig.h"
#include "tests/sim/rng.h"

namespace pawl::guards {
namespace {

using Kind = core::QuotaKind;
using core::Outcome;
using Claim = QuotaRig::Claim;

constexpr std::array<Kind, 3> kinds = {Kind::tokens, Kind::cost, Kind::calls};

// Slow and plain. Everything by role; "*" is the sum of them all.
class Model {
 public:
  std::map<std::string, std::vector<core::QuotaConfig>> caps;

  void charge(const std::string& role, Kind kind, uint64_t amount, int64_t wall_ms) {
    uses_.push_back({role, kind, amount, wall_ms});
  }
  void learn(const std::string& role, Kind kind, uint64_t value) {
    std::deque<uint64_t>& values = learned_[{role, kind}];
    values.push_back(value);
    if (values.size() > 64) values.pop_front();
  }
  Wide used(const std::string& role, const core::QuotaConfig& cap, int64_t wall_ms) const {
    const int64_t now = wall_ms * 60 / cap.per_ms;
    Wide sum = 0;
    for (const Use& use : uses_) {
      if (use.kind != cap.what || (role != "*" && use.role != role)) continue;
      if (use.wall_ms * 60 / cap.per_ms >= now - 60) sum += use.amount;
    }
    return sum;
  }
  bool capped(const std::string& role, Kind kind) const {
    return !of(role, kind).empty() || !of("*", kind).empty();
  }
  std::optional<uint64_t> said(const std::string& role, Kind kind) const {
    std::optional<uint64_t> largest;
    for (const core::QuotaConfig& cap : of(role, kind)) {
      if (cap.estimate) largest = std::max(largest.value_or(0), static_cast<uint64_t>(*cap.estimate));
    }
    return largest;
  }
  uint64_t estimate(const std::string& role, Kind kind) const {
    if (kind == Kind::calls || !capped(role, kind)) return 0;
    uint64_t own_min = UINT64_MAX;
    uint64_t all_min = UINT64_MAX;
    for (const core::QuotaConfig& cap : of(role, kind)) own_min = std::min(own_min, uint64_t(cap.cap));
    for (const core::QuotaConfig& cap : of("*", kind)) all_min = std::min(all_min, uint64_t(cap.cap));
    all_min = std::min(all_min, own_min);
    if (const auto own = said(role, kind)) return *own;
    if (const auto fleet = said("*", kind)) return std::min(*fleet, own_min);
    const auto found = learned_.find({role, kind});
    if (found == learned_.end()) return 0;
    std::vector<uint64_t> sorted(found->second.begin(), found->second.end());
    std::sort(sorted.begin(), sorted.end());
    size_t rank = 0;
    while (rank * 100 < sorted.size() * 95) ++rank;
    return std::min(sorted.at(rank - 1), all_min);
  }

 private:
  struct Use {
    std::string role;
    Kind kind;
    uint64_t amount;
    int64_t wall_ms;
  };
  std::vector<core::QuotaConfig> of(const std::string& role, Kind kind) const {
    std::vector<core::QuotaConfig> found;
    const auto list = caps.find(role);
    if (list == caps.end()) return found;
    for (const core::QuotaConfig& cap : list->second) {
      if (cap.what == kind) found.push_back(cap);
    }
    return found;
  }
  std::vector<Use> uses_;
  std::map<std::pair<std::string, Kind>, std::deque<uint64_t>> learned_;
};

uint64_t total_of(const Claim& claim, Kind kind) { return kind == Kind::tokens ? claim.tokens : claim.cost; }
uint64_t reserved_of(const Claim& claim, Kind kind) {
  return kind == Kind::tokens ? claim.reserved.tokens : claim.reserved.cost;
}
uint64_t over(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

class Run {
 public:
  explicit Run(uint64_t seed) : rng_(seed) {
    // All windows of a role are there from the beginning: what a new one cannot know is another test's.
    configure("*", {{Kind::tokens, 5000, 60'000, {}}, {Kind::calls, 200, 7000, {}}});
    configure(
        "a",
        {{Kind::tokens, 1000, 10'000, {}}, {Kind::tokens, 3000, 100'000, 70}, {Kind::calls, 40, 5000, {}}});
    configure("b", {{Kind::tokens, 800, 7777, {}}, {Kind::cost, 500, 20'000, {}}});
  }

  void step() {
    const size_t what = rng_.below(100);
    if (what < 35) {
      claim(rng_.pick(roles_));
    } else if (what < 55 && !live_.empty()) {
      report(live_[rng_.below(live_.size())], true);
    } else if (what < 75 && !live_.empty()) {
      end(rng_.below(live_.size()));
    } else if (what < 80 && !lapsed_.empty()) {
      report(lapsed_[rng_.below(lapsed_.size())], false);
    } else if (what < 95) {
      rig_.desk.pass(rng_.chance(5) ? rng_.between(0, 30'000) : rng_.between(0, 300));
      rig_.guard->tick(rig_.desk);
    } else if (what < 97) {
      change();
    } else {
      reopen();
    }
    check();
  }
  void finish() {
    while (!live_.empty()) {
      end(live_.size() - 1);
      check();
    }
    reopen();
    check();
    for (const test::Value& cap : rig_.get().items) CHECK(cap.field("reserved")->number == 0);
    CHECK(granted > 100);
    CHECK(refused > 100);
  }
  int granted = 0;
  int refused = 0;

 private:
  int64_t wall_ms() const { return rig_.desk.time.wall_ms; }

  void configure(const std::string& role, std::vector<core::QuotaConfig> caps) {
    rig_.configure(role, caps);
    model_.caps[role] = std::move(caps);
  }
  Wide reserved(const std::string& role, Kind kind) const {
    Wide sum = 0;
    if (kind == Kind::calls) return 0;
    for (const Claim& claim : live_) {
      if (role == "*" || claim.role == role) sum += over(reserved_of(claim, kind), total_of(claim, kind));
    }
    return sum;
  }

  void claim(const std::string& role) {
    bool fits = true;
    for (const std::string& who : {role, std::string("*")}) {
      for (const core::QuotaConfig& cap : model_.caps[who]) {
        const uint64_t need = std::max<uint64_t>(1, model_.estimate(role, cap.what));
        fits = fits && model_.used(who, cap, wall_ms()) + reserved(who, cap.what) + need <= cap.cap;
      }
    }
    const core::Verdict verdict = rig_.ask(role);
    REQUIRE(verdict.allowed == fits);
    if (!fits) {
      ++refused;
      if (verdict.retry_at_ms) REQUIRE(*verdict.retry_at_ms > wall_ms());
      return;
    }
    ++granted;
    live_.push_back(rig_.force(role));
    REQUIRE(live_.back().reserved.tokens == model_.estimate(role, Kind::tokens));
    REQUIRE(live_.back().reserved.cost == model_.estimate(role, Kind::cost));
    model_.charge(role, Kind::calls, 1, wall_ms());
  }
  void report(Claim& claim, bool live) {
    const Claim before = claim;
    const uint64_t cost = rng_.below(60);
    rig_.report(claim, before.tokens + (rng_.chance(5) ? 400 : rng_.below(60)),
                before.cost + (claim.role == "b" || rng_.chance(20) ? cost : 0), live);
    for (const Kind kind : {Kind::tokens, Kind::cost}) {
      const uint64_t known = std::max(total_of(before, kind), live ? 0 : reserved_of(claim, kind));
      model_.charge(claim.role, kind, over(total_of(claim, kind), known), wall_ms());
    }
  }
  void end(size_t index) {
    Claim claim = live_.at(index);
    live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(index));
    const auto outcome = static_cast<Outcome>(rng_.below(core::outcome_names.size()));
    for (const Kind kind : {Kind::tokens, Kind::cost}) {
      const uint64_t total = total_of(claim, kind);
      if (outcome == Outcome::lapsed) {
        model_.charge(claim.role, kind, over(reserved_of(claim, kind), total), wall_ms());
      }
      const bool lesson = outcome == Outcome::done || outcome == Outcome::failed || total > 0;
      const bool told = model_.said(claim.role, kind) || model_.said("*", kind);
      if (lesson && !told && model_.capped(claim.role, kind)) model_.learn(claim.role, kind, total);
    }
    rig_.end(claim, outcome);
    lapsed_.push_back(claim);
  }
  // Another height, another estimate; by an operator or by the file.
  void change() {
    const std::string role = rng_.chance(30) ? "*" : rng_.pick(std::vector<std::string>{"a", "b"});
    std::vector<core::QuotaConfig>& caps = model_.caps[role];
    core::QuotaConfig& cap = caps[rng_.below(caps.size())];
    cap.cap = std::max<int64_t>(400, cap.cap * rng_.between(50, 200) / 100);
    if (cap.what != Kind::calls) {
      cap.estimate.reset();
      if (rng_.chance(30)) cap.estimate = rng_.between(0, 100);
    }
    if (rng_.chance(50)) {
      rig_.configure(role, caps);
      // Over what QUOTA SET has said the file has no power.
      for (const core::QuotaConfig& one : caps) rig_.set(role, one.what, one.cap, one.per_ms, one.estimate);
      if (rng_.chance(50)) {
        for (const core::QuotaConfig& one : caps) rig_.drop(role, one.what, one.per_ms);
      }
    } else {
      REQUIRE(rig_.set(role, cap.what, cap.cap, cap.per_ms, cap.estimate).text == "OK");
    }
  }
  void reopen() {
    rig_.guard->sealing(rig_.desk);
    std::vector<Claim*> live;
    for (Claim& claim : live_) live.push_back(&claim);
    rig_.open(live);
  }
  void check() {
    const test::Value shown = rig_.get();
    size_t caps = 0;
    for (const auto& [role, list] : model_.caps) caps += list.size();
    REQUIRE(shown.items.size() == caps);
    for (const test::Value& cap : shown.items) {
      const std::string& role = cap.field("role")->text;
      for (const core::QuotaConfig& quota : model_.caps[role]) {
        if (cap.field("what")->text != core::quota_kind_names[static_cast<size_t>(quota.what)]) continue;
        if (cap.field("per")->number != quota.per_ms) continue;
        INFO(role << " " << cap.field("what")->text << " per " << quota.per_ms);
        REQUIRE(cap.field("cap")->number == quota.cap);
        REQUIRE(cap.field("used")->number == guards::shown(model_.used(role, quota, wall_ms())));
        REQUIRE(cap.field("reserved")->number == guards::shown(reserved(role, quota.what)));
      }
    }
  }

  sim::Rng rng_;
  QuotaRig rig_;
  Model model_;
  std::vector<Claim> live_;
  std::vector<Claim> lapsed_;  // and ended otherwise: late reports
  const std::vector<std::string> roles_ = {"a", "a", "b", "b", "c"};
};

TEST_CASE("quota: the same as a model that counts every report anew") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    Run run(seed);
    for (int i = 0; i < 1500; ++i) {
      INFO("step " << i);
      run.step();
    }
    run.finish();
  }
}

}  // namespace
}  // namespace pawl::guards
