// cancel, move, get, result, list, invocations, why: one message, or many looked at.
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr size_t text_columns = 60;  // of an error or payload in a table

int unknown_id(Session* session, const std::string& id) {
  return session->fail(
      exit_nothing,
      "no message '" + id + "': it never was, or it ended and is no longer kept (keep_done, dead drop)");
}

int print_text_or_json(Session* session, const char* name, const client::Reply& reply) {
  if (session->out.json()) {
    Json document;
    document.set(name, to_json(reply));
    session->out.document(document);
  } else {
    session->out.line(printable(reply.as_text()));
  }
  return exit_ok;
}

std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.remove_suffix(1);
  const size_t end = text.rfind('\n');
  return std::string(end == std::string_view::npos ? text : text.substr(end + 1));
}

std::string error_cell(const Json& invocation) {
  const Json* text = invocation.field("error_text");
  return text && text->as_string() ? shortened(printable(last_line(*text->as_string())), text_columns) : "";
}

std::string took(const Json& invocation) {
  const Json* start = invocation.field("start");
  const Json* end = invocation.field("end");
  if (!start || !end || !start->as_int() || !end->as_int()) return "";
  return format_span(*end->as_int() - *start->as_int());
}

}  // namespace

int run_cancel(Session* session) {
  const Arguments& arguments = session->arguments;
  const auto role = arguments.text("role");
  if (arguments.words.empty() == !role.has_value()) {
    return session->fail(exit_usage, "cancel takes an ID, or --role ROLE for many");
  }
  if (!role) {
    if (arguments.has("state") || arguments.has("limit")) {
      return session->fail(exit_usage, "--state and --limit go with --role");
    }
    client::Command command = {"CANCEL", arguments.words[0]};
    if (const auto reason = arguments.text("reason")) command.push_back(*reason);
    const auto reply = session->ask(command);
    return reply ? print_text_or_json(session, "state", *reply) : session->exit_code();
  }
  if (arguments.has("reason")) return session->fail(exit_usage, "--reason goes with an ID");
  client::Command command = {"CANCEL", "FILTER", *role};
  if (const auto state = arguments.text("state")) command.push_back(*state);
  if (const auto limit = arguments.number("limit")) {
    command.push_back("LIMIT");
    command.push_back(std::to_string(*limit));
  }
  const auto reply = session->ask(command);
  return reply ? print_text_or_json(session, "cancelled", *reply) : session->exit_code();
}

int run_move(Session* session) {
  const Arguments& arguments = session->arguments;
  client::Command command = {"MOVE", arguments.words[0]};
  if (const auto priority = arguments.number("priority")) {
    command.push_back("PRIORITY");
    command.push_back(std::to_string(*priority));
  }
  if (const auto to = arguments.text("to")) {
    command.push_back("TO");
    command.push_back(*to);
  }
  if (command.size() == 2) return session->fail(exit_usage, "move takes --priority, --to or both");
  const auto reply = session->ask(command);
  return reply ? print_ok(session, *reply) : session->exit_code();
}

void print_invocations(Session* session, const Json& message) {
  const Json* list = message.field("invocations");
  const Json::Array* invocations = list ? list->as_array() : nullptr;
  if (!invocations || invocations->empty()) return session->out.talk("no deliveries yet");
  std::vector<std::vector<std::string>> rows;
  for (const Json& one : *invocations) {
    const Json* start = one.field("start");
    rows.push_back({cell_of(one, "delivery"), start && start->as_int() ? format_time(*start->as_int()) : "",
                    took(one), cell_of(one, "daemon"), cell_of(one, "outcome"), cell_of(one, "error_class"),
                    cell_of(one, "tokens"), cell_of(one, "cost"), error_cell(one)});
  }
  print_table(&session->out,
              {">delivery", "start", ">took", "daemon", "outcome", "class", ">tokens", ">cost", "error"},
              rows);
}

void print_message(Session* session, const Json& message) {
  Json shown;
  for (const auto& [name, value] : *message.as_object()) {
    if (name != "invocations") shown.set(name, value);
  }
  print_map(&session->out, shown);
  const Json* list = message.field("invocations");
  if (list && list->as_array() && !list->as_array()->empty()) {
    session->out.line("");
    print_invocations(session, message);
  }
}

int run_get(Session* session) {
  const std::string& id = session->arguments.words[0];
  const auto reply = session->ask({"GET", id});
  if (!reply) return session->exit_code();
  if (reply->is_nil()) return unknown_id(session, id);
  const Json message = map_to_json(*reply);
  if (session->out.json()) {
    session->out.document(message);
  } else {
    print_message(session, message);
  }
  return exit_ok;
}

int run_result(Session* session) {
  const std::string& id = session->arguments.words[0];
  client::Command command = {"RESULT", id};
  const auto wait = session->arguments.number("wait");
  if (wait) {
    command.push_back("WAIT");
    command.push_back(std::to_string(*wait));
  }
  const auto reply = session->ask(command, wait.value_or(0));
  if (!reply) return session->exit_code();
  if (reply->is_nil()) return unknown_id(session, id);
  const std::string state = reply->text_of("state");
  const client::Reply* result = reply->field("result");
  if (session->out.json()) {
    session->out.document(map_to_json(*reply));
  } else if (result) {
    const std::string bytes = result->as_text();
    session->out.raw(session->out.stdout_is_terminal() ? printable_lines(bytes) : bytes);
  }
  if (state == "done") return exit_ok;
  const bool ended = state == "dead" || state == "cancelled" || state == "expired";
  return session->fail(ended ? exit_failed : exit_nothing,
                       "message " + id + " is " + state + (ended ? "" : "; it has no result yet"));
}

namespace {

std::vector<std::string> list_row(const Json& item) {
  const Json* pushed = item.field("pushed_at");
  const Json* due = item.field("due");
  std::string when = due && due->as_int() ? "due " + cell_text("due", *due) : "";
  if (when.empty()) when = cell_of(item, "daemon");
  return {cell_of(item, "id"), cell_of(item, "priority"), cell_of(item, "attempt"),
          pushed && pushed->as_int() ? format_time(*pushed->as_int()) : "", when};
}

}  // namespace

int run_list(Session* session) {
  const Arguments& arguments = session->arguments;
  const bool all = arguments.has("all");
  const int64_t wanted = arguments.number("count").value_or(100);
  std::string cursor = arguments.text("cursor").value_or("0");
  int64_t shown = 0;
  bool first = true;
  const bool json = session->out.json();
  if (json) session->out.raw("[");
  do {
    const int64_t ask_for = all ? 1000 : wanted - shown;
    const auto reply = session->ask({"LIST", arguments.words[0], arguments.words[1], "CURSOR", cursor,
                                     "COUNT", std::to_string(std::min<int64_t>(ask_for, 1000))});
    if (!reply || reply->items.size() != 2) break;
    cursor = reply->items[0].as_text();
    const Json page = maps_to_json(reply->items[1]);
    std::vector<std::vector<std::string>> rows;
    for (const Json& item : *page.as_array()) {
      if (json) session->out.raw((first ? "" : ",\n ") + dump(item));
      if (!json) rows.push_back(list_row(item));
      first = false;
      ++shown;
    }
    if (!rows.empty()) print_table(&session->out, {"id", ">priority", ">attempt", "pushed", ""}, rows);
  } while (cursor != "0" && (all || shown < wanted) && !session->out.closed());
  if (json) session->out.line("]");
  if (session->exit_code() == exit_ok && cursor != "0" && !session->out.closed()) {
    session->out.talk("there are more: --all, or --cursor " + cursor);
  }
  return session->exit_code();
}

int run_invocations(Session* session) {
  const Arguments& arguments = session->arguments;
  if (arguments.words.empty()) return run_recent_failures(session);
  const auto reply = session->ask({"GET", arguments.words[0]});
  if (!reply) return session->exit_code();
  if (reply->is_nil()) return unknown_id(session, arguments.words[0]);
  const Json message = map_to_json(*reply);
  if (session->out.json()) {
    const Json* list = message.field("invocations");
    session->out.document(list && list->as_array() ? *list : Json(Json::Array()));
  } else {
    print_invocations(session, message);
  }
  return exit_ok;
}

int run_why(Session* session) {
  const std::string& id = session->arguments.words[0];
  const auto reply = session->ask({"EXPLAIN", id});
  if (!reply) return session->exit_code();
  if (reply->is_nil()) return unknown_id(session, id);
  const Json verdicts = maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(verdicts);
    return exit_ok;
  }
  if (verdicts.as_array()->empty()) session->out.line("nothing holds it back");
  for (const Json& verdict : *verdicts.as_array()) {
    if (&verdict != verdicts.as_array()->data()) session->out.line("");
    print_map(&session->out, verdict);
  }
  return exit_ok;
}

}  // namespace pawl::cli
