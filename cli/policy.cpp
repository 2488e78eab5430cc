// policy explain, replay: what the recovery policy decided, out of the chronicle alone.
#include <map>

#include "bus/core/fingerprint.h"
#include "bus/ops/incident_rows.h"
#include "bus/ops/policy_part.h"
#include "cli/config.h"
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr std::string_view page_entries = "1000";

// Of one decision.
struct Decided {
  std::string id;        // "d7"
  std::string incident;  // "i3"
  int64_t at_ms = 0;     // wall
  std::string table;     // hash of the table that it was made with
  bool observed = false;
  std::string bytes;                      // as it was recorded
  std::optional<ops::Decision> decision;  // nothing: damaged, or from a newer pawl
  std::vector<std::string> after;         // what became of it
};

std::string text_of_outcome(const client::Reply& entry) {
  const std::string ms = format_span(entry.int_of("ms").value_or(0));
  return entry.text_of("helped") == "1" ? "outcome: it helped after " + ms
                                        : "outcome: it did not help in " + ms;
}

// Every decision in the chronicle, in order. Nothing: said why.
std::optional<std::vector<Decided>> read_decisions(Session* session) {
  std::vector<Decided> decided;
  std::map<std::string, size_t> places;
  std::string next = "0";
  for (;;) {
    const auto reply = session->ask({"EVENTS", next, "COUNT", std::string(page_entries), "KIND", "policy"});
    if (!reply) return std::nullopt;
    if (reply->items.size() != 2) {
      session->fail(exit_failed, "the bus answered EVENTS in a shape that this version does not know");
      return std::nullopt;
    }
    for (const client::Reply& entry : reply->items[1].items) {
      const std::string kind = entry.text_of("kind");
      const std::string id = entry.text_of("decision");
      if (kind == "policy.decision") {
        places[id] = decided.size();
        Decided& one = decided.emplace_back();
        one.id = id;
        one.incident = entry.text_of("incident");
        one.at_ms = entry.int_of("at").value_or(0);
        one.table = entry.text_of("table");
        one.observed = entry.text_of("mode") == "observe";
        one.bytes = entry.text_of("bytes");
        one.decision = ops::decision_from_text(one.bytes);
        if (one.observed) one.after.emplace_back("mode observe: nothing was done");
        continue;
      }
      const auto place = places.find(id);
      if (place == places.end()) continue;
      std::vector<std::string>& after = decided[place->second].after;
      if (kind == "policy.outcome") after.push_back(text_of_outcome(entry));
      if (kind == "policy.refused") after.push_back("not done: " + entry.text_of("why"));
    }
    std::string from = std::exchange(next, reply->items[0].as_text());
    if (next == from) return decided;
  }
}

std::vector<std::string> lines_of(const Decided& one) {
  if (!one.decision) return {"it is damaged, or from a newer pawl"};
  std::vector<std::string> lines = ops::explain(*one.decision);
  lines.insert(lines.end(), one.after.begin(), one.after.end());
  return lines;
}

Json json_of(const Decided& one, const std::vector<std::string>& lines) {
  Json json{Json::Object{}};
  json.set("decision", one.id);
  json.set("incident", one.incident);
  json.set("at", one.at_ms);
  json.set("table", one.table);
  if (one.decision) {
    json.set("rule", one.decision->rule);
    if (one.decision->chosen) json.set("action", ops::action_name(*one.decision->chosen));
    json.set("subject", one.decision->subject);
  }
  json.set("lines", Json(Json::Array(lines.begin(), lines.end())));
  return json;
}

void print_heading(Session* session, const Decided& one) {
  session->out.line(session->out.paint(Color::bold, one.id) + " of incident " + one.incident + ", " +
                    format_time(one.at_ms) + ", table " + one.table);
}

}  // namespace

int run_policy_explain(Session* session) {
  const std::string& id = session->arguments.words[0];
  if (!ops::decision_number(id) && !ops::incident_number(id)) {
    return session->fail(exit_usage,
                         "'" + printable(id) + "' is the id of no incident (i3) and of no decision (d7)");
  }
  const auto decided = read_decisions(session);
  if (!decided) return session->exit_code();
  Json::Array found;
  bool any = false;
  for (const Decided& one : *decided) {
    if (one.id != id && one.incident != id) continue;
    const std::vector<std::string> lines = lines_of(one);
    if (session->out.json()) {
      found.push_back(json_of(one, lines));
    } else {
      if (any) session->out.line("");
      print_heading(session, one);
      for (const std::string& line : lines) session->out.line("  " + printable(line));
    }
    any = true;
  }
  if (!any) return session->fail(exit_nothing, "the chronicle holds no decision of " + printable(id));
  if (session->out.json()) session->out.document(Json(std::move(found)));
  return exit_ok;
}

int run_policy_replay(Session* session) {
  const Arguments& arguments = session->arguments;
  ops::PolicyTable table;
  if (const auto path = arguments.text("config")) {
    const auto file = load_config(*path);
    if (!file) return session->fail(exit_failed, file.error().text);
    table = file->rules.policy_table();
  }
  const std::string hash = core::fingerprint_text(ops::hash_of(table));
  const auto decided = read_decisions(session);
  if (!decided) return session->exit_code();
  const int64_t since_ms = arguments.number("since").value_or(0);
  int64_t all = 0;
  int64_t same = 0;
  int64_t other_tables = 0;
  Json::Array others;
  for (const Decided& one : *decided) {
    if (one.at_ms < since_ms) continue;
    ++all;
    if (one.table != hash) ++other_tables;
    std::vector<std::string> lines;
    if (!one.decision) {
      lines = lines_of(one);
    } else {
      const ops::Decision again = ops::decide(table, one.decision->situation);
      if (ops::decision_text(again) == one.bytes) {
        ++same;
        continue;
      }
      lines = ops::differences(*one.decision, again);
    }
    if (session->out.json()) {
      others.push_back(json_of(one, lines));
      continue;
    }
    print_heading(session, one);
    for (const std::string& line : lines) session->out.line("  " + printable(line));
  }
  if (session->out.json()) {
    Json json{Json::Object{}};
    json.set("decisions", all);
    json.set("same", same);
    json.set("other_table", other_tables);
    json.set("table", hash);
    json.set("differences", Json(std::move(others)));
    session->out.document(json);
  } else {
    session->out.line(std::to_string(all) + (all == 1 ? " decision, " : " decisions, ") +
                      std::to_string(same) + " the same with table " + hash);
    if (other_tables > 0) {
      session->out.talk(std::to_string(other_tables) + " of them were made with another table" +
                        (arguments.has("config") ? "" : "; --config FILE takes that of a pawl.toml"));
    }
  }
  return same == all ? exit_ok : exit_failed;
}

}  // namespace pawl::cli
