// dead export and import: dead letters as JSON lines.
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "bus/base/limits.h"
#include "cli/dispatch.h"
#include "cli/line_reader.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

// A message in JSON: the payload in base 64 at worst, headers and history besides.
constexpr size_t line_bytes_max = limits::command_bytes_max * 4;
constexpr int64_t page_items = 500;
// How long an import remembers that it pushed a message; longer than dead letters are kept.
constexpr int64_t import_key_ms = limits::keep_dead_ms * 2;

// Calls `each` with every dead letter that the filters select. False: said why not.
template <typename Each>
bool for_each_dead(Session* session, Each each) {
  std::string cursor = "0";
  do {
    client::Command command = {"DEAD", "LIST"};
    append_dead_filters(session->arguments, &command);
    for (const std::string& word :
         {std::string("CURSOR"), cursor, std::string("COUNT"), std::to_string(page_items)}) {
      command.push_back(word);
    }
    const auto page = session->ask(command);
    if (!page || page->items.size() != 2) return false;
    cursor = page->items[0].as_text();
    for (const client::Reply& item : page->items[1].items) {
      const auto letter = session->ask({"DEAD", "GET", item.text_of("id")});
      if (!letter) return false;
      if (!letter->is_nil() && !each(map_to_json(*letter))) return false;
    }
  } while (cursor != "0");
  return true;
}

void append_number(const Json& letter, const char* field, const char* word, client::Command* command) {
  const Json* value = letter.field(field);
  if (!value || !value->as_int()) return;
  command->push_back(word);
  command->push_back(std::to_string(*value->as_int()));
}

// The PUSH for one exported line; BADARG when it is none.
Result<client::Command> push_of(const std::string& line, const std::optional<std::string>& to) {
  const auto letter = parse_json(line);
  if (!letter) return letter.error();
  const Json* id = letter->field("id");
  const Json* role = letter->field("role");
  const Json* payload = letter->field("payload");
  if (!id || !id->as_string() || !role || !role->as_string() || !payload) {
    return make_error(Code::badarg, "not a line of pawl dead export: it needs id, role and payload");
  }
  auto bytes = bytes_of(*payload);
  if (!bytes) return make_error(Code::badarg, "payload: " + bytes.error().text);
  client::Command command = {"PUSH", to.value_or(*role->as_string()), std::move(*bytes)};
  append_number(*letter, "priority", "PRIORITY", &command);
  append_number(*letter, "max_attempts", "MAXATTEMPTS", &command);
  append_number(*letter, "lease", "LEASE", &command);
  if (const Json* group = letter->field("group")) {
    auto key = bytes_of(*group);
    if (!key) return make_error(Code::badarg, "group: " + key.error().text);
    command.push_back("GROUP");
    command.push_back(std::move(*key));
  }
  if (const Json* headers = letter->field("headers"); headers && headers->as_object()) {
    for (const auto& [name, value] : *headers->as_object()) {
      auto text = bytes_of(value);
      if (!text) return make_error(Code::badarg, "header " + name + ": " + text.error().text);
      command.push_back("HEADER");
      command.push_back(name);
      command.push_back(std::move(*text));
    }
  }
  for (const std::string& word : {std::string("UNIQUE"), "import:" + *id->as_string(),
                                  std::string("UNIQUEFOR"), std::to_string(import_key_ms)}) {
    command.push_back(word);
  }
  return command;
}

}  // namespace

int run_dead_export(Session* session) {
  const Arguments& arguments = session->arguments;
  std::FILE* file = nullptr;
  const bool to_file = !arguments.words.empty() && arguments.words[0] != "-";
  if (to_file) {
    file = std::fopen(arguments.words[0].c_str(), "wbe");
    if (!file) {
      return session->fail(exit_usage, "cannot write '" + arguments.words[0] + "': " + std::strerror(errno));
    }
  }
  int64_t count = 0;
  bool written = true;
  const bool all = for_each_dead(session, [&](const Json& letter) {
    const std::string line = dump(letter) + "\n";
    if (to_file) {
      written = std::fwrite(line.data(), 1, line.size(), file) == line.size();
    } else {
      session->out.raw(line);
    }
    ++count;
    return written && !session->out.closed();
  });
  const int failure = errno;
  if (to_file) written = std::fclose(file) == 0 && written;
  if (!written) {
    return session->fail(exit_failed, "cannot write '" + arguments.words[0] + "': " + std::strerror(failure));
  }
  if (!all) return session->exit_code();
  session->out.talk(format_count(count) + (count == 1 ? " dead letter exported" : " dead letters exported"));
  return exit_ok;
}

int run_dead_import(Session* session) {
  const Arguments& arguments = session->arguments;
  auto reader = LineReader::open(arguments.words.empty() ? "-" : arguments.words[0], line_bytes_max);
  if (!reader) return session->fail(reader.error());
  const auto to = arguments.text("to");
  Json::Array ids;
  int64_t count = 0;
  std::string line;
  for (;;) {
    auto got = reader->next(&line);
    const std::string so_far =
        "; " + format_count(count) + " pushed before it (importing again pushes no doubles)";
    if (!got) return session->fail(exit_code_of(got.error().code), got.error().text + so_far);
    if (!*got) break;
    if (line.empty()) continue;
    const auto command = push_of(line, to);
    if (!command) {
      return session->fail(
          exit_usage, "line " + std::to_string(reader->line_number()) + ": " + command.error().text + so_far);
    }
    const auto reply = session->ask(*command);
    if (!reply) {
      session->out.error("stopped at line " + std::to_string(reader->line_number()) + so_far);
      return session->exit_code();
    }
    ++count;
    if (session->out.json()) {
      ids.push_back(to_json(*reply));
    } else if (!session->out.quiet()) {
      session->out.line(printable(reply->as_text()));
    }
  }
  if (session->out.json()) session->out.document(Json(std::move(ids)));
  session->out.talk(format_count(count) + (count == 1 ? " message" : " messages") +
                    " pushed, or there already from an earlier import");
  return exit_ok;
}

}  // namespace pawl::cli
