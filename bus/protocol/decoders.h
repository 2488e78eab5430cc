// The decoders that the command table points to. Each is called with a word count
// within the arity of its row.
#pragma once

#include "bus/protocol/command_table.h"

namespace pawl::protocol {

Decoded decode_push(const Command& command, Args args);
Decoded decode_mpush(const Command& command, Args args);
Decoded decode_claim(const Command& command, Args args);
Decoded decode_ack(const Command& command, Args args);
Decoded decode_mack(const Command& command, Args args);
Decoded decode_fail(const Command& command, Args args);
Decoded decode_extend(const Command& command, Args args);
Decoded decode_release(const Command& command, Args args);
Decoded decode_cancel(const Command& command, Args args);
Decoded decode_cancel_filter(const Command& command, Args args);
Decoded decode_move(const Command& command, Args args);

Decoded decode_get(const Command& command, Args args);
Decoded decode_result(const Command& command, Args args);
Decoded decode_explain(const Command& command, Args args);
Decoded decode_list(const Command& command, Args args);
Decoded decode_events(const Command& command, Args args);
Decoded decode_event_add(const Command& command, Args args);
Decoded decode_roles(const Command& command, Args args);
Decoded decode_role(const Command& command, Args args);
Decoded decode_role_drop(const Command& command, Args args);
Decoded decode_pause(const Command& command, Args args);
Decoded decode_resume(const Command& command, Args args);
Decoded decode_info(const Command& command, Args args);

Decoded decode_dead_list(const Command& command, Args args);
Decoded decode_dead_get(const Command& command, Args args);
Decoded decode_dead_count(const Command& command, Args args);
Decoded decode_dead_groups(const Command& command, Args args);
Decoded decode_dead_replay(const Command& command, Args args);
Decoded decode_dead_edit(const Command& command, Args args);
Decoded decode_dead_drop(const Command& command, Args args);

Decoded decode_kill_set(const Command& command, Args args);
Decoded decode_kill_hard(const Command& command, Args args);
Decoded decode_kill_clear(const Command& command, Args args);
Decoded decode_kill_status(const Command& command, Args args);
Decoded decode_quota_set(const Command& command, Args args);
Decoded decode_quota_get(const Command& command, Args args);
Decoded decode_quota_drop(const Command& command, Args args);
Decoded decode_guard_list(const Command& command, Args args);
Decoded decode_guard_mode(const Command& command, Args args);

Decoded decode_deploy_set(const Command& command, Args args);
Decoded decode_deploy_rollback(const Command& command, Args args);
Decoded decode_deploy_drop(const Command& command, Args args);
Decoded decode_deploy_list(const Command& command, Args args);
Decoded decode_deploy_get(const Command& command, Args args);

Decoded decode_beat(const Command& command, Args args);
Decoded decode_daemons(const Command& command, Args args);
Decoded decode_daemon(const Command& command, Args args);
Decoded decode_daemon_forget(const Command& command, Args args);
Decoded decode_reap(const Command& command, Args args);

Decoded decode_cron_set(const Command& command, Args args);
Decoded decode_cron_list(const Command& command, Args args);
Decoded decode_cron_drop(const Command& command, Args args);

Decoded decode_incident_open(const Command& command, Args args);
Decoded decode_incident_list(const Command& command, Args args);
Decoded decode_incident_get(const Command& command, Args args);
Decoded decode_incident_ack(const Command& command, Args args);
Decoded decode_incident_note(const Command& command, Args args);
Decoded decode_incident_close(const Command& command, Args args);
Decoded decode_incident_insights(const Command& command, Args args);
Decoded decode_incident_graph(const Command& command, Args args);
Decoded decode_incident_notices(const Command& command, Args args);
Decoded decode_incident_unknown(const Command& command, Args args);
Decoded decode_sweep(const Command& command, Args args);

// Which session command it is, is told by the row.
Decoded decode_session(const Command& command, Args args);

}  // namespace pawl::protocol
