// INCIDENT INSIGHTS, GRAPH, UNKNOWN.
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bus/base/limits.h"
#include "bus/core/fields.h"
#include "bus/ops/caller.h"
#include "bus/ops/civil.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/memory.h"

namespace pawl::ops {
namespace {

namespace op = core::op;

constexpr size_t days_shown = 31;

// "2026-03-01" of a day since 1970-01-01.
std::string date_text(int64_t day) {
  const Date date = date_of(day);
  const auto digits = [](int64_t value, size_t width) {
    std::string text = std::to_string(value);
    return std::string(width - std::min(width, text.size()), '0') + text;
  };
  return digits(date.year, 4) + "-" + digits(date.month, 2) + "-" + digits(date.day, 2);
}

void write_counts(const std::vector<std::pair<std::string, uint64_t>>& counts, core::ReplyWriter& writer) {
  writer.map(counts.size());
  for (const auto& [name, count] : counts) {
    writer.bulk(name);
    writer.integer(static_cast<int64_t>(count));
  }
}

using Counts = std::vector<std::pair<std::string, uint64_t>>;

// The most frequent first; what is counted together stands under "others".
Counts counts_of(const std::map<std::string, uint64_t>& names) {
  Counts out;
  for (const auto& [name, count] : names) out.emplace_back(name.empty() ? "others" : name, count);
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

void write_insight(uint64_t fingerprint, const Insight& insight, const core::Caller& caller,
                   core::ReplyWriter& writer) {
  core::Fields fields;
  fields.text("fingerprint", fingerprint == 0 ? "others" : core::fingerprint_text(fingerprint));
  if (insight.failures > 0) fields.text("class", std::string(core::class_name(insight.error_class)));
  fields.text("example", insight.example);
  fields.number("failures", static_cast<int64_t>(insight.failures));
  fields.number("incidents", static_cast<int64_t>(insight.incidents));
  if (insight.last_ms != 0) {
    fields.number("first", insight.first_ms);
    fields.number("last", insight.last_ms);
  }
  fields.number("tokens", static_cast<int64_t>(insight.tokens));
  fields.number("cost", static_cast<int64_t>(insight.cost));
  fields.number("recoveries", static_cast<int64_t>(insight.recoveries));
  if (insight.recoveries > 0) fields.number("mean_recovery_ms", insight.mean_recovery_ms());
  if (const auto best = insight.best_action()) {
    const Measure& measure = insight.actions.at(static_cast<uint8_t>(*best));
    fields.text("best_action", std::string(action_name(*best)));
    fields.number("best_tries", measure.tries);
    fields.number("best_successes", measure.successes);
    fields.number("best_mean_ms", measure.spent_ms / measure.tries);
  }
  Counts roles = counts_of(insight.roles);
  if (!sees_all(caller)) std::erase_if(roles, [&](const auto& one) { return !sees(caller, one.first); });
  Counts days;
  for (auto at = insight.days.rbegin(); at != insight.days.rend() && days.size() < days_shown; ++at) {
    days.emplace_back(date_text(at->first), at->second);
  }
  std::reverse(days.begin(), days.end());
  writer.map(fields.size() + 3);
  fields.write(writer);
  writer.bulk("roles");
  write_counts(roles, writer);
  writer.bulk("daemons");
  write_counts(counts_of(insight.daemons), writer);
  writer.bulk("days");
  write_counts(days, writer);
}

size_t bytes_of(const Insight& insight) {
  return 512 + insight.example.size() + days_shown * 32 +
         (insight.roles.size() + insight.daemons.size()) * 144;
}

// Its sums and its example are of all its roles: who does not see them all does not see it.
bool about(const core::Caller& caller, const Insight& insight) {
  if (sees_all(caller)) return true;
  return !insight.roles.empty() &&
         std::all_of(insight.roles.begin(), insight.roles.end(),
                     [&](const auto& one) { return !one.first.empty() && sees(caller, one.first); });
}

void write_neighbours(std::string_view name, const std::vector<GraphAnswer::Neighbour>& all,
                      const IncidentGraph* with_examples, core::ReplyWriter& writer) {
  writer.bulk(name);
  writer.array(all.size());
  for (const GraphAnswer::Neighbour& one : all) {
    core::Fields fields;
    fields.text("name", one.name);
    fields.number("count", static_cast<int64_t>(one.count));
    fields.number("percent", one.percent);
    if (with_examples != nullptr) {
      fields.text("example", with_examples->example_of(fingerprint_from(one.name).value_or(0)));
    }
    writer.map(fields.size());
    fields.write(writer);
  }
}

void write_answer(uint64_t fingerprint, const GraphAnswer& answer, const IncidentGraph& graph,
                  core::ReplyWriter& writer) {
  core::Fields fields;
  fields.text("fingerprint", core::fingerprint_text(fingerprint));
  fields.text("example", answer.example);
  fields.number("failures", static_cast<int64_t>(answer.failures));
  fields.number("beginnings", static_cast<int64_t>(answer.beginnings));
  writer.map(fields.size() + 6);
  fields.write(writer);
  write_neighbours("preceded_by", answer.preceded_by, &graph, writer);
  write_neighbours("followed_by", answer.followed_by, &graph, writer);
  write_neighbours("roles", answer.roles, nullptr, writer);
  write_neighbours("daemons", answer.daemons, nullptr, writer);
  write_neighbours("depends_on", answer.depends_on, nullptr, writer);
  writer.bulk("helps");
  writer.array(answer.helps.size());
  for (const GraphAnswer::Help& help : answer.helps) {
    core::Fields about_it;
    about_it.text("action", std::string(action_name(help.action)));
    about_it.number("tries", help.measure.tries);
    about_it.number("successes", help.measure.successes);
    about_it.number("lower_percent", help.lower_ppm / 10'000);
    about_it.number("mean_ms", help.mean_ms);
    writer.map(about_it.size());
    about_it.write(writer);
  }
}

void write_edge(const EdgeKey& key, const Edge& edge, const IncidentGraph& graph, core::ReplyWriter& writer) {
  core::Fields fields;
  fields.text("from", key.from.name);
  fields.text("from_kind", std::string(name_of(key.from.kind, node_kind_names)));
  fields.text("edge", std::string(name_of(key.kind, edge_kind_names)));
  fields.text("to", key.to.name);
  fields.text("to_kind", std::string(name_of(key.to.kind, node_kind_names)));
  fields.number("count", static_cast<int64_t>(edge.count));
  if (edge.last_ms != 0) {
    fields.number("first", edge.first_ms);
    fields.number("last", edge.last_ms);
  }
  if (edge.measure.tries > 0) {
    fields.number("tries", edge.measure.tries);
    fields.number("successes", edge.measure.successes);
    fields.number("mean_ms", edge.measure.spent_ms / edge.measure.tries);
  }
  for (const auto& [node, name] : {std::pair(&key.from, "from_example"), std::pair(&key.to, "to_example")}) {
    if (node->kind != NodeKind::fingerprint) continue;
    fields.text(name, graph.example_of(fingerprint_from(node->name).value_or(0)));
  }
  writer.map(fields.size());
  fields.write(writer);
}

void write_edges(const IncidentGraph& graph, core::ReplyWriter& writer) {
  const auto all = graph.all_edges();
  // The most frequent, should they not fit one reply.
  std::vector<std::pair<uint64_t, const EdgeKey*>> order;
  for (const auto& [key, edge] : all) order.emplace_back(edge.count, &key);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  constexpr size_t edge_bytes = 768;
  order.resize(std::min(order.size(), limits::reply_bytes_max / edge_bytes));
  writer.array(order.size());
  for (const auto& [count, key] : order) write_edge(*key, all.at(*key), graph, writer);
}

}  // namespace

bool Memory::command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& /*desk*/,
                     core::ReplyWriter& writer) {
  const auto* study = std::get_if<op::IncidentStudy>(&operation);
  if (study == nullptr) return false;
  switch (study->what) {
    case op::Study::insights:
      write_insights(study->count, caller, writer);
      return true;
    case op::Study::graph:
      write_graph(study->fingerprint, caller, writer);
      return true;
    case op::Study::unknown:
      write_unknown(study->count, caller, writer);
      return true;
    case op::Study::notices:
      return false;
  }
  return false;
}

// What is learned knows all failures whose entries were there; what is distilled, all whose rows are gone.
// The same failure may be in both: the larger one of two numbers is the most that is certain.
void Memory::write_insights(size_t count, const core::Caller& caller, core::ReplyWriter& writer) const {
  const auto& seen = fold_.seen().by_fingerprint();
  const auto& gone = distilled_.by_fingerprint();
  struct Row {
    uint64_t cost, tokens, failures, fingerprint;
  };
  std::vector<Row> rows;
  const auto note = [&](uint64_t fingerprint, const Insight* a, const Insight* b) {
    if (b == nullptr) b = a;
    if (!about(caller, *a) && !about(caller, *b)) return;
    rows.push_back({std::max(a->cost, b->cost), std::max(a->tokens, b->tokens),
                    std::max(a->failures, b->failures), fingerprint});
  };
  for (const auto& [fingerprint, insight] : seen) note(fingerprint, &insight, distilled_.find(fingerprint));
  for (const auto& [fingerprint, insight] : gone) {
    if (!seen.contains(fingerprint)) note(fingerprint, &insight, nullptr);
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::tie(a.cost, a.tokens, a.failures) > std::tie(b.cost, b.tokens, b.failures);
  });
  static const Insight none;
  std::vector<std::pair<uint64_t, Insight>> shown;
  size_t bytes = 0;
  for (const Row& row : rows) {
    if (shown.size() >= count) break;
    const Insight* learned = fold_.seen().find(row.fingerprint);
    const Insight* distilled = distilled_.find(row.fingerprint);
    Insight all =
        Insight::fuller(learned == nullptr ? none : *learned, distilled == nullptr ? none : *distilled);
    bytes += bytes_of(all);
    if (bytes > limits::reply_bytes_max && !shown.empty()) break;
    shown.emplace_back(row.fingerprint, std::move(all));
  }
  writer.array(shown.size());
  for (const auto& [fingerprint, insight] : shown) write_insight(fingerprint, insight, caller, writer);
}

void Memory::write_graph(std::string_view fingerprint, const core::Caller& caller,
                         core::ReplyWriter& writer) const {
  const IncidentGraph& graph = fold_.graph();
  if (fingerprint.empty() || fingerprint == "*") {
    if (!sees_all(caller)) {
      return writer.error(make_error(Code::denied,
                                     "the whole graph is about every role, and you have to do with some; ask "
                                     "for one fingerprint"));
    }
    return fingerprint.empty() ? writer.bulk(graph.dot()) : write_edges(graph, writer);
  }
  const auto number = incident_fingerprint(fingerprint);
  GraphAnswer answer = graph.about(*number);
  bool hidden = false;
  if (!sees_all(caller)) {
    hidden = answer.roles.empty() || std::any_of(answer.roles.begin(), answer.roles.end(),
                                                 [&](const auto& one) { return !sees(caller, one.name); });
    // Of whose roles these are, the graph does not know.
    answer.preceded_by.clear();
    answer.followed_by.clear();
    answer.depends_on.clear();
  }
  if (answer.example.empty() || hidden) {
    return writer.error(make_error(
        Code::notfound, "nothing is known of the fingerprint '" + std::string(fingerprint) +
                            "'; INCIDENT INSIGHTS, DEAD GROUPS and INCIDENT LIST show those that there are"));
  }
  write_answer(*number, answer, graph, writer);
}

void Memory::write_unknown(size_t count, const core::Caller& caller, core::ReplyWriter& writer) const {
  std::vector<UnknownGroup> groups = fold_.unknown().list();
  if (!sees_all(caller)) std::erase_if(groups, [&](const auto& one) { return !sees(caller, one.role); });
  groups.resize(std::min(groups.size(), count));
  writer.array(groups.size());
  for (const UnknownGroup& group : groups) {
    core::Fields fields;
    fields.text("fingerprint", core::fingerprint_text(group.fingerprint));
    fields.text("source", std::string(name_of(group.source, source_names)));
    fields.number("count", static_cast<int64_t>(group.count));
    fields.number("first", group.first_ms);
    fields.number("last", group.last_ms);
    fields.text("example", group.example);
    if (!group.role.empty()) fields.text("role", group.role);
    if (!group.daemon.empty()) fields.text("daemon", group.daemon);
    if (!group.guard.empty()) fields.text("guard", group.guard);
    if (group.exit_code != 0) fields.number("exit", group.exit_code);
    if (group.signal != 0) fields.number("signal", group.signal);
    fields.text("suggested_rule", suggested_rule(group));
    writer.map(fields.size());
    fields.write(writer);
  }
}

}  // namespace pawl::ops
