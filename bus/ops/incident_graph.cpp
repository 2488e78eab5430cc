#include "bus/ops/incident_graph.h"

#include <algorithm>

#include "bus/ops/coding.h"
#include "bus/ops/dot_text.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/failures.h"

namespace pawl::ops {
namespace {

Node fingerprint_node(uint64_t fingerprint) {
  return {NodeKind::fingerprint, core::fingerprint_text(fingerprint)};
}

// Many at once: one by one, each would cost a look at all.
template <typename Map, typename When>
void drop_oldest(Map& map, size_t most, When when) {
  if (map.size() < most) return;
  std::vector<int64_t> times;
  for (const auto& one : map) times.push_back(when(one.second));
  const auto last = times.begin() + static_cast<ptrdiff_t>(most / 16);
  std::nth_element(times.begin(), last, times.end());
  size_t left = most / 16 + 1;
  const int64_t youngest = *last;
  for (auto at = map.begin(); at != map.end() && left > 0;) {
    if (when(at->second) > youngest) {
      ++at;
      continue;
    }
    at = map.erase(at);
    --left;
  }
}

// "slack,mail" or "slack mail"
std::vector<std::string> words_in(std::string_view list) {
  std::vector<std::string> words;
  while (!list.empty()) {
    const size_t end = std::min(list.find_first_of(", "), list.size());
    if (end > 0) words.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return words;
}

uint32_t percent_of(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<uint32_t>(std::min<uint64_t>(100, part * 100 / whole));
}

void sort_neighbours(std::vector<GraphAnswer::Neighbour>& all) {
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
}

std::string dot_id(const Node& node) {
  return dot_quoted(std::string(name_of(node.kind, node_kind_names)) + ":" + node.name);
}

constexpr std::array<std::string_view, 6> shapes = {"box", "ellipse", "cylinder", "note", "cds", "octagon"};

}  // namespace

template <typename Archive>
void Node::serialize(Archive& ar) {
  code_word(ar, kind, node_kind_names.size());
  ar(name);
}
template <typename Archive>
void EdgeKey::serialize(Archive& ar) {
  ar(from);
  code_word(ar, kind, edge_kind_names.size());
  ar(to);
}
template <typename Archive>
void Edge::serialize(Archive& ar) {
  ar(count, first_ms, last_ms, measure);
}

Edge& IncidentGraph::count(Node from, EdgeKind kind, Node to, int64_t wall_ms) {
  const EdgeKey key{std::move(from), kind, std::move(to)};
  auto found = edges_.find(key);
  if (found == edges_.end()) {
    drop_oldest(edges_, edges_max, [](const Edge& edge) { return edge.last_ms; });
    found = edges_.emplace(key, Edge{}).first;
    found->second.first_ms = wall_ms;
  }
  ++found->second.count;
  found->second.last_ms = std::max(found->second.last_ms, wall_ms);
  return found->second;
}

void IncidentGraph::begins(uint64_t fingerprint, int64_t wall_ms) {
  std::erase_if(recent_, [&](const auto& one) { return one.second <= wall_ms - window_ms; });
  const auto seen = recent_.find(fingerprint);
  if (seen == recent_.end()) {
    ++known_[fingerprint].beginnings;
    for (const auto& [other, at] : recent_) {
      count(fingerprint_node(other), EdgeKind::followed_by, fingerprint_node(fingerprint), wall_ms);
    }
    drop_oldest(recent_, recent_max, [](int64_t at) { return at; });
  }
  recent_[fingerprint] = wall_ms;
}

IncidentGraph::Known& IncidentGraph::known_as(uint64_t fingerprint, int64_t wall_ms) {
  if (!known_.contains(fingerprint)) {
    drop_oldest(known_, known_max, [](const Known& one) { return one.last_ms; });
  }
  Known& known = known_[fingerprint];
  known.last_ms = std::max(known.last_ms, wall_ms);
  return known;
}

void IncidentGraph::failed(uint64_t fingerprint, const core::EventRecord& event) {
  Known& known = known_as(fingerprint, event.at_ms);
  ++known.failures;
  if (known.example.empty()) {
    const std::string_view kind = field_of(event, "class");
    known.example = first_line(std::string(kind.empty() ? std::string_view(event.kind) : kind) + ": " +
                               core::normalised_text(field_of(event, "text")));
  }
  begins(fingerprint, event.at_ms);
  const Node node = fingerprint_node(fingerprint);
  const std::string_view role = field_of(event, "role");
  if (!role.empty()) count({NodeKind::role, std::string(role)}, EdgeKind::failed_with, node, event.at_ms);
  const std::string daemon = daemon_name(field_of(event, "daemon"));
  if (!daemon.empty()) count({NodeKind::daemon, daemon}, EdgeKind::failed_with, node, event.at_ms);
}

void IncidentGraph::opened(const core::EventRecord& event) {
  const std::string_view text = field_of(event, "fingerprint");
  const auto fingerprint = incident_fingerprint(text);
  const std::string_view incident = field_of(event, "incident");
  if (!fingerprint || incident.empty()) return;
  Known& known = known_as(*fingerprint, event.at_ms);
  if (known.example.empty()) known.example = first_line(text);
  begins(*fingerprint, event.at_ms);
  count(fingerprint_node(*fingerprint), EdgeKind::part_of, {NodeKind::incident, std::string(incident)},
        event.at_ms);
}

void IncidentGraph::outcome(const core::EventRecord& event) {
  const auto fingerprint = incident_fingerprint(field_of(event, "fingerprint"));
  const auto action = word_from<Action>(field_of(event, "action"), action_names);
  const auto helped = number_of(event, "helped");
  const auto ms = number_of(event, "ms");
  if (!fingerprint || !action || !helped || !ms) return;
  count(fingerprint_node(*fingerprint), EdgeKind::recovered_by,
        {NodeKind::action, std::string(action_name(*action))}, event.at_ms)
      .measure.note(*helped != 0, *ms);
}

void IncidentGraph::apply(const core::EventRecord& event) {
  if (event.kind == "message.dead") {
    // The failure that spent the last attempt has no entry of its own; a dead letter is one.
    if (const auto fingerprint = fingerprint_in(event)) failed(*fingerprint, event);
  } else if (event.kind == "message.retry" || event.kind == "message.crash" ||
             event.kind == "message.lapse") {
    if (const auto fingerprint = fingerprint_in(event)) failed(*fingerprint, event);
  } else if (event.kind == "daemon.register" || event.kind == "daemon.boot") {
    const std::string daemon = daemon_name(field_of(event, "daemon"));
    for (std::string& need : words_in(field_of(event, "needs"))) {
      count({NodeKind::daemon, daemon}, EdgeKind::depends_on, {NodeKind::dependency, std::move(need)},
            event.at_ms);
    }
  } else if (event.kind == "incident.opened") {
    opened(event);
  } else if (event.kind == "policy.outcome") {
    outcome(event);
  }
}

void IncidentGraph::set_role_needs(const Needs& needs) {
  configured_.clear();
  for (const auto& [role, all] : needs) {
    for (const std::string& need : all) {
      configured_.insert({{NodeKind::role, role}, EdgeKind::depends_on, {NodeKind::dependency, need}});
    }
  }
}

std::map<EdgeKey, Edge> IncidentGraph::all_edges() const {
  std::map<EdgeKey, Edge> all = edges_;
  for (const EdgeKey& key : configured_) all.try_emplace(key);
  return all;
}

std::string IncidentGraph::example_of(uint64_t fingerprint) const {
  const auto known = known_.find(fingerprint);
  return known == known_.end() ? "" : known->second.example;
}

GraphAnswer IncidentGraph::about(uint64_t fingerprint) const {
  GraphAnswer answer;
  const auto known = known_.find(fingerprint);
  if (known != known_.end()) {
    answer.beginnings = known->second.beginnings;
    answer.failures = known->second.failures;
    answer.example = known->second.example;
  }
  const Node node = fingerprint_node(fingerprint);
  std::set<Node> touched;
  for (const auto& [key, edge] : edges_) {
    if (key.kind == EdgeKind::followed_by && key.to == node) {
      answer.preceded_by.push_back({key.from.name, edge.count, percent_of(edge.count, answer.beginnings)});
    } else if (key.kind == EdgeKind::followed_by && key.from == node) {
      answer.followed_by.push_back({key.to.name, edge.count, percent_of(edge.count, answer.beginnings)});
    } else if (key.kind == EdgeKind::failed_with && key.to == node) {
      auto& list = key.from.kind == NodeKind::role ? answer.roles : answer.daemons;
      list.push_back({key.from.name, edge.count, percent_of(edge.count, answer.failures)});
      touched.insert(key.from);
    } else if (key.kind == EdgeKind::recovered_by && key.from == node && edge.measure.tries > 0) {
      answer.helps.push_back({*word_from<Action>(key.to.name, action_names), edge.measure,
                              lower_ppm(edge.measure), edge.measure.spent_ms / edge.measure.tries});
    }
  }
  std::map<std::string, uint64_t> needs;
  for (const auto& [key, edge] : all_edges()) {
    if (key.kind == EdgeKind::depends_on && touched.contains(key.from)) ++needs[key.to.name];
  }
  for (const auto& [name, count] : needs) {
    answer.depends_on.push_back({name, count, percent_of(count, touched.size())});
  }
  for (auto* list :
       {&answer.preceded_by, &answer.followed_by, &answer.roles, &answer.daemons, &answer.depends_on}) {
    sort_neighbours(*list);
  }
  std::stable_sort(answer.helps.begin(), answer.helps.end(), [](const auto& a, const auto& b) {
    return int64_t{a.lower_ppm} * std::max<int64_t>(1, b.mean_ms) >
           int64_t{b.lower_ppm} * std::max<int64_t>(1, a.mean_ms);
  });
  return answer;
}

std::string IncidentGraph::dot() const {
  std::map<EdgeKey, Edge> edges = all_edges();
  const size_t left_out = edges.size() > drawn_max ? edges.size() - drawn_max : 0;
  if (left_out > 0) {
    std::vector<std::pair<uint64_t, EdgeKey>> by_count;
    for (const auto& [key, edge] : edges) by_count.emplace_back(edge.count, key);
    std::sort(by_count.begin(), by_count.end());
    for (size_t i = 0; i < left_out; ++i) edges.erase(by_count[i].second);
  }
  std::set<Node> nodes;
  for (const auto& [key, edge] : edges) {
    nodes.insert(key.from);
    nodes.insert(key.to);
  }
  std::string out = "digraph pawl {\n  rankdir=LR;\n";
  if (left_out > 0) out += "  // " + std::to_string(left_out) + " edges that were seen less are left out\n";
  for (const Node& node : nodes) {
    std::string label = node.name;
    if (node.kind == NodeKind::fingerprint) label += " " + example_of(*fingerprint_from(node.name));
    out += "  " + dot_id(node) + " [shape=" + std::string(shapes[static_cast<size_t>(node.kind)]) +
           ", label=" + dot_quoted(label) + "];\n";
  }
  for (const auto& [key, edge] : edges) {
    std::string label(name_of(key.kind, edge_kind_names));
    if (key.kind == EdgeKind::recovered_by && edge.measure.tries > 0) {
      label += " " + std::to_string(edge.measure.successes) + "/" + std::to_string(edge.measure.tries) +
               ", " + std::to_string(edge.measure.spent_ms / edge.measure.tries / 1000) + " s";
    } else if (edge.count > 0) {
      label += " " + std::to_string(edge.count);
    }
    out += "  " + dot_id(key.from) + " -> " + dot_id(key.to) + " [label=" + dot_quoted(label) + "];\n";
  }
  return out + "}\n";
}

template <typename Archive>
void IncidentGraph::code(Archive& ar, uint8_t) {
  code_map(ar, edges_);
  code_map(ar, known_);
  code_map(ar, recent_);
  if constexpr (Archive::reading) {
    // Names are looked up again: what is none would stop the process there.
    for (const auto& [key, edge] : edges_) {
      for (const Node& node : {key.from, key.to}) {
        if (node.kind == NodeKind::fingerprint && !fingerprint_from(node.name)) ar.damage();
        if (node.kind == NodeKind::action && !word_from<Action>(node.name, action_names)) ar.damage();
      }
    }
  }
}

std::string encode(const IncidentGraph& graph) { return encode_value(graph); }
std::optional<IncidentGraph> decode_incident_graph(std::string_view bytes) {
  return decode_value<IncidentGraph>(bytes);
}

}  // namespace pawl::ops
