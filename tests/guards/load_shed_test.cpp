#include "guards/load_shed.h"

#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "guards/guard_chain.h"
#include "guards/registry.h"
#include "tests/guards/fake_desk.h"

namespace pawl::guards {
namespace {

namespace op = core::op;
using core::DiskMark;
using core::MessageState;

const core::Caller anyone{1};

op::Push push(int priority = limits::priority_default, std::string_view payload = "") {
  op::Push operation;
  operation.role = "r";
  operation.payload = payload;
  operation.priority = priority;
  return operation;
}

// The guard as it is after a start with the desk's configuration.
struct Shed {
  explicit Shed(FakeDesk& given) : desk(given) { guard.open(desk); }
  core::Verdict admit(const core::Operation& operation) const {
    return guard.admit(operation, anyone, desk).verdict();
  }
  FakeDesk& desk;
  LoadShed guard;
};

TEST_CASE("shed: a backlog at its cap refuses everything, before it the lower priorities first") {
  struct Row {
    uint64_t cap;
    uint32_t shed_from;
    uint64_t scheduled;
    uint64_t ready;
    // The lowest priority that is let through; 10: none.
    int from;
  };
  constexpr uint64_t huge = std::numeric_limits<uint64_t>::max();
  const std::vector<Row> rows = {
      {0, 80, 1'000'000, 1'000'000, 0},  // no cap
      {100, 80, 0, 0, 0},
      {100, 80, 0, 79, 0},
      {100, 80, 79, 0, 0},
      {100, 80, 40, 40, 1},  // 80, 84, 88, 92, 96 per cent for priorities 0 to 4
      {100, 80, 0, 83, 1},
      {100, 80, 0, 84, 2},
      {100, 80, 0, 87, 2},
      {100, 80, 0, 88, 3},
      {100, 80, 0, 92, 4},
      {100, 80, 0, 95, 4},
      {100, 80, 0, 96, 5},
      {100, 80, 0, 99, 5},
      {100, 80, 50, 50, 10},
      {100, 80, 0, 5000, 10},  // the cap was lowered
      {100, 100, 0, 99, 0},    // nobody is refused before the cap
      {100, 100, 0, 100, 10},
      {100, 1, 0, 1, 1},
      {100, 1, 0, 19, 1},
      {100, 1, 0, 20, 2},  // 1, 20, 40, 60, 80 per cent, rounded down
      {1, 80, 0, 0, 0},    // an empty role takes one whatever its priority
      {1, 80, 0, 1, 10},
      {3, 80, 0, 2, 0},  // two of three are less than 80 per cent
      {3, 67, 0, 2, 0},
      {3, 66, 0, 2, 1},
      {huge, 80, 0, huge / 100 * 80 - 1, 0},
      {huge, 80, 0, huge / 5 * 4, 1},
      {huge, 80, 0, huge, 10},
  };
  for (const Row& row : rows) {
    FakeDesk desk;
    desk.bus.roles["r"].backlog_max = row.cap;
    desk.bus.guards.shed_from_percent = row.shed_from;
    core::RoleCounts& counts = desk.make("r").counts;
    counts.at(MessageState::scheduled) = row.scheduled;
    counts.at(MessageState::ready) = row.ready;
    counts.at(MessageState::claimed) = counts.at(MessageState::dead) = 1'000'000;  // no part of it
    const Shed shed(desk);
    for (int priority = 0; priority <= limits::priority_max; ++priority) {
      INFO(row.scheduled << " + " << row.ready << " of " << row.cap << " from " << row.shed_from
                         << " %, priority " << priority);
      const core::Verdict verdict = shed.admit(push(priority));
      CHECK(verdict.allowed == (priority >= row.from));
      if (verdict.allowed) continue;
      CHECK(verdict.code == Code::busy);
      CHECK(verdict.scope == core::Scope::role);
      CHECK(verdict.subject == "role:r");
      CHECK(verdict.retry_at_ms == desk.time.wall_ms + 1000);
      CHECK(verdict.value == static_cast<int64_t>(row.scheduled + row.ready));
      CHECK(verdict.reason.find("[role.r] backlog") != std::string::npos);
    }
  }
}

TEST_CASE("shed: what a refusal at a backlog says") {
  FakeDesk desk;
  desk.bus.roles["r"].backlog_max = 10;
  core::RoleCounts& counts = desk.make("r").counts;
  const Shed shed(desk);
  counts.at(MessageState::ready) = 8;
  core::Verdict verdict = shed.admit(push(0));
  CHECK(verdict.reason ==
        "role r has a backlog of 8 messages, and takes priority 0 up to 8 of the cap of 10; try again later, "
        "with a higher priority, or raise [role.r] backlog");
  CHECK(verdict.limit == 8);
  counts.at(MessageState::ready) = 10;
  for (const int priority : {0, 9}) {
    CHECK(
        shed.admit(push(priority)).reason ==
        "role r has a backlog of 10 messages, the cap is 10; try again later, add workers, or raise [role.r] "
        "backlog");
  }
  counts.at(MessageState::ready) = 0;
  verdict = shed.admit(op::MultiPush{"r", std::vector<std::string_view>(11, "x")});
  CHECK(
      verdict.reason ==
      "role r has a backlog of 0 messages, this would add 11 and the cap is 10: it never fits; push less at "
      "once, or raise [role.r] backlog");
  CHECK_FALSE(verdict.retry_at_ms.has_value());
}

TEST_CASE("shed: an MPUSH fits as a whole or not at all") {
  struct Row {
    uint64_t ready;
    size_t payloads;
    bool allowed;
  };
  const std::vector<Row> rows = {{0, 10, true}, {0, 11, false}, {7, 3, true},
                                 {7, 4, false}, {9, 1, true},   {10, 1, false}};
  FakeDesk desk;
  desk.bus.roles["r"].backlog_max = 10;
  const Shed shed(desk);
  for (const Row& row : rows) {
    INFO(row.ready << " and " << row.payloads);
    desk.make("r").counts.at(MessageState::ready) = row.ready;
    CHECK(shed.admit(op::MultiPush{"r", std::vector<std::string_view>(row.payloads, "x")}).allowed ==
          row.allowed);
  }
}

TEST_CASE("shed: bytes are counted as the bus will count them") {
  op::Push full = push(5, "0123456789");
  full.unique = "unique";
  full.group = "group";
  full.headers = {{"name", "value"}};
  core::HomeRecord home;
  home.payload = full.payload;
  home.unique = "unique";
  home.group = "group";
  home.headers = {{"name", "value"}};
  const uint64_t size = home.bytes();
  const std::vector<std::string_view> payloads = {"one", "three"};
  const uint64_t both = 2 * core::HomeRecord{}.bytes() + 8;
  struct Row {
    const char* what;
    core::Operation operation;
    uint64_t cap;
    uint64_t now;
    bool allowed;
  };
  const std::vector<Row> rows = {
      {"an empty role, just enough", full, size, 0, true},
      {"a byte too few", full, size - 1, 0, false},
      {"just enough left", full, 1000, 1000 - size, true},
      {"a byte too few left", full, 1000, 1001 - size, false},
      {"at the cap", push(9), 1000, 1000, false},
      {"past the cap", push(9), 1000, 5000, false},
      {"low priority below its share", push(0), 1000, 799, true},
      {"low priority at its share", push(0), 1000, 800, false},
      {"default priority there", push(), 1000, 800, true},
      {"mpush, just enough", op::MultiPush{"r", payloads}, both, 0, true},
      {"mpush, a byte too few", op::MultiPush{"r", payloads}, both - 1, 0, false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    FakeDesk desk;
    desk.bus.roles["r"].backlog_bytes_max = row.cap;
    desk.make("r").counts.bytes = row.now;
    const core::Verdict verdict = Shed(desk).admit(row.operation);
    CHECK(verdict.allowed == row.allowed);
    if (verdict.allowed) continue;
    CHECK(verdict.code == Code::busy);
    CHECK(verdict.reason.find(" bytes, ") != std::string::npos);
    CHECK(verdict.reason.find("[role.r] backlog_bytes") != std::string::npos);
  }
}

TEST_CASE("shed: which cap holds for which role, and from when on") {
  FakeDesk desk;
  desk.make("r").counts.at(MessageState::ready) = 5;
  Shed shed(desk);
  CHECK(shed.admit(push()).allowed);
  SECTION("another role's cap does not") {
    desk.bus.roles["s"].backlog_max = 1;
    shed.guard.configured(desk);
    CHECK(shed.admit(push()).allowed);
  }
  SECTION("one that a reload brings, and takes away") {
    desk.bus.roles["r"].backlog_max = 5;
    shed.guard.configured(desk);
    CHECK_FALSE(shed.admit(push()).allowed);
    desk.bus.roles.clear();
    shed.guard.configured(desk);
    CHECK(shed.admit(push()).allowed);
  }
  SECTION("the default's, for a role that the file does not name") {
    desk.bus.defaults.backlog_max = 5;
    shed.guard.configured(desk);
    CHECK_FALSE(shed.admit(push()).allowed);
  }
  SECTION("a role that does not exist yet is empty") {
    desk.roles.clear();
    desk.bus.roles["r"].backlog_max = 1;
    shed.guard.configured(desk);
    CHECK(shed.admit(push()).allowed);
    CHECK_FALSE(shed.admit(op::MultiPush{"r", {"x", "y"}}).allowed);
  }
  SECTION("what takes nothing in is no matter") {
    desk.bus.roles["r"].backlog_max = 1;
    shed.guard.configured(desk);
    for (const core::Operation& operation :
         {core::Operation(op::Claim{}), core::Operation(op::DeadReplay{}), core::Operation(op::Move{})}) {
      CHECK(shed.admit(operation).allowed);
    }
    const core::RoleFacts facts = FakeDesk::facts(desk.make("r"));
    CHECK(shed.guard.admit_claim({facts, "d", desk.time}, desk).allowed());
  }
}

TEST_CASE("shed: what a full disk stops") {
  // tidy: long-function because it is one table
  const std::string_view never = "---", from_low = "-ss", from_critical = "--s";
  op::DeadReplay dry;
  dry.dry_run = true;
  op::Ack with_next;
  with_next.next.emplace();
  struct Row {
    const char* what;
    core::Operation operation;
    std::string_view stopped;  // while ample, low, critical
  };
  const std::vector<Row> rows = {
      {"PUSH", push(9), from_low},
      {"MPUSH", op::MultiPush{"r", {"x"}}, from_low},
      {"DEAD REPLAY", op::DeadReplay{}, from_low},
      {"CLAIM", op::Claim{}, from_low},
      {"MOVE", op::Move{}, from_critical},
      {"DEAD EDIT", op::DeadEdit{}, from_critical},
      {"ROLE DROP", op::RoleDrop{}, from_critical},
      {"CRON SET", op::CronSet{}, from_critical},
      {"CRON DROP", op::CronDrop{}, from_critical},
      {"ACK", op::Ack{}, never},
      {"ACK NEXT: its claims are asked about one by one", with_next, never},
      {"MACK", op::MultiAck{}, never},
      {"FAIL", op::Fail{}, never},
      {"RELEASE", op::Release{}, never},
      {"EXTEND", op::Extend{}, never},
      {"CANCEL", op::Cancel{}, never},
      {"CANCEL FILTER", op::CancelFilter{}, never},
      {"DEAD DROP", op::DeadDrop{}, never},
      {"DEAD REPLAY DRYRUN", dry, never},
      {"DEAD LIST", op::DeadList{}, never},
      {"DEAD GET", op::DeadGet{}, never},
      {"DEAD COUNT", op::DeadCount{}, never},
      {"DEAD GROUPS", op::DeadGroups{}, never},
      {"GET", op::Get{}, never},
      {"RESULT", op::GetResult{}, never},
      {"LIST", op::List{}, never},
      {"EXPLAIN", op::Explain{}, never},
      {"EVENTS", op::Events{}, never},
      {"ROLES", op::Roles{}, never},
      {"ROLE", op::RoleInfo{}, never},
      {"INFO", op::Info{}, never},
      {"PAUSE", op::Pause{}, never},
      {"RESUME", op::Resume{}, never},
      {"KILL SET", op::KillSet{}, never},
      {"KILL CLEAR", op::KillClear{}, never},
      {"KILL STATUS", op::KillStatus{}, never},
      {"the flag files", op::KillFiles{}, never},
      {"QUOTA SET", op::QuotaSet{}, never},
      {"QUOTA GET", op::QuotaGet{}, never},
      {"QUOTA DROP", op::QuotaDrop{}, never},
      {"GUARD LIST", op::GuardList{}, never},
      {"GUARD MODE", op::SetGuardMode{}, never},
      {"BEAT", op::Beat{}, never},
      {"DAEMONS", op::Daemons{}, never},
      {"DAEMON", op::DaemonInfo{}, never},
      {"DAEMON FORGET", op::DaemonForget{}, never},
      {"REAP", op::Reap{}, never},
      {"DEPLOY SET", op::DeploySet{}, never},
      {"DEPLOY ROLLBACK", op::DeployRollback{}, never},
      {"DEPLOY LIST", op::DeployList{}, never},
      {"DEPLOY GET", op::DeployGet{}, never},
      {"EVENT ADD", op::EventAdd{}, never},
      {"CRON LIST", op::CronList{}, never},
      {"INCIDENT OPEN", op::IncidentOpen{}, never},
      {"INCIDENT LIST", op::IncidentList{}, never},
      {"INCIDENT GET", op::IncidentGet{}, never},
      {"INCIDENT ACK", op::IncidentAck{}, never},
      {"INCIDENT NOTE", op::IncidentNote{}, never},
      {"INCIDENT CLOSE", op::IncidentClose{}, never},
      {"INCIDENT INSIGHTS", op::IncidentStudy{}, never},
      {"SWEEP", op::Sweep{}, never},
      {"the rules of time zones", op::ZoneRulesGiven{}, never},
      {"a claim whose reply was lost", op::Unclaim{}, never},
  };
  // Every operation but the transaction, of which the chain asks item by item; two stand here twice.
  CHECK(rows.size() == std::variant_size_v<core::Operation> - 1 + 2);
  FakeDesk desk;
  const core::RoleFacts facts = FakeDesk::facts(desk.make("r"));
  const Shed shed(desk);
  for (const DiskMark mark : {DiskMark::ample, DiskMark::low, DiskMark::critical}) {
    desk.mark = mark;
    for (const Row& row : rows) {
      INFO(row.what << " at mark " << static_cast<int>(mark));
      const core::Verdict verdict = shed.admit(row.operation);
      CHECK(verdict.allowed == (row.stopped[static_cast<size_t>(mark)] == '-'));
      if (verdict.allowed) continue;
      CHECK(verdict.code == Code::busy);
      CHECK(verdict.scope == core::Scope::fleet);
      CHECK(verdict.retry_at_ms == desk.time.wall_ms + 1000);
      CHECK(verdict.reason.find("free space on it") != std::string::npos);
    }
    const core::Verdict claim = shed.guard.admit_claim({facts, "d", desk.time}, desk).verdict();
    CHECK(claim.allowed == (mark == DiskMark::ample));
    if (!claim.allowed) CHECK(claim.code == Code::busy);
  }
}

TEST_CASE("shed: its place in the chain, its mode and its items") {
  FakeDesk desk;
  desk.mark = DiskMark::low;
  const auto guards = make_guard_chain();
  REQUIRE(guards->open(desk).ok());
  op::Transaction transaction;
  transaction.items = {op::Ack{}, push()};
  const core::Verdict verdict = guards->admit(transaction, anyone, desk).verdict();
  CHECK(verdict.guard == "shed");
  CHECK(verdict.reason.find(" at=1") != std::string::npos);
  // Whoever froze the fleet is heard first, and a role that is paused stays paused.
  desk.standing.kind = core::FreezeKind::soft;
  CHECK(guards->admit(push(), anyone, desk).verdict().guard == "freeze");
  FakeDesk::Role& role = desk.make("r");
  role.record.paused = true;
  desk.standing = {};
  const core::RoleFacts facts = FakeDesk::facts(role);
  CHECK(guards->admit_claim({facts, "d", desk.time}, desk).verdict().guard == "shed");
  desk.bus.guards.modes["shed"] = core::GuardMode::off;
  guards->configured(desk);
  CHECK(guards->admit(push(), anyone, desk).allowed());
  CHECK(guards->admit_claim({facts, "d", desk.time}, desk).verdict().guard == "pause");
}

}  // namespace
}  // namespace pawl::guards
