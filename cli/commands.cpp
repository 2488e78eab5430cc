#include "cli/commands.h"

#include <array>

namespace pawl::cli {
namespace {

using enum ValueKind;

constexpr std::array<OptionSpec, 5> globals = {{
    {"url", text, "URL",
     "unix:///path or tcp://host:port; default: PAWL_URL, ./pawl-data/pawl.sock, tcp://127.0.0.1:7295"},
    {"json", flag, "", "one JSON document on stdout"},
    {"quiet", flag, "", "no talk on stderr but errors", 'q'},
    {"no-color", flag, "", "no colours on a terminal"},
    {"timeout", duration, "D", "for connecting and for each answer; default 30s"},
}};

constexpr std::array<OptionSpec, 6> serve_options = {{
    {"data", folder, "DIR", "where messages are kept; default ./pawl-data"},
    {"listen", text, "HOST:PORT", "default 127.0.0.1:7295; \"none\": Unix socket only"},
    {"socket", file, "PATH", "default DIR/pawl.sock"},
    {"http", text, "HOST:PORT", "default 127.0.0.1:7296; \"none\": no HTTP"},
    {"config", file, "FILE", "pawl.toml; options given here win over it"},
    {"check", flag, "", "only read the configuration and say what is wrong with it"},
}};

constexpr std::array<OptionSpec, 3> up_options = {{
    {"config", file, "FILE", "default pawl.toml"},
    {"check", flag, "", "only read the configuration and say what is wrong with it"},
    {"alone", duration, "D", "how long daemons go on when the launcher is killed; default 1m"},
}};

constexpr std::array<OptionSpec, 2> launcher_options = {{
    {"data", folder, "DIR", "the launcher of this bus; default: that of --config, or of ./pawl-data"},
    {"config", file, "FILE", "the launcher of this file; default pawl.toml"},
}};

constexpr std::array<OptionSpec, 3> units_options = {{
    {"systemd", flag, "", "a service for systemd"},
    {"launchd", flag, "", "a property list for launchd"},
    {"config", file, "FILE", "default pawl.toml"},
}};

constexpr std::array<OptionSpec, 4> deploy_options = {{
    {"reason", text, "TEXT", "why; must be given, but for --dry-run"},
    {"prompt", file, "FILE|-", "the new prompt"},
    {"command", text, "JSON", "the new command as a JSON array of words, instead of -- CMD…"},
    {"dry-run", flag, "", "only show what would change"},
}};

constexpr std::array<OptionSpec, 2> rollback_options = {{
    {"reason", text, "TEXT", "why; must be given"},
    {"to", number, "VERSION", "that one instead of what ran before; 0: what pawl.toml says"},
}};

constexpr std::array<OptionSpec, 11> push_options = {{
    {"priority", priority, "0-9", "9 is the most urgent; default 5"},
    {"delay", duration, "D", "not before this long from now"},
    {"at", time, "TIME", "not before this time (ISO 8601 or Unix milliseconds)"},
    {"unique", text, "KEY",
     "push nothing while a live message of the role holds KEY; prints the holder's id"},
    {"unique-for", duration, "D", "hold the key this long from the push, whatever the state"},
    {"group", text, "KEY", "one message of a group at a time, in order of push"},
    {"max-attempts", positive, "N", "then it is a dead letter; default 5"},
    {"lease", duration, "D", "default 15m"},
    {"expire", duration, "D", "not worth doing any more this long after the push"},
    {"header", header, "NAME=VALUE", "may be given several times", '\0', true},
    {"lines", flag, "", "one message for each line of FILE or stdin; empty lines are skipped"},
}};

constexpr std::array<OptionSpec, 4> claim_options = {{
    {"daemon", text, "NAME", "who claims; default cli-HOST-PID"},
    {"count", positive, "N", "at most this many; default 1"},
    {"wait", optional_duration, "[D]", "wait for work this long; alone: a day"},
    {"lease", duration, "D", "instead of the message's or role's"},
}};

constexpr std::array<OptionSpec, 3> ack_options = {{
    {"result", text, "TEXT|-|@FILE", "kept with the message"},
    {"tokens", number, "N", "used by this delivery, in all"},
    {"cost", cost, "USD", "of this delivery, in all"},
}};

constexpr std::array<OptionSpec, 6> fail_options = {{
    {"class", error_class, "CLASS", "why it failed; default unknown"},
    {"text", text, "TEXT", "the error, for people"},
    {"retry-in", duration, "D", "instead of the role's back-off"},
    {"dead", flag, "", "straight to the dead letters"},
    {"tokens", number, "N", "used by this delivery, in all"},
    {"cost", cost, "USD", "of this delivery, in all"},
}};

constexpr std::array<OptionSpec, 5> extend_options = {{
    {"lease", duration, "D", "from now"},
    {"progress", percent, "0-100", "how far it is"},
    {"note", text, "TEXT", "what it is doing"},
    {"tokens", number, "N", "used by this delivery, in all"},
    {"cost", cost, "USD", "of this delivery, in all"},
}};

constexpr std::array<OptionSpec, 1> release_options = {{
    {"delay", duration, "D", "not claimable for this long"},
}};

constexpr std::array<OptionSpec, 4> cancel_options = {{
    {"reason", text, "TEXT", "kept with the message"},
    {"role", text, "ROLE", "instead of ID: all messages of the role"},
    {"state", state, "STATE", "with --role: only scheduled, ready or claimed ones"},
    {"limit", positive, "N", "with --role: at most this many"},
}};

constexpr std::array<OptionSpec, 2> move_options = {{
    {"priority", priority, "0-9", "the new priority"},
    {"to", text, "ROLE", "another role"},
}};

constexpr std::array<OptionSpec, 1> result_options = {{
    {"wait", optional_duration, "[D]", "wait for its end this long; alone: a day"},
}};

constexpr std::array<OptionSpec, 3> list_options = {{
    {"count", positive, "N", "at most this many; default 100"},
    {"cursor", text, "C", "where an earlier list ended"},
    {"all", flag, "", "all of them"},
}};

constexpr std::array<OptionSpec, 1> pause_options = {{
    {"reason", text, "TEXT", "shown by roles, status and why"},
}};

constexpr std::array<OptionSpec, 5> kill_options = {{
    {"reason", text, "TEXT", "why; must be given"},
    {"hard", flag, "", "until an operator's pawl clear --hard, through restarts and removed files"},
    {"scope", freeze_scope, "S",
     "all (default), claims (work in flight may end), or intake (only no new messages)"},
    {"for", duration, "D", "clears itself after this long; not with --hard"},
    {"data", folder, "DIR", "the bus of this folder, and its flag files when it does not answer"},
}};

constexpr std::array<OptionSpec, 3> clear_options = {{
    {"reason", text, "TEXT", "why; must be given"},
    {"hard", flag, "", "ends a hard freeze too"},
    {"data", folder, "DIR", "the bus of this folder, and its flag files when it does not answer"},
}};

constexpr std::array<OptionSpec, 2> check_options = {{
    {"scope", freeze_scope, "S", "whether that is stopped: intake (default; by any freeze), claims or all"},
    {"data", folder, "DIR", "the bus of this folder, and its flag files when it does not answer"},
}};

constexpr std::array<OptionSpec, 5> quota_set_options = {{
    {"tokens", positive, "N", "at most so many tokens"},
    {"cost", cost, "USD", "at most so much money"},
    {"calls", positive, "N", "at most so many claims"},
    {"per", duration, "D", "within the last D; a role may have several windows"},
    {"estimate", text, "N", "what a claim reserves, tokens or dollars; default: learned"},
}};

constexpr std::array<OptionSpec, 1> quota_drop_options = {{
    {"per", duration, "D", "the window"},
}};

constexpr std::array<OptionSpec, 12> events_options = {{
    {"follow", flag, "", "go on with what happens from now on", 'f'},
    {"after", number, "SEQ", "start behind this entry; default: the last --count"},
    {"kind", text, "KIND", "only these; \"message\" also means \"message.retry\""},
    {"role", text, "ROLE", "only what is about this role"},
    {"daemon", text, "NAME", "only what is about this daemon, whatever its boot"},
    {"id", text, "ID", "only what is about this message"},
    {"incident", text, "ID", "only what is about this incident"},
    {"match", text, "TEXT", "only where the kind or a value holds TEXT"},
    {"since", since, "D|TIME", "not older than D, or than TIME"},
    {"until", since, "D|TIME", "not newer"},
    {"count", positive, "N", "default 50"},
    {"expect", text, "SEQ:SHA256", "of verify: what an earlier one printed, to prove all before it"},
}};

constexpr std::array<OptionSpec, 1> invocations_options = {{
    {"count", positive, "N", "without ID: the last N failures; default 50"},
}};

constexpr std::array<OptionSpec, 9> exec_options = {{
    {"jobs", positive, "N", "commands at a time; default 1", 'j'},
    {"once", flag, "", "one message, then end"},
    {"drain", flag, "", "end when nothing is ready or scheduled"},
    {"wait", optional_duration, "[D]", "with --once: wait for a message; alone: a day"},
    {"lease", duration, "D", "of each claim; extended at a third of it"},
    {"timeout", duration, "D", "end a command that runs longer"},
    {"daemon", text, "NAME", "who claims; default cli-HOST-PID"},
    {"reconnect", duration, "D", "keep trying to report to a bus that is gone; default 60s"},
    {"on-freeze", on_freeze, "HOW", "a freeze of all: pause (default), terminate or finish what runs"},
}};

constexpr std::array<OptionSpec, 5> run_options = {{
    {"config", file, "FILE", "default pawl.toml; changes to it are taken as they come"},
    {"name", text, "NAME", "of this daemon; default: [run] name, or runner-HOST"},
    {"spool", folder, "DIR", "for outcomes while the bus is gone; default: spool beside its data"},
    {"drain", flag, "", "end when nothing is ready or scheduled"},
    {"verbose", flag, "", "a line for each message", 'v'},
}};

constexpr std::array<OptionSpec, 7> mirror_options = {{
    {"config", file, "FILE", "default pawl.toml; changes to it are taken as they come"},
    {"name", text, "NAME", "of this daemon; default mirror-HOST"},
    {"spool", folder, "DIR", "for positions and failed posts; default: mirror beside the bus's data"},
    {"once", flag, "", "post what is there, each try once, then end"},
    {"test", flag, "", "send a test notice to each channel; needs no bus"},
    {"dry-run", flag, "", "print what --once would post, and post nothing"},
    {"after", number, "SEQ", "with --dry-run: as if everything up to this entry were posted"},
}};

constexpr std::array<OptionSpec, 7> dead_list_options = {{
    {"role", text, "ROLE", "only of this role"},
    {"class", error_class, "CLASS", "only of this error class"},
    {"fingerprint", text, "F", "only of this group (pawl dead groups)"},
    {"since", since, "D|TIME", "died within D, or since TIME"},
    {"match", text, "TEXT", "error text or payload holds TEXT"},
    {"count", positive, "N", "at most this many; default 100"},
    {"all", flag, "", "all of them"},
}};

constexpr std::array<OptionSpec, 5> dead_filter_options = {{
    {"role", text, "ROLE", "only of this role"},
    {"class", error_class, "CLASS", "only of this error class"},
    {"fingerprint", text, "F", "only of this group (pawl dead groups)"},
    {"since", since, "D|TIME", "died within D, or since TIME"},
    {"match", text, "TEXT", "error text or payload holds TEXT"},
}};

constexpr std::array<OptionSpec, 10> dead_replay_options = {{
    {"role", text, "ROLE", "only of this role"},
    {"class", error_class, "CLASS", "only of this error class"},
    {"fingerprint", text, "F", "only of this group (pawl dead groups)"},
    {"since", since, "D|TIME", "died within D, or since TIME"},
    {"match", text, "TEXT", "error text or payload holds TEXT"},
    {"all", flag, "", "every dead letter"},
    {"limit", positive, "N", "at most this many"},
    {"to", text, "ROLE", "into another role"},
    {"reset", flag, "", "also drop the expiry"},
    {"dry-run", flag, "", "only count"},
}};

constexpr std::array<OptionSpec, 6> dead_drop_options = {{
    {"role", text, "ROLE", "only of this role"},
    {"class", error_class, "CLASS", "only of this error class"},
    {"fingerprint", text, "F", "only of this group (pawl dead groups)"},
    {"since", since, "D|TIME", "died within D, or since TIME"},
    {"match", text, "TEXT", "error text or payload holds TEXT"},
    {"all", flag, "", "every dead letter"},
}};

constexpr std::array<OptionSpec, 1> dead_import_options = {{
    {"to", text, "ROLE", "into this role instead of the old one"},
}};

constexpr std::array<OptionSpec, 2> status_options = {{
    {"watch", flag, "", "again and again, until interrupted", 'w'},
    {"interval", duration, "D", "with --watch; default 2s"},
}};

constexpr std::array<OptionSpec, 1> verify_options = {{
    {"data", folder, "DIR", "check the files of a bus that does not run"},
}};

constexpr std::array<OptionSpec, 2> cron_set_options = {{
    {"tz", text, "ZONE", "whose clock it is, such as Europe/Berlin; default UTC"},
    {"catch-up", text, "HOW",
     "of slots missed while the bus was down or frozen: skip (default), once or all"},
}};

constexpr std::array<OptionSpec, 4> incident_list_options = {{
    {"closed", flag, "", "those that are over, newest first"},
    {"tier", text, "TIER", "only concern, or only ultra"},
    {"role", text, "ROLE", "only those that are about this role"},
    {"count", positive, "N", "at most this many; default 100"},
}};

constexpr std::array<OptionSpec, 7> incident_open_options = {{
    {"tier", text, "TIER", "concern: look at it today; ultra: a human now"},
    {"title", text, "TEXT", "what happened"},
    {"role", text, "ROLE", "that is affected, or a prefix such as 'proj.*'; may be given several times", '\0',
     true},
    {"daemon", text, "NAME", "likewise", '\0', true},
    {"fingerprint", text, "F", "what makes it the same incident when it happens again; default: the title"},
    {"owner", text, "NAME", "who looks at it"},
    {"note", text, "TEXT", "more about it"},
}};

constexpr std::array<OptionSpec, 1> incident_ack_options = {{
    {"owner", text, "NAME", "who looks at it; default: you"},
}};

constexpr std::array<OptionSpec, 1> incident_close_options = {{
    {"reason", text, "TEXT", "what it was, and what helped"},
}};

constexpr std::array<OptionSpec, 10> incident_classify_options = {{
    {"text", text, "TEXT|-|@FILE", "what it said; the first 512 bytes are looked at"},
    {"class", error_class, "CLASS", "as it was reported; default unknown"},
    {"exit", positive, "N", "the exit code, 1 to 255"},
    {"signal", positive, "N", "the signal that ended it, 1 to 64"},
    {"role", text, "ROLE", "whose message it was"},
    {"daemon", text, "NAME", "who ran it, or who failed"},
    {"guard", text, "NAME", "which guard tripped"},
    {"source", text, "WHAT", "invocation (default), daemon or guard"},
    {"config", file, "FILE", "whose [[classify]] comes first; default pawl.toml, if there is one"},
    {"explain", flag, "", "each rule that was tried, and why it did not match"},
}};

constexpr std::array<OptionSpec, 1> incident_unknown_options = {{
    {"count", positive, "N", "at most this many groups; default 20", 'n'},
}};

constexpr std::array<OptionSpec, 1> insights_options = {{
    {"count", positive, "N", "at most this many; default 20", 'n'},
}};

constexpr std::array<OptionSpec, 2> graph_options = {{
    {"dot", flag, "", "all of it for Graphviz: pawl graph --dot | dot -Tsvg"},
    {"count", positive, "N", "at most so many edges, the most frequent; default 30", 'n'},
}};

constexpr std::array<OptionSpec, 1> sweep_options = {{
    {"since", duration, "D", "what came within this time; default: since the sweep before"},
}};

constexpr std::array<OptionSpec, 2> policy_replay_options = {{
    {"since", since, "D|TIME", "decided within D, or since TIME"},
    {"config", file, "FILE", "by the [[policy]] of this pawl.toml; default: the shipped table"},
}};

constexpr std::array<CommandSpec, 70> table = {{
    {"serve", "", 0, 0, "run the bus", serve_options},
    {"up", "", 0, 0, "start bus, runner, mirror and daemons of pawl.toml, and keep them alive", up_options},
    {"push", "ROLE [PAYLOAD|-|@FILE]", 1, 2, "give work to a role; prints the id", push_options},
    {"claim", "ROLE…", 1, any_number, "take work", claim_options},
    {"ack", "ID TOKEN", 2, 2, "say that it is done", ack_options},
    {"fail", "ID TOKEN", 2, 2, "say that it failed", fail_options},
    {"extend", "ID TOKEN", 2, 2, "keep a claim alive", extend_options},
    {"release", "ID TOKEN", 2, 2, "give work back, unspent", release_options},
    {"cancel", "[ID]", 0, 1, "cancel a message, or those of a role", cancel_options},
    {"move", "ID", 1, 1, "change priority or role of waiting work", move_options},
    {"get", "ID", 1, 1, "show a message with its history", {}},
    {"result", "ID", 1, 1, "print the result's bytes", result_options},
    {"list", "ROLE STATE", 2, 2, "messages of a role in one state", list_options},
    {"roles", "[ROLE]", 0, 1, "depth, rates and age of every role", {}},
    {"pause", "ROLE", 1, 1, "stop claims of a role", pause_options},
    {"resume", "ROLE", 1, 1, "let claims of a role go on", {}},
    {"kill", "", 0, 0, "freeze the fleet", kill_options},
    {"clear", "", 0, 0, "end a freeze", clear_options},
    {"check", "", 0, 0, "exit 0 when clear, 3 when frozen; works without a bus", check_options},
    {"quota show", "[ROLE|*]", 0, 1, "what is used of each cap", {}},
    {"quota set", "ROLE|*", 1, 1, "cap what a role, or the fleet (*), uses in a window", quota_set_options},
    {"quota drop", "ROLE|* tokens|cost|calls", 2, 2, "drop a cap", quota_drop_options},
    {"cron set", "NAME SCHEDULE ROLE [PAYLOAD|-|@FILE]", 3, 4, "push on a schedule", cron_set_options},
    {"cron list", "", 0, 0, "schedules: next and last firing, and how many were missed", {}},
    {"cron drop", "NAME", 1, 1, "remove a schedule", {}},
    {"sweep", "", 0, 0, "look at everything once; exit 0 nominal, 1 concern, 2 ultra, 3 cannot tell",
     sweep_options},
    {"incident list", "", 0, 0, "open incidents, oldest first", incident_list_options},
    {"incident show", "ID", 1, 1, "an incident with its notes", {}},
    {"incident open", "", 0, 0, "report an incident; prints its id", incident_open_options},
    {"incident ack", "ID", 1, 1, "say that you look at it", incident_ack_options},
    {"incident note", "ID TEXT|-|@FILE", 2, 2, "add a note", {}},
    {"incident close", "ID", 1, 1, "it is over", incident_close_options},
    {"notify stats", "", 0, 0, "notices that were raised, sent and held back, by channel", {}},
    {"incident classify", "", 0, 0, "what kind of failure it is, by the rules; needs no bus",
     incident_classify_options},
    {"incident unknown", "", 0, 0, "failures that no rule knows, each with a rule to complete",
     incident_unknown_options},
    {"insights", "", 0, 0, "what is known of each failure, the most costly first", insights_options},
    {"graph", "[FINGERPRINT|INCIDENT]", 0, 1, "who fails with what; what precedes a failure, what helps",
     graph_options},
    {"policy explain", "ID", 1, 1, "why the policy did what it did about an incident, or decided so", {}},
    {"policy replay", "", 0, 0, "make every decision again; exit 1 when one is another",
     policy_replay_options},
    {"daemons", "[NAME | forget NAME]", 0, 2, "who beats, in which colour and why", {}},
    {"guards",
     "[mode NAME off|observe|enforce]",
     0,
     3,
     "the chain with its counters; the mode of one",
     {},
     false,
     "mode"},
    {"events", "[verify]", 0, 1, "the chronicle; the proof that nothing of it is missing", events_options,
     false, "verify"},
    {"invocations", "[ID]", 0, 1, "deliveries of a message, or recent failures of all", invocations_options},
    {"why", "ID", 1, 1, "why a message is not running", {}},
    {"exec", "ROLE…", 1, any_number, "run a command for each message, payload on stdin", exec_options, true},
    {"run", "[ROLE…]", 0, any_number, "the agent runner: the commands of pawl.toml's roles", run_options},
    {"mirror", "[CHANNEL…]", 0, any_number, "post what [[notify]] of pawl.toml selects", mirror_options},
    {"dead list", "", 0, 0, "dead letters, the latest error of each", dead_list_options},
    {"dead groups", "", 0, 0, "dead letters by error fingerprint", dead_filter_options},
    {"dead show", "ID", 1, 1, "a dead letter with its history", {}},
    {"dead replay", "[ID…]", 0, any_number, "back to work, attempts zeroed", dead_replay_options},
    {"dead edit", "ID [PAYLOAD|-|@FILE]", 1, 2, "change the payload; without one in $EDITOR", {}},
    {"dead drop", "[ID…]", 0, any_number, "delete for good", dead_drop_options},
    {"dead export", "[FILE]", 0, 1, "as JSON lines, with payload and history", dead_filter_options},
    {"dead import", "[FILE|-]", 0, 1, "push exported ones again, as new messages", dead_import_options},
    {"dead stats", "", 0, 0, "counts by role and class", dead_filter_options},
    {"status", "", 0, 0, "bus, roles and dead letters on one screen", status_options},
    {"ops reload", "", 0, 0, "apply pawl.toml as it is now, in bus and launcher; prints what changed", {}},
    {"ops list", "", 0, 0, "what pawl up keeps alive, and its state", launcher_options},
    {"ops restart", "NAME", 1, 1, "end a daemon and wait until a fresh one is ready", launcher_options},
    {"ops relaunch", "NAME", 1, 1, "the same for one that was given up; its restarts count anew",
     launcher_options},
    {"ops deploy",
     "ROLE",
     1,
     1,
     "give a role another command or prompt, kept in the bus as a version",
     deploy_options,
     true,
     {},
     true},
    {"ops rollback", "ROLE", 1, 1, "back to the version that ran before", rollback_options},
    {"ops versions", "ROLE [VERSION]", 1, 2, "what was deployed, by whom, when and why", {}},
    {"ops units", "", 0, 0, "print a unit file that runs pawl up: --systemd or --launchd", units_options},
    {"verify", "", 0, 0, "prove that the store is whole", verify_options},
    {"passwd", "", 0, 0, "hash a password, read from stdin, for [user.NAME] of pawl.toml", {}},
    {"version", "", 0, 0, "print the version", {}},
    {"completion", "bash|zsh|fish", 1, 1, "print a completion script", {}, false, "bash zsh fish"},
    {"help", "[COMMAND]", 0, 2, "this", {}},
}};

}  // namespace

std::span<const CommandSpec> command_table() { return table; }

std::span<const OptionSpec> global_options() { return globals; }

const CommandSpec* find_command(std::string_view name) {
  for (const CommandSpec& command : command_table()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

bool is_command_group(std::string_view word) {
  for (const CommandSpec& command : command_table()) {
    const size_t space = command.name.find(' ');
    if (space != std::string_view::npos && command.name.substr(0, space) == word) return true;
  }
  return false;
}

}  // namespace pawl::cli
