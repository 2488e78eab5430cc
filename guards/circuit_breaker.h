// Guard "breaker": when many different messages fail alike it is an outage, not their fault. A circuit
// opens: claims are held, the failures are not spent, and one probe at a time finds out when it is over.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "guards/circuit.h"
#include "guards/guard.h"
#include "guards/limp_mode.h"
#include "guards/outage_window.h"

namespace pawl::guards {

// One circuit a role, "role:NAME", and one for each dependency that a role of the config needs,
// "needs:NAME". A circuit that is not closed has a row "breaker/CIRCUIT"; closed ones have nothing.
class CircuitBreaker final : public Guard {
 public:
  std::string_view name() const override { return "breaker"; }
  // Open: without it failures are spent as they always were.
  FailureDirection failure_direction() const override { return FailureDirection::open; }
  uint8_t asks() const override { return asks_claims | asks_failures; }
  uint8_t hears() const override { return hears_claims | hears_ends | hears_ticks; }

  // Throws std::runtime_error when a row is damaged.
  void open(core::Desk& desk) override;
  void restored(const core::RoleFacts& role, const core::Reservation& reserved, uint64_t tokens,
                uint64_t cost) override;
  void configured(core::Desk& desk) override;

  // OPEN while a circuit of the role, or of something it needs, is open or has its probe out. What a role
  // with a limp command needs does not hold it: such a claim is granted to go on without.
  Answer admit_claim(const core::Candidate& candidate, const core::Desk& desk) const override;
  void taken(const core::Candidate& candidate, core::Reservation& reserved, core::Desk& desk) override;
  core::Ruling judge(const core::Ending& ending, const core::Desk& desk) const override;
  void ended(const core::Ending& ending, const core::Ruling& ruling, core::Desk& desk) override;
  void tick(core::Desk& desk) override;
  std::optional<int64_t> next_wakeup_ms() const override;
  // `breaker`, the worst of the role's own circuit and those of what it needs, and `breaker_reason`; `limp`,
  // what the role goes on without.
  void describe(const core::RoleFacts& role, const core::Desk& desk, core::Fields& fields) const override;
  void report(core::FactsSink& sink, const core::Desk& desk) const override;

  // open_circuit: a circuit that is closed. Lifted, it is closed again, unless it was opened by others.
  bool restricts(core::Restriction::Kind kind) const override {
    return kind == core::Restriction::Kind::open_circuit;
  }
  std::optional<Status> restrict(const core::Restriction& restriction, core::Desk& desk) override;
  void lift(const core::Restriction& restriction, core::Desk& desk) override;

  // Somebody who watches the dependency says that it is down. False: no role needs it, or its circuit is
  // open already. Not from within a question.
  bool open_dependency(std::string_view dependency, std::string_view reason, core::Desk& desk,
                       std::string_view by = "health");
  // Of "role:NAME" or "needs:NAME".
  CircuitState state_of(std::string_view circuit) const;

 private:
  enum Kind : size_t { of_role, of_dependency };
  struct Named {
    Kind kind = of_role;
    std::string_view name;
    std::string text() const;
    bool operator==(const Named&) const = default;
  };
  using Circuits = std::map<std::string, Circuit, std::less<>>;  // by the role's or dependency's name
  using Windows = std::map<std::string, OutageWindow, std::less<>>;

  static constexpr std::string_view rows = "breaker/";
  static bool needs(const core::RoleFacts& role, std::string_view dependency);
  static std::optional<Named> parse(std::string_view circuit);
  bool quiet() const { return circuits_[of_role].empty() && circuits_[of_dependency].empty(); }
  const Circuit* find(Named named) const;
  Circuit* find(Named named);
  // The role's own first, then those of what it needs; only those that are not closed.
  template <typename Visit>
  void each_of(const core::RoleFacts& role, const Visit& visit) const;
  // The circuits that a failure counts for: one, or two.
  std::vector<Named> counts_for(const core::Ending& ending) const;
  // What the role needs and whose circuit is not closed, with commas; empty: nothing, or it has no limp.
  std::string goes_without(const core::RoleFacts& role) const;
  void settle_limp(std::string_view reason, core::Desk& desk);
  // The circuits whose probe this delivery was.
  std::vector<Named> probe_of(const core::Ending& ending) const;
  OutageFailure failure_of(const core::Ending& ending, const core::Desk& desk) const;
  // How long a message rests whose failure as a probe is not spent; 0: it is tried again as usual.
  int64_t rest_ms(const std::vector<Named>& tried, const core::Ending& ending, const core::Desk& desk) const;
  bool makes_outage(Named named, const core::Ending& ending, const core::Desk& desk) const;

  void trip(Named named, const core::Ending& ending, bool give_back, core::Desk& desk);
  void settle_probe(Named named, const core::Ending& ending, core::Desk& desk);
  CircuitEvent outcome_of(Named named, const Circuit& circuit, const core::Ending& ending) const;
  bool open_by(Named named, std::string_view by, std::string_view reason, core::Desk& desk);
  // Writes the row, and the chronicle where the state is another one; wakes who waits for it.
  void store(Named named, CircuitState before, core::Headers about, core::Desk& desk);
  void wake(Named named, core::Desk& desk) const;
  void find_next();
  void cool(core::Desk& desk);
  void read_config(const core::Desk& desk);
  void tidy(core::Desk& desk);

  std::array<Circuits, 2> circuits_;           // not closed, by kind
  std::array<Windows, 2> windows_;             // of closed circuits, by kind
  std::set<std::string, std::less<>> needed_;  // by a role of the config
  std::set<std::string> unproven_;  // circuits whose probe no live claim has claimed to be, while opening
  LimpMode limp_;
  int64_t next_ms_ = INT64_MAX;  // bus time of the next half-open circuit
  int64_t tidy_ms_ = 0;          // bus time to look for what nobody needs any more
};

}  // namespace pawl::guards
