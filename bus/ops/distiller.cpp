#include "bus/ops/distiller.h"

#include <algorithm>
#include <tuple>

#include "bus/ops/coding.h"
#include "bus/ops/entry_fields.h"

namespace pawl::ops {
namespace {

constexpr int64_t day_ms = 86'400'000;

uint64_t positive(const std::optional<int64_t>& number) {
  return number && *number > 0 ? static_cast<uint64_t>(*number) : 0;
}

void count_name(std::map<std::string, uint64_t>& names, const std::string& name) {
  const auto found = names.find(name);
  if (found != names.end()) {
    ++found->second;
  } else {
    ++names[names.size() < Insight::names_max ? name : std::string()];
  }
}

// A closed incident, or an action that was tried: what an entry says of a fingerprint's recovery.
bool is_closing(const core::EventRecord& event) { return event.kind == "incident.closed"; }
bool is_outcome(const core::EventRecord& event) {
  return event.kind == "policy.outcome" &&
         word_from<Action>(field_of(event, "action"), action_names).has_value();
}

bool referred(const PastRow& row, const Keep& keep) {
  if (row.invocation) {
    const uint64_t fingerprint = core::fingerprint(row.invocation->error_class, row.invocation->error_text);
    return keep.open_fingerprints.contains(fingerprint) || keep.messages.contains(row.message);
  }
  auto fingerprint = fingerprint_in(row.event);
  if (!fingerprint) fingerprint = incident_fingerprint(field_of(row.event, "fingerprint"));
  if (fingerprint && keep.open_fingerprints.contains(*fingerprint)) return true;
  return keep.open_incidents.contains(std::string(field_of(row.event, "incident"))) ||
         keep.messages.contains(std::string(field_of(row.event, "id")));
}

}  // namespace

Totals& Totals::operator+=(const Totals& other) {
  failures += other.failures;
  events += other.events;
  tokens += other.tokens;
  cost += other.cost;
  recoveries += other.recoveries;
  recovery_ms += other.recovery_ms;
  tries += other.tries;
  return *this;
}

Totals totals_of(const PastRow& row) {
  Totals totals;
  if (row.invocation) {
    totals.failures = 1;
    totals.tokens = row.invocation->tokens;
    totals.cost = row.invocation->cost;
    return totals;
  }
  totals.events = 1;
  if (!incident_fingerprint(field_of(row.event, "fingerprint"))) return totals;
  if (is_closing(row.event)) {
    totals.recoveries = 1;
    totals.recovery_ms = positive(number_of(row.event, "open_ms"));
  }
  totals.tries = is_outcome(row.event) ? 1 : 0;
  return totals;
}

std::optional<Action> Insight::best_action() const {
  std::optional<Action> best;
  Measure best_measure;
  for (const auto& [number, measure] : actions) {
    if (measure.successes == 0) continue;
    const auto value = [](const Measure& one, const Measure& other) {
      return int64_t{lower_ppm(one)} * expected_ms(other, other.spent_ms / other.tries);
    };
    if (best && value(measure, best_measure) <= value(best_measure, measure)) continue;
    best = static_cast<Action>(number);
    best_measure = measure;
  }
  return best;
}

void Insights::add_failure(const PastRow& row) {
  const core::InvocationRecord& failed = *row.invocation;
  Insight& insight = insights_[core::fingerprint(failed.error_class, failed.error_text)];
  insight.error_class = failed.error_class;
  if (insight.example.empty()) insight.example = core::normalised_text(failed.error_text);
  if (insight.failures == 0 || failed.end_ms < insight.first_ms) insight.first_ms = failed.end_ms;
  insight.last_ms = std::max(insight.last_ms, failed.end_ms);
  ++insight.failures;
  ++insight.days[failed.end_ms / day_ms];
  while (insight.days.size() > Insight::days_max) {
    insight.days_before += insight.days.begin()->second;
    insight.days.erase(insight.days.begin());
  }
  if (!row.role.empty()) count_name(insight.roles, row.role);
  if (!failed.daemon.empty()) count_name(insight.daemons, daemon_name(failed.daemon));
  insight.tokens += failed.tokens;
  insight.cost += failed.cost;
}

void Insights::add(const PastRow& row) {
  if (row.invocation) return add_failure(row);
  ++kinds_[row.event.kind];
  const auto fingerprint = incident_fingerprint(field_of(row.event, "fingerprint"));
  if (!fingerprint) return;
  if (is_closing(row.event)) {
    Insight& insight = insights_[*fingerprint];
    ++insight.recoveries;
    insight.recovery_ms += positive(number_of(row.event, "open_ms"));
  } else if (is_outcome(row.event)) {
    const auto action = *word_from<Action>(field_of(row.event, "action"), action_names);
    insights_[*fingerprint].actions[static_cast<uint8_t>(action)].note(
        number_of(row.event, "helped").value_or(0) != 0,
        static_cast<int64_t>(positive(number_of(row.event, "ms"))));
    ++tries_;
  }
}

Totals Insights::totals() const {
  Totals totals;
  for (const auto& [fingerprint, insight] : insights_) {
    totals.failures += insight.failures;
    totals.tokens += insight.tokens;
    totals.cost += insight.cost;
    totals.recoveries += insight.recoveries;
    totals.recovery_ms += insight.recovery_ms;
  }
  for (const auto& [kind, count] : kinds_) totals.events += count;
  totals.tries = tries_;
  return totals;
}

std::vector<std::pair<uint64_t, const Insight*>> Insights::list() const {
  std::vector<std::pair<uint64_t, const Insight*>> out;
  for (const auto& [fingerprint, insight] : insights_) out.emplace_back(fingerprint, &insight);
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    const auto worth = [](const Insight& one) { return std::make_tuple(one.cost, one.tokens, one.failures); };
    return worth(*a.second) > worth(*b.second);
  });
  return out;
}

Distilled distil(const Insights& before, std::span<const PastRow> rows, const Keep& keep) {
  Distilled result;
  result.insights = before;
  uint64_t bytes = 0;
  for (const PastRow& row : rows) bytes += row.bytes;
  for (const PastRow& row : rows) {
    const bool old = row.at_ms() < keep.since_ms || bytes > keep.bytes_max;
    if (!old || referred(row, keep)) {
      ++(old ? result.kept_referred : result.kept_young);
      continue;
    }
    result.insights.add(row);
    result.gone.push_back(row.key);
    bytes -= row.bytes;
  }
  return result;
}

template <typename Archive>
void Insight::serialize(Archive& ar) {
  code_word(ar, error_class, core::class_count);
  ar(example, failures, first_ms, last_ms, days_before);
  code_map(ar, days);
  code_map(ar, roles);
  code_map(ar, daemons);
  ar(tokens, cost, recoveries, recovery_ms);
  code_map(ar, actions);
  if constexpr (Archive::reading) {
    if (!actions.empty() && actions.rbegin()->first >= action_count) ar.damage();
  }
}

template <typename Archive>
void Insights::code(Archive& ar, uint8_t) {
  code_map(ar, insights_);
  code_map(ar, kinds_);
  ar(tries_);
}

std::string encode(const Insights& insights) { return encode_value(insights); }
std::optional<Insights> decode_insights(std::string_view bytes) { return decode_value<Insights>(bytes); }

}  // namespace pawl::ops
