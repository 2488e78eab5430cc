// cron set, list, drop: what the bus pushes by itself.
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr size_t payload_columns = 30;

std::string at_cell(const Json& cron, std::string_view name) {
  const Json* at = cron.field(name);
  return at && at->as_int() ? format_time(*at->as_int()) : "";
}

std::string away_cell(const Json& cron, int64_t now_ms) {
  const Json* next = cron.field("next");
  if (!next || !next->as_int()) return "";
  const int64_t away_ms = *next->as_int() - now_ms;
  return away_ms > 0 ? "in " + format_span(away_ms) : "due";
}

void print_crons(Session* session, const Json::Array& crons) {
  if (crons.empty()) {
    return session->out.line("no schedules; pawl cron set NAME \"0 3 * * *\" ROLE makes one");
  }
  const int64_t now_ms = wall_now_ms();
  std::vector<std::vector<std::string>> rows;
  for (const Json& cron : crons) {
    rows.push_back({cell_of(cron, "name"), cell_of(cron, "schedule"), cell_of(cron, "zone"),
                    cell_of(cron, "role"), shortened(cell_of(cron, "payload"), payload_columns),
                    at_cell(cron, "next"), away_cell(cron, now_ms), at_cell(cron, "last"),
                    count_cell(cron, "fired"), count_cell(cron, "missed"), cell_of(cron, "catch_up"),
                    cell_of(cron, "owner")});
  }
  print_table(&session->out,
              {"name", "schedule", "zone", "role", "payload", "next", "", "last", ">fired", ">missed",
               "catch-up", "owner"},
              rows);
}

}  // namespace

int run_cron_set(Session* session) {
  const Arguments& arguments = session->arguments;
  std::string payload;
  if (arguments.words.size() > 3) {
    auto read = read_argument(arguments.words[3]);
    if (!read.ok()) return session->fail(exit_failed, read.error().text);
    payload = std::move(*read);
  }
  client::Command command = {"CRON", "SET", arguments.words[0], arguments.words[1], arguments.words[2],
                             payload};
  if (const auto zone = arguments.text("tz")) command.insert(command.end(), {"TZ", *zone});
  if (const auto word = arguments.text("catch-up")) command.insert(command.end(), {"CATCHUP", *word});
  session->introduce();
  const auto reply = session->ask(command);
  if (!reply) return session->exit_code();
  const Json cron = map_to_json(*reply);
  if (session->out.json()) {
    session->out.document(cron);
  } else {
    session->out.line("next: " + at_cell(cron, "next") + " (" + away_cell(cron, wall_now_ms()) + ")");
  }
  return exit_ok;
}

int run_cron_list(Session* session) {
  const auto reply = session->ask({"CRON", "LIST"});
  if (!reply) return session->exit_code();
  const Json crons = maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(crons);
  } else {
    print_crons(session, *crons.as_array());
  }
  return exit_ok;
}

int run_cron_drop(Session* session) {
  session->introduce();
  const auto reply = session->ask({"CRON", "DROP", session->arguments.words[0]});
  return reply ? print_ok(session, *reply) : session->exit_code();
}

}  // namespace pawl::cli
