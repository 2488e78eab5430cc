// incident list, show, open, ack, note, close.
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr size_t title_columns = 48;

std::string age_cell(const Json& incident, std::string_view name, int64_t now_ms) {
  const Json* at = incident.field(name);
  return at && at->as_int() ? format_span(std::max<int64_t>(0, now_ms - *at->as_int())) : "";
}

// Whom it is about.
std::string subjects(const Json& incident) {
  std::string text = cell_of(incident, "roles");
  const std::string daemons = cell_of(incident, "daemons");
  if (!daemons.empty()) text += (text.empty() ? "" : " ") + ("daemon " + daemons);
  return text.empty() ? "everything" : text;
}

void print_incidents(Session* session, const Json::Array& incidents) {
  const int64_t now_ms = wall_now_ms();
  std::vector<std::vector<std::string>> rows;
  for (const Json& incident : incidents) {
    rows.push_back({cell_of(incident, "id"), cell_of(incident, "tier"), cell_of(incident, "state"),
                    age_cell(incident, "opened_at", now_ms), age_cell(incident, "seen_at", now_ms),
                    count_cell(incident, "count"), cell_of(incident, "owner"),
                    shortened(subjects(incident), title_columns),
                    shortened(cell_of(incident, "title"), title_columns)});
  }
  print_table(&session->out,
              {"id", "tier", "state", ">age", ">seen ago", ">count", "owner", "about", "title"}, rows);
}

int print_incident(Session* session, const client::Reply& reply) {
  const Json incident = map_to_json(reply);
  if (session->out.json()) {
    session->out.document(incident);
  } else {
    print_map(&session->out, incident);
  }
  return exit_ok;
}

int change(Session* session, const client::Command& command) {
  session->introduce();
  const auto reply = session->ask(command);
  return reply ? print_ok(session, *reply) : session->exit_code();
}

}  // namespace

int run_incident_list(Session* session) {
  const Arguments& arguments = session->arguments;
  const int64_t wanted = arguments.number("count").value_or(100);
  client::Command command = {"INCIDENT", "LIST", "COUNT", std::to_string(wanted)};
  if (arguments.has("closed")) command.insert(command.end(), {"STATE", "closed"});
  for (const auto& [option, word] : {std::pair("tier", "TIER"), std::pair("role", "ROLE")}) {
    if (const auto value = arguments.text(option)) command.insert(command.end(), {word, *value});
  }
  const auto reply = session->ask(command);
  if (!reply || reply->items.size() != 2) return session->exit_code();
  const Json incidents = maps_to_json(reply->items[1]);
  if (session->out.json()) {
    session->out.document(incidents);
    return exit_ok;
  }
  if (incidents.as_array()->empty()) {
    session->out.line(arguments.has("closed") ? "no closed incidents" : "no open incidents");
    return exit_ok;
  }
  print_incidents(session, *incidents.as_array());
  if (reply->items[0].as_text() != "0") session->out.talk("there are more: a larger --count");
  return exit_ok;
}

int run_incident_show(Session* session) {
  const std::string& id = session->arguments.words[0];
  const auto reply = session->ask({"INCIDENT", "GET", id});
  if (!reply) return session->exit_code();
  if (reply->is_nil()) return session->fail(exit_nothing, "no incident '" + printable(id) + "'");
  return print_incident(session, *reply);
}

int run_incident_open(Session* session) {
  const Arguments& arguments = session->arguments;
  const auto tier = arguments.text("tier");
  const auto title = arguments.text("title");
  if (!tier) return session->fail(exit_usage, "the tier is missing: --tier concern, or --tier ultra");
  if (!title) return session->fail(exit_usage, "the title is missing: --title 'what happened'");
  client::Command command = {"INCIDENT", "OPEN", *tier, *title};
  for (const auto& [option, word] :
       {std::pair("fingerprint", "FINGERPRINT"), std::pair("owner", "OWNER"), std::pair("note", "NOTE")}) {
    if (const auto value = arguments.text(option)) command.insert(command.end(), {word, *value});
  }
  for (const auto& [option, word] : {std::pair("role", "ROLE"), std::pair("daemon", "DAEMON")}) {
    for (const std::string& value : arguments.all(option)) command.insert(command.end(), {word, value});
  }
  session->introduce();
  const auto reply = session->ask(command);
  if (!reply) return session->exit_code();
  if (session->out.json()) return print_incident(session, *reply);
  session->out.line(cell_of(map_to_json(*reply), "id"));
  return exit_ok;
}

int run_incident_ack(Session* session) {
  client::Command command = {"INCIDENT", "ACK", session->arguments.words[0]};
  if (const auto owner = session->arguments.text("owner")) command.insert(command.end(), {"OWNER", *owner});
  return change(session, command);
}

int run_incident_note(Session* session) {
  const auto text = read_argument(session->arguments.words[1]);
  if (!text.ok()) return session->fail(exit_failed, text.error().text);
  return change(session, {"INCIDENT", "NOTE", session->arguments.words[0], *text});
}

int run_incident_close(Session* session) {
  client::Command command = {"INCIDENT", "CLOSE", session->arguments.words[0]};
  if (const auto reason = session->arguments.text("reason")) command.push_back(*reason);
  return change(session, command);
}

}  // namespace pawl::cli
