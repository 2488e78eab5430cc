// ops list, restart, relaunch: talking to a launcher that runs.
#include "bus/base/parse.h"
#include "cli/dispatch.h"
#include "cli/up.h"
#include "cli/values.h"
#include "runner/control.h"

namespace pawl::cli {
namespace {

constexpr size_t row_fields = 9;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> fields;
  for (;;) {
    const size_t tab = text.find('\t');
    fields.emplace_back(text.substr(0, tab));
    if (tab == std::string_view::npos) return fields;
    text.remove_prefix(tab + 1);
  }
}

int fail(Session* session, const Error& error) {
  if (error.code == Code::notleader) return session->fail(exit_unreachable, error.text);
  return session->fail(error.code == Code::notfound ? exit_nothing : exit_failed, error.text);
}

Json row_document(const std::vector<std::string>& fields) {
  Json row;
  row.set("name", fields[0]);
  row.set("state", fields[1]);
  if (fields[2] != "0") row.set("pid", parse_int(fields[2]).value_or(0));
  if (fields[3] != "-") row.set("boot", fields[3]);
  if (fields[4] != "0") row.set("started", parse_int(fields[4]).value_or(0));
  row.set("starts", parse_int(fields[5]).value_or(0));
  if (fields[6] != "-") row.set("why", fields[6]);
  if (fields[7] != "-") row.set("note", fields[7]);
  row.set("log", fields[8]);
  return row;
}

// What it says of itself, else why it is in its state; its process has a column of its own.
std::string why_cell(const std::vector<std::string>& fields) {
  if (fields[7] != "-") return printable(fields[7]);
  return fields[6] == "-" || fields[6] == "pid " + fields[2] ? "" : printable(fields[6]);
}

int ask_for(Session* session, const std::string& verb) {
  const Result<std::string> folder = launcher_folder(*session);
  if (!folder) return session->fail(exit_usage, folder.error().text);
  const Status done = runner::ask_launcher(
      *folder, verb + " " + session->arguments.words[0],
      [session](std::string_view, std::string_view text) { session->out.talk(printable(text)); });
  return done.ok() ? exit_ok : fail(session, done.error());
}

}  // namespace

int run_ops_list(Session* session) {
  const Result<std::string> folder = launcher_folder(*session);
  if (!folder) return session->fail(exit_usage, folder.error().text);
  Json::Array documents;
  std::vector<std::vector<std::string>> rows;
  const Status done =
      runner::ask_launcher(*folder, "list", [&](std::string_view verb, std::string_view text) {
        std::vector<std::string> fields = split(text);
        if (verb != "row" || fields.size() < row_fields) return;
        documents.push_back(row_document(fields));
        rows.push_back({printable(fields[0]), fields[1], fields[2] == "0" ? "" : fields[2], fields[5],
                        why_cell(fields)});
      });
  if (!done.ok()) return fail(session, done.error());
  if (session->out.json()) {
    session->out.document(Json(std::move(documents)));
  } else {
    print_table(&session->out, {"daemon", "state", ">pid", ">starts", "why"}, rows);
  }
  return exit_ok;
}

int run_ops_restart(Session* session) { return ask_for(session, "restart"); }

int run_ops_relaunch(Session* session) { return ask_for(session, "relaunch"); }

}  // namespace pawl::cli
