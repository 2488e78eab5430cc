// Good commands and the fields that they become.
#include <catch2/catch.hpp>

#include "bus/protocol/command_table.h"
#include "tests/protocol/decode_words.h"

namespace pawl::protocol {
namespace {

namespace op = core::op;
using Texts = std::vector<op::Text>;

}  // namespace

TEST_CASE("PUSH with nothing and with everything") {
  const Words plain("push research payload");
  const auto* push = plain.operation<op::Push>();
  REQUIRE(push != nullptr);
  CHECK(push->role == "research");
  CHECK(push->payload == "payload");
  CHECK(push->priority == 5);
  CHECK(!push->delay_ms);
  CHECK(!push->unique);
  CHECK(push->headers.empty());

  const Words full(
      "PUSH r p priority 0 Delay 7 UNIQUE k UNIQUEFOR 8 GROUP g MAXATTEMPTS 3 LEASE 10 EXPIRE 9 HEADER a b "
      "HEADER PRIORITY DELAY");
  push = full.operation<op::Push>();
  REQUIRE(push != nullptr);
  CHECK(push->priority == 0);
  CHECK(push->delay_ms == 7);
  CHECK(push->unique == "k");
  CHECK(push->unique_for_ms == 8);
  CHECK(push->group == "g");
  CHECK(push->max_attempts == 3u);
  CHECK(push->lease_ms == 10);
  CHECK(push->expire_ms == 9);
  CHECK(push->headers == std::vector<std::pair<op::Text, op::Text>>{{"a", "b"}, {"PRIORITY", "DELAY"}});

  const Words at({"PUSH", "r", "", "AT", "1700000000000"});
  REQUIRE(at.operation<op::Push>() != nullptr);
  CHECK(at.operation<op::Push>()->at_ms == 1'700'000'000'000);
  CHECK(at.operation<op::Push>()->payload.empty());
}

TEST_CASE("MPUSH, CLAIM, MACK") {
  const Words mpush("MPUSH r a b c");
  REQUIRE(mpush.operation<op::MultiPush>() != nullptr);
  CHECK(mpush.operation<op::MultiPush>()->payloads == Texts{"a", "b", "c"});

  const Words claim("CLAIM runner@b1 a b LEASE 1000 COUNT 5 WAIT 0");
  const auto* c = claim.operation<op::Claim>();
  REQUIRE(c != nullptr);
  CHECK(c->daemon == "runner@b1");
  CHECK(c->roles == Texts{"a", "b"});
  CHECK(c->count == 5);
  CHECK(c->wait_ms == 0);
  CHECK(c->lease_ms == 1000);

  const Words bare("CLAIM d a");
  REQUIRE(bare.operation<op::Claim>() != nullptr);
  CHECK(bare.operation<op::Claim>()->count == 1);
  CHECK(!bare.operation<op::Claim>()->wait_ms);

  const Words mack("MACK a 1 b 2");
  REQUIRE(mack.operation<op::MultiAck>() != nullptr);
  CHECK(mack.operation<op::MultiAck>()->items ==
        std::vector<std::pair<op::Text, op::Text>>{{"a", "1"}, {"b", "2"}});
}

TEST_CASE("ACK: a value that is an option word, and NEXT on either side of its options") {
  const Words result("ACK a t RESULT NEXT TOKENS 4 COST 5");
  const auto* ack = result.operation<op::Ack>();
  REQUIRE(ack != nullptr);
  CHECK(ack->result == "NEXT");
  CHECK(ack->usage.tokens == 4);
  CHECK(ack->usage.cost == 5);
  CHECK(!ack->next);

  for (const char* line :
       {"ACK a t RESULT x NEXT COUNT 2 LEASE 50 r s", "ACK a t RESULT x next r s LEASE 50 COUNT 2",
        "ACK a t RESULT x NEXT LEASE 50 r s COUNT 2"}) {
    INFO(line);
    const Words words(line);
    ack = words.operation<op::Ack>();
    REQUIRE(ack != nullptr);
    CHECK(ack->result == "x");
    REQUIRE(ack->next);
    CHECK(ack->next->roles == Texts{"r", "s"});
    CHECK(ack->next->count == 2);
    CHECK(ack->next->lease_ms == 50);
  }
}

TEST_CASE("FAIL, EXTEND, RELEASE, MOVE") {
  const Words fail_words({"FAIL", "a", "t", "rate_limited", "DEAD", "DEAD", "RETRYIN", "5", "TOKENS", "1"});
  const auto* fail = fail_words.operation<op::Fail>();
  REQUIRE(fail != nullptr);
  CHECK(fail->error_class == core::ErrorClass::rate_limited);
  CHECK(fail->text == "DEAD");
  CHECK(fail->dead);
  CHECK(fail->retry_in_ms == 5);
  CHECK(fail->usage.tokens == 1);

  const Words extend_words({"EXTEND", "a", "t", "PROGRESS", "40", "half way", "LEASE", "60000"});
  const auto* extend = extend_words.operation<op::Extend>();
  REQUIRE(extend != nullptr);
  REQUIRE(extend->progress);
  CHECK(extend->progress->first == 40);
  CHECK(extend->progress->second == "half way");
  CHECK(extend->lease_ms == 60'000);

  const Words release("RELEASE a t DELAY 9");
  REQUIRE(release.operation<op::Release>() != nullptr);
  CHECK(release.operation<op::Release>()->delay_ms == 9);

  const Words move("MOVE a TO other PRIORITY 9");
  REQUIRE(move.operation<op::Move>() != nullptr);
  CHECK(move.operation<op::Move>()->to_role == "other");
  CHECK(move.operation<op::Move>()->priority == 9);
}

TEST_CASE("CANCEL of an id, also one named filter, and CANCEL FILTER") {
  const Words id({"CANCEL", "a", "no longer wanted"});
  REQUIRE(id.operation<op::Cancel>() != nullptr);
  CHECK(id.operation<op::Cancel>()->reason == "no longer wanted");
  const Words named("CANCEL filter");
  REQUIRE(named.operation<op::Cancel>() != nullptr);
  CHECK(named.operation<op::Cancel>()->id == "filter");

  const Words filter("cancel Filter r ready LIMIT 7");
  const auto* cancel = filter.operation<op::CancelFilter>();
  REQUIRE(cancel != nullptr);
  CHECK(cancel->role == "r");
  CHECK(cancel->state == core::MessageState::ready);
  CHECK(cancel->limit == 7u);
  const Words bare("CANCEL FILTER r LIMIT 7");
  REQUIRE(bare.operation<op::CancelFilter>() != nullptr);
  CHECK(!bare.operation<op::CancelFilter>()->state);
}

TEST_CASE("roles, also one named drop") {
  const Words named("ROLE drop");
  REQUIRE(named.operation<op::RoleInfo>() != nullptr);
  CHECK(named.operation<op::RoleInfo>()->role == "drop");
  const Words drop("role drop drop");
  REQUIRE(drop.operation<op::RoleDrop>() != nullptr);
  CHECK(drop.operation<op::RoleDrop>()->role == "drop");
  CHECK(Words("ROLES").operation<op::Roles>() != nullptr);
  CHECK(Words("RESUME r").operation<op::Resume>() != nullptr);
  const Words pause({"PAUSE", "r", "a reason"});
  REQUIRE(pause.operation<op::Pause>() != nullptr);
  CHECK(pause.operation<op::Pause>()->reason == "a reason");
}

TEST_CASE("deploy: the parts of a version in any order, words as they are") {
  const Words set(
      {"deploy", "set", "r", "prompt", "PROMPT", "command", "3", "sh", "", "REASON", "reason", "why"});
  const auto* version = set.operation<op::DeploySet>();
  REQUIRE(version != nullptr);
  CHECK(version->command == std::vector<std::string_view>{"sh", "", "REASON"});
  CHECK(version->prompt == "PROMPT");
  CHECK(version->reason == "why");
  const Words half("DEPLOY SET r COMMAND 1 ./a");
  REQUIRE(half.operation<op::DeploySet>() != nullptr);
  CHECK(!half.operation<op::DeploySet>()->prompt);
  CHECK(Words({"DEPLOY", "SET", "r", "COMMAND", "1", std::string("a\0b", 3)}).error() ==
        "BADARG a word of a COMMAND cannot have a zero byte in it");
  CHECK(Words({"DEPLOY", "SET", "r", "COMMAND", "2", "", "x"}).error() ==
        "BADARG the first word of a COMMAND is a program; it is empty");
  CHECK(Words({"DEPLOY", "SET", "r", "PROMPT", ""}).error() ==
        "BADARG the PROMPT is empty; DEPLOY DROP goes back to what the file says");
  const auto rollback = [](const char* line) { return *Words(line).operation<op::DeployRollback>(); };
  CHECK(!rollback("DEPLOY ROLLBACK r").to);
  CHECK(rollback("DEPLOY ROLLBACK r REASON x TO 4").to == 4);
  CHECK(rollback("DEPLOY DROP r REASON x").to == 0);
  CHECK(Words("DEPLOY LIST r").operation<op::DeployList>() != nullptr);
  CHECK(!Words("DEPLOY GET r").operation<op::DeployGet>()->version);
  CHECK(Words("DEPLOY GET r 7").operation<op::DeployGet>()->version == 7);
}

TEST_CASE("reading") {
  CHECK(Words("GET a").operation<op::Get>() != nullptr);
  CHECK(Words("EXPLAIN a").operation<op::Explain>() != nullptr);
  CHECK(Words("INFO server").operation<op::Info>() != nullptr);
  const Words result("RESULT a WAIT 500");
  REQUIRE(result.operation<op::GetResult>() != nullptr);
  CHECK(result.operation<op::GetResult>()->wait_ms == 500);
  const Words list("LIST r dead COUNT 3 CURSOR abc");
  REQUIRE(list.operation<op::List>() != nullptr);
  CHECK(list.operation<op::List>()->state == core::MessageState::dead);
  CHECK(list.operation<op::List>()->cursor == "abc");
  CHECK(list.operation<op::List>()->count == 3);
  const Words first("LIST r ready");
  REQUIRE(first.operation<op::List>() != nullptr);
  CHECK(first.operation<op::List>()->cursor == "0");
  const Words now("EVENTS $ WAIT 5 KIND message COUNT 2");
  REQUIRE(now.operation<op::Events>() != nullptr);
  CHECK(!now.operation<op::Events>()->after);
  CHECK(now.operation<op::Events>()->kind == "message");
  const Words after("EVENTS 0");
  REQUIRE(after.operation<op::Events>() != nullptr);
  CHECK(after.operation<op::Events>()->after == 0u);
}

TEST_CASE("dead letters") {
  const Words list(
      {"DEAD", "LIST", "ROLE", "r", "CLASS", "crash", "FINGERPRINT", "f0", "SINCE", "5", "MATCH", "a b"});
  const auto* found = list.operation<op::DeadList>();
  REQUIRE(found != nullptr);
  CHECK(found->filter.role == "r");
  CHECK(found->filter.error_class == core::ErrorClass::crash);
  CHECK(found->filter.fingerprint == "f0");
  CHECK(found->filter.since_ms == 5);
  CHECK(found->filter.match == "a b");
  CHECK(Words("dead count").operation<op::DeadCount>() != nullptr);
  CHECK(Words("DEAD GROUPS ROLE r").operation<op::DeadGroups>() != nullptr);
  CHECK(Words("DEAD GET a").operation<op::DeadGet>() != nullptr);
  CHECK(Words({"DEAD", "EDIT", "a", ""}).operation<op::DeadEdit>() != nullptr);

  const Words ids("DEAD REPLAY a b TO other RESET DRYRUN");
  const auto* replay = ids.operation<op::DeadReplay>();
  REQUIRE(replay != nullptr);
  CHECK(replay->ids == Texts{"a", "b"});
  CHECK(replay->to_role == "other");
  CHECK(replay->reset);
  CHECK(replay->dry_run);
  const Words filter("DEAD REPLAY FILTER ROLE r LIMIT 5");
  replay = filter.operation<op::DeadReplay>();
  REQUIRE(replay != nullptr);
  CHECK(replay->ids.empty());
  CHECK(replay->filter.role == "r");
  CHECK(replay->limit == 5u);
  CHECK(!replay->reset);
  const Words drop("DEAD DROP a b");
  REQUIRE(drop.operation<op::DeadDrop>() != nullptr);
  CHECK(drop.operation<op::DeadDrop>()->ids == Texts{"a", "b"});
  const Words drop_filter("DEAD DROP FILTER CLASS auth");
  REQUIRE(drop_filter.operation<op::DeadDrop>() != nullptr);
  CHECK(drop_filter.operation<op::DeadDrop>()->filter.error_class == core::ErrorClass::auth);
}

TEST_CASE("session commands") {
  struct Row {
    const char* line;
    SessionKind kind;
    size_t args;
  };
  const Row rows[] = {
      {"ping", SessionKind::ping, 0},
      {"PING x", SessionKind::ping, 1},
      {"ECHO x", SessionKind::echo, 1},
      {"HELLO", SessionKind::hello, 0},
      {"HELLO 3 AUTH u p SETNAME n", SessionKind::hello, 6},
      {"AUTH p", SessionKind::auth, 1},
      {"SELECT 0", SessionKind::select, 1},
      {"CLIENT SETNAME n", SessionKind::client_setname, 1},
      {"client getname", SessionKind::client_getname, 0},
      {"CLIENT SETINFO LIB-NAME x", SessionKind::client_setinfo, 2},
      {"CLIENT ID", SessionKind::client_id, 0},
      {"COMMAND DOCS", SessionKind::command, 1},
      {"CONFIG GET save", SessionKind::config_get, 1},
      {"RESET", SessionKind::reset, 0},
      {"QUIT", SessionKind::quit, 0},
      {"MULTI", SessionKind::multi, 0},
      {"EXEC", SessionKind::exec, 0},
      {"DISCARD", SessionKind::discard, 0},
      {"SUBSCRIBE a b", SessionKind::subscribe, 2},
      {"UNSUBSCRIBE", SessionKind::unsubscribe, 0},
      {"PSUBSCRIBE pawl.*", SessionKind::psubscribe, 1},
      {"PUNSUBSCRIBE", SessionKind::punsubscribe, 0},
      {"PUBLISH c x", SessionKind::publish, 2},
      {"COMMITSEQ", SessionKind::commitseq, 0},
      {"RELOAD", SessionKind::reload, 0},
      {"VERIFY", SessionKind::verify, 0},
      {"SHUTDOWN", SessionKind::shutdown, 0},
  };
  for (const Row& row : rows) {
    INFO(row.line);
    const Words words(row.line);
    REQUIRE(words.session() != nullptr);
    CHECK(words.session()->kind == row.kind);
    CHECK(words.session()->args.size() == row.args);
  }
  const Words hello("HELLO 3 AUTH u p SETNAME n");
  const auto decoded = decode_hello(hello.session()->args);
  REQUIRE(decoded.ok());
  CHECK(decoded->version == 3);
  CHECK(decoded->auth->second == "p");
  CHECK(decoded->client_name == "n");
}

TEST_CASE("transactions take PUSH, ACK without NEXT, FAIL") {
  const auto error_of = [](const char* line) {
    const Words words(line);
    const auto item = decode_transaction_item(words.args());
    return item.ok() ? std::string() : error_line(item.error());
  };
  CHECK(error_of("PUSH r p UNIQUE k") == "");
  CHECK(error_of("ACK a t RESULT x") == "");
  CHECK(error_of("FAIL a t crash x") == "");
  CHECK(error_of("ACK a t NEXT r") == "BADARG ACK in MULTI takes no NEXT; claim after EXEC");
  CHECK(error_of("GET a") == "ERR GET cannot stand in MULTI; use PUSH, ACK and FAIL there");
  CHECK(error_of("PUSH r") != "");
  CHECK(error_of("NONE") == "ERR unknown command 'NONE'; COMMAND LIST names those that there are");
}

TEST_CASE("every row of the table is found, and decodes the least it asks for") {
  for (const Command& command : all_commands()) {
    INFO(command.name());
    std::vector<std::string> words{std::string(command.verb)};
    if (!command.second.empty()) words.emplace_back(command.second);
    while (static_cast<int>(words.size()) < command.arity_min) words.emplace_back("0");
    std::vector<std::string_view> views(words.begin(), words.end());
    CHECK(find_command(views) == &command);
    for (char& c : words[0]) c = static_cast<char>(c | 0x20);
    views.assign(words.begin(), words.end());
    CHECK(find_command(views) == &command);
    CHECK(command.usage.starts_with(command.name()));
    CHECK(command.help.ends_with('.'));
    CHECK(command.has(flag_session) == std::holds_alternative<SessionCommand>(decode(command, views)));
  }
}

}  // namespace pawl::protocol
