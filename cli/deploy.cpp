// ops deploy, rollback, versions: what a role runs, kept in the bus.
#include "bus/base/limits.h"
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr size_t command_columns = 40;
constexpr size_t reason_columns = 40;

// What is wrong with --reason, if anything.
std::optional<std::string> wrong_reason(const Session& session) {
  const Arguments& arguments = session.arguments;
  const auto reason = arguments.text("reason");
  if (reason && reason->size() > limits::reason_bytes_max) {
    return "--reason has at most " + std::to_string(limits::reason_bytes_max) + " bytes";
  }
  const bool blank = !reason || reason->find_first_not_of(" \t\n") == std::string::npos;
  if (!blank || arguments.has("dry-run")) return std::nullopt;
  return std::string(arguments.command->name) + " needs a reason: --reason TEXT";
}

// The words behind "--", or those of --command; none: the command stays.
Result<std::vector<std::string>> command_of(const Arguments& arguments) {
  std::vector<std::string> words = arguments.rest;
  const auto text = arguments.text("command");
  if (!text) return words;
  if (!words.empty()) return make_error(Code::badarg, "give --command or -- CMD…, not both");
  const auto parsed = parse_json(*text);
  const Json::Array* items = parsed ? parsed->as_array() : nullptr;
  if (items) {
    for (const Json& item : *items) {
      if (const std::string* word = item.as_string()) words.push_back(*word);
    }
  }
  if (!items || words.empty() || words.size() != items->size()) {
    return make_error(Code::badarg,
                      "--command is a JSON array of words, as in '[\"./agent.sh\", \"--fast\"]'; or "
                      "write the command behind --");
  }
  return words;
}

std::string shown_command(const std::vector<std::string>& words) {
  if (words.empty()) return "";
  Json::Array items;
  for (const std::string& word : words) items.emplace_back(word);
  return dump(Json(std::move(items)));
}

// A version as far as one is compared with another.
struct Content {
  std::vector<std::string> command;
  std::optional<std::string> prompt;
};

Content content_of(const client::Reply& version) {
  Content content;
  if (const client::Reply* command = version.field("command")) {
    for (const client::Reply& word : command->items) content.command.push_back(word.as_text());
  }
  if (const client::Reply* prompt = version.field("prompt")) content.prompt = prompt->as_text();
  return content;
}

std::string version_name(int64_t number) {
  return number == 0 ? "the file's own" : "version " + std::to_string(number);
}

void print_changes(Session* session, const Content& before, const Content& after) {
  Output& out = session->out;
  const std::string old_command = shown_command(before.command);
  const std::string new_command = shown_command(after.command);
  if (old_command != new_command) {
    const std::string file = "what pawl.toml says";
    out.line(out.paint(Color::red, "- command " + (old_command.empty() ? file : printable(old_command))));
    out.line(out.paint(Color::green, "+ command " + (new_command.empty() ? file : printable(new_command))));
  }
  if (before.prompt == after.prompt) return;
  const bool both = before.prompt && after.prompt;
  const std::string file = before.prompt ? ", pawl.toml's from now on" : ", in the place of pawl.toml's";
  out.line(out.paint(Color::dim, "  prompt" + (both ? "" : file)));
  print_difference(&out, "prompt", before.prompt.value_or(""), after.prompt.value_or(""));
}

// The present version; an empty content where the file's own runs, or the role is not there yet.
std::optional<Content> ask_present(Session* session, int64_t* number) {
  const auto reply = session->try_ask({"DEPLOY", "GET", session->arguments.words[0]}, session->timeouts());
  *number = 0;
  if (!reply) return session->unreachable(reply.error()), std::nullopt;
  if (reply->is_error()) {
    if (reply->error().code == Code::notfound) return Content{};
    return session->fail(reply->error()), std::nullopt;
  }
  if (reply->is_nil()) return Content{};
  *number = reply->int_of("version").value_or(0);
  return content_of(*reply);
}

// Whoever deploys wants to know whether anybody heard it.
int64_t runners_of(Session* session, const std::string& role) {
  const auto reply = session->try_ask({"ROLE", role}, session->timeouts());
  return reply && !reply->is_error() ? reply->int_of("runners").value_or(0) : 0;
}

int print_outcome(Session* session, const client::Reply& reply, const std::string& already) {
  const std::string& role = session->arguments.words[0];
  const int64_t runners = runners_of(session, role);
  const int64_t version = reply.int_of("version").value_or(0);
  const bool changed = reply.int_of("changed").value_or(0) != 0;
  if (session->out.json()) {
    Json document = map_to_json(reply);
    document.set("runners", runners);
    session->out.document(document);
    return exit_ok;
  }
  session->out.line(version == 0 ? "file" : std::to_string(version) + " " + reply.text_of("hash"));
  if (!changed) {
    session->out.talk(role + " " + already);
    return exit_ok;
  }
  session->out.talk(role + " runs " + version_name(version) + " from the next claim on, instead of " +
                    version_name(reply.int_of("before").value_or(0)));
  if (runners == 0) {
    session->out.talk(
        "no runner serves " + role +
        ": it is kept, and runs once a pawl run whose pawl.toml has the role with a command is there");
  }
  return exit_ok;
}

std::string version_cell(int64_t number) { return number == 0 ? "file" : std::to_string(number); }

std::string command_cell(const Json& version) {
  const Json* command = version.field("command");
  return command ? shortened(printable(dump(*command)), command_columns) : "";
}

std::string when_cell(const Json& map) {
  const Json* at = map.field("at");
  return at && at->as_int() ? format_time(*at->as_int()) : "";
}

int64_t number_of(const Json& map, std::string_view name) {
  const Json* value = map.field(name);
  return value && value->as_int() ? *value->as_int() : 0;
}

void print_versions(Session* session, const Json& document) {
  Output& out = session->out;
  const int64_t current = number_of(document, "current");
  const Json::Array& versions = *document.field("versions")->as_array();
  const Json::Array& history = *document.field("history")->as_array();
  if (history.empty()) return out.line("nothing was deployed; it runs what pawl.toml says");
  std::vector<std::vector<std::string>> rows;
  for (const Json& version : versions) {
    const bool runs = number_of(version, "version") == current;
    rows.push_back({runs ? "*" : "", cell_of(version, "version"), cell_of(version, "hash"),
                    command_cell(version), cell_of(version, "prompt_bytes"), when_cell(version),
                    cell_of(version, "by"), shortened(cell_of(version, "reason"), reason_columns)});
  }
  print_table(&out, {"", ">version", "hash", "command", ">prompt bytes", "at", "by", "reason"}, rows);
  if (current == 0) out.line("it runs what pawl.toml says");
  out.line("");
  rows.clear();
  for (const Json& line : history) {
    rows.push_back({when_cell(line), cell_of(line, "what"), version_cell(number_of(line, "before")), "→",
                    version_cell(number_of(line, "version")), cell_of(line, "by"),
                    shortened(cell_of(line, "reason"), reason_columns)});
  }
  print_table(&out, {"at", "", ">from", "", "to", "by", "reason"}, rows);
}

int print_version(Session* session, const client::Reply& reply) {
  if (reply.is_nil()) return session->fail(exit_nothing, "it runs what pawl.toml says");
  Json version = map_to_json(reply);
  if (session->out.json()) {
    session->out.document(version);
    return exit_ok;
  }
  const Content content = content_of(reply);
  Json head;
  for (const auto& [name, value] : *version.as_object()) {
    if (name != "prompt" && name != "command") head.set(name, value);
  }
  print_map(&session->out, head);
  if (!content.command.empty()) session->out.line("command  " + printable(shown_command(content.command)));
  if (content.prompt) {
    session->out.line("prompt");
    session->out.line(printable_lines(*content.prompt));
  }
  return exit_ok;
}

}  // namespace

int run_ops_deploy(Session* session) {
  const Arguments& arguments = session->arguments;
  const std::string& role = arguments.words[0];
  if (const auto wrong = wrong_reason(*session)) return session->fail(exit_usage, *wrong);
  auto words = command_of(arguments);
  if (!words) return session->fail(exit_usage, words.error().text);
  Content added{std::move(*words), std::nullopt};
  if (const auto file = arguments.text("prompt")) {
    auto text = read_whole(*file);
    if (!text) return session->fail(exit_usage, text.error().text);
    if (text->empty()) return session->fail(exit_usage, "the prompt in " + printable(*file) + " is empty");
    added.prompt = std::move(*text);
  }
  if (added.command.empty() && !added.prompt) {
    return session->fail(exit_usage, "nothing to deploy: give -- CMD…, --command, --prompt FILE, or both");
  }
  client::Command command = {"DEPLOY", "SET", role};
  if (!added.command.empty()) {
    command.insert(command.end(), {"COMMAND", std::to_string(added.command.size())});
    command.insert(command.end(), added.command.begin(), added.command.end());
  }
  if (added.prompt) command.insert(command.end(), {"PROMPT", *added.prompt});
  if (const auto reason = arguments.text("reason")) command.insert(command.end(), {"REASON", *reason});

  session->introduce();
  int64_t number = 0;
  const auto present = ask_present(session, &number);
  if (!present) return session->exit_code();
  if (added.command.empty()) added.command = present->command;
  if (!added.prompt) added.prompt = present->prompt;
  const bool same = added.command == present->command && added.prompt == present->prompt;
  if (!session->out.json()) print_changes(session, *present, added);
  if (arguments.has("dry-run")) {
    if (session->out.json()) {
      Json document;
      document.set("role", role);
      document.set("version", number);
      document.set("would_change", same ? int64_t{0} : int64_t{1});
      session->out.document(document);
    }
    session->out.talk(same ? role + " runs just that already: " + version_name(number)
                           : "only shown; " + role + " goes on with " + version_name(number));
    return exit_ok;
  }
  const auto reply = session->ask(command);
  return reply ? print_outcome(session, *reply, "runs just that already") : session->exit_code();
}

int run_ops_rollback(Session* session) {
  const Arguments& arguments = session->arguments;
  if (const auto wrong = wrong_reason(*session)) return session->fail(exit_usage, *wrong);
  client::Command command = {"DEPLOY", "ROLLBACK", arguments.words[0], "REASON", *arguments.text("reason")};
  if (const auto to = arguments.number("to")) {
    command.insert(command.end(), {"TO", std::to_string(*to)});
  }
  session->introduce();
  int64_t number = 0;
  const auto before = ask_present(session, &number);
  if (!before) return session->exit_code();
  const auto reply = session->ask(command);
  if (!reply) return session->exit_code();
  if (!session->out.json()) {
    const auto after = ask_present(session, &number);
    if (after) print_changes(session, *before, *after);
  }
  return print_outcome(session, *reply, "runs that already");
}

int run_ops_versions(Session* session) {
  const Arguments& arguments = session->arguments;
  const std::string& role = arguments.words[0];
  if (arguments.words.size() > 1) {
    const auto reply = session->ask({"DEPLOY", "GET", role, arguments.words[1]});
    return reply ? print_version(session, *reply) : session->exit_code();
  }
  const auto reply = session->ask({"DEPLOY", "LIST", role});
  if (!reply) return session->exit_code();
  const Json document = map_to_json(*reply);
  if (session->out.json()) {
    session->out.document(document);
  } else {
    print_versions(session, document);
  }
  return exit_ok;
}

}  // namespace pawl::cli
