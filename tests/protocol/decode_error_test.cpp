// Bad words and the exact line that each one gets.
#include <catch2/catch.hpp>

#include "tests/protocol/decode_words.h"

namespace pawl::protocol {
namespace {

struct Row {
  std::string line;
  std::string error;
};

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    INFO(row.line);
    const Words words(row.line);
    CHECK(words.error() == row.error);
  }
}

const std::string usage_push =
    "PUSH role payload [PRIORITY 0-9] [DELAY ms | AT ms] [UNIQUE key [UNIQUEFOR ms]] [GROUP key] "
    "[MAXATTEMPTS n] [LEASE ms] [EXPIRE ms] [HEADER name value]...";
const std::string push_takes =
    "PUSH takes PRIORITY, DELAY, AT, UNIQUE, UNIQUEFOR, GROUP, MAXATTEMPTS, LEASE, EXPIRE, HEADER";
const std::string classes =
    "use one of transient timeout rate_limited auth dependency_down bad_input crash out_of_memory quota "
    "cancelled "
    "lease_expired unknown";

}  // namespace

TEST_CASE("deploy: what makes no version") {
  const std::string usage = "DEPLOY SET role [COMMAND n word [word ...]] [PROMPT bytes] [REASON text]";
  const std::string arity = "ERR wrong number of arguments for 'deploy set'; usage: " + usage;
  check({
      {"DEPLOY SET r", arity},
      {"DEPLOY SET r COMMAND", arity},
      {"DEPLOY SET r PROMPT x REASON", arity},
      {"DEPLOY SET r PROMPT x COMMAND", arity},
      {"DEPLOY SET r REASON why", "BADARG DEPLOY SET needs COMMAND, PROMPT or both; usage: " + usage},
      {"DEPLOY SET r/x PROMPT x", "BADARG a role is 1 to 128 of A-Z a-z 0-9 . _ : -, not 'r/x'"},
      {"DEPLOY SET r COMMAND 0 x", "BADARG COMMAND is a number of words from 1 to 256, not '0'"},
      {"DEPLOY SET r COMMAND 257 x", "BADARG COMMAND is a number of words from 1 to 256, not '257'"},
      {"DEPLOY SET r COMMAND ./a --fast", "BADARG COMMAND is a number of words from 1 to 256, not './a'"},
      {"DEPLOY SET r COMMAND 3 a b", "BADARG COMMAND 3 takes 3 words; there are only 2"},
      {"DEPLOY SET r COMMAND 1 a COMMAND 1 a", "BADARG COMMAND is given twice"},
      {"DEPLOY SET r PROMPT a PROMPT b", "BADARG PROMPT is given twice"},
      {"DEPLOY SET r PROMPT a REASON b REASON c", "BADARG REASON is given twice"},
      {"DEPLOY SET r COMMAND 1 a b c", "BADARG unknown option 'b'; DEPLOY SET takes COMMAND, PROMPT, REASON"},
      {"DEPLOY SET r COMAND 1 a",
       "BADARG unknown option 'COMAND'; DEPLOY SET takes COMMAND, PROMPT, REASON; did you mean COMMAND?"},
      {"DEPLOY SET r COMMAND 1 " + std::string(65'537, 'x'),
       "TOOBIG a COMMAND has at most 65536 bytes, not 65537"},
      {"DEPLOY SET r PROMPT a REASON " + std::string(1025, 'x'),
       "TOOBIG the reason has at most 1024 bytes, not 1025"},
      {"DEPLOY ROLLBACK r TO x", "BADARG a version is a whole number from 0 to 9007199254740992, not 'x'"},
      {"DEPLOY ROLLBACK r TO -1", "BADARG a version is a whole number from 0 to 9007199254740992, not '-1'"},
      {"DEPLOY ROLLBACK r 1", "BADARG unknown option '1'; DEPLOY ROLLBACK takes TO, REASON"},
      {"DEPLOY GET r 0", "BADARG a version is a whole number from 1 to 9007199254740992, not '0'"},
      {"DEPLOY LIST", "ERR wrong number of arguments for 'deploy list'; usage: DEPLOY LIST role"},
      {"DEPLOY DROP r TO 1", "BADARG unknown option 'TO'; DEPLOY DROP takes REASON"},
  });
}

TEST_CASE("unknown verbs and wrong arity") {
  check({
      {"PUHS r p", "ERR unknown command 'PUHS'; did you mean PUSH?"},
      {"SUBSCRIB x", "ERR unknown command 'SUBSCRIB'; did you mean SUBSCRIBE?"},
      {"BACKUP", "ERR unknown command 'BACKUP'; COMMAND LIST names those that there are"},
      {"BACKUP d", "ERR unknown command 'BACKUP'; COMMAND LIST names those that there are"},
      {std::string(100, 'x'),
       "ERR unknown command '" + std::string(64, 'x') + "...'; COMMAND LIST names those that there are"},
      {"push", "ERR wrong number of arguments for 'push'; usage: " + usage_push},
      {"PUSH r", "ERR wrong number of arguments for 'push'; usage: " + usage_push},
      {"mack a b c", "ERR wrong number of arguments for 'mack'; usage: MACK id token [id token ...]"},
      {"dead get", "ERR wrong number of arguments for 'dead get'; usage: DEAD GET id"},
      {"DEAD EDIT a", "ERR wrong number of arguments for 'dead edit'; usage: DEAD EDIT id payload"},
      {"MOVE a", "ERR wrong number of arguments for 'move'; usage: MOVE id [PRIORITY p] [TO role]"},
      {"BEAT", "ERR wrong number of arguments for 'beat'; usage: BEAT daemon [name value]..."},
      {"BEAT d interval", "ERR wrong number of arguments for 'beat'; usage: BEAT daemon [name value]..."},
      {"BEAT d/e", "BADARG a daemon is name or name@boot, each 1 to 128 of A-Z a-z 0-9 . _ : -, not 'd/e'"},
      {"BEAT d interval 99", "BADARG interval is milliseconds from 100 to 3600000, not '99'"},
      {"BEAT d errors -1", "BADARG errors is a whole number from 0 to 9007199254740992, not '-1'"},
      {"BEAT d errors 1 ERRORS 2", "BADARG the value 'ERRORS' is there twice"},
      {"BEAT d roles a,b/c", "BADARG roles is 1 to 128 of A-Z a-z 0-9 . _ : -, not 'b/c'"},
      {"BEAT d@b1 boot b2", "BADARG boot 'b2' is another one than in 'd@b1'"},
      {"REAP d", "ERR wrong number of arguments for 'reap'; usage: REAP daemon boot"},
      {"EVENT", "ERR EVENT needs a second word: ADD"},
      {"EVENT ADD", "ERR wrong number of arguments for 'event add'; usage: EVENT ADD kind [name value]..."},
      {"EVENT ADD note a",
       "ERR wrong number of arguments for 'event add'; usage: EVENT ADD kind [name value]..."},
      {"EVENT ADD daemon.red",
       "BADARG kind 'daemon.red' is not for others than the bus; use note, or one that "
       "begins with note. launcher. runner. or mirror."},
      {"EVENT ADD notes",
       "BADARG kind 'notes' is not for others than the bus; use note, or one that begins with "
       "note. launcher. runner. or mirror."},
      {"EVENT ADD note/x", "BADARG a kind is 1 to 128 of A-Z a-z 0-9 . _ : -, not 'note/x'"},
      {"EVENT ADD note by me", "BADARG the field 'by' is written by the bus itself"},
      {"EVENT ADD note At 5", "BADARG the field 'At' is written by the bus itself"},
      {"EVENT ADD note a 1 A 2", "BADARG the field 'A' is there twice"},
      {"EVENT ADD note a/b 1", "BADARG a field's name is 1 to 128 of A-Z a-z 0-9 . _ : -, not 'a/b'"},
      {"EVENT ADD note source l", "BADARG source and number go together"},
      {"EVENT ADD note number 1", "BADARG source and number go together"},
      {"EVENT ADD note source l number 0",
       "BADARG number is a whole number from 1 to 9007199254740992, not '0'"},
      {"EVENT ADD note text " + std::string(1025, 'x'), "TOOBIG a field has at most 1024 bytes, not 1025"},
      {"REAP d b/c", "BADARG a boot is 1 to 128 of A-Z a-z 0-9 . _ : -, not 'b/c'"},
      {"ROLES x", "ERR wrong number of arguments for 'roles'; usage: ROLES"},
      {"ROLE a b", "ERR wrong number of arguments for 'role'; usage: ROLE name"},
      {"DEAD", "ERR DEAD needs a second word: LIST, GET, COUNT, GROUPS, REPLAY, EDIT, DROP"},
      {"DEAD REPLAYS",
       "BADARG unknown option 'REPLAYS'; DEAD takes LIST, GET, COUNT, GROUPS, REPLAY, EDIT, DROP"},
      {"CONFIG SET a b", "BADARG unknown option 'SET'; CONFIG takes GET"},
      {"SELECT 1", "BADARG there is one database, 0; a role is what keeps work apart"},
      {"HELLO 4", "BADARG unsupported protocol version '4'; use HELLO 2 or HELLO 3"},
      {"HELLO 3 AUTH u",
       "BADARG syntax error in HELLO at 'AUTH'; usage: HELLO [2|3 [AUTH user password] [SETNAME name]]"},
      {"PUBLISH pawl.freeze x", "DENIED channels that begin with pawl. are the bus's own; use another name"},
  });
}

TEST_CASE("mistakes about schedules, incidents and sweeps") {
  check({
      {"CRON", "ERR CRON needs a second word: SET, LIST, DROP"},
      {"CRON SET a b c d TZ",
       "BADARG TZ needs a value; usage: CRON SET name \"expr\" role payload [TZ zone] [CATCHUP "
       "skip|once|all]"},
      {"CRON SET a/b e r p", "BADARG a schedule is 1 to 128 of A-Z a-z 0-9 . _ : -, not 'a/b'"},
      {"CRON SET a e r p CATCHUP twice", "BADARG CATCHUP 'twice' is none of: skip once all"},
      {"CRON LIST x", "ERR wrong number of arguments for 'cron list'; usage: CRON LIST"},
      {"INCIDENT",
       "ERR INCIDENT needs a second word: OPEN, LIST, GET, ACK, NOTE, CLOSE, INSIGHTS, GRAPH, NOTICES, "
       "UNKNOWN"},
      {"INCIDENT INSIGHTS COUNT 0", "BADARG COUNT is a whole number from 1 to 10000, not '0'"},
      {"SWEEP SINCE soon", "BADARG SINCE is a whole number from 0 to 9223372036854775807, not 'soon'"},
      {"INCIDENT OPEN severe t", "BADARG the tier 'severe' is none of: concern ultra"},
      {"INCIDENT LIST STATE shut", "BADARG STATE 'shut' is none of: open closed"},
      {"INCIDENT GET I/1", "BADARG an id is 1 to 32 of 0-9 a-z, not 'I/1'"},
      {"INCIDENT CLOSE I/1", "BADARG an id is 1 to 32 of 0-9 a-z, not 'I/1'"},
  });
}

TEST_CASE("bad options") {
  check({
      {"PUSH r p FOO 1", "BADARG unknown option 'FOO'; " + push_takes},
      {"PUSH r p PRIORTY 1", "BADARG unknown option 'PRIORTY'; " + push_takes + "; did you mean PRIORITY?"},
      {"PUSH r p PRIORITY", "BADARG PRIORITY needs a value; usage: " + usage_push},
      {"PUSH r p HEADER a", "BADARG HEADER needs 2 values; usage: " + usage_push},
      {"PUSH r p PRIORITY 1 priority 2", "BADARG PRIORITY is given twice"},
      {"PUSH r p PRIORITY 10", "BADARG PRIORITY is a whole number from 0 to 9, not '10'"},
      {"PUSH r p PRIORITY x", "BADARG PRIORITY is a whole number from 0 to 9, not 'x'"},
      {"PUSH r p PRIORITY 1.5", "BADARG PRIORITY is a whole number from 0 to 9, not '1.5'"},
      {"PUSH r p DELAY -1", "BADARG DELAY is milliseconds from 0 to 3153600000000, not '-1'"},
      {"PUSH r p DELAY 99999999999999999999",
       "BADARG DELAY is milliseconds from 0 to 3153600000000, not '99999999999999999999'"},
      {"PUSH r p AT -5", "BADARG AT is Unix milliseconds from 0 to 126144000000000, not '-5'"},
      {"PUSH r p DELAY 1 AT 1", "BADARG DELAY and AT exclude each other; give one of them"},
      {"PUSH r p UNIQUEFOR 5", "BADARG UNIQUEFOR needs UNIQUE key"},
      {"PUSH r p MAXATTEMPTS 0", "BADARG MAXATTEMPTS is a whole number from 1 to 1000000, not '0'"},
      {"PUSH r p LEASE 9", "BADARG LEASE is milliseconds from 10 to 2592000000, not '9'"},
      {"PUSH r p LEASE 2592000001", "BADARG LEASE is milliseconds from 10 to 2592000000, not '2592000001'"},
      {"PUSH r p EXPIRE 0", "BADARG EXPIRE is milliseconds from 1 to 3153600000000, not '0'"},
      {"PUSH r p HEADER a@b c", "BADARG a header's name is 1 to 128 of A-Z a-z 0-9 . _ : -, not 'a@b'"},
      {"PUSH r p HEADER a b HEADER a c", "BADARG header 'a' is given twice"},
      {"PUSH r/x p", "BADARG a role is 1 to 128 of A-Z a-z 0-9 . _ : -, not 'r/x'"},
      {"PUSH wait p", "BADARG 'wait' is an option word and no name of a role"},
      {"CLAIM d r COUNT 0", "BADARG COUNT is a whole number from 1 to 10000, not '0'"},
      {"CLAIM d r COUNT 10001", "BADARG COUNT is a whole number from 1 to 10000, not '10001'"},
      {"CLAIM d r WAIT 86400001", "BADARG WAIT is milliseconds from 0 to 86400000, not '86400001'"},
      {"CLAIM d r NEXT x", "BADARG unknown option 'NEXT'; CLAIM takes COUNT, WAIT, LEASE, VERSION"},
      {"CLAIM d COUNT 1",
       "BADARG CLAIM needs at least one role, and 'COUNT' is an option word; usage: CLAIM daemon role [role "
       "...] "
       "[COUNT n] [WAIT ms] [LEASE ms] [VERSION v]"},
      {"CLAIM d@ r", "BADARG a daemon is name or name@boot, each 1 to 128 of A-Z a-z 0-9 . _ : -, not 'd@'"},
      {"ACK A t", "BADARG an id is 1 to 32 of 0-9 a-z, not 'A'"},
      {"ACK a T", "BADARG a token is 1 to 32 of 0-9 a-z, not 'T'"},
      {"ACK a 012345678901234567890123456789012",
       "BADARG a token is 1 to 32 of 0-9 a-z, not '012345678901234567890123456789012'"},
      {"ACK a t TOKENS -1", "BADARG TOKENS is a whole number from 0 to 9007199254740992, not '-1'"},
      {"ACK a t COST x", "BADARG COST is micro-dollars from 0 to 9007199254740992, not 'x'"},
      {"ACK a t FOO 1", "BADARG unknown option 'FOO'; ACK takes RESULT, TOKENS, COST, VERSION, NEXT"},
      {"ACK a t NEXT",
       "BADARG NEXT needs at least one role; usage: ACK id token [RESULT bytes] [TOKENS n] [COST n] [VERSION "
       "v] [NEXT "
       "[COUNT "
       "n] [LEASE ms] role [role ...]]"},
      {"ACK a t NEXT r WAIT 5", "BADARG unknown option 'WAIT'; ACK takes COUNT, LEASE"},
      {"ACK a t NEXT COUNT 1 r COUNT 2", "BADARG COUNT is given twice"},
      {"FAIL a t oops text", "BADARG unknown error class 'oops'; " + classes},
      {"EXTEND a t PROGRESS 101 x", "BADARG PROGRESS is percent from 0 to 100, not '101'"},
      {"CANCEL FILTER r done",
       "BADARG CANCEL FILTER takes the state scheduled, ready or claimed, not 'done'"},
      {"LIST r gone",
       "BADARG unknown state 'gone'; use one of scheduled ready claimed done dead cancelled expired"},
      {"EVENTS x",
       "BADARG EVENTS takes the number of an event, 0 for the start or $ for what is new, not 'x'"},
      {"EVENTS -1",
       "BADARG EVENTS takes the number of an event, 0 for the start or $ for what is new, not '-1'"},
      {"DEAD LIST CLASS oops", "BADARG unknown error class 'oops'; " + classes},
      {"DEAD REPLAY FILTER RATE 5",
       "BADARG unknown option 'RATE'; DEAD REPLAY takes ROLE, CLASS, FINGERPRINT, SINCE, MATCH, LIMIT, TO, "
       "RESET, "
       "DRYRUN"},
      {"DEAD REPLAY a CANARY 5", "BADARG unknown option 'CANARY'; DEAD REPLAY takes TO, RESET, DRYRUN"},
      {"DEAD REPLAY STOP x", "BADARG unknown option 'STOP'; DEAD REPLAY takes TO, RESET, DRYRUN"},
  });
}

TEST_CASE("sizes and counts over their bounds") {
  CHECK(Words({"PUSH", "r", "p", "UNIQUE", std::string(513, 'k')}).error() ==
        "TOOBIG a UNIQUE key has at most 512 bytes, not 513");
  CHECK(Words({"PUSH", "r", "p", "GROUP", ""}).error() ==
        "BADARG a GROUP key has 1 to 512 bytes; it is empty");
  CHECK(Words({"PAUSE", "r", std::string(1025, 'k')}).error() ==
        "TOOBIG a reason has at most 1024 bytes, not 1025");
  CHECK(Words({"PUSH", std::string(129, 'r'), "p"}).error() ==
        "BADARG a role is 1 to 128 of A-Z a-z 0-9 . _ : -, not '" + std::string(64, 'r') + "...'");
  CHECK(Words({"PUSH", "r\rx\n", "p"}).error() ==
        "BADARG a role is 1 to 128 of A-Z a-z 0-9 . _ : -, not 'r?x?'");
  std::vector<std::string> words{"MPUSH", "r"};
  words.resize(2 + 10'001, "p");
  CHECK(Words(words).error() ==
        "TOOBIG one command carries at most 10000 payloads, not 10001; send several commands");
  words.pop_back();
  CHECK(Words(words).error().empty());
  words = {"MACK"};
  words.resize(1 + 2 * 10'001, "a");
  CHECK(Words(words).error().starts_with("TOOBIG one command carries at most 10000 acknowledgements"));
  words = {"PUSH", "r", "p"};
  for (int i = 0; i < 65; ++i) words.insert(words.end(), {"HEADER", "h" + std::to_string(i), "v"});
  CHECK(Words(words).error() == "TOOBIG a message has at most 64 headers");
}

}  // namespace pawl::protocol
