// insights and graph: what the bus has learned of failures.
#include <algorithm>
#include <map>

#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr int64_t insights_default = 20;
constexpr int64_t edges_default = 30;
constexpr size_t example_columns = 60;
constexpr size_t names_columns = 28;

// RESP2 does not say that these are maps.
Json insight_to_json(const client::Reply& reply) {
  Json insight = map_to_json(reply);
  for (size_t i = 0; i + 1 < reply.items.size(); i += 2) {
    const std::string name = reply.items[i].as_text();
    if (name == "roles" || name == "daemons" || name == "days") {
      insight.set(name,
                  reply.items[i + 1].items.empty() ? Json(Json::Object()) : map_to_json(reply.items[i + 1]));
    }
  }
  return insight;
}

int64_t number_in(const Json& map, std::string_view name) {
  const Json* value = map.field(name);
  return value && value->as_int() ? *value->as_int() : 0;
}

// "mail, web +3"
std::string names_in(const Json& insight, std::string_view name) {
  constexpr size_t shown = 2;
  const Json* names = insight.field(name);
  const Json::Object* object = names ? names->as_object() : nullptr;
  if (!object) return "";
  std::string text;
  for (size_t i = 0; i < std::min(shown, object->size()); ++i) {
    text += (text.empty() ? "" : ", ") + printable((*object)[i].first);
  }
  if (object->size() > shown) text += " +" + std::to_string(object->size() - shown);
  return text;
}

std::string whom(const Json& insight) {
  const std::string roles = names_in(insight, "roles");
  if (!roles.empty()) return roles;
  const std::string daemons = names_in(insight, "daemons");
  return daemons.empty() ? "" : "daemon " + daemons;
}

std::string help_cell(const Json& insight) {
  const std::string action = cell_of(insight, "best_action");
  if (action.empty()) return "";
  return action + " " + std::to_string(number_in(insight, "best_successes")) + "/" +
         std::to_string(number_in(insight, "best_tries"));
}

void print_insights(Session* session, const Json::Array& insights) {
  const int64_t now_ms = wall_now_ms();
  std::vector<std::vector<std::string>> rows;
  for (const Json& one : insights) {
    const int64_t last_ms = number_in(one, "last");
    const int64_t recovery_ms = number_in(one, "mean_recovery_ms");
    rows.push_back(
        {cell_of(one, "fingerprint"), cell_of(one, "class"), count_cell(one, "failures"),
         count_cell(one, "incidents"), format_cost(number_in(one, "cost")), count_cell(one, "tokens"),
         last_ms == 0 ? "" : format_span(std::max<int64_t>(0, now_ms - last_ms)),
         recovery_ms == 0 ? "" : format_span(recovery_ms), help_cell(one),
         shortened(whom(one), names_columns), shortened(cell_of(one, "example"), example_columns)});
  }
  print_table(&session->out,
              {"fingerprint", "class", ">failures", ">incidents", ">cost", ">tokens", ">last seen",
               ">recovers in", "helped", "about", "example"},
              rows);
}

// ---- graph ------------------------------------------------------------------------

std::string node_text(const Json& edge, const std::string& end) {
  const std::string kind = cell_of(edge, end + "_kind");
  std::string text = (kind == "fingerprint" ? "" : kind + " ") + cell_of(edge, end);
  const std::string example = cell_of(edge, end + "_example");
  if (!example.empty()) text += " " + shortened(example, 40);
  return text;
}

std::string tries_text(const Json& map) {
  const int64_t tries = number_in(map, "tries");
  if (tries == 0) return "";
  return std::to_string(number_in(map, "successes")) + " of " + std::to_string(tries) + ", " +
         format_span(number_in(map, "mean_ms"));
}

std::string counted(size_t count, const std::string& word) {
  return format_count(static_cast<int64_t>(count)) + " " + word +
         (count == 1 || word == "depends on" ? "" : "s");
}

void print_edges(Session* session, const Json::Array& edges, size_t most) {
  std::map<std::string, std::map<std::string, int>> nodes;  // by kind
  for (const Json& edge : edges) {
    for (const std::string end : {"from", "to"}) ++nodes[cell_of(edge, end + "_kind")][cell_of(edge, end)];
  }
  std::string line;
  for (const auto& [kind, names] : nodes) {
    const bool y = kind == "dependency" && names.size() != 1;
    line +=
        (line.empty() ? "" : ", ") + (y ? counted(names.size(), "dependencie") : counted(names.size(), kind));
  }
  session->out.line(line + ", " + counted(edges.size(), "edge"));
  session->out.line("");
  std::vector<std::vector<std::string>> rows;
  for (const Json& edge : edges) {
    if (rows.size() == most) break;
    rows.push_back({node_text(edge, "from"), cell_of(edge, "edge"), node_text(edge, "to"),
                    number_in(edge, "count") == 0 ? "" : count_cell(edge, "count"), tries_text(edge)});
  }
  print_table(&session->out, {"from", "", "to", ">count", "helped"}, rows);
  if (edges.size() > most) session->out.talk("there are more: a larger --count, or --dot for a drawing");
}

void print_neighbours(Session* session, const std::string& title, const Json* list, bool examples) {
  const Json::Array* items = list ? list->as_array() : nullptr;
  if (!items || items->empty()) return;
  session->out.line("");
  session->out.line(session->out.paint(Color::bold, title));
  std::vector<std::vector<std::string>> rows;
  for (const Json& one : *items) {
    rows.push_back({cell_of(one, "name"), count_cell(one, "count"), cell_of(one, "percent") + " %",
                    examples ? shortened(cell_of(one, "example"), example_columns) : ""});
  }
  print_table(&session->out, {"name", ">count", ">of all", examples ? "example" : ""}, rows);
}

void print_about(Session* session, const Json& answer) {
  Output& out = session->out;
  out.line(cell_of(answer, "fingerprint") + "  " + cell_of(answer, "example"));
  out.line(counted(static_cast<size_t>(number_in(answer, "failures")), "failure") + ", began " +
           counted(static_cast<size_t>(number_in(answer, "beginnings")), "time"));
  print_neighbours(session, "usually comes after", answer.field("preceded_by"), true);
  print_neighbours(session, "usually comes before", answer.field("followed_by"), true);
  print_neighbours(session, "roles that fail with it", answer.field("roles"), false);
  print_neighbours(session, "daemons that fail with it", answer.field("daemons"), false);
  print_neighbours(session, "what these need", answer.field("depends_on"), false);
  const Json* helps = answer.field("helps");
  out.line("");
  if (!helps || !helps->as_array() || helps->as_array()->empty()) {
    out.line("nothing was tried against it yet");
    return;
  }
  out.line(out.paint(Color::bold, "what was tried, the best first"));
  std::vector<std::vector<std::string>> rows;
  for (const Json& help : *helps->as_array()) {
    rows.push_back({cell_of(help, "action"), count_cell(help, "tries"), count_cell(help, "successes"),
                    cell_of(help, "lower_percent") + " %", format_span(number_in(help, "mean_ms"))});
  }
  print_table(&out, {"action", ">tries", ">helped", ">at least", ">took"}, rows);
}

// An incident's id stands for its fingerprint. Nothing: said why.
std::optional<std::string> fingerprint_for(Session* session, const std::string& word) {
  const bool is_incident =
      word.size() > 1 && word[0] == 'i' && word.find_first_not_of("0123456789", 1) == std::string::npos;
  if (!is_incident) return word;
  const auto reply = session->ask({"INCIDENT", "GET", word});
  if (!reply) return std::nullopt;
  if (reply->is_nil()) {
    session->fail(exit_nothing, "no incident '" + printable(word) + "'");
    return std::nullopt;
  }
  const Json incident = map_to_json(*reply);
  const Json* fingerprint = incident.field("fingerprint");
  return fingerprint && fingerprint->as_string() ? *fingerprint->as_string() : word;
}

int graph_of(Session* session, const std::string& word) {
  const auto fingerprint = fingerprint_for(session, word);
  if (!fingerprint) return session->exit_code();
  const auto reply = session->ask({"INCIDENT", "GRAPH", *fingerprint});
  if (!reply) return session->exit_code();
  const Json answer = map_to_json(*reply);
  if (session->out.json()) {
    session->out.document(answer);
  } else {
    print_about(session, answer);
  }
  return exit_ok;
}

}  // namespace

int run_insights(Session* session) {
  const int64_t wanted = session->arguments.number("count").value_or(insights_default);
  const auto reply = session->ask({"INCIDENT", "INSIGHTS", "COUNT", std::to_string(wanted)});
  if (!reply) return session->exit_code();
  Json::Array insights;
  for (const client::Reply& item : reply->items) insights.push_back(insight_to_json(item));
  if (session->out.json()) {
    session->out.document(Json(std::move(insights)));
  } else if (insights.empty()) {
    session->out.line("nothing has failed yet");
  } else {
    print_insights(session, insights);
  }
  return exit_ok;
}

int run_graph(Session* session) {
  const Arguments& arguments = session->arguments;
  const bool drawn = arguments.has("dot");
  if (!arguments.words.empty()) {
    if (drawn) return session->fail(exit_usage, "--dot draws the whole graph; leave the fingerprint out");
    return graph_of(session, arguments.words[0]);
  }
  if (drawn) {
    const auto reply = session->ask({"INCIDENT", "GRAPH"});
    if (!reply) return session->exit_code();
    session->out.raw(reply->as_text());
    return exit_ok;
  }
  const auto reply = session->ask({"INCIDENT", "GRAPH", "*"});
  if (!reply) return session->exit_code();
  const Json edges = maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(edges);
  } else if (edges.as_array()->empty()) {
    session->out.line("nothing is known yet: no needs, no failures, no incidents");
  } else {
    print_edges(session, *edges.as_array(),
                static_cast<size_t>(arguments.number("count").value_or(edges_default)));
  }
  return exit_ok;
}

}  // namespace pawl::cli
