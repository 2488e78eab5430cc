// daemons: who beats, and how well.
#include "cli/dispatch.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace pawl::cli {
namespace {

constexpr size_t reason_columns = 48;

std::string against(const Json& daemon, std::string_view now, std::string_view usual, std::string_view unit) {
  return cell_of(daemon, now) + " / " + cell_of(daemon, usual) + std::string(unit);
}

std::string ago(const Json& daemon, std::string_view name, int64_t now_ms) {
  const Json* at = daemon.field(name);
  return at && at->as_int() ? format_span(std::max<int64_t>(0, now_ms - *at->as_int())) : "";
}

void print_daemons(Session* session, const Json::Array& daemons) {
  if (daemons.empty()) return session->out.line("no daemon has beaten yet; BEAT registers one");
  const int64_t now_ms = wall_now_ms();
  std::vector<std::vector<std::string>> rows;
  for (const Json& daemon : daemons) {
    rows.push_back({cell_of(daemon, "daemon"), cell_of(daemon, "colour"), cell_of(daemon, "state"),
                    ago(daemon, "last_beat", now_ms), against(daemon, "jitter", "jitter_baseline", " ms"),
                    against(daemon, "errors_per_minute", "errors_baseline", ""), cell_of(daemon, "roles"),
                    cell_of(daemon, "needs"), shortened(cell_of(daemon, "reason"), reason_columns)});
  }
  print_table(&session->out,
              {"daemon", "colour", "state", ">last beat", ">jitter / usual", ">errors/min / usual", "roles",
               "needs", "reason"},
              rows);
}

}  // namespace

int run_daemons(Session* session) {
  const std::vector<std::string>& words = session->arguments.words;
  if (!words.empty() && words[0] == "forget") {
    if (words.size() != 2) return session->fail(exit_usage, "usage: pawl daemons forget NAME");
    session->introduce();
    const auto reply = session->ask({"DAEMON", "FORGET", words[1]});
    return reply ? print_ok(session, *reply) : session->exit_code();
  }
  if (words.size() > 1) return session->fail(exit_usage, "usage: pawl daemons [NAME | forget NAME]");
  const bool one = !words.empty();
  const auto reply = one ? session->ask({"DAEMON", words[0]}) : session->ask({"DAEMONS"});
  if (!reply) return session->exit_code();
  const Json shown = one ? map_to_json(*reply) : maps_to_json(*reply);
  if (session->out.json()) {
    session->out.document(shown);
  } else if (one) {
    print_map(&session->out, shown);
  } else {
    print_daemons(session, *shown.as_array());
  }
  return exit_ok;
}

}  // namespace pawl::cli
