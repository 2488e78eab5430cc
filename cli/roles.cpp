// roles, pause, resume, status.
#include <csignal>
#include <ctime>

#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr int64_t watch_every_ms = 2000;
constexpr size_t groups_shown_max = 10;
constexpr size_t error_columns = 50;

std::string count_cell(const Json& map, std::string_view name) {
  const Json* value = map.field(name);
  if (!value) return "";
  return value->as_int() ? format_count(*value->as_int()) : cell_text(name, *value);
}

std::string rate_cell(const Json& role, std::string_view name) {
  const Json* value = role.field(name);
  return value && value->as_int() && *value->as_int() != 0 ? format_count(*value->as_int()) : "";
}

void print_roles(Session* session, const Json::Array& roles) {
  if (roles.empty()) return session->out.line("no roles yet; pawl push ROLE PAYLOAD makes one");
  std::vector<std::vector<std::string>> rows;
  for (const Json& role : roles) {
    const Json* paused = role.field("paused");
    const bool is_paused = paused && paused->as_int() && *paused->as_int() != 0;
    const Json* oldest = role.field("oldest_ms");
    const std::string reason = cell_of(role, "pause_reason");
    rows.push_back({cell_of(role, "role"), count_cell(role, "ready"), count_cell(role, "scheduled"),
                    count_cell(role, "claimed"), count_cell(role, "done"), count_cell(role, "dead"),
                    count_cell(role, "cancelled"), count_cell(role, "expired"),
                    oldest && oldest->as_int() && *oldest->as_int() > 0 ? format_span(*oldest->as_int()) : "",
                    rate_cell(role, "pushed_per_minute"), rate_cell(role, "done_per_minute"),
                    rate_cell(role, "failed_per_minute"),
                    is_paused ? "paused" + (reason.empty() ? "" : ": " + shortened(reason, 30)) : ""});
  }
  print_table(&session->out,
              {"role", ">ready", ">scheduled", ">claimed", ">done", ">dead", ">cancelled", ">expired",
               ">oldest", ">in/min", ">done/min", ">failed/min", ""},
              rows);
}

// "name:value" lines of INFO; section titles and blank lines are skipped.
Json info_to_json(const std::string& text) {
  Json info = Json(Json::Object());
  size_t from = 0;
  while (from < text.size()) {
    size_t end = text.find('\n', from);
    if (end == std::string::npos) end = text.size();
    std::string_view line = std::string_view(text).substr(from, end - from);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const size_t colon = line.find(':');
    if (!line.empty() && line[0] != '#' && colon != std::string_view::npos) {
      const std::string_view value = line.substr(colon + 1);
      const auto number = client::Reply::make_text(std::string(value)).as_int();
      info.set(line.substr(0, colon), number ? Json(*number) : Json(value));
    }
    from = end + 1;
  }
  return info;
}

std::string first_of(const Json& info, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (info.field(name)) return cell_of(info, name);
  }
  return "?";
}

void print_dead_groups(Session* session, const Json::Array& groups) {
  Output& out = session->out;
  if (groups.empty()) return out.line(out.paint(Color::green, "no dead letters"));
  std::vector<std::vector<std::string>> rows;
  for (const Json& group : groups) {
    if (rows.size() == groups_shown_max) break;
    rows.push_back({count_cell(group, "count"), cell_of(group, "role"), cell_of(group, "error_class"),
                    cell_of(group, "fingerprint"), shortened(cell_of(group, "error_text"), error_columns),
                    cell_of(group, "example")});
  }
  out.line(out.paint(Color::red, "dead letters"));
  print_table(&out, {">count", "role", "class", "fingerprint", "error", "example"}, rows);
  if (groups.size() > rows.size()) {
    out.line("… and " + std::to_string(groups.size() - rows.size()) + " more: pawl dead groups");
  }
}

// One screen; false: said why not.
bool print_status(Session* session, const std::string& prefix) {
  const auto info_reply = session->ask({"INFO"});
  if (!info_reply) return false;
  const auto roles_reply = session->ask({"ROLES"});
  if (!roles_reply) return false;
  const auto dead_reply = session->ask({"DEAD", "GROUPS"});
  if (!dead_reply) return false;
  const Json info = info_to_json(info_reply->as_text());
  const Json roles = maps_to_json(*roles_reply);
  const Json groups = maps_to_json(*dead_reply);
  if (session->out.json()) {
    Json document;
    document.set("info", info);
    document.set("roles", roles);
    document.set("dead", groups);
    session->out.document(document);
    return true;
  }
  session->out.raw(prefix);
  const auto where = session->endpoint();
  std::string head = "pawl " + first_of(info, {"pawl_version", "redis_version"});
  if (where) head += " at " + printable(where->text());
  if (const Json* uptime = info.field("uptime_in_seconds"); uptime && uptime->as_int()) {
    head += ", up " + format_span(*uptime->as_int() * 1000);
  }
  session->out.line(session->out.paint(Color::bold, head));
  session->out.line("");
  print_roles(session, *roles.as_array());
  session->out.line("");
  print_dead_groups(session, *groups.as_array());
  return true;
}

volatile std::sig_atomic_t interrupted = 0;
void interrupt(int) { interrupted = 1; }

void wait_unless_interrupted(int64_t ms) {
  timespec span{};
  span.tv_sec = static_cast<time_t>(ms / 1000);
  span.tv_nsec = static_cast<long>(ms % 1000 * 1'000'000);
  if (!interrupted) nanosleep(&span, nullptr);
}

}  // namespace

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

int run_status(Session* session) {
  if (!session->arguments.has("watch")) {
    return print_status(session, "") ? exit_ok : session->exit_code();
  }
  struct sigaction action {};
  action.sa_handler = interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  const int64_t every = session->arguments.number("interval").value_or(watch_every_ms);
  const std::string clear = session->out.stdout_is_terminal() ? "\x1b[H\x1b[2J\x1b[3J" : "";
  while (!interrupted && !session->out.closed()) {
    if (!print_status(session, clear)) return session->exit_code();
    session->out.finish();
    wait_unless_interrupted(std::max<int64_t>(every, 100));
  }
  return exit_ok;
}

}  // namespace pawl::cli
