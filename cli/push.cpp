#include "cli/dispatch.h"
#include "cli/push_command.h"

namespace pawl::cli {

client::Command push_options(const Arguments& arguments) {
  client::Command command;
  const auto number = [&](const char* option, const char* word) {
    if (const auto value = arguments.number(option)) {
      command.push_back(word);
      command.push_back(std::to_string(*value));
    }
  };
  const auto text = [&](const char* option, const char* word) {
    if (const auto value = arguments.text(option)) {
      command.push_back(word);
      command.push_back(*value);
    }
  };
  number("priority", "PRIORITY");
  number("delay", "DELAY");
  number("at", "AT");
  text("unique", "UNIQUE");
  number("unique-for", "UNIQUEFOR");
  text("group", "GROUP");
  number("max-attempts", "MAXATTEMPTS");
  number("lease", "LEASE");
  number("expire", "EXPIRE");
  for (const std::string& header : arguments.all("header")) {
    const size_t equals = header.find('=');
    command.push_back("HEADER");
    command.push_back(header.substr(0, equals));
    command.push_back(header.substr(equals + 1));
  }
  return command;
}

int run_push(Session* session) {
  const Arguments& arguments = session->arguments;
  if (arguments.has("delay") && arguments.has("at")) {
    return session->fail(exit_usage, "--delay and --at exclude each other");
  }
  if (arguments.has("unique-for") && !arguments.has("unique")) {
    return session->fail(exit_usage, "--unique-for goes with --unique KEY");
  }
  if (arguments.has("lines")) return run_push_lines(session);
  std::string payload;
  if (arguments.words.size() > 1) {
    auto read = read_argument(arguments.words[1]);
    if (!read) return session->fail(read.error());
    payload = std::move(*read);
  }
  client::Command command = {"PUSH", arguments.words[0], std::move(payload)};
  for (std::string& word : push_options(arguments)) command.push_back(std::move(word));
  const auto reply = session->ask(command);
  if (!reply) return session->exit_code();
  const std::string id = reply->as_text();
  if (session->out.json()) {
    Json document;
    document.set("id", id);
    session->out.document(document);
  } else {
    session->out.line(id);
  }
  return exit_ok;
}

}  // namespace pawl::cli
