// claim, ack, fail, extend, release: the worker's verbs for shell scripts.
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

void append_number(const Arguments& arguments, const char* option, const char* word,
                   client::Command* command) {
  if (const auto value = arguments.number(option)) {
    command->push_back(word);
    command->push_back(std::to_string(*value));
  }
}

void append_usage(const Arguments& arguments, client::Command* command) {
  append_number(arguments, "tokens", "TOKENS", command);
  append_number(arguments, "cost", "COST", command);
}

void print_claim(Session* session, const Json& claim) {
  Json shown;
  // First what the next command needs.
  for (const char* name :
       {"id", "token", "role", "delivery", "attempt", "deadline", "priority", "headers", "payload"}) {
    if (const Json* value = claim.field(name)) shown.set(name, *value);
  }
  for (const auto& [name, value] : *claim.as_object()) shown.set(name, value);
  print_map(&session->out, shown);
}

}  // namespace

int print_ok(Session* session, const client::Reply& reply) {
  if (session->out.json()) {
    Json document;
    document.set("ok", true);
    session->out.document(document);
  } else {
    session->out.line(printable(reply.as_text("OK")));
  }
  return exit_ok;
}

int run_claim(Session* session) {
  const Arguments& arguments = session->arguments;
  client::Command command = {"CLAIM", arguments.text("daemon").value_or(default_daemon_name())};
  command.insert(command.end(), arguments.words.begin(), arguments.words.end());
  append_number(arguments, "count", "COUNT", &command);
  append_number(arguments, "wait", "WAIT", &command);
  append_number(arguments, "lease", "LEASE", &command);
  const auto reply = session->ask(command, arguments.number("wait").value_or(0));
  if (!reply) return session->exit_code();
  const Json claims = maps_to_json(*reply);
  const bool nothing = reply->items.empty();
  if (session->out.json()) {
    session->out.document(claims);
  } else {
    for (const Json& claim : *claims.as_array()) {
      if (&claim != claims.as_array()->data()) session->out.line("");
      if (claim.as_object()) print_claim(session, claim);
    }
    if (nothing) session->out.talk("nothing to claim");
  }
  return nothing ? exit_nothing : exit_ok;
}

int run_ack(Session* session) {
  const Arguments& arguments = session->arguments;
  client::Command command = {"ACK", arguments.words[0], arguments.words[1]};
  if (const auto given = arguments.text("result")) {
    auto result = read_argument(*given);
    if (!result) return session->fail(result.error());
    command.push_back("RESULT");
    command.push_back(std::move(*result));
  }
  append_usage(arguments, &command);
  const auto reply = session->ask(command);
  return reply ? print_ok(session, *reply) : session->exit_code();
}

int run_fail(Session* session) {
  const Arguments& arguments = session->arguments;
  client::Command command = {"FAIL", arguments.words[0], arguments.words[1],
                             arguments.text("class").value_or("unknown"),
                             arguments.text("text").value_or("")};
  append_number(arguments, "retry-in", "RETRYIN", &command);
  if (arguments.has("dead")) command.push_back("DEAD");
  append_usage(arguments, &command);
  const auto reply = session->ask(command);
  if (!reply) return session->exit_code();
  const Json outcome = map_to_json(*reply);
  if (session->out.json()) {
    session->out.document(outcome);
  } else {
    const std::string at = cell_of(outcome, "at");
    session->out.line(cell_of(outcome, "state") + (at.empty() ? "" : " " + at));
  }
  return exit_ok;
}

int run_extend(Session* session) {
  const Arguments& arguments = session->arguments;
  if (arguments.has("note") && !arguments.has("progress")) {
    return session->fail(exit_usage, "--note goes with --progress 0-100");
  }
  client::Command command = {"EXTEND", arguments.words[0], arguments.words[1]};
  append_number(arguments, "lease", "LEASE", &command);
  if (const auto percent = arguments.number("progress")) {
    command.push_back("PROGRESS");
    command.push_back(std::to_string(*percent));
    command.push_back(arguments.text("note").value_or(""));
  }
  append_usage(arguments, &command);
  const auto reply = session->ask(command);
  if (!reply) return session->exit_code();
  const Json answer = map_to_json(*reply);
  if (session->out.json()) {
    session->out.document(answer);
  } else {
    print_map(&session->out, answer);
  }
  return exit_ok;
}

int run_release(Session* session) {
  const Arguments& arguments = session->arguments;
  client::Command command = {"RELEASE", arguments.words[0], arguments.words[1]};
  append_number(arguments, "delay", "DELAY", &command);
  const auto reply = session->ask(command);
  return reply ? print_ok(session, *reply) : session->exit_code();
}

}  // namespace pawl::cli
