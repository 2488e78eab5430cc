// What to do about an incident. A decision table gives the actions that are allowed, in an order; what was
// measured for the same fingerprint may change the order; caps and the circumstances rule some out. A
// decision is a value with everything that it was made from, so that it can be explained and made again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/words.h"
#include "bus/ops/conditions.h"
#include "bus/ops/measure.h"
#include "bus/ops/words.h"

namespace pawl::ops {

// What an action is done to.
enum class Target : uint8_t { role, daemon, daemon_or_role, fleet, incident };

struct ActionFacts {
  Target target;
  bool recovers;          // it is measured, and measures may move it; notify and escalate keep their place
  int64_t given_ms;       // so long it has to show that it helped; then the next one is tried
  uint32_t cap;           // so many on one subject
  int64_t cap_per_ms;     // within so long; 0: no cap
  uint32_t fleet_cap;     // so many on all subjects together within as long; 0: no such cap
  std::string_view back;  // what takes it back
};
const ActionFacts& facts_of(Action action);

struct Cap {
  uint32_t max = 0;
  int64_t per_ms = 0;  // 0: no cap
  // On all subjects together, within as long; 0: no such cap. What brings down many at once (a network that
  // is cut) is not mended by doing the same to each of them.
  uint32_t fleet = 0;
};

// Every condition that is there must hold.
struct PolicyRule {
  std::string name;
  std::vector<core::ErrorClass> classes;
  std::vector<Tier> tiers;
  std::vector<Colour> colours;
  std::vector<BreakerState> breakers;
  std::vector<uint64_t> fingerprints;
  Span count;                 // failures of the incident
  Span spread;                // roles and daemons that it affects
  Span age_ms;                // of the incident
  Span load_percent;          // of the fullest backlog cap
  std::vector<Span> minutes;  // of the local day, 0 to 1439
  std::string role;           // a glob; empty: no condition
  std::string daemon;         // likewise
  bool untold = false;        // only where nobody says when it is over
  std::vector<Action> actions;
};

struct PolicyTable {
  PolicyTable();  // the shipped rules and caps alone
  // `own` come before the shipped ones. They have passed check_policy_rules().
  explicit PolicyTable(std::vector<PolicyRule> own);

  std::vector<PolicyRule> rules;
  std::array<Cap, action_count> caps;
};

// The same for two tables that decide alike; another one for nearly every other table.
uint64_t hash_of(const PolicyTable& table);

struct MeasuredAction {
  Action action = Action::retry_later;
  Measure measure;
};
// How often an action was done to its subject within the cap's window.
struct UsedAction {
  Action action = Action::retry_later;
  uint32_t count = 0;
  int64_t frees_at_ms = 0;  // bus time: when the oldest leaves the window
};

// Everything that a decision is made from, besides the table.
struct Situation {
  uint64_t incident = 0;
  uint64_t fingerprint = 0;
  core::ErrorClass error_class = core::ErrorClass::unknown;
  Tier tier = Tier::concern;
  bool end_is_told = true;        // somebody says when it is over, so that it shows whether something helps
  Colour colour = Colour::green;  // the worst of the daemons that it affects
  BreakerState breaker = BreakerState::closed;
  uint64_t count = 0;
  uint32_t spread = 0;
  int64_t age_ms = 0;
  uint32_t load_percent = 0;
  uint32_t minute = 0;                   // of the local day
  int64_t now_ms = 0;                    // bus time
  std::string role;                      // the one that fails most; empty: none
  std::string daemon;                    // likewise
  std::vector<Action> tried;             // for this incident, in order, and it did not help
  std::vector<MeasuredAction> measures;  // for this fingerprint, in the order of Action
  std::vector<UsedAction> used;          // on the subjects of this situation, likewise
  std::vector<UsedAction> used_by_all;   // on any subject, where there is a cap of the fleet
};

enum class Verdict : uint8_t { chosen, later, excluded };
constexpr std::array<std::string_view, 3> verdict_names = {"chosen", "later", "excluded"};

struct Candidate {
  Action action = Action::retry_later;
  uint32_t place = 0;  // in the rule, from 1; 0: not in it, added because nothing is left
  Measure measure;
  uint32_t lower_ppm = 0;     // rate of success: lower bound
  uint32_t expected_ppm = 0;  // and expected
  int64_t expected_ms = 0;    // of a try
  Verdict verdict = Verdict::later;
  std::string why;
};

struct Decision {
  static constexpr uint8_t version_now = 2;  // 1: without used_by_all
  Situation situation;
  std::string rule;                   // empty: none matched
  std::vector<Candidate> candidates;  // in the order in which they are tried
  std::optional<Action> chosen;
  std::string subject;  // of the chosen one: a role, a daemon, "*" for the fleet, or the incident's number

  template <typename Archive>
  void code(Archive& ar, uint8_t version);
};

// The same table and situation give the same bytes.
Decision decide(const PolicyTable& table, const Situation& situation);

// The subject of an action; empty: there is none here, so it cannot be done.
std::string subject_of(Action action, const Situation& situation);

std::string encode(const Decision& decision);
// Nothing for damage or a newer version.
std::optional<Decision> decode_decision(std::string_view bytes);

// The same as hex digits, as the chronicle has it.
std::string decision_text(const Decision& decision);
std::optional<Decision> decision_from_text(std::string_view text);

// For people, a line each: situation, rule, candidates with their measures and why (not).
std::vector<std::string> explain(const Decision& decision);
// What another table decided otherwise from the same inputs, a line each; empty: nothing.
std::vector<std::string> differences(const Decision& before, const Decision& after);

std::vector<PolicyRule> shipped_policy_rules();
// One text a mistake: rules that can never match, that contradict, actions that are never reached.
std::vector<std::string> check_policy_rules(const std::vector<PolicyRule>& rules);
// BADARG for a word that is no action of the closed set, with the nearest one, or why a person does it.
Result<Action> action_from(std::string_view word);

}  // namespace pawl::ops
