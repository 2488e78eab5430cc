#include "bus/ops/distiller.h"

#include <algorithm>

#include "bus/ops/coding.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/incident_signs.h"

namespace pawl::ops {
namespace {

constexpr int64_t day_ms = 86'400'000;

uint64_t positive(const std::optional<int64_t>& number) {
  return number && *number > 0 ? static_cast<uint64_t>(*number) : 0;
}

void count_name(std::map<std::string, uint64_t>& names, const std::string& name, size_t most,
                uint64_t count = 1) {
  const auto found = names.find(name);
  if (found != names.end()) {
    found->second += count;
  } else {
    names[names.size() < most ? name : std::string()] += count;
  }
}

// "mail,web"
void count_names(std::map<std::string, uint64_t>& names, std::string_view list) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    count_name(names, std::string(list.substr(0, end)), Insight::names_max);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

template <typename Map>
void join_counts(Map& into, const Map& other) {
  for (const auto& [name, count] : other) into[name] += count;
}

template <typename Map>
Map larger_counts(Map a, const Map& b) {
  for (const auto& [name, count] : b) {
    auto& mine = a[name];
    mine = std::max(mine, count);
  }
  return a;
}

void join_measure(Measure& into, const Measure& other) {
  into.tries += other.tries;
  into.successes += other.successes;
  into.spent_ms += other.spent_ms;
  while (into.tries > Measure::tries_max) {
    into.tries /= 2;
    into.successes /= 2;
    into.spent_ms /= 2;
  }
}

// What an entry says of incidents and of the actions that were tried for them.
bool is_opening(const core::EventRecord& event) { return event.kind == "incident.opened"; }
bool is_closing(const core::EventRecord& event) { return event.kind == "incident.closed"; }
bool is_outcome(const core::EventRecord& event) {
  return event.kind == "policy.outcome" &&
         word_from<Action>(field_of(event, "action"), action_names).has_value();
}

}  // namespace

// ---- Rows -----------------------------------------------------------------------

std::string PastRow::encode() const {
  std::string out(1, static_cast<char>(version_now));
  core::RecordWriter writer(out);
  writer.number(invocation ? 1 : 0);
  writer.bytes(role);
  writer.bytes(message);
  writer.bytes(invocation ? core::encode(*invocation) : core::encode(event));
  return out;
}

std::optional<PastRow> PastRow::decode(std::string_view bytes) {
  if (bytes.empty() || static_cast<uint8_t>(bytes.front()) != version_now) return std::nullopt;
  core::RecordReader reader(bytes.substr(1));
  PastRow row;
  const uint64_t is_invocation = reader.number();
  row.role = reader.bytes();
  row.message = reader.bytes();
  const std::string_view record = reader.bytes();
  if (!reader.whole() || is_invocation > 1) return std::nullopt;
  if (is_invocation != 0) {
    row.invocation = core::decode<core::InvocationRecord>(record);
    if (!row.invocation) return std::nullopt;
    return row;
  }
  auto event = core::decode<core::EventRecord>(record);
  if (!event) return std::nullopt;
  row.event = std::move(*event);
  return row;
}

bool Keep::refers(const PastRow& row) const {
  if (empty()) return false;
  if (row.invocation) {
    return fingerprints.contains(core::fingerprint(row.invocation->error_class, row.invocation->error_text));
  }
  if (incidents.contains(field_of(row.event, "incident"))) return true;
  const std::string_view named = field_of(row.event, "fingerprint");
  if (!named.empty() && texts.contains(named)) return true;
  if (const auto number = fingerprint_in(row.event); number && fingerprints.contains(*number)) return true;
  const auto sign = sign_of(row.event);
  return sign && texts.contains(sign->sighting.fingerprint);
}

// ---- Sums -----------------------------------------------------------------------

Totals& Totals::operator+=(const Totals& other) {
  failures += other.failures;
  events += other.events;
  tokens += other.tokens;
  cost += other.cost;
  incidents += other.incidents;
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
  totals.incidents = is_opening(row.event) ? 1 : 0;
  if (is_closing(row.event)) {
    totals.recoveries = 1;
    totals.recovery_ms = positive(number_of(row.event, "open_ms"));
  }
  totals.tries = is_outcome(row.event) ? 1 : 0;
  return totals;
}

Totals Insights::totals() const {
  Totals totals;
  for (const auto& [fingerprint, insight] : insights_) {
    totals.failures += insight.failures;
    totals.tokens += insight.tokens;
    totals.cost += insight.cost;
    totals.incidents += insight.incidents;
    totals.recoveries += insight.recoveries;
    totals.recovery_ms += insight.recovery_ms;
  }
  for (const auto& [kind, count] : sums_.kinds) totals.events += count;
  totals.tries = sums_.tries;
  return totals;
}

// ---- One of them ------------------------------------------------------------------

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

void Insight::seen(int64_t at_ms, std::string_view text) {
  if (first_ms == 0 || at_ms < first_ms) first_ms = at_ms;
  if (at_ms >= last_ms && !text.empty()) example = text;
  last_ms = std::max(last_ms, at_ms);
}

void Insight::trim_days() {
  while (days.size() > days_max) {
    days_before += days.begin()->second;
    days.erase(days.begin());
  }
}

void Insight::join(const Insight& other) {
  if (other.first_ms != 0) {
    seen(other.first_ms, "");
    seen(other.last_ms, other.example);
  }
  failures += other.failures;
  incidents += other.incidents;
  days_before += other.days_before;
  join_counts(days, other.days);
  trim_days();
  for (const auto& [name, count] : other.roles) count_name(roles, name, names_max, count);
  for (const auto& [name, count] : other.daemons) count_name(daemons, name, names_max, count);
  tokens += other.tokens;
  cost += other.cost;
  recoveries += other.recoveries;
  recovery_ms += other.recovery_ms;
  for (const auto& [action, measure] : other.actions) join_measure(actions[action], measure);
}

Insight Insight::fuller(const Insight& a, const Insight& b) {
  Insight all = a.last_ms >= b.last_ms ? a : b;
  const Insight& other = a.last_ms >= b.last_ms ? b : a;
  all.failures = std::max(a.failures, b.failures);
  all.incidents = std::max(a.incidents, b.incidents);
  if (other.first_ms != 0) all.first_ms = std::min(a.first_ms, b.first_ms);
  all.days_before = std::max(a.days_before, b.days_before);
  all.days = larger_counts(std::move(all.days), other.days);
  all.roles = larger_counts(std::move(all.roles), other.roles);
  all.daemons = larger_counts(std::move(all.daemons), other.daemons);
  all.tokens = std::max(a.tokens, b.tokens);
  all.cost = std::max(a.cost, b.cost);
  if (other.recoveries > all.recoveries) {
    all.recoveries = other.recoveries;
    all.recovery_ms = other.recovery_ms;
  }
  for (const auto& [action, measure] : other.actions) {
    Measure& mine = all.actions[action];
    if (measure.tries > mine.tries) mine = measure;
  }
  return all;
}

// ---- All of them ------------------------------------------------------------------

const Insight* Insights::find(uint64_t fingerprint) const {
  const auto found = insights_.find(fingerprint);
  return found == insights_.end() ? nullptr : &found->second;
}

Insight& Insights::at(uint64_t fingerprint) {
  if (insights_.size() >= fingerprints_max && !insights_.contains(fingerprint)) make_room();
  if (tracked_) changed_.insert(fingerprint);
  return insights_[fingerprint];
}

// Many at once: one by one, each would cost a look at all.
void Insights::make_room() {
  std::vector<std::pair<int64_t, uint64_t>> by_age;
  for (const auto& [fingerprint, insight] : insights_) {
    if (fingerprint != 0) by_age.emplace_back(insight.last_ms, fingerprint);
  }
  std::sort(by_age.begin(), by_age.end());
  by_age.resize(fingerprints_max / 16);
  Insight& others = insights_[0];
  if (tracked_) changed_.insert(0);
  for (const auto& [last_ms, fingerprint] : by_age) {
    others.join(insights_.at(fingerprint));
    insights_.erase(fingerprint);
    if (tracked_) changed_.insert(fingerprint);
  }
}

void Insights::count(const FailedDelivery& failed) {
  Insight& insight = at(failed.fingerprint);
  insight.error_class = failed.error_class;
  insight.seen(failed.at_ms, failed.text);
  ++insight.failures;
  ++insight.days[failed.at_ms / day_ms];
  insight.trim_days();
  if (!failed.role.empty()) count_name(insight.roles, failed.role, Insight::names_max);
  if (!failed.daemon.empty()) count_name(insight.daemons, failed.daemon, Insight::names_max);
  insight.tokens += failed.tokens;
  insight.cost += failed.cost;
}

void Insights::note_incident(const core::EventRecord& event) {
  if (!is_opening(event) && !is_closing(event) && !is_outcome(event)) return;
  const auto fingerprint = incident_fingerprint(field_of(event, "fingerprint"));
  if (!fingerprint) return;
  Insight& insight = at(*fingerprint);
  if (is_opening(event)) {
    ++insight.incidents;
    // Of failures, what they said tells more than a title.
    insight.seen(event.at_ms, insight.failures == 0 ? field_of(event, "title") : "");
    if (insight.failures != 0) return;
    count_names(insight.roles, field_of(event, "roles"));
    count_names(insight.daemons, field_of(event, "daemons"));
  } else if (is_closing(event)) {
    ++insight.recoveries;
    insight.recovery_ms += positive(number_of(event, "open_ms"));
  } else {
    const auto action = *word_from<Action>(field_of(event, "action"), action_names);
    insight.actions[static_cast<uint8_t>(action)].note(
        number_of(event, "helped").value_or(0) != 0, static_cast<int64_t>(positive(number_of(event, "ms"))));
    ++sums_.tries;
  }
}

void Insights::add(const PastRow& row) {
  if (row.invocation) return count(delivery_of(*row.invocation, row.role));
  count_name(sums_.kinds, row.event.kind, kinds_max);
  note_incident(row.event);
}

void Insights::see(const core::EventRecord& event) {
  if (const auto failed = delivery_in(event)) return count(*failed);
  note_incident(event);
}

// ---- Bytes ------------------------------------------------------------------------

template <typename Archive>
void Insight::code(Archive& ar, uint8_t) {
  code_word(ar, error_class, core::class_count);
  ar(example, failures, incidents, first_ms, last_ms, days_before);
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
void Insights::Sums::code(Archive& ar, uint8_t) {
  code_map(ar, kinds);
  ar(tries, overflows);
}

template <typename Archive>
void Insights::code(Archive& ar, uint8_t version) {
  code_map(ar, insights_);
  sums_.code(ar, version);
}

std::string Insights::encode_sums() const { return encode_value(sums_); }

bool Insights::restore_sums(std::string_view bytes) {
  auto sums = decode_value<Sums>(bytes);
  if (!sums) return false;
  sums_ = std::move(*sums);
  return true;
}

std::string encode(const Insight& insight) { return encode_value(insight); }
std::optional<Insight> decode_insight(std::string_view bytes) { return decode_value<Insight>(bytes); }
std::string encode(const Insights& insights) { return encode_value(insights); }
std::optional<Insights> decode_insights(std::string_view bytes) { return decode_value<Insights>(bytes); }

}  // namespace pawl::ops
