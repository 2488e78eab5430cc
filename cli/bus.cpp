// serve, verify, version, completion: the bus itself.
#include "cli/completion.h"
#include "cli/dispatch.h"
#include "cli/serve.h"
#include "cli/shapes.h"
#include "cli/values.h"
#include "cli/verify_offline.h"

namespace pawl::cli {

int run_serve_command(Session* session) {
  const Arguments& arguments = session->arguments;
  ServeOptions options;
  options.data = arguments.text("data");
  options.listen = arguments.text("listen");
  options.socket = arguments.text("socket");
  options.http = arguments.text("http");
  options.config = arguments.text("config");
  options.check = arguments.has("check");
  options.quiet = arguments.quiet;
  return run_serve(options);
}

int run_verify(Session* session) {
  const Arguments& arguments = session->arguments;
  if (const auto data = arguments.text("data")) {
    if (arguments.url)
      return session->fail(exit_usage, "--data checks files, --url asks a running bus: choose one");
    return run_verify_offline(*data, session->out.json());
  }
  constexpr int64_t full_scan_ms = 3'600'000;
  const auto reply = session->ask({"VERIFY"}, arguments.timeout_ms ? 0 : full_scan_ms);
  if (!reply) return session->exit_code();
  const bool whole = reply->int_of("ok").value_or(0) == 1;
  const Json report = map_to_json(*reply);
  if (session->out.json()) {
    session->out.document(report);
    return whole ? exit_ok : exit_failed;
  }
  const std::string count = format_count(reply->int_of("messages").value_or(0));
  if (whole) {
    session->out.line(session->out.paint(Color::green, "whole") + ": " + count + " messages");
    return exit_ok;
  }
  session->out.line(session->out.paint(Color::red, "not whole") + ": " + count + " messages");
  if (const client::Reply* problems = reply->field("problems")) {
    for (const client::Reply& problem : problems->items)
      session->out.line("  " + printable(problem.as_text()));
  }
  return exit_failed;
}

int run_version(Session* session) {
  if (session->out.json()) {
    Json document;
    document.set("version", PAWL_VERSION);
    session->out.document(document);
  } else {
    session->out.line(std::string("pawl ") + PAWL_VERSION);
  }
  return exit_ok;
}

int run_completion(Session* session) {
  const std::string& shell = session->arguments.words[0];
  const auto script = completion_script(shell);
  if (!script) return session->fail(exit_usage, "completion is for bash, zsh or fish, not '" + shell + "'");
  session->out.raw(*script);
  return exit_ok;
}

}  // namespace pawl::cli
