// roles, pause, resume.
#include <algorithm>

#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr size_t reason_columns = 30;

std::string rate_cell(const Json& role, std::string_view name) {
  const Json* value = role.field(name);
  return value && value->as_int() && *value->as_int() != 0 ? format_count(*value->as_int()) : "";
}

std::string with_reason(std::string what, const std::string& reason) {
  if (!reason.empty()) what += ": " + shortened(reason, reason_columns);
  return what;
}

// What holds the role back, in its last column.
std::string held_by(const Json& role) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  const Json* paused = role.field("paused");
  if (paused && paused->as_int() && *paused->as_int() != 0) {
    add(with_reason("paused", cell_of(role, "pause_reason")));
  }
  const std::string breaker = cell_of(role, "breaker");
  if (!breaker.empty() && breaker != "closed") {
    add(with_reason("breaker " + breaker, cell_of(role, "breaker_reason")));
  }
  if (role.field("limp")) add("limps without " + cell_of(role, "limp"));
  if (role.field("unserved")) add("unserved: its runners are gone");
  // The fullest window's per cent.
  const Json* quota = role.field("quota");
  if (quota && quota->as_int()) add("quota " + std::to_string(*quota->as_int()) + "%");
  return text;
}

// The version that runs: what was deployed, else what the newest claim said. "3:9f86d081", and what claims
// say where that is another one; "9f86d081" for a file's own.
std::string version_cell(const Json& role) {
  constexpr size_t hash_digits = 8;
  const std::string deployed = cell_of(role, "deployed");
  const std::string newest = cell_of(role, "version");
  const size_t first = newest.find(':');
  // NUMBER:HASH:REST of a deployed one, and one part of a file's.
  const std::string newest_number = first == std::string::npos ? "" : newest.substr(0, first);
  const std::string newest_hash =
      newest.substr(first == std::string::npos ? 0 : first + 1).substr(0, hash_digits);
  const std::string newest_text = newest_number + (newest_number.empty() ? "" : ":") + newest_hash;
  if (deployed.empty()) return newest_text;
  const std::string text = deployed + ":" + cell_of(role, "deployed_hash").substr(0, hash_digits);
  return newest.empty() || newest_text == text ? text : text + " (claims: " + newest_text + ")";
}

}  // namespace

std::string count_cell(const Json& map, std::string_view name) {
  const Json* value = map.field(name);
  if (!value) return "";
  return value->as_int() ? format_count(*value->as_int()) : cell_text(name, *value);
}

void print_roles(Session* session, const Json::Array& roles) {
  if (roles.empty()) return session->out.line("no roles yet; pawl push ROLE PAYLOAD makes one");
  std::vector<std::string> headers = {"role",    ">ready",  ">scheduled", ">claimed",
                                      ">done",   ">dead",   ">cancelled", ">expired",
                                      ">oldest", ">in/min", ">done/min",  ">failed/min"};
  const bool versions =
      std::any_of(roles.begin(), roles.end(), [](const Json& role) { return !version_cell(role).empty(); });
  if (versions) headers.emplace_back("version");
  headers.emplace_back("");
  std::vector<std::vector<std::string>> rows;
  for (const Json& role : roles) {
    const Json* oldest = role.field("oldest_ms");
    rows.push_back({cell_of(role, "role"), count_cell(role, "ready"), count_cell(role, "scheduled"),
                    count_cell(role, "claimed"), count_cell(role, "done"), count_cell(role, "dead"),
                    count_cell(role, "cancelled"), count_cell(role, "expired"),
                    oldest && oldest->as_int() && *oldest->as_int() > 0 ? format_span(*oldest->as_int()) : "",
                    rate_cell(role, "pushed_per_minute"), rate_cell(role, "done_per_minute"),
                    rate_cell(role, "failed_per_minute")});
    if (versions) rows.back().push_back(version_cell(role));
    rows.back().push_back(held_by(role));
  }
  print_table(&session->out, headers, rows);
}

int run_roles(Session* session) {
  const bool one = !session->arguments.words.empty();
  const auto reply = one ? session->ask({"ROLE", session->arguments.words[0]}) : session->ask({"ROLES"});
  if (!reply) return session->exit_code();
  if (reply->is_nil()) return session->fail(exit_nothing, "no role '" + session->arguments.words[0] + "'");
  if (one) {
    const Json role = map_to_json(*reply);
    if (session->out.json()) {
      session->out.document(role);
    } else {
      print_map(&session->out, role);
    }
    return exit_ok;
  }
  const Json roles = maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(roles);
  } else {
    print_roles(session, *roles.as_array());
  }
  return exit_ok;
}

int run_pause(Session* session) {
  client::Command command = {"PAUSE", session->arguments.words[0]};
  if (const auto reason = session->arguments.text("reason")) command.push_back(*reason);
  const auto reply = session->ask(command);
  return reply ? print_ok(session, *reply) : session->exit_code();
}

int run_resume(Session* session) {
  const auto reply = session->ask({"RESUME", session->arguments.words[0]});
  return reply ? print_ok(session, *reply) : session->exit_code();
}

}  // namespace pawl::cli
