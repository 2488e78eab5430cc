#include "bus/protocol/command_table.h"

#include <array>
#include <vector>

#include "bus/base/parse.h"
#include "bus/protocol/decode_support.h"
#include "bus/protocol/decoders.h"

namespace pawl::protocol {
namespace {

using enum CommandGroup;
constexpr int any = arity_unbounded;
constexpr uint16_t subscriber = flag_session | flag_while_subscribed;

// Columns: verb, second word, words at least, words at most, flags, group, usage, help, decoder.
constexpr Command table[] = {
    {"PUSH", "", 3, any, flag_write | flag_multi, work,
     "PUSH role payload [PRIORITY 0-9] [DELAY ms | AT ms] [UNIQUE key [UNIQUEFOR ms]] [GROUP key] "
     "[MAXATTEMPTS n] [LEASE ms] [EXPIRE ms] [HEADER name value]...",
     "Adds one message and answers its id, or the holder's id when the unique key is held.", decode_push},
    {"MPUSH", "", 3, any, flag_write, work, "MPUSH role payload [payload ...]",
     "Adds messages with default options, all or nothing, and answers their ids.", decode_mpush},
    {"CLAIM", "", 3, any, flag_write | flag_parkable, work,
     "CLAIM daemon role [role ...] [COUNT n] [WAIT ms] [LEASE ms] [VERSION v]",
     "Claims messages for a daemon, waiting for them with WAIT.", decode_claim},
    {"ACK", "", 3, any, flag_write | flag_multi, work,
     "ACK id token [RESULT bytes] [TOKENS n] [COST n] [VERSION v] [NEXT [COUNT n] [LEASE ms] role [role "
     "...]]",
     "Ends a claim as done; with NEXT it also claims what comes next in the same commit.", decode_ack},
    {"MACK", "", 3, any, flag_write, work, "MACK id token [id token ...]",
     "Acknowledges many claims; answers OK or LOST for each, in order.", decode_mack},
    {"FAIL", "", 5, any, flag_write | flag_multi, work,
     "FAIL id token class text [RETRYIN ms] [DEAD] [TOKENS n] [COST n] [VERSION v]",
     "Ends a claim as failed; the message is retried or becomes a dead letter.", decode_fail},
    {"EXTEND", "", 3, any, flag_write, work,
     "EXTEND id token [LEASE ms] [PROGRESS percent text] [TOKENS n] [COST n] [VERSION v]",
     "A sign of life: renews the lease and tells of a wanted cancel or a freeze.", decode_extend},
    {"RELEASE", "", 3, 5, flag_write, work, "RELEASE id token [DELAY ms]",
     "Gives a claim back without spending an attempt.", decode_release},
    {"CANCEL", "FILTER", 3, 6, flag_write, work, "CANCEL FILTER role [state] [LIMIT n]",
     "Cancels the messages of a role that are scheduled, ready or claimed.", decode_cancel_filter},
    {"CANCEL", "", 2, 3, flag_write, work, "CANCEL id [reason]",
     "Cancels a message; a claimed one is asked to stop.", decode_cancel},
    {"MOVE", "", 4, 6, flag_write, work, "MOVE id [PRIORITY p] [TO role]",
     "Changes priority or role of a message that is scheduled or ready.", decode_move},

    {"GET", "", 2, 2, 0, reading, "GET id", "A message with its state, deliveries and invocations.",
     decode_get},
    {"RESULT", "", 2, 4, flag_parkable, reading, "RESULT id [WAIT ms]",
     "State and result of a message; WAIT waits until it has ended.", decode_result},
    {"EXPLAIN", "", 2, 2, 0, reading, "EXPLAIN id", "Why a message is not running: everything that holds it.",
     decode_explain},
    {"LIST", "", 3, 7, 0, reading, "LIST role state [CURSOR c] [COUNT n]",
     "Pages through the messages of a role in one state; the cursor is 0 at the end.", decode_list},
    {"EVENTS", "", 2, 8, flag_parkable, reading, "EVENTS after|$ [COUNT n] [WAIT ms] [KIND k]",
     "Reads the chronicle from an event on.", decode_events},

    {"DEAD", "LIST", 2, any, 0, dead_letters,
     "DEAD LIST [ROLE r] [CLASS c] [FINGERPRINT f] [SINCE ms] [MATCH text] [CURSOR c] [COUNT n]",
     "Pages through dead letters.", decode_dead_list},
    {"DEAD", "GET", 3, 3, 0, dead_letters, "DEAD GET id", "A dead letter with its whole history.",
     decode_dead_get},
    {"DEAD", "COUNT", 2, any, 0, dead_letters,
     "DEAD COUNT [ROLE r] [CLASS c] [FINGERPRINT f] [SINCE ms] [MATCH text]", "How many dead letters match.",
     decode_dead_count},
    {"DEAD", "GROUPS", 2, any, 0, dead_letters,
     "DEAD GROUPS [ROLE r] [CLASS c] [FINGERPRINT f] [SINCE ms] [MATCH text]",
     "Dead letters by error fingerprint: count, first and last seen, an example.", decode_dead_groups},
    {"DEAD", "REPLAY", 3, any, flag_write, dead_letters,
     "DEAD REPLAY id [id ...] | FILTER [ROLE r] [CLASS c] [FINGERPRINT f] [SINCE ms] [MATCH text] [LIMIT n] "
     "[TO role] [RESET] [DRYRUN]",
     "Puts dead letters back to work under their ids, with fresh attempts.", decode_dead_replay},
    {"DEAD", "EDIT", 4, 4, flag_write, dead_letters, "DEAD EDIT id payload",
     "Replaces the payload of a dead letter.", decode_dead_edit},
    {"DEAD", "DROP", 3, any, flag_write, dead_letters,
     "DEAD DROP id [id ...] | FILTER [ROLE r] [CLASS c] [FINGERPRINT f] [SINCE ms] [MATCH text]",
     "Forgets dead letters for good and answers how many.", decode_dead_drop},

    {"ROLES", "", 1, 1, flag_status, roles, "ROLES", "Every role with its depth by state, rates and pause.",
     decode_roles},
    {"ROLE", "DROP", 3, 3, flag_write | flag_admin, roles, "ROLE DROP name",
     "Removes a role in which nothing is scheduled, ready, claimed or dead.", decode_role_drop},
    {"ROLE", "", 2, 2, flag_status, roles, "ROLE name", "One role, as in ROLES.", decode_role},
    {"PAUSE", "", 2, 3, flag_write | flag_admin, roles, "PAUSE role [reason]",
     "Stops claims of a role; pushes and work in flight go on.", decode_pause},
    {"RESUME", "", 2, 2, flag_write | flag_admin, roles, "RESUME role", "Ends a pause.", decode_resume},

    {"DEPLOY", "SET", 5, any, flag_write | flag_admin, roles,
     "DEPLOY SET role [COMMAND n word [word ...]] [PROMPT bytes] [REASON text]",
     "Gives a role another command, prompt or both from the next claim on; what is not said stays.",
     decode_deploy_set},
    {"DEPLOY", "ROLLBACK", 3, 7, flag_write | flag_admin, roles,
     "DEPLOY ROLLBACK role [TO version] [REASON text]",
     "Goes back to what ran before the present version, or to the one named; 0: what the file says.",
     decode_deploy_rollback},
    {"DEPLOY", "DROP", 3, 5, flag_write | flag_admin, roles, "DEPLOY DROP role [REASON text]",
     "Lets a role run what its runners' files say; the versions stay.", decode_deploy_drop},
    {"DEPLOY", "LIST", 3, 3, 0, roles, "DEPLOY LIST role",
     "The versions of a role, newest first, and who changed what runs, when and why.", decode_deploy_list},
    {"DEPLOY", "GET", 3, 4, 0, roles, "DEPLOY GET role [version]",
     "One version with its prompt, or the present one; null: what the file says.", decode_deploy_get},

    {"KILL", "SET", 3, 7, flag_write | flag_admin, guards,
     "KILL SET [SCOPE all|intake|claims] [FOR ms] reason",
     "Freezes the fleet until it is cleared or the time is over; answers what stands.", decode_kill_set},
    {"KILL", "HARD", 3, 3, flag_write | flag_admin, guards, "KILL HARD reason",
     "Freezes everything until an operator clears it with KILL CLEAR HARD.", decode_kill_hard},
    {"KILL", "CLEAR", 3, 4, flag_write | flag_admin, guards, "KILL CLEAR [HARD] reason", "Ends a freeze.",
     decode_kill_clear},
    {"KILL", "STATUS", 2, 2, flag_status, guards, "KILL STATUS",
     "The freeze that stands, with scope, reason, who set it, since and until when.", decode_kill_status},
    {"QUOTA", "SET", 7, 9, flag_write | flag_admin, guards,
     "QUOTA SET role|* TOKENS|COST|CALLS cap PER ms [ESTIMATE n]",
     "Caps what a role, or the fleet, may use within a sliding window.", decode_quota_set},
    {"QUOTA", "GET", 2, 3, flag_status, guards, "QUOTA GET [role|*]",
     "Caps with what is used and reserved, per cent, when room comes free, trips.", decode_quota_get},
    {"QUOTA", "DROP", 6, 6, flag_write | flag_admin, guards, "QUOTA DROP role|* TOKENS|COST|CALLS PER ms",
     "Removes a cap that QUOTA SET made.", decode_quota_drop},
    {"GUARD", "LIST", 2, 2, flag_status, guards, "GUARD LIST",
     "The chain of guards with modes and counters, in the order in which they are asked.", decode_guard_list},
    {"GUARD", "MODE", 4, 4, flag_write | flag_admin, guards, "GUARD MODE name off|observe|enforce",
     "Sets the mode of a guard; it outlives restarts.", decode_guard_mode},

    {"BEAT", "", 2, any, flag_status | flag_write, daemons, "BEAT daemon [name value]...",
     "A sign of life of a process; the first one registers it. boot interval roles errors needs state are "
     "reserved names.",
     decode_beat},
    {"DAEMONS", "", 1, 1, flag_status, daemons, "DAEMONS",
     "Every daemon that ever beat, with its colour and the numbers behind it.", decode_daemons},
    {"DAEMON", "FORGET", 3, 3, flag_write | flag_admin, daemons, "DAEMON FORGET name",
     "Forgets a daemon until it beats again.", decode_daemon_forget},
    {"DAEMON", "", 2, 2, flag_status, daemons, "DAEMON name", "One daemon, as in DAEMONS.", decode_daemon},
    {"REAP", "", 3, 3, flag_write | flag_admin, daemons, "REAP daemon boot",
     "Ends every claim of a process that is gone as a crash; answers how many.", decode_reap},
    {"EVENT", "ADD", 3, any, flag_write, daemons, "EVENT ADD kind [name value]...",
     "Writes an entry into the chronicle: launcher.*, runner.*, mirror.*, note. source and number, together, "
     "are reserved names: of one source no number comes twice.",
     decode_event_add},

    {"CRON", "SET", 6, 10, flag_write | flag_admin, schedules,
     "CRON SET name \"expr\" role payload [TZ zone] [CATCHUP skip|once|all]",
     "Pushes the payload to the role whenever the expression says so; answers the schedule.",
     decode_cron_set},
    {"CRON", "LIST", 2, 2, 0, schedules, "CRON LIST",
     "Every schedule with its next and last firing and how many were missed.", decode_cron_list},
    {"CRON", "DROP", 3, 3, flag_write | flag_admin, schedules, "CRON DROP name",
     "Removes a schedule that CRON SET made.", decode_cron_drop},

    {"INCIDENT", "OPEN", 4, any, flag_write, incidents,
     "INCIDENT OPEN concern|ultra title [FINGERPRINT f] [ROLE r]... [DAEMON d]... [OWNER o] [NOTE text]",
     "Reports an incident; one that is open under its fingerprint is updated. Answers it.",
     decode_incident_open},
    {"INCIDENT", "LIST", 2, 11, 0, incidents,
     "INCIDENT LIST [STATE open|closed] [TIER concern|ultra] [ROLE r] [CURSOR c] [COUNT n]",
     "Pages through incidents: open ones oldest first, closed ones newest first.", decode_incident_list},
    {"INCIDENT", "GET", 3, 3, 0, incidents, "INCIDENT GET id", "An incident with its notes.",
     decode_incident_get},
    {"INCIDENT", "ACK", 3, 5, flag_write | flag_admin, incidents, "INCIDENT ACK id [OWNER o]",
     "Says that somebody looks at it: the caller, or the owner named.", decode_incident_ack},
    {"INCIDENT", "NOTE", 4, 4, flag_write | flag_admin, incidents, "INCIDENT NOTE id text", "Adds a note.",
     decode_incident_note},
    {"INCIDENT", "CLOSE", 3, 4, flag_write | flag_admin, incidents, "INCIDENT CLOSE id [reason]",
     "Closes it.", decode_incident_close},
    {"INCIDENT", "INSIGHTS", 2, 4, 0, incidents, "INCIDENT INSIGHTS [COUNT n]",
     "What is known of each fingerprint, most costly first.", decode_incident_insights},
    {"INCIDENT", "GRAPH", 2, 3, 0, incidents, "INCIDENT GRAPH [fingerprint|*]",
     "What precedes a fingerprint and what helps; *: every edge; without one, a text for Graphviz.",
     decode_incident_graph},
    {"INCIDENT", "NOTICES", 2, 2, 0, incidents, "INCIDENT NOTICES",
     "What was raised, sent and suppressed, by channel.", decode_incident_notices},
    {"INCIDENT", "UNKNOWN", 2, 4, 0, incidents, "INCIDENT UNKNOWN [COUNT n]",
     "Failures that no rule knows, each with a rule to complete.", decode_incident_unknown},
    {"SWEEP", "", 1, 3, flag_write, incidents, "SWEEP [SINCE ms]", "One look of the monitor at everything.",
     decode_sweep},

    {"SUBSCRIBE", "", 2, any, subscriber, broadcast, "SUBSCRIBE channel [channel ...]",
     "Receives what is published on channels.", decode_session},
    {"UNSUBSCRIBE", "", 1, any, subscriber, broadcast, "UNSUBSCRIBE [channel ...]",
     "Ends subscriptions; without a channel, all.", decode_session},
    {"PSUBSCRIBE", "", 2, any, subscriber, broadcast, "PSUBSCRIBE pattern [pattern ...]",
     "Receives what is published on channels that match a pattern with * ? [..].", decode_session},
    {"PUNSUBSCRIBE", "", 1, any, subscriber, broadcast, "PUNSUBSCRIBE [pattern ...]",
     "Ends pattern subscriptions; without a pattern, all.", decode_session},
    {"PUBLISH", "", 3, 3, flag_session, broadcast, "PUBLISH channel text",
     "Sends a text to all subscribers; answers how many got it.", decode_session},

    {"PING", "", 1, 2, subscriber, connection, "PING [text]", "Answers PONG, or the text.", decode_session},
    {"ECHO", "", 2, 2, flag_session, connection, "ECHO text", "Answers the text.", decode_session},
    {"HELLO", "", 1, any, flag_session | flag_before_auth, connection,
     "HELLO [2|3 [AUTH user password] [SETNAME name]]", "Chooses RESP2 or RESP3; tells of the bus.",
     decode_session},
    {"AUTH", "", 2, 3, flag_session | flag_before_auth, connection, "AUTH [user] password",
     "Authenticates the connection.", decode_session},
    {"SELECT", "", 2, 2, flag_session, connection, "SELECT 0", "Answers OK for 0, the only database.",
     decode_session},
    {"CLIENT", "SETNAME", 3, 3, flag_session, connection, "CLIENT SETNAME name", "Names the connection.",
     decode_session},
    {"CLIENT", "GETNAME", 2, 2, flag_session, connection, "CLIENT GETNAME", "The name of the connection.",
     decode_session},
    {"CLIENT", "SETINFO", 4, 4, flag_session, connection, "CLIENT SETINFO LIB-NAME|LIB-VER value",
     "Tells the bus which client library this is.", decode_session},
    {"CLIENT", "ID", 2, 2, flag_session, connection, "CLIENT ID", "The number of the connection.",
     decode_session},
    {"COMMAND", "", 1, any, flag_session, connection,
     "COMMAND [COUNT | LIST | INFO [name ...] | DOCS [name ...]]", "What commands there are.",
     decode_session},
    {"RESET", "", 1, 1, subscriber | flag_before_auth, connection, "RESET",
     "Makes the connection as it was when it opened.", decode_session},
    {"QUIT", "", 1, any, subscriber | flag_before_auth, connection, "QUIT", "Answers OK and closes.",
     decode_session},
    {"MULTI", "", 1, 1, flag_session, connection, "MULTI",
     "Begins a transaction of PUSH, ACK and FAIL, each answered with QUEUED.", decode_session},
    {"EXEC", "", 1, 1, flag_session, connection, "EXEC",
     "Applies the transaction in one commit, whole or not at all.", decode_session},
    {"DISCARD", "", 1, 1, flag_session, connection, "DISCARD", "Forgets the transaction.", decode_session},

    {"INFO", "", 1, any, flag_status, operations, "INFO [section ...]", "The bus in numbers, as text.",
     decode_info},
    {"CONFIG", "GET", 3, any, flag_session, operations, "CONFIG GET pattern [pattern ...]",
     "Settings as stock clients ask for them.", decode_session},
    {"COMMITSEQ", "", 1, 1, flag_session, operations, "COMMITSEQ",
     "Batch and place of this connection's previous reply; place -1 for a committed read.", decode_session},
    {"RELOAD", "", 1, 1, flag_session | flag_admin, operations, "RELOAD",
     "Applies the configuration file as it is now, whole or not at all, and answers what changed.",
     decode_session},
    {"VERIFY", "", 1, 1, flag_session | flag_admin, operations, "VERIFY",
     "Proves that rows, counts and the chain of batches agree.", decode_session},
    {"SHUTDOWN", "", 1, 1, flag_session | flag_admin, operations, "SHUTDOWN",
     "Drains, makes everything durable and ends the bus.", decode_session},
};
constexpr size_t table_size = std::size(table);

constexpr size_t slot_count = 256;  // a power of two, four times the verbs
constexpr uint8_t no_row = 255;
static_assert(table_size < no_row);

constexpr size_t slot_of(std::string_view verb) {
  uint32_t hash = static_cast<uint32_t>(verb.size());
  // OR 0x20 folds the case of letters; no verb holds anything else.
  for (const char c : verb) hash = hash * 31 + (static_cast<unsigned char>(c) | 0x20u);
  return (hash ^ (hash >> 8)) & (slot_count - 1);
}

// Slot of a verb → its first row; a full slot's verb stands in the next free one.
constexpr std::array<uint8_t, slot_count> make_slots() {
  std::array<uint8_t, slot_count> slots{};
  slots.fill(no_row);
  for (size_t row = 0; row < table_size; ++row) {
    if (row > 0 && table[row].verb == table[row - 1].verb) continue;
    size_t slot = slot_of(table[row].verb);
    while (slots[slot] != no_row) slot = (slot + 1) & (slot_count - 1);
    slots[slot] = static_cast<uint8_t>(row);
  }
  return slots;
}
constexpr std::array<uint8_t, slot_count> slots = make_slots();

constexpr size_t verb_bytes_max = 16;

// First row of the verb, or table_size.
size_t first_row(std::string_view verb) {
  if (verb.empty() || verb.size() > verb_bytes_max) return table_size;
  for (size_t slot = slot_of(verb); slots[slot] != no_row; slot = (slot + 1) & (slot_count - 1)) {
    if (same_word(table[slots[slot]].verb, verb)) return slots[slot];
  }
  return table_size;
}

}  // namespace

std::string_view group_name(CommandGroup group) {
  switch (group) {
    case work:
      return "Work";
    case reading:
      return "Reading";
    case dead_letters:
      return "Dead letters";
    case roles:
      return "Roles";
    case guards:
      return "Guards";
    case daemons:
      return "Daemons";
    case schedules:
      return "Schedules";
    case incidents:
      return "Incidents";
    case broadcast:
      return "Broadcast";
    case connection:
      return "Connection";
    case operations:
      return "Operations";
  }
  return "";
}

std::string Command::name() const {
  std::string text(verb);
  if (!second.empty()) (text += ' ') += second;
  return text;
}

std::span<const Command> all_commands() { return table; }

const Command* find_command(Args args) {
  if (args.empty()) return nullptr;
  const size_t first = first_row(args[0]);
  if (first == table_size) return nullptr;
  const bool has_plain = [&] {
    size_t last = first;
    while (last + 1 < table_size && table[last + 1].verb == table[first].verb) ++last;
    return table[last].second.empty();
  }();
  for (size_t row = first; row < table_size && table[row].verb == table[first].verb; ++row) {
    const Command& command = table[row];
    if (command.second.empty()) return &command;
    if (args.size() < 2 || !same_word(command.second, args[1])) continue;
    // "ROLE drop" and "CANCEL filter" are about a role and an id of that name.
    if (has_plain && static_cast<int>(args.size()) < command.arity_min) continue;
    return &command;
  }
  return nullptr;
}

Error unknown_command(Args args) {
  const std::string_view verb = args.empty() ? std::string_view() : args[0];
  const size_t first = first_row(verb);
  std::vector<std::string_view> names;
  if (first == table_size) {
    for (const Command& command : table) names.push_back(command.verb);
    const std::string_view near = likely(verb, names);
    std::string text = "unknown command " + quoted(verb);
    text += near.empty() ? "; COMMAND LIST names those that there are"
                         : "; did you mean " + std::string(near) + '?';
    return make_error(Code::err, std::move(text));
  }
  std::string list;
  for (size_t row = first; row < table_size && table[row].verb == table[first].verb; ++row) {
    if (!list.empty()) list += ", ";
    list += table[row].second;
  }
  const std::string name(table[first].verb);
  if (args.size() < 2) return make_error(Code::err, name + " needs a second word: " + list);
  return badarg("unknown option " + quoted(args[1]) + "; " + name + " takes " + list);
}

}  // namespace pawl::protocol
