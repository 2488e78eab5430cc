#include "guards/authorisation.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "guards/guard_chain.h"
#include "guards/registry.h"
#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

namespace op = core::op;

// A user of one right: p(roducer), w(orker), o(perator), a(dmin); '-': of none.
core::UserConfig user_of(char right, std::vector<std::string> roles = {}) {
  core::UserConfig user;
  user.name = "ann";
  user.producer = right == 'p';
  user.worker = right == 'w';
  user.operates = right == 'o';
  user.admin = right == 'a';
  user.roles = std::move(roles);
  return user;
}

// About role `role`, by name or by the id of a message in it.
struct Asked {
  const char* what;
  core::Operation operation;
  std::string_view rights;  // those with which it passes
};

template <typename Operation>
core::Operation in_role(std::string_view role) {
  Operation operation;
  operation.role = role;
  return operation;
}

template <typename Operation>
core::Operation with_id(std::string_view id) {
  Operation operation;
  operation.id = id;
  return operation;
}

template <typename Operation>
core::Operation filtered(std::string_view role) {
  Operation operation;
  operation.filter.role = role;
  return operation;
}

template <typename Operation>
core::Operation of_ids(std::vector<std::string_view> ids) {
  Operation operation;
  operation.ids = std::move(ids);
  return operation;
}

core::Operation claim(std::vector<std::string_view> roles) {
  op::Claim operation;
  operation.roles = std::move(roles);
  return operation;
}

core::Operation ack_next(std::string_view id, std::vector<std::string_view> roles) {
  op::Ack operation;
  operation.id = id;
  operation.next = op::Next{std::move(roles), 1, std::nullopt};
  return operation;
}

core::Operation move(std::string_view id, std::string_view to) {
  op::Move operation;
  operation.id = id;
  operation.to_role = to;
  return operation;
}

core::Operation replay(std::vector<std::string_view> ids, std::string_view to) {
  op::DeadReplay operation;
  operation.ids = std::move(ids);
  operation.to_role = to;
  return operation;
}

// Every operation that names a role or a message.
std::vector<Asked> about(std::string_view role, std::string_view id) {
  return {
      {"PUSH", in_role<op::Push>(role), "pa"},
      {"MPUSH", in_role<op::MultiPush>(role), "pa"},
      {"CANCEL", with_id<op::Cancel>(id), "pa"},
      {"CANCEL FILTER", in_role<op::CancelFilter>(role), "pa"},
      {"MOVE", with_id<op::Move>(id), "pa"},
      {"CLAIM", claim({role}), "wa"},
      {"ACK", with_id<op::Ack>(id), "wa"},
      {"MACK", op::MultiAck{{{id, "t"}}}, "wa"},
      {"FAIL", with_id<op::Fail>(id), "wa"},
      {"EXTEND", with_id<op::Extend>(id), "wa"},
      {"RELEASE", with_id<op::Release>(id), "wa"},
      {"DEAD REPLAY id", of_ids<op::DeadReplay>({id}), "oa"},
      {"DEAD REPLAY FILTER", filtered<op::DeadReplay>(role), "oa"},
      {"DEAD EDIT", with_id<op::DeadEdit>(id), "oa"},
      {"DEAD DROP id", of_ids<op::DeadDrop>({id}), "oa"},
      {"DEAD DROP FILTER", filtered<op::DeadDrop>(role), "oa"},
      {"PAUSE", in_role<op::Pause>(role), "oa"},
      {"RESUME", in_role<op::Resume>(role), "oa"},
      {"QUOTA SET", in_role<op::QuotaSet>(role), "oa"},
      {"QUOTA DROP", in_role<op::QuotaDrop>(role), "oa"},
      {"DEPLOY SET", in_role<op::DeploySet>(role), "oa"},
      {"DEPLOY ROLLBACK", in_role<op::DeployRollback>(role), "oa"},
      {"DEPLOY LIST", in_role<op::DeployList>(role), "pwoa"},
      {"DEPLOY GET", in_role<op::DeployGet>(role), "pwoa"},
      {"CRON SET", in_role<op::CronSet>(role), "oa"},
      {"INCIDENT OPEN", op::IncidentOpen{core::Tier::ultra, "t", "", {role}, {}}, "pwoa"},
      {"ROLE DROP", in_role<op::RoleDrop>(role), "a"},
      {"GET", with_id<op::Get>(id), "pwoa"},
      {"RESULT", with_id<op::GetResult>(id), "pwoa"},
      {"LIST", in_role<op::List>(role), "pwoa"},
      {"ROLE", in_role<op::RoleInfo>(role), "pwoa"},
      {"DEAD LIST", filtered<op::DeadList>(role), "pwoa"},
      {"DEAD GET", with_id<op::DeadGet>(id), "pwoa"},
      {"DEAD COUNT", filtered<op::DeadCount>(role), "pwoa"},
      {"DEAD GROUPS", filtered<op::DeadGroups>(role), "pwoa"},
      {"EXPLAIN", with_id<op::Explain>(id), "pwoa"},
      {"QUOTA GET role", op::QuotaGet{role}, "pwoa"},
  };
}

// Those that name none, and are no matter of one.
std::vector<Asked> about_none() {
  return {
      {"ROLES", op::Roles{}, "pwoa"},
      {"INFO", op::Info{}, "pwoa"},
      {"KILL STATUS", op::KillStatus{}, "pwoa"},
      {"GUARD LIST", op::GuardList{}, "pwoa"},
      {"DAEMONS", op::Daemons{}, "pwoa"},
      {"DAEMON", op::DaemonInfo{}, "pwoa"},
      {"BEAT", op::Beat{}, "wa"},
      {"DAEMON FORGET", op::DaemonForget{}, "oa"},
      {"REAP", op::Reap{}, "oa"},
      {"EVENT ADD", op::EventAdd{}, "woa"},
      {"KILL SET", op::KillSet{}, "oa"},
      {"KILL CLEAR", op::KillClear{}, "oa"},
      {"GUARD MODE", op::SetGuardMode{}, "oa"},
      {"CRON LIST", op::CronList{}, "pwoa"},
      {"CRON DROP", op::CronDrop{}, "oa"},
      {"INCIDENT LIST", op::IncidentList{}, "pwoa"},
      {"INCIDENT GET", op::IncidentGet{}, "pwoa"},
      {"INCIDENT ACK", op::IncidentAck{}, "oa"},
      {"INCIDENT NOTE", op::IncidentNote{}, "oa"},
      {"INCIDENT CLOSE", op::IncidentClose{}, "oa"},
      {"INCIDENT INSIGHTS", op::IncidentStudy{}, "pwoa"},
      {"SWEEP", op::Sweep{}, "woa"},
      {"time zones, the server's", op::ZoneRulesGiven{}, "a"},
      {"unclaim, the server's", op::Unclaim{}, "a"},
      {"flag files, the server's", op::KillFiles{}, "a"},
  };
}

// Those that name none and so are about all of them.
std::vector<Asked> about_all() {
  return {
      {"EVENTS", op::Events{}, "pwoa"},
      {"INCIDENT OPEN without ROLE", op::IncidentOpen{}, "pwoa"},
      {"DEAD LIST without ROLE", op::DeadList{}, "pwoa"},
      {"DEAD COUNT without ROLE", op::DeadCount{}, "pwoa"},
      {"DEAD GROUPS without ROLE", op::DeadGroups{}, "pwoa"},
      {"DEAD REPLAY FILTER without ROLE", op::DeadReplay{}, "oa"},
      {"DEAD DROP FILTER without ROLE", op::DeadDrop{}, "oa"},
      {"QUOTA GET", op::QuotaGet{}, "pwoa"},
      {"QUOTA GET *", op::QuotaGet{"*"}, "pwoa"},
      {"QUOTA SET *", in_role<op::QuotaSet>("*"), "oa"},
      {"QUOTA DROP *", in_role<op::QuotaDrop>("*"), "oa"},
  };
}

std::vector<Asked> everything(std::string_view role, std::string_view id) {
  std::vector<Asked> all = about(role, id);
  for (const auto& more : {about_none(), about_all()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

// Messages m1 of mail, d1 of deploy.
struct Room {
  Room() {
    for (const char* role : {"mail", "mailbox", "deploy"}) desk.make(role);
    desk.messages = {{"m1", "mail"}, {"d1", "deploy"}};
  }
  core::Verdict ask(const core::Operation& operation, const core::UserConfig& user) const {
    return guard.admit(operation, core::Caller(1, user.name, &user), desk).verdict();
  }
  FakeDesk desk;
  Authorisation guard;
};

TEST_CASE("authorisation: each right and each operation") {
  const Room room;
  const std::map<char, std::string> words = {
      {'p', "producer"}, {'w', "worker"}, {'o', "operator"}, {'a', "admin"}};
  for (const Asked& row : everything("mail", "m1")) {
    for (const char right : std::string_view("pwoa-")) {
      INFO(row.what << " with right " << right);
      const core::Verdict verdict = room.ask(row.operation, user_of(right));
      CHECK(verdict.allowed == (row.rights.find(right) != std::string_view::npos));
      if (verdict.allowed) continue;
      CHECK(verdict.code == Code::denied);
      CHECK(verdict.subject == "user:ann");
      CHECK_FALSE(verdict.retry_at_ms.has_value());
      const std::string needed = row.rights == "pwoa" ? "any right" : words.at(row.rights[0]);
      CHECK(verdict.reason.starts_with("user ann: the right " + needed + " is needed"));
    }
  }
}

TEST_CASE("authorisation: every operation stands in the table") {
  std::set<size_t> seen;
  for (const Asked& row : everything("mail", "m1")) seen.insert(row.operation.index());
  seen.insert(core::Operation(op::Transaction{}).index());  // the chain asks about its items
  CHECK(seen.size() == std::variant_size_v<core::Operation>);
}

TEST_CASE("authorisation: without a user everything passes") {
  const Room room;
  for (const Asked& row : everything("mail", "m1")) {
    INFO(row.what);
    CHECK(room.guard.admit(row.operation, core::Caller(1, "whoever", nullptr), room.desk).allowed());
    CHECK(room.guard.admit(row.operation, core::Caller(0), room.desk).allowed());
  }
}

TEST_CASE("authorisation: prefixes of roles") {
  const Room room;
  struct Row {
    std::vector<std::string> prefixes;
    const char* role;
    const char* id;
    bool allowed;
  };
  const std::vector<Row> rows = {
      {{}, "deploy", "d1", true},        {{"mail"}, "mail", "m1", true},
      {{"ma"}, "mail", "m1", true},      {{"x", "mail"}, "mail", "m1", true},
      {{"mail"}, "deploy", "d1", false}, {{"mailb"}, "mail", "m1", false},
      {{"Mail"}, "mail", "m1", false},   {{"ail"}, "mail", "m1", false},
  };
  for (const Row& row : rows) {
    // A right of its own is no way around them.
    for (const Asked& asked : about(row.role, row.id)) {
      for (const char right : asked.rights) {
        INFO(asked.what << " with right " << right << " on " << row.role);
        const core::Verdict verdict = room.ask(asked.operation, user_of(right, row.prefixes));
        CHECK(verdict.allowed == row.allowed);
        if (verdict.allowed) continue;
        CHECK(verdict.code == Code::denied);
        CHECK(verdict.reason.starts_with("user ann: role " + std::string(row.role) +
                                         " is not among its roles: " + row.prefixes[0] + "*"));
      }
    }
  }
}

TEST_CASE("authorisation: every role and every id counts") {
  const Room room;
  struct Row {
    const char* what;
    core::Operation operation;
    bool allowed;
  };
  const std::vector<Row> rows = {
      {"claim", claim({"mail", "mailbox"}), true},
      {"claim, the second", claim({"mail", "deploy"}), false},
      {"next", ack_next("m1", {"mail", "mailbox"}), true},
      {"next, the second", ack_next("m1", {"mail", "deploy"}), false},
      {"next, the id", ack_next("d1", {"mail"}), false},
      {"mack", op::MultiAck{{{"m1", "t"}, {"m1", "u"}}}, true},
      {"mack, the second", op::MultiAck{{{"m1", "t"}, {"d1", "u"}}}, false},
      {"move", move("m1", "mailbox"), true},
      {"move, where to", move("m1", "deploy"), false},
      {"move, where from", move("d1", "mail"), false},
      {"replay", replay({"m1"}, "mailbox"), true},
      {"replay, where to", replay({"m1"}, "deploy"), false},
      {"replay, the second", replay({"m1", "d1"}, "mail"), false},
      {"drop, the second", of_ids<op::DeadDrop>({"m1", "d1"}), false},
      {"an id that is unknown: the bus says so", with_id<op::Get>("none"), true},
      {"a role that is not there yet", in_role<op::Push>("mail.new"), true},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(room.ask(row.operation, user_of('a', {"mail"})).allowed == row.allowed);
  }
}

TEST_CASE("authorisation: what is about every role is not for who has some") {
  const Room room;
  for (const Asked& asked : about_none()) {
    for (const char right : asked.rights) {
      INFO(asked.what);
      CHECK(room.ask(asked.operation, user_of(right, {"mail"})).allowed);
    }
  }
  for (const Asked& asked : about_all()) {
    for (const char right : asked.rights) {
      INFO(asked.what);
      const core::Verdict verdict = room.ask(asked.operation, user_of(right, {"mail"}));
      CHECK_FALSE(verdict.allowed);
      CHECK(verdict.code == Code::denied);
      CHECK(verdict.reason.find(" mail*") != std::string::npos);
    }
  }
}

TEST_CASE("authorisation: stands first, has no mode, and a transaction is asked item by item") {
  FakeDesk desk;
  desk.standing.kind = core::FreezeKind::soft;
  const auto chain = make_guard_chain();
  REQUIRE(chain->open(desk).ok());
  CHECK(chain->counters()[0].name == "authorisation");
  const core::UserConfig worker = user_of('w');
  const core::Caller caller(1, worker.name, &worker);
  CHECK(chain->admit(in_role<op::Push>("mail"), caller, desk).verdict().code == Code::denied);
  op::Transaction transaction;
  transaction.items.emplace_back(op::Ack{});
  transaction.items.emplace_back(op::Push{});
  desk.standing = {};
  const core::Verdict verdict = chain->admit(transaction, caller, desk).verdict();
  CHECK(verdict.guard == "authorisation");
  CHECK(verdict.reason.find(" at=1") != std::string::npos);
  desk.bus.guards.modes["authorisation"] = core::GuardMode::off;
  chain->configured(desk);
  CHECK_FALSE(chain->admit(transaction, caller, desk).allowed());
}

}  // namespace
}  // namespace pawl::guards
