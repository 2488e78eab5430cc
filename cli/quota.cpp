// quota show, set, drop: caps on tokens, cost and calls.
#include "bus/base/parse.h"
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr std::string_view kinds[] = {"tokens", "cost", "calls"};

std::optional<std::string_view> kind_named(std::string_view word) {
  for (const std::string_view kind : kinds) {
    if (same_word(word, kind)) return kind;
  }
  return std::nullopt;
}

std::string upper(std::string_view word) {
  std::string text(word);
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

}  // namespace

std::string quota_amount(const Json& quota, std::string_view name) {
  const Json* value = quota.field(name);
  const bool money = cell_of(quota, "what") == "cost";
  return value && value->as_int() && money ? format_cost(*value->as_int()) : count_cell(quota, name);
}

std::string quota_window(const Json& quota) {
  const Json* per = quota.field("per");
  return per && per->as_int() ? format_duration(*per->as_int()) : cell_of(quota, "per");
}

int run_quota_show(Session* session) {
  client::Command command = {"QUOTA", "GET"};
  if (!session->arguments.words.empty()) command.push_back(session->arguments.words[0]);
  const auto reply = session->ask(command);
  if (!reply) return session->exit_code();
  const Json quotas = maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(quotas);
    return exit_ok;
  }
  if (quotas.as_array()->empty()) {
    session->out.line("no caps; pawl quota set ROLE --tokens N --per 1h makes one");
    return exit_ok;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& quota : *quotas.as_array()) {
    rows.push_back({cell_of(quota, "role"), cell_of(quota, "what"), quota_window(quota),
                    quota_amount(quota, "used"), quota_amount(quota, "reserved"), quota_amount(quota, "cap"),
                    cell_of(quota, "percent") + "%", quota_amount(quota, "estimate"), cell_of(quota, "trips"),
                    cell_of(quota, "source"), cell_of(quota, "frees_at")});
  }
  print_table(
      &session->out,
      {"role", "what", ">per", ">used", ">reserved", ">cap", ">%", ">estimate", ">trips", "source", "frees"},
      rows);
  return exit_ok;
}

int run_quota_set(Session* session) {
  const Arguments& arguments = session->arguments;
  std::optional<std::string_view> kind;
  for (const std::string_view one : kinds) {
    if (!arguments.has(one)) continue;
    if (kind) return session->fail(exit_usage, "one cap at a time: give one of --tokens, --cost, --calls");
    kind = one;
  }
  if (!kind) return session->fail(exit_usage, "the cap is missing: --tokens N, --cost USD or --calls N");
  if (!arguments.has("per")) return session->fail(exit_usage, "the window is missing: --per 1h");
  client::Command command = {"QUOTA",
                             "SET",
                             arguments.words[0],
                             upper(*kind),
                             std::to_string(*arguments.number(*kind)),
                             "PER",
                             std::to_string(*arguments.number("per"))};
  if (const auto given = arguments.text("estimate")) {
    // In the cap's unit, which its own kind of value cannot know.
    const bool money = *kind == "cost";
    const auto estimate = money ? parse_cost_micro(*given) : parse_int(*given);
    if (!estimate || *estimate < 0) {
      return session->fail(exit_usage, std::string("--estimate takes ") +
                                           (money ? "dollars such as 0.25" : "a whole number") + ", not '" +
                                           printable(*given) + "'");
    }
    command.insert(command.end(), {"ESTIMATE", std::to_string(*estimate)});
  }
  session->introduce();
  const auto reply = session->ask(command);
  return reply ? print_ok(session, *reply) : session->exit_code();
}

int run_quota_drop(Session* session) {
  const Arguments& arguments = session->arguments;
  const auto kind = kind_named(arguments.words[1]);
  if (!kind) {
    return session->fail(
        exit_usage, "a quota is of tokens, cost or calls, not of '" + printable(arguments.words[1]) + "'");
  }
  if (!arguments.has("per")) return session->fail(exit_usage, "the window is missing: --per 1h");
  session->introduce();
  const auto reply = session->ask(
      {"QUOTA", "DROP", arguments.words[0], upper(*kind), "PER", std::to_string(*arguments.number("per"))});
  return reply ? print_ok(session, *reply) : session->exit_code();
}

}  // namespace pawl::cli
