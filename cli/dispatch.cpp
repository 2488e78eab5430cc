#include "cli/dispatch.h"

#include <csignal>
#include <cstdio>

namespace pawl::cli {
namespace {

struct Route {
  std::string_view name;
  int (*function)(Session*);
};

constexpr Route routes[] = {
    {"serve", run_serve_command},
    {"up", run_up},
    {"push", run_push},
    {"claim", run_claim},
    {"ack", run_ack},
    {"fail", run_fail},
    {"extend", run_extend},
    {"release", run_release},
    {"cancel", run_cancel},
    {"move", run_move},
    {"get", run_get},
    {"result", run_result},
    {"list", run_list},
    {"roles", run_roles},
    {"pause", run_pause},
    {"resume", run_resume},
    {"kill", run_kill},
    {"clear", run_clear},
    {"check", run_check},
    {"quota show", run_quota_show},
    {"quota set", run_quota_set},
    {"quota drop", run_quota_drop},
    {"guards", run_guards},
    {"sweep", run_sweep},
    {"incident list", run_incident_list},
    {"incident show", run_incident_show},
    {"incident open", run_incident_open},
    {"incident ack", run_incident_ack},
    {"incident note", run_incident_note},
    {"incident close", run_incident_close},
    {"notify stats", run_notify_stats},
    {"incident classify", run_incident_classify},
    {"incident unknown", run_incident_unknown},
    {"insights", run_insights},
    {"graph", run_graph},
    {"policy explain", run_policy_explain},
    {"policy replay", run_policy_replay},
    {"cron set", run_cron_set},
    {"cron list", run_cron_list},
    {"cron drop", run_cron_drop},
    {"daemons", run_daemons},
    {"events", run_events},
    {"invocations", run_invocations},
    {"why", run_why},
    {"exec", run_exec},
    {"run", run_run},
    {"mirror", run_mirror},
    {"dead list", run_dead_list},
    {"dead groups", run_dead_groups},
    {"dead show", run_dead_show},
    {"dead replay", run_dead_replay},
    {"dead edit", run_dead_edit},
    {"dead drop", run_dead_drop},
    {"dead export", run_dead_export},
    {"dead import", run_dead_import},
    {"dead stats", run_dead_stats},
    {"status", run_status},
    {"ops reload", run_ops_reload},
    {"ops list", run_ops_list},
    {"ops restart", run_ops_restart},
    {"ops relaunch", run_ops_relaunch},
    {"ops deploy", run_ops_deploy},
    {"ops rollback", run_ops_rollback},
    {"ops versions", run_ops_versions},
    {"ops units", run_ops_units},
    {"verify", run_verify},
    {"passwd", run_passwd},
    {"version", run_version},
    {"completion", run_completion},
};

}  // namespace

int run(const std::vector<std::string>& argv) {
  // A bus or a reader of ours that goes away is an error of a write, not our end.
  std::signal(SIGPIPE, SIG_IGN);
  if (!argv.empty() && argv[0] == "keep") return run_keep({argv.begin() + 1, argv.end()});
  ParseOutcome outcome = parse_arguments(argv);
  if (!outcome.arguments) {
    const bool is_help = outcome.exit_code == exit_ok;
    const std::string text = (is_help ? "" : "pawl: ") + outcome.text;
    std::fwrite(text.data(), 1, text.size(), is_help ? stdout : stderr);
    return outcome.exit_code;
  }
  Session session(*outcome.arguments);
  for (const Route& route : routes) {
    if (route.name != outcome.arguments->command->name) continue;
    const int code = route.function(&session);
    if (session.out.finish()) return code;
    const int failed = route.name == "sweep" ? exit_cannot_tell : int{exit_failed};
    return session.fail(failed, "could not write all of the output; is the disk full?");
  }
  return session.fail(exit_usage, "this command is not wired up");
}

}  // namespace pawl::cli
