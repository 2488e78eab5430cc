// The commands, one function each, by family.
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"

namespace pawl::cli {

// All of the program behind main(): parses, runs, answers the exit code.
int run(const std::vector<std::string>& argv);

// push.cpp, push_lines.cpp
int run_push(Session* session);
int run_push_lines(Session* session);
// work.cpp
int run_claim(Session* session);
int run_ack(Session* session);
int run_fail(Session* session);
int run_extend(Session* session);
int run_release(Session* session);
// message.cpp
int run_cancel(Session* session);
int run_move(Session* session);
int run_get(Session* session);
int run_result(Session* session);
int run_list(Session* session);
int run_invocations(Session* session);
int run_why(Session* session);
// roles.cpp
int run_roles(Session* session);
int run_pause(Session* session);
int run_resume(Session* session);
// status.cpp
int run_status(Session* session);
// kill.cpp, check.cpp
int run_kill(Session* session);
int run_clear(Session* session);
int run_check(Session* session);
// quota.cpp, guards.cpp
int run_quota_show(Session* session);
int run_quota_set(Session* session);
int run_quota_drop(Session* session);
int run_guards(Session* session);
// notify.cpp
int run_notify_stats(Session* session);
// sweep.cpp
int run_sweep(Session* session);
// incident.cpp
int run_incident_list(Session* session);
int run_incident_show(Session* session);
int run_incident_open(Session* session);
int run_incident_ack(Session* session);
int run_incident_note(Session* session);
int run_incident_close(Session* session);
// classify.cpp
int run_incident_classify(Session* session);
int run_incident_unknown(Session* session);
// insights.cpp
int run_insights(Session* session);
int run_graph(Session* session);
// policy.cpp
int run_policy_explain(Session* session);
int run_policy_replay(Session* session);
// cron.cpp
int run_cron_set(Session* session);
int run_cron_list(Session* session);
int run_cron_drop(Session* session);
// daemons.cpp
int run_daemons(Session* session);
// events.cpp
int run_events(Session* session);
// events_verify.cpp
int verify_events(Session* session);
int run_recent_failures(Session* session);
// dead.cpp, dead_edit.cpp, dead_file.cpp
int run_dead_list(Session* session);
int run_dead_groups(Session* session);
int run_dead_show(Session* session);
int run_dead_replay(Session* session);
int run_dead_edit(Session* session);
int run_dead_drop(Session* session);
int run_dead_export(Session* session);
int run_dead_import(Session* session);
int run_dead_stats(Session* session);
// exec.cpp
int run_exec(Session* session);
// run.cpp
int run_run(Session* session);
// mirror.cpp
int run_mirror(Session* session);
// passwd.cpp
int run_passwd(Session* session);
// bus.cpp
int run_serve_command(Session* session);
int run_verify(Session* session);
int run_version(Session* session);
int run_completion(Session* session);

// ops.cpp
int run_ops_reload(Session* session);
// deploy.cpp
int run_ops_deploy(Session* session);
int run_ops_rollback(Session* session);
int run_ops_versions(Session* session);
// up.cpp, up_ops.cpp
int run_up(Session* session);
int run_ops_list(Session* session);
int run_ops_restart(Session* session);
int run_ops_relaunch(Session* session);
int run_ops_units(Session* session);
// `pawl keep …`, which only the launcher starts: not in the table of commands.
int run_keep(const std::vector<std::string>& words);

// Shared: prints "OK" or {"ok":true} for a plain answer.
int print_ok(Session* session, const client::Reply& reply);
// A number with thousands apart, or the cell of whatever else it is.
std::string count_cell(const Json& map, std::string_view name);
// The table of `pawl roles`.
void print_roles(Session* session, const Json::Array& roles);
// A number of a quota in its unit: cost is money, tokens and calls are counted.
std::string quota_amount(const Json& quota, std::string_view name);
// "1h".
std::string quota_window(const Json& quota);
// The invocations of a message, as print_map would not show them: a table.
void print_invocations(Session* session, const Json& message);
// A whole message for people: its fields, then payload, headers and invocations.
void print_message(Session* session, const Json& message);
// What changed between two texts, line by line; `what` they are, for those that are no text.
void print_difference(Output* out, std::string_view what, const std::string& before,
                      const std::string& after);
// `DEAD …` filters out of the options; appended to a command.
void append_dead_filters(const Arguments& arguments, client::Command* command);
bool has_dead_filters(const Arguments& arguments);

}  // namespace pawl::cli
