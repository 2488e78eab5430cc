// status: the fleet on one screen.
#include <algorithm>
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

// A user who may see some roles is asked to name them: then theirs, one after the other.
std::optional<client::Reply> ask_dead_groups(Session* session, const client::Reply& roles) {
  client::Client* bus = session->bus();
  if (bus == nullptr) return std::nullopt;
  const auto all = bus->call({"DEAD", "GROUPS"});
  if (!all || !all->is_error() || all->error().code != Code::denied) return session->ask({"DEAD", "GROUPS"});
  std::vector<client::Reply> groups;
  for (const client::Reply& role : roles.items) {
    const client::Reply* name = role.field("role");
    if (name == nullptr) continue;
    auto some = session->ask({"DEAD", "GROUPS", "ROLE", name->as_text()});
    if (!some) return std::nullopt;
    for (client::Reply& group : some->items) groups.push_back(std::move(group));
  }
  return client::Reply::make_array(std::move(groups));
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
  if (groups.empty()) return;
  out.line("");
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

// What it takes from the bus; `quotas` is null where the bus does not tell.
struct Fleet {
  Json info;
  Json freeze;
  Json quotas;
  Json roles;
  Json dead;
};

std::optional<Fleet> ask_fleet(Session* session) {
  Fleet fleet;
  const auto info = session->ask({"INFO"});
  if (!info) return std::nullopt;
  const auto freeze = session->ask({"KILL", "STATUS"});
  if (!freeze) return std::nullopt;
  const auto roles = session->ask({"ROLES"});
  if (!roles) return std::nullopt;
  const auto dead = ask_dead_groups(session, *roles);
  if (!dead) return std::nullopt;
  // A bus without quotas answers an error; the screen is worth having all the same.
  const auto quotas = session->try_ask({"QUOTA", "GET"}, session->timeouts());
  if (quotas && !quotas->is_error()) fleet.quotas = maps_to_json(*quotas);
  fleet.info = info_to_json(info->as_text());
  fleet.freeze = map_to_json(*freeze);
  fleet.roles = maps_to_json(*roles);
  fleet.dead = maps_to_json(*dead);
  return fleet;
}

int64_t number_of(const Json& map, std::string_view name) {
  const Json* value = map.field(name);
  return value && value->as_int() ? *value->as_int() : 0;
}

// A line of the panel: what it is about, and how it is.
void panel_line(Output* out, const std::string& label, const std::string& text, Color color) {
  constexpr size_t label_columns = 14;
  out->line(label + std::string(label_columns - std::min(label_columns, label.size()), ' ') +
            out->paint(color, text));
}

void print_kill_switch(Output* out, const Json& map) {
  const std::string kind = cell_of(map, "freeze");
  if (kind == "none") return panel_line(out, "kill switch", "clear", Color::green);
  std::string text = kind + ", scope " + cell_of(map, "scope");
  if (const std::string by = cell_of(map, "by"); !by.empty()) text += ", by " + by;
  const int64_t now = wall_now_ms();
  if (const int64_t since = number_of(map, "since"); since > 0 && since <= now) {
    text += ", for " + format_span(now - since);
  }
  if (const int64_t until = number_of(map, "until"); until > now)
    text += ", " + format_span(until - now) + " left";
  panel_line(out, "kill switch", text + ": " + cell_of(map, "reason"), Color::red);
}

// The fullest windows first: what is about to stop something is seen.
void print_quotas(Output* out, const Json& quotas) {
  constexpr size_t shown_max = 5;
  constexpr int64_t warn_percent = 80;
  if (!quotas.as_array() || quotas.as_array()->empty()) return;
  std::vector<const Json*> order;
  for (const Json& quota : *quotas.as_array()) order.push_back(&quota);
  std::stable_sort(order.begin(), order.end(), [](const Json* a, const Json* b) {
    return number_of(*a, "percent") > number_of(*b, "percent");
  });
  for (size_t i = 0; i < order.size() && i < shown_max; ++i) {
    const Json& quota = *order[i];
    const int64_t percent = number_of(quota, "percent");
    const Color color = percent >= 100 ? Color::red : percent >= warn_percent ? Color::yellow : Color::none;
    panel_line(out, i == 0 ? "quota" : "",
               cell_of(quota, "role") + " " + cell_of(quota, "what") + ": " + std::to_string(percent) +
                   "% of " + quota_amount(quota, "cap") + " per " + quota_window(quota),
               color);
  }
  if (order.size() > shown_max) {
    panel_line(out, "", "… and " + std::to_string(order.size() - shown_max) + " more: pawl quota show",
               Color::dim);
  }
}

void print_panel(Output* out, const Fleet& fleet) {
  print_kill_switch(out, fleet.freeze);
  print_quotas(out, fleet.quotas);
  int64_t dead = 0;
  std::string open;
  std::string limping;
  for (const Json& role : *fleet.roles.as_array()) {
    dead += number_of(role, "dead");
    const std::string breaker = cell_of(role, "breaker");
    if (breaker.empty() || breaker == "closed") continue;
    const std::string reason = cell_of(role, "breaker_reason");
    open += (open.empty() ? "" : "; ") + cell_of(role, "role") + " " + breaker +
            (reason.empty() ? "" : " (" + shortened(reason, error_columns) + ")");
    const std::string without = cell_of(role, "limp");
    if (!without.empty()) {
      limping += (limping.empty() ? "" : "; ") + cell_of(role, "role") + " without " + without;
    }
  }
  panel_line(out, "breakers", open.empty() ? "none open" : open, open.empty() ? Color::green : Color::red);
  if (!limping.empty()) panel_line(out, "limp mode", limping, Color::yellow);
  panel_line(out, "dead letters", dead == 0 ? "none" : format_count(dead),
             dead == 0 ? Color::green : Color::red);
}

// One screen; false: said why not.
bool print_status(Session* session, const std::string& prefix) {
  const auto fleet = ask_fleet(session);
  if (!fleet) return false;
  if (session->out.json()) {
    Json document;
    document.set("info", fleet->info);
    document.set("kill", fleet->freeze);
    document.set("quotas", fleet->quotas.as_array() ? fleet->quotas : Json(Json::Array()));
    document.set("roles", fleet->roles);
    document.set("dead", fleet->dead);
    session->out.document(document);
    return true;
  }
  session->out.raw(prefix);
  const auto where = session->endpoint();
  std::string head = "pawl " + first_of(fleet->info, {"pawl_version", "redis_version"});
  if (where) head += " at " + printable(where->text());
  if (const int64_t uptime = number_of(fleet->info, "uptime_in_seconds"); uptime > 0) {
    head += ", up " + format_span(uptime * 1000);
  }
  session->out.line(session->out.paint(Color::bold, head));
  session->out.line("");
  print_panel(&session->out, *fleet);
  session->out.line("");
  print_roles(session, *fleet->roles.as_array());
  print_dead_groups(session, *fleet->dead.as_array());
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
