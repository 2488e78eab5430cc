// The decision table that every bus has, and the check of a file's own.
#include <algorithm>

#include "bus/base/parse.h"
#include "bus/core/fingerprint.h"
#include "bus/ops/policy.h"
#include "bus/ops/rule_order.h"

namespace pawl::ops {
namespace {

using core::ErrorClass;

struct ShippedRule {
  std::string_view name;
  ErrorClass error_class;
  std::vector<Action> actions;
};

// An action that nobody can see the effect of would be followed by the next one, however well it did.
PolicyRule rule_of_untold() {
  PolicyRule tell;
  tell.name = "tell";
  tell.untold = true;
  tell.actions = {Action::notify};
  return tell;
}

// While a breaker holds the work back it probes by itself; a role that is paused as well could not be probed.
std::vector<PolicyRule> rules_of_held_work() {
  using enum Action;
  PolicyRule down;
  down.name = "held-down";
  down.classes = {ErrorClass::dependency_down, ErrorClass::crash,   ErrorClass::out_of_memory,
                  ErrorClass::timeout,         ErrorClass::unknown, ErrorClass::lease_expired,
                  ErrorClass::transient};
  down.breakers = {BreakerState::open, BreakerState::half_open};
  down.actions = {restart_daemon, restart_chain, retry_later, escalate};
  PolicyRule held;
  held.name = "held";
  held.breakers = down.breakers;
  held.actions = {notify, retry_later, escalate};
  return {down, held};
}

// What a person is asked for when they would only say no.
constexpr std::array<std::string_view, 12> for_people = {"hard_freeze", "kill",     "kill_hard", "drop",
                                                         "dead_drop",   "purge",    "delete",    "cancel",
                                                         "deploy",      "rollback", "edit",      "replay"};

bool covers(const Span& a, const Span& b) { return a.least <= b.least && b.most <= a.most; }
bool glob_condition_covers(const std::string& a, const std::string& b) {
  return a.empty() || (!b.empty() && glob_covers(a, b));
}

bool covers(const PolicyRule& a, const PolicyRule& b) {
  return (!a.untold || b.untold) && list_covers(a.classes, b.classes) && list_covers(a.tiers, b.tiers) &&
         list_covers(a.colours, b.colours) && list_covers(a.breakers, b.breakers) &&
         list_covers(a.fingerprints, b.fingerprints) && covers(a.count, b.count) &&
         covers(a.spread, b.spread) && covers(a.age_ms, b.age_ms) && covers(a.load_percent, b.load_percent) &&
         spans_cover(a.minutes, b.minutes) && glob_condition_covers(a.role, b.role) &&
         glob_condition_covers(a.daemon, b.daemon);
}

void check_span(const Span& span, std::string_view what, int64_t most, std::vector<std::string>& wrong) {
  if (span.empty()) {
    wrong.push_back("its range of " + std::string(what) + ", " + std::to_string(span.least) + "-" +
                    std::to_string(span.most) + ", is empty: write the smaller number first");
  } else if (span.most < 0 || (span.least > most && !span.any())) {
    wrong.push_back(std::string(what) + " is never " + span_text(span));
  }
}

std::vector<std::string> contradictions(const PolicyRule& rule) {
  std::vector<std::string> wrong;
  constexpr int64_t any = Span{}.most;
  check_span(rule.count, "count", any, wrong);
  check_span(rule.spread, "spread", any, wrong);
  check_span(rule.age_ms, "age", any, wrong);
  // Backlogs end at their caps.
  check_span(rule.load_percent, "load", 100, wrong);
  for (const Span& span : rule.minutes) check_span(span, "time", 1439, wrong);
  return wrong;
}

void check_actions(const PolicyRule& rule, const std::string& name, std::vector<std::string>& wrong) {
  if (rule.actions.empty()) wrong.push_back(name + " tries nothing: name at least one action");
  for (size_t i = 0; i < rule.actions.size(); ++i) {
    const std::string action(action_name(rule.actions[i]));
    if (std::find(rule.actions.begin(), rule.actions.begin() + static_cast<std::ptrdiff_t>(i),
                  rule.actions[i]) != rule.actions.begin() + static_cast<std::ptrdiff_t>(i)) {
      wrong.push_back(name + " names " + action + " twice: it is tried once an incident; remove one of them");
    }
    if (rule.actions[i] == Action::escalate && i + 1 < rule.actions.size()) {
      wrong.push_back(name + ": what comes after escalate is never tried; put escalate last");
    }
  }
}

bool same_actions(const PolicyRule& a, const PolicyRule& b) { return a.actions == b.actions; }

std::string difference(const PolicyRule& earlier, const PolicyRule& rule) {
  return same_actions(earlier, rule) ? "" : "other actions";
}

}  // namespace

std::vector<PolicyRule> shipped_policy_rules() {
  using enum Action;
  const ShippedRule table[] = {
      {"dependency-down",
       ErrorClass::dependency_down,
       {open_breaker, restart_daemon, restart_chain, pause_role, escalate}},
      {"crash", ErrorClass::crash, {restart_daemon, restart_chain, lower_concurrency, pause_role, escalate}},
      {"out-of-memory", ErrorClass::out_of_memory, {lower_concurrency, restart_daemon, pause_role, escalate}},
      {"rate-limited",
       ErrorClass::rate_limited,
       {retry_later, lower_concurrency, shed_by_priority, pause_role, escalate}},
      {"timeout",
       ErrorClass::timeout,
       {retry_later, lower_concurrency, restart_daemon, open_breaker, escalate}},
      // Not release: whoever still works would find a live claim lost.
      {"lease-expired", ErrorClass::lease_expired, {restart_daemon, lower_concurrency, escalate}},
      {"transient", ErrorClass::transient, {retry_later, restart_daemon, open_breaker, escalate}},
      // Nothing here that a machine can mend: it holds the work back and calls a person.
      {"auth", ErrorClass::auth, {notify, open_breaker, pause_role, escalate}},
      {"quota", ErrorClass::quota, {notify, shed_by_priority, pause_role, escalate}},
      {"bad-input", ErrorClass::bad_input, {notify, escalate}},
      {"cancelled", ErrorClass::cancelled, {notify}},
      {"unknown", ErrorClass::unknown, {notify, retry_later, restart_daemon, open_breaker, escalate}},
  };
  std::vector<PolicyRule> rules = {rule_of_untold()};
  for (PolicyRule& held : rules_of_held_work()) rules.push_back(std::move(held));
  for (const ShippedRule& one : table) {
    PolicyRule& rule = rules.emplace_back();
    rule.name = std::string(one.name);
    rule.classes = {one.error_class};
    rule.actions = one.actions;
  }
  return rules;
}

std::vector<std::string> check_policy_rules(const std::vector<PolicyRule>& rules) {
  std::vector<std::string> wrong;
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string name = "rule '" + rules[i].name + "'";
    if (rules[i].name.empty()) wrong.push_back("rule " + std::to_string(i + 1) + " has no name");
    check_actions(rules[i], name, wrong);
    check_rule_order(rules, i, {contradictions, covers, difference}, wrong);
  }
  return wrong;
}

Result<Action> action_from(std::string_view word) {
  if (const auto action = word_from<Action>(word, action_names)) return *action;
  if (std::find(for_people.begin(), for_people.end(), word) != for_people.end()) {
    return make_error(Code::badarg,
                      "\"" + std::string(word) +
                          "\" cannot be taken back, so only a person does it; use escalate to call one");
  }
  std::string all;
  for (const std::string_view name : action_names) all += " " + std::string(name);
  const std::string nearest = nearest_word(word, action_names);
  return make_error(Code::badarg, "\"" + std::string(word) + "\" is no action" +
                                      (nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?") +
                                      " There are:" + all);
}

}  // namespace pawl::ops
