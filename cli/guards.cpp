// guards: the chain, and the mode of one of it.
#include <algorithm>

#include "bus/core/config.h"
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

int set_mode(Session* session, const std::string& name, const std::string& mode) {
  const auto& modes = core::guard_mode_names;
  if (std::find(modes.begin(), modes.end(), mode) == modes.end()) {
    return session->fail(exit_usage, "a mode is off, observe or enforce, not '" + printable(mode) + "'");
  }
  session->introduce();
  const auto reply = session->ask({"GUARD", "MODE", name, mode});
  return reply ? print_ok(session, *reply) : session->exit_code();
}

}  // namespace

int run_guards(Session* session) {
  const std::vector<std::string>& words = session->arguments.words;
  if (!words.empty()) {
    if (words[0] == "mode" && words.size() == 3) return set_mode(session, words[1], words[2]);
    return session->fail(exit_usage, "usage: pawl guards, or pawl guards mode NAME off|observe|enforce");
  }
  const auto reply = session->ask({"GUARD", "LIST"});
  if (!reply) return session->exit_code();
  const Json guards = maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(guards);
    return exit_ok;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& guard : *guards.as_array()) {
    const Json* fixed = guard.field("fixed");
    const bool always = fixed && fixed->as_int() && *fixed->as_int() != 0;
    rows.push_back({cell_of(guard, "guard"), always ? "always" : cell_of(guard, "mode"),
                    cell_of(guard, "fails"), count_cell(guard, "evaluated"), count_cell(guard, "refused"),
                    count_cell(guard, "would_refuse"), count_cell(guard, "failed")});
  }
  print_table(&session->out, {"guard", "mode", "fails", ">evaluated", ">refused", ">would refuse", ">failed"},
              rows);
  return exit_ok;
}

}  // namespace pawl::cli
