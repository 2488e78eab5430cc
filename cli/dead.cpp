// dead list, groups, show, replay, drop, stats.
#include <algorithm>
#include <map>

#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr size_t error_columns = 60;
constexpr int64_t page_items = 500;

std::string day_and_time(const Json& map, std::string_view name) {
  const Json* at = map.field(name);
  return at && at->as_int() ? format_time(*at->as_int()) : "";
}

std::string error_cell(const Json& map) {
  std::string text = cell_of(map, "error_text");
  return shortened(text, error_columns);
}

// Ids, or FILTER with at least one filter or --all: "everything" must be said.
// Nothing: said what is missing.
std::optional<client::Command> selection(Session* session, const char* verb) {
  const Arguments& arguments = session->arguments;
  client::Command command = {"DEAD", verb};
  const bool filtered = has_dead_filters(arguments) || arguments.has("all");
  if (arguments.words.empty() == !filtered) {
    session->fail(exit_usage, filtered
                                  ? "give IDs or filters, not both"
                                  : "which ones? Give IDs, filters (--role, --class, --fingerprint, --since, "
                                    "--match), or --all");
    return std::nullopt;
  }
  if (filtered) {
    command.push_back("FILTER");
    append_dead_filters(arguments, &command);
  } else {
    command.insert(command.end(), arguments.words.begin(), arguments.words.end());
  }
  return command;
}

}  // namespace

bool has_dead_filters(const Arguments& arguments) {
  constexpr std::string_view names[] = {"role", "class", "fingerprint", "since", "match"};
  return std::any_of(std::begin(names), std::end(names),
                     [&](std::string_view name) { return arguments.has(name); });
}

void append_dead_filters(const Arguments& arguments, client::Command* command) {
  const auto add = [&](const char* word, std::optional<std::string> value) {
    if (!value) return;
    command->push_back(word);
    command->push_back(std::move(*value));
  };
  add("ROLE", arguments.text("role"));
  add("CLASS", arguments.text("class"));
  add("FINGERPRINT", arguments.text("fingerprint"));
  if (const auto since = arguments.number("since")) add("SINCE", std::to_string(*since));
  add("MATCH", arguments.text("match"));
}

int run_dead_list(Session* session) {
  const Arguments& arguments = session->arguments;
  const bool all = arguments.has("all");
  const int64_t wanted = arguments.number("count").value_or(100);
  const bool json = session->out.json();
  std::string cursor = "0";
  int64_t shown = 0;
  if (json) session->out.raw("[");
  do {
    client::Command command = {"DEAD", "LIST"};
    append_dead_filters(arguments, &command);
    const int64_t ask_for = all ? page_items : std::min(page_items, wanted - shown);
    for (const std::string& word :
         {std::string("CURSOR"), cursor, std::string("COUNT"), std::to_string(ask_for)}) {
      command.push_back(word);
    }
    const auto reply = session->ask(command);
    if (!reply || reply->items.size() != 2) break;
    cursor = reply->items[0].as_text();
    const Json page = maps_to_json(reply->items[1]);
    std::vector<std::vector<std::string>> rows;
    for (const Json& item : *page.as_array()) {
      if (json) session->out.raw((shown > 0 ? ",\n " : "") + dump(item));
      rows.push_back({cell_of(item, "id"), cell_of(item, "role"), cell_of(item, "error_class"),
                      day_and_time(item, "at"), cell_of(item, "attempts"), error_cell(item)});
      ++shown;
    }
    if (!json && !rows.empty()) {
      print_table(&session->out, {"id", "role", "class", "died", ">attempts", "error"}, rows);
    }
  } while (cursor != "0" && (all || shown < wanted) && !session->out.closed());
  if (json) session->out.line("]");
  if (session->exit_code() != exit_ok) return session->exit_code();
  if (cursor != "0" && !session->out.closed())
    session->out.talk("there are more: --all, or a larger --count");
  if (shown == 0 && !json) session->out.talk("no dead letters");
  return exit_ok;
}

int run_dead_groups(Session* session) {
  client::Command command = {"DEAD", "GROUPS"};
  append_dead_filters(session->arguments, &command);
  const auto reply = session->ask(command);
  if (!reply) return session->exit_code();
  const Json groups = maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(groups);
    return exit_ok;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& group : *groups.as_array()) {
    rows.push_back({cell_of(group, "count"), cell_of(group, "fingerprint"), cell_of(group, "role"),
                    cell_of(group, "error_class"), day_and_time(group, "first"), day_and_time(group, "last"),
                    cell_of(group, "example"), error_cell(group)});
  }
  if (rows.empty()) {
    session->out.talk("no dead letters");
  } else {
    print_table(&session->out,
                {">count", "fingerprint", "role", "class", "first", "last", "example", "error"}, rows);
  }
  return exit_ok;
}

int run_dead_show(Session* session) {
  const std::string& id = session->arguments.words[0];
  const auto reply = session->ask({"DEAD", "GET", id});
  if (!reply) return session->exit_code();
  if (reply->is_nil()) return session->fail(exit_nothing, "no dead letter '" + id + "'");
  const Json message = map_to_json(*reply);
  if (session->out.json()) {
    session->out.document(message);
  } else {
    print_message(session, message);
  }
  return exit_ok;
}

int run_dead_replay(Session* session) {
  const Arguments& arguments = session->arguments;
  auto command = selection(session, "REPLAY");
  if (!command) return session->exit_code();
  if (const auto limit = arguments.number("limit")) {
    command->push_back("LIMIT");
    command->push_back(std::to_string(*limit));
  }
  if (const auto to = arguments.text("to")) {
    command->push_back("TO");
    command->push_back(*to);
  }
  if (arguments.has("reset")) command->push_back("RESET");
  if (arguments.has("dry-run")) command->push_back("DRYRUN");
  const auto reply = session->ask(*command);
  if (!reply) return session->exit_code();
  const int64_t matched = reply->int_of("matched").value_or(0);
  const int64_t conflicts = reply->int_of("conflicts").value_or(0);
  if (session->out.json()) {
    session->out.document(map_to_json(*reply));
  } else {
    const char* what = arguments.has("dry-run") ? " would be replayed" : " replayed";
    std::string line = format_count(matched - conflicts) + what;
    if (conflicts > 0) {
      line += ", " + format_count(conflicts) +
              " left dead (unique key held by another, or past its expiry: --reset)";
    }
    session->out.line(line);
  }
  return matched == 0 ? exit_nothing : exit_ok;
}

int run_dead_drop(Session* session) {
  const auto command = selection(session, "DROP");
  if (!command) return session->exit_code();
  const auto reply = session->ask(*command);
  if (!reply) return session->exit_code();
  const int64_t count = reply->as_int().value_or(0);
  if (session->out.json()) {
    Json document;
    document.set("dropped", count);
    session->out.document(document);
  } else {
    session->out.line(format_count(count) + " dropped");
  }
  return count == 0 ? exit_nothing : exit_ok;
}

int run_dead_stats(Session* session) {
  client::Command command = {"DEAD", "GROUPS"};
  append_dead_filters(session->arguments, &command);
  const auto reply = session->ask(command);
  if (!reply) return session->exit_code();
  struct Sum {
    int64_t count = 0;
    int64_t groups = 0;
    int64_t first = INT64_MAX;
    int64_t last = 0;
  };
  std::map<std::pair<std::string, std::string>, Sum> sums;
  for (const client::Reply& group : reply->items) {
    Sum& sum = sums[{group.text_of("role"), group.text_of("error_class")}];
    sum.count += group.int_of("count").value_or(0);
    ++sum.groups;
    sum.first = std::min(sum.first, group.int_of("first").value_or(sum.first));
    sum.last = std::max(sum.last, group.int_of("last").value_or(0));
  }
  Json::Array items;
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, sum] : sums) {
    Json item;
    item.set("role", key.first);
    item.set("error_class", key.second);
    item.set("count", sum.count);
    item.set("fingerprints", sum.groups);
    if (sum.last > 0) item.set("first", sum.first);
    if (sum.last > 0) item.set("last", sum.last);
    rows.push_back({cell_of(item, "role"), cell_of(item, "error_class"), format_count(sum.count),
                    format_count(sum.groups), day_and_time(item, "first"), day_and_time(item, "last")});
    items.push_back(std::move(item));
  }
  if (session->out.json()) {
    session->out.document(Json(std::move(items)));
  } else if (rows.empty()) {
    session->out.talk("no dead letters");
  } else {
    print_table(&session->out, {"role", "class", ">count", ">fingerprints", "first", "last"}, rows);
  }
  return exit_ok;
}

}  // namespace pawl::cli
