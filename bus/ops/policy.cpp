#include "bus/ops/policy.h"

#include <algorithm>

#include "bus/base/parse.h"

namespace pawl::ops {
namespace {

constexpr int64_t second_ms = 1000;
constexpr int64_t minute_ms = 60 * second_ms;
constexpr int64_t hour_ms = 60 * minute_ms;

constexpr std::array<ActionFacts, action_count> facts = {{
    {Target::role, true, 5 * minute_ms, 60, hour_ms, 0, "it only waits"},
    {Target::role, true, 5 * minute_ms, 20, hour_ms, 60, "the messages are claimed again"},
    {Target::daemon, true, 2 * minute_ms, 3, 10 * minute_ms, 10, "it runs again"},
    {Target::daemon, true, 5 * minute_ms, 2, hour_ms, 4, "they run again"},
    {Target::daemon_or_role, true, 10 * minute_ms, 6, hour_ms, 20, "it tries by itself after its cooldown"},
    {Target::role, true, 15 * minute_ms, 2, hour_ms, 10,
     "it is resumed with the incident, or by pawl resume"},
    {Target::role, true, 10 * minute_ms, 4, hour_ms, 20, "it is raised again when the incident is closed"},
    {Target::fleet, true, 10 * minute_ms, 4, hour_ms, 0, "it ends when the incident is closed"},
    {Target::fleet, true, 15 * minute_ms, 1, 6 * hour_ms, 0, "it ends by itself, or pawl clear"},
    {Target::incident, false, 0, 0, 0, 0, "nothing was changed"},
    {Target::incident, false, 0, 0, 0, 0, "nothing was changed"},
}};

bool glob_holds(const std::string& glob, const std::string& name) {
  return glob.empty() || (!name.empty() && glob_matches(glob, name));
}

bool matches(const PolicyRule& rule, const Situation& s) {
  return list_holds(rule.classes, s.error_class) && list_holds(rule.tiers, s.tier) &&
         (!rule.untold || !s.end_is_told) && list_holds(rule.colours, s.colour) &&
         list_holds(rule.breakers, s.breaker) && list_holds(rule.fingerprints, s.fingerprint) &&
         rule.count.holds(static_cast<int64_t>(s.count)) && rule.spread.holds(s.spread) &&
         rule.age_ms.holds(s.age_ms) && rule.load_percent.holds(s.load_percent) &&
         spans_hold(rule.minutes, s.minute) && glob_holds(rule.role, s.role) &&
         glob_holds(rule.daemon, s.daemon);
}

Measure measure_of(Action action, const Situation& situation) {
  for (const MeasuredAction& one : situation.measures) {
    if (one.action == action) return one.measure;
  }
  return {};
}

std::string span_of_time(int64_t ms) {
  return format_duration(std::max(second_ms, ms / second_ms * second_ms));
}

// Why it cannot be done now; empty: it can.
std::string excluded_because(Action action, const PolicyTable& table, const Situation& s) {
  const std::string subject = subject_of(action, s);
  if (subject.empty()) {
    return facts_of(action).target == Target::role ? "no role is affected" : "no daemon is affected";
  }
  if (std::find(s.tried.begin(), s.tried.end(), action) != s.tried.end()) {
    return facts_of(action).recovers ? "it was tried for this incident and did not help"
                                     : "it was done already";
  }
  if (action == Action::open_breaker && s.breaker != BreakerState::closed) {
    return "the breaker is " + std::string(name_of(s.breaker, breaker_names)) + " already";
  }
  const Cap& cap = table.caps[static_cast<size_t>(action)];
  if (cap.per_ms == 0) return "";
  const auto at_cap = [&](const std::vector<UsedAction>& all, uint32_t most, const std::string& on) {
    const auto used =
        std::find_if(all.begin(), all.end(), [&](const UsedAction& one) { return one.action == action; });
    if (used == all.end() || used->count < most) return std::string();
    return "at its cap: " + std::to_string(used->count) + " of " + std::to_string(most) + " in " +
           format_duration(cap.per_ms) + " on " + on + ", free in " +
           span_of_time(used->frees_at_ms - s.now_ms);
  };
  std::string why = at_cap(s.used, cap.max, subject);
  if (why.empty() && cap.fleet != 0) why = at_cap(s.used_by_all, cap.fleet, "the whole fleet");
  return why;
}

// Success in so much time: what is proven of the later one against what is expected of the earlier one. A
// lucky streak proves little, so that an order which is good is hardly ever left for noise; and when it was
// left wrongly, the tries that follow make the expectation of the earlier one grow again.
bool beats(const Candidate& later, const Candidate& earlier) {
  return int64_t{later.lower_ppm} * earlier.expected_ms > int64_t{earlier.expected_ppm} * later.expected_ms;
}

// Actions that recover are sorted between two that keep their place.
void sort_by_measure(std::vector<Candidate>& candidates) {
  int64_t spent_ms = 0;
  int64_t tries = 0;
  for (const Candidate& one : candidates) {
    spent_ms += one.measure.spent_ms;
    tries += one.measure.tries;
  }
  for (Candidate& one : candidates) {
    const int64_t usual_ms = tries > 0 ? spent_ms / tries : facts_of(one.action).given_ms;
    one.lower_ppm = lower_ppm(one.measure);
    one.expected_ppm = expected_ppm(one.measure);
    one.expected_ms = expected_ms(one.measure, usual_ms);
  }
  for (size_t i = 1; i < candidates.size(); ++i) {
    if (!facts_of(candidates[i].action).recovers) continue;
    for (size_t at = i;
         at > 0 && facts_of(candidates[at - 1].action).recovers && beats(candidates[at], candidates[at - 1]);
         --at) {
      std::swap(candidates[at], candidates[at - 1]);
    }
  }
}

}  // namespace

const ActionFacts& facts_of(Action action) { return facts[static_cast<size_t>(action)]; }

std::string subject_of(Action action, const Situation& situation) {
  switch (facts_of(action).target) {
    case Target::role:
      return situation.role;
    case Target::daemon:
      return situation.daemon;
    case Target::daemon_or_role:
      return situation.daemon.empty() ? situation.role : situation.daemon;
    case Target::fleet:
      return "*";
    case Target::incident:
      return std::to_string(situation.incident);
  }
  return "";
}

PolicyTable::PolicyTable() : PolicyTable(std::vector<PolicyRule>{}) {}

PolicyTable::PolicyTable(std::vector<PolicyRule> own) : rules(std::move(own)), caps{} {
  for (PolicyRule& rule : shipped_policy_rules()) rules.push_back(std::move(rule));
  for (size_t i = 0; i < action_count; ++i) caps[i] = {facts[i].cap, facts[i].cap_per_ms, facts[i].fleet_cap};
}

Decision decide(const PolicyTable& table, const Situation& situation) {
  Decision decision;
  decision.situation = situation;
  for (const PolicyRule& rule : table.rules) {
    if (!matches(rule, situation)) continue;
    decision.rule = rule.name;
    for (size_t i = 0; i < rule.actions.size(); ++i) {
      Candidate& one = decision.candidates.emplace_back();
      one.action = rule.actions[i];
      one.place = static_cast<uint32_t>(i + 1);
      one.measure = measure_of(one.action, situation);
    }
    break;
  }
  sort_by_measure(decision.candidates);
  const bool has_last = !decision.candidates.empty() && decision.candidates.back().action == Action::escalate;
  // A list that ends without a person still ends at one.
  if (!has_last) decision.candidates.emplace_back().action = Action::escalate;
  for (Candidate& one : decision.candidates) {
    one.why = excluded_because(one.action, table, situation);
    if (!one.why.empty()) {
      one.verdict = Verdict::excluded;
    } else if (!decision.chosen) {
      decision.chosen = one.action;
      decision.subject = subject_of(one.action, situation);
      one.verdict = Verdict::chosen;
      one.why = one.place == 0 ? "nothing of the rule is left" : "the first that can be done";
    } else {
      one.why = "tried when what is before it does not help";
    }
  }
  return decision;
}

}  // namespace pawl::ops
