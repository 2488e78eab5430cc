// sweep: the monitor's report, with the exit codes that monitoring systems expect.
#include <algorithm>
#include <cstdlib>

#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

// A value for a line of evidence: what holds a space is quoted.
std::string evidence_cell(const Json& evidence, const std::string& name, const Json& value) {
  const bool amount = name == "used" || name == "reserved" || name == "cap";
  const std::string text = amount && cell_of(evidence, "what") == "cost" && value.as_int() != nullptr
                               ? format_cost(*value.as_int())
                               : cell_text(name, value);
  return text.empty() || text.find(' ') != std::string::npos ? "'" + text + "'" : text;
}

void print_finding(Session* session, const Json& finding) {
  Output& out = session->out;
  const bool ultra = cell_of(finding, "tier") == "ultra";
  const std::string word = ultra ? "ULTRA    " : "concern  ";
  const std::string indent(word.size(), ' ');
  out.line(out.paint(ultra ? Color::red : Color::yellow, word) + cell_of(finding, "title"));
  std::string line;
  const Json* evidence = finding.field("evidence");
  if (evidence != nullptr && evidence->as_object() != nullptr) {
    for (const auto& [name, value] : *evidence->as_object()) {
      line += (line.empty() ? "" : "  ") + printable(name) + "=" + evidence_cell(*evidence, name, value);
    }
  }
  if (!line.empty()) out.line(indent + line);
  const std::string incident = cell_of(finding, "incident");
  out.line(indent + out.paint(Color::dim, "look: " + cell_of(finding, "look") +
                                              (incident.empty() ? "" : "  (incident " + incident + ")")));
}

void print_report(Session* session, const Json& report, const std::string& result) {
  Output& out = session->out;
  const Json* since = report.field("since");
  const Json* at = report.field("at");
  const Json* findings = report.field("findings");
  const Json::Array none;
  const Json::Array& all =
      findings != nullptr && findings->as_array() != nullptr ? *findings->as_array() : none;
  std::string line = result + ": sweep " + cell_of(report, "number");
  if (since != nullptr && since->as_int() != nullptr && at != nullptr && at->as_int() != nullptr) {
    line += ", of the last " + format_span(*at->as_int() - *since->as_int());
  }
  const std::string count = std::to_string(all.size());
  line += all.empty() ? ", nothing found" : ", " + count + (all.size() == 1 ? " finding" : " findings");
  const Color color = result == "nominal" ? Color::green : result == "ultra" ? Color::red : Color::yellow;
  out.line(out.paint(color, line));
  for (const Json& finding : all) print_finding(session, finding);
  if (const std::string more = cell_of(report, "more"); !more.empty()) out.line(more + " more");
}

}  // namespace

int run_sweep(Session* session) {
  client::Command command = {"SWEEP"};
  if (const auto span = session->arguments.number("since")) {
    command.insert(command.end(), {"SINCE", std::to_string(std::max<int64_t>(0, wall_now_ms() - *span))});
  }
  if (session->bus() == nullptr) return exit_cannot_tell;
  session->introduce();
  const auto reply = session->ask(command);
  if (!reply) return exit_cannot_tell;
  const Json report = map_to_json(*reply);
  const std::string result = cell_of(report, "result");
  const int code = result == "nominal"   ? int{exit_ok}
                   : result == "concern" ? exit_concern
                   : result == "ultra"   ? exit_ultra
                                         : exit_cannot_tell;
  if (code == exit_cannot_tell) {
    return session->fail(code, "the bus answered no report; is it older than this pawl?");
  }
  if (session->out.json()) {
    session->out.document(report);
  } else {
    print_report(session, report, result);
  }
  // A handler has done its work once there is a report; what that says is in the incidents.
  const char* claim = std::getenv("PAWL_CLAIM");
  return claim != nullptr && *claim != '\0' ? exit_ok : code;
}

}  // namespace pawl::cli
