// What the monitor says of which facts: a table for each kind of finding.
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "bus/ops/monitor_findings.h"
#include "bus/ops/monitor_rows.h"

namespace pawl::ops {
namespace {

constexpr int64_t second = 1000;
constexpr int64_t minute = 60 * second;
constexpr int64_t hour = 60 * minute;
constexpr int64_t now_ms = 1'700'000'000'000;

// "kind:subject:tier", and "!" where the monitor raises it.
std::string said(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    if (!text.empty()) text += " ";
    text += finding.kind + ":" + finding.subject + ":" + std::string(tier_name(finding.tier));
    if (finding.raises) text += "!";
  }
  return text.empty() ? "nothing" : text;
}

std::string said(const MonitorFacts& facts) { return said(findings_of(facts, {})); }

MonitorFacts with_role(const std::function<void(RoleLook&)>& change) {
  MonitorFacts facts;
  facts.now_ms = now_ms;
  RoleLook role;
  role.name = "r";
  change(role);
  facts.roles.push_back(role);
  return facts;
}

}  // namespace

TEST_CASE("findings: a fleet that is well says nothing") {
  MonitorFacts facts;
  CHECK(said(facts) == "nothing");
  facts = with_role([](RoleLook& role) {
    role.ready = 50;
    role.oldest_ready_ms = minute;
    role.ended = 1000;
    role.claims = 1000;
    role.dead = 3;
    role.daemons = role.well = 2;
  });
  facts.daemons.push_back({"d", Colour::green, "", false, hour, 0, {"r"}});
  facts.daemons.push_back({"old", Colour::red, "silent", true, hour, hour, {}});
  facts.quotas.push_back({"r", core::QuotaKind::tokens, hour, 1000, 100, 0, minute, 100, hour});
  facts.guards.push_back({"velocity", 0});
  facts.crons.push_back({"nightly", 0, 0, ""});
  CHECK(said(facts) == "nothing");
  CHECK(result_of(findings_of(facts, {})) == SweepResult::nominal);
}

TEST_CASE("findings: failures against what is usual for the role and class") {
  struct Row {
    const char* name;
    uint64_t count;
    uint64_t ended;
    std::optional<uint32_t> usual;  // of 10,000
    std::string says;
  };
  const Row rows[] = {
      {"too few to say anything", 4, 10, 0, "nothing"},
      {"new, and most go well", 5, 26, std::nullopt, "nothing"},
      {"new, and a fifth fails", 5, 25, std::nullopt, "errors:r:concern!"},
      {"usually none, and below the floor", 5, 251, 0, "nothing"},
      {"usually none, at the floor", 5, 250, 0, "errors:r:concern!"},
      {"as usual", 10, 100, 1000, "nothing"},
      {"not three times as usual", 29, 100, 1000, "nothing"},
      {"three times as usual", 30, 100, 1000, "errors:r:concern!"},
      {"usually so many that three times as many cannot be", 69, 100, 4000, "nothing"},
      {"half-way from there to everything", 70, 100, 4000, "errors:r:concern!"},
      {"always all", 100, 100, 10'000, "nothing"},
      {"nearly all, of few", 19, 19, 100, "errors:r:concern!"},
      {"nearly all, of many", 90, 100, 100, "errors:r:ultra!"},
      {"more failures than endings: the role was made anew", 6, 0, std::nullopt, "errors:r:concern!"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const MonitorFacts facts = with_role([&](RoleLook& role) {
      role.ended = row.ended;
      role.errors.push_back({core::ErrorClass::timeout, row.count, row.usual, "m1", "no answer"});
    });
    CHECK(said(facts) == row.says);
  }
  const MonitorFacts facts = with_role([](RoleLook& role) {
    role.ended = 80;
    role.errors.push_back({core::ErrorClass::timeout, 10, 125, "m1", "no answer"});
    role.errors.push_back({core::ErrorClass::auth, 2, std::nullopt, "m2", "no key"});
  });
  const auto found = findings_of(facts, {});
  REQUIRE(found.size() == 1);
  CHECK(found[0].title == "role r: 12.5% fail with timeout, usually 1.2%");
  CHECK(found[0].fingerprint == "monitor:errors:r:timeout");
  CHECK(found[0].evidence_text() ==
        "class=timeout failures=10 ended=80 rate=12.5% usual=1.2% id=m1 text=no answer");
  CHECK(found[0].look == "pawl invocations m1");
  CHECK(found[0].roles == std::vector<std::string>{"r"});
}

TEST_CASE("findings: dead letters, waiting, claims and who serves a role") {
  struct Row {
    const char* name;
    std::function<void(RoleLook&)> change;
    std::string says;
  };
  const Row rows[] = {
      {"a few died", [](RoleLook& r) { r.dead = r.died = 9; }, "nothing"},
      {"more died", [](RoleLook& r) { r.dead = r.died = 10; }, "dead:r:concern!"},
      {"a flood", [](RoleLook& r) { r.dead = r.died = 1000; }, "dead:r:ultra!"},
      {"they were replayed again", [](RoleLook& r) { r.died = 10; }, "dead:r:concern!"},
      {"old ones", [](RoleLook& r) { r.dead = 99; }, "nothing"},
      {"a heap of old ones", [](RoleLook& r) { r.dead = 100; }, "backlog:r:concern"},
      {"waits", [](RoleLook& r) { r.ready = 1, r.oldest_ready_ms = hour - 1; }, "nothing"},
      {"waits long, nobody claims", [](RoleLook& r) { r.ready = 1, r.oldest_ready_ms = hour; },
       "waiting:r:concern!"},
      {"waits long, a queue that moves",
       [](RoleLook& r) { r.ready = 1, r.oldest_ready_ms = 12 * hour - 1, r.claims = 1; }, "nothing"},
      {"a queue that moves too slowly",
       [](RoleLook& r) { r.ready = 1, r.oldest_ready_ms = 12 * hour, r.claims = 1; }, "waiting:r:concern!"},
      {"paused, nothing waits", [](RoleLook& r) { r.paused = true, r.paused_ms = 9 * hour; }, "nothing"},
      {"paused just now",
       [](RoleLook& r) { r.paused = true, r.paused_ms = minute, r.ready = 1, r.oldest_ready_ms = 9 * hour; },
       "nothing"},
      {"paused and forgotten", [](RoleLook& r) { r.paused = true, r.paused_ms = hour, r.ready = 1; },
       "paused:r:concern"},
      {"its daemons are well", [](RoleLook& r) { r.daemons = 2, r.well = 1; }, "nothing"},
      {"none of its daemons is well", [](RoleLook& r) { r.daemons = 2; }, "unserved:r:concern"},
      {"stuck",
       [](RoleLook& r) {
         r.stuck = {1, "m1", "d@b", hour, "no sign of life"};
       },
       "stuck:r:concern!"},
      {"long",
       [](RoleLook& r) {
         r.held_long = {2, "m1", "d@b", 5 * hour, ""};
       },
       "long:r:concern!"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(said(with_role(row.change)) == row.says);
  }
  MonitorFacts frozen = with_role([](RoleLook& r) { r.ready = 1, r.oldest_ready_ms = 9 * hour; });
  frozen.freeze.kind = core::FreezeKind::soft;
  frozen.freeze.scope = core::FreezeScope::claims;
  frozen.freeze.since_ms = now_ms - minute;
  CHECK(said(frozen) == "freeze:claims:concern");
  const auto long_one = findings_of(with_role(rows[16].change), {});
  REQUIRE(long_one.size() == 1);
  CHECK(long_one[0].title == "role r: 2 claims held for up to 5h");
  CHECK(long_one[0].daemons == std::vector<std::string>{"d"});
}

TEST_CASE("findings: quota, by what is used and by when it will be used up") {
  struct Row {
    const char* name;
    QuotaLook quota;
    std::string says;
    std::string title_ends = "";
  };
  using core::QuotaKind;
  const Row rows[] = {
      {"below", {"r", QuotaKind::tokens, hour, 1000, 700, 99, minute, 0, 0}, "nothing"},
      {"warned",
       {"r", QuotaKind::tokens, hour, 1000, 700, 100, minute, 0, 0},
       "quota:r:concern!",
       "80% used"},
      {"full", {"r", QuotaKind::cost, hour, 1000, 1000, 0, minute, 9, hour}, "quota:r:concern!", "100% used"},
      {"the fleet's, full", {"*", QuotaKind::cost, hour, 1000, 1001, 0, minute, 0, 0}, "quota:*:ultra!"},
      {"a cap of nothing", {"r", QuotaKind::calls, hour, 0, 0, 0, 0, 0, 0}, "quota:r:concern!"},
      // 240 of 1000 a day are used; at 200 in two hours the rest lasts 7h 36m.
      {"used up tonight",
       {"r", QuotaKind::tokens, 24 * hour, 1000, 240, 0, 18 * hour, 200, 2 * hour},
       "quota:r:concern!",
       "24% used, all of it in 7h 36m at this pace"},
      {"so slow that the window frees it",
       {"r", QuotaKind::tokens, 24 * hour, 1000, 240, 0, 1 * hour, 70, 2 * hour},
       "nothing"},
      {"slow, but nothing frees before",
       {"r", QuotaKind::tokens, 24 * hour, 1000, 700, 0, 20 * hour, 70, 2 * hour},
       "quota:r:concern!",
       "all of it in 8h 34m at this pace"},
      {"not before tomorrow",
       {"r", QuotaKind::tokens, 24 * hour, 1000, 0, 0, 24 * hour, 150, 2 * hour},
       "nothing"},
      {"no pace known", {"r", QuotaKind::tokens, 24 * hour, 1000, 790, 0, hour, 700, 0}, "nothing"},
      {"the largest numbers",
       {"r", QuotaKind::tokens, 24 * hour, INT64_MAX, INT64_MAX / 2, 0, 24 * hour, INT64_MAX / 4, hour},
       "quota:r:concern!",
       "in 2h at this pace"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    MonitorFacts facts;
    facts.now_ms = now_ms;
    facts.quotas.push_back(row.quota);
    const auto found = findings_of(facts, {});
    CHECK(said(found) == row.says);
    if (!found.empty()) CHECK(found[0].title.ends_with(row.title_ends));
  }
}

TEST_CASE("findings: freeze, disk, daemons, circuits, schedules, guards") {
  struct Row {
    const char* name;
    std::function<void(MonitorFacts&)> change;
    std::string says;
  };
  const auto freeze = [](core::FreezeKind kind, int64_t stands_ms) {
    return [=](MonitorFacts& facts) {
      facts.freeze.kind = kind;
      facts.freeze.since_ms = now_ms - stands_ms;
    };
  };
  const auto daemon = [](Colour colour, int64_t for_ms) {
    return [=](MonitorFacts& facts) { facts.daemons.push_back({"d", colour, "why", false, for_ms, 0, {}}); };
  };
  const Row rows[] = {
      {"soft", freeze(core::FreezeKind::soft, minute), "freeze:all:concern"},
      {"soft, for long", freeze(core::FreezeKind::soft, hour), "freeze:all:concern!"},
      {"hard", freeze(core::FreezeKind::hard, minute), "freeze:all:ultra"},
      {"hard, for long", freeze(core::FreezeKind::hard, hour), "freeze:all:ultra!"},
      {"low", [](MonitorFacts& facts) { facts.disk = core::DiskMark::low; }, "disk:disk:concern"},
      {"critical", [](MonitorFacts& facts) { facts.disk = core::DiskMark::critical; }, "disk:disk:ultra"},
      {"yellow", daemon(Colour::yellow, minute), "nothing"},
      {"yellow for long", daemon(Colour::yellow, 10 * minute), "daemon:d:concern"},
      {"red", daemon(Colour::red, 0), "daemon:d:concern"},
      {"red for long", daemon(Colour::red, 5 * minute), "daemon:d:ultra"},
      {"a dependency's circuit",
       [](MonitorFacts& facts) {
         facts.circuits.push_back({"needs:slack", "open", "it is red", now_ms});
       },
       "breaker:needs:slack:concern"},
      {"a role's circuit",
       [](MonitorFacts& facts) {
         facts.circuits.push_back({"role:r", "half_open", "", now_ms});
       },
       "breaker:role:r:concern"},
      {"missed",
       [](MonitorFacts& facts) {
         facts.crons.push_back({"nightly", 2, now_ms, "the bus was down"});
       },
       "cron:nightly:concern!"},
      {"would have refused",
       [](MonitorFacts& facts) {
         facts.guards.push_back({"velocity", 12});
       },
       "guard:velocity:concern"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    MonitorFacts facts;
    facts.now_ms = now_ms;
    row.change(facts);
    CHECK(said(facts) == row.says);
    for (const Finding& finding : findings_of(facts, {})) {
      CHECK(finding.look.starts_with("pawl "));
      CHECK_FALSE(finding.evidence.empty());
    }
  }
}

TEST_CASE("findings: the worst first, and open incidents once") {
  MonitorFacts facts = with_role([](RoleLook& r) { r.dead = r.died = 10; });
  facts.disk = core::DiskMark::critical;
  auto found = findings_of(facts, {});
  CHECK(said(found) == "disk:disk:ultra dead:r:concern!");
  CHECK(result_of(found) == SweepResult::ultra);
  const auto incident = [](std::string id, Tier tier, std::string fingerprint, bool cleared) {
    return IncidentLook{std::move(id), tier, "title", std::move(fingerprint), cleared, false, hour, {}};
  };
  add_open_incidents(
      {incident("i1", Tier::concern, "disk", false), incident("i2", Tier::ultra, "monitor:dead:r", false),
       incident("i3", Tier::concern, "other", false), incident("i4", Tier::concern, "over", true),
       incident("i5", Tier::ultra, "over, but for a person", true)},
      found);
  CHECK(said(found) == "disk:disk:ultra dead:r:ultra! incident:i5:ultra incident:i3:concern");
  CHECK(found[0].incident == "i1");
  CHECK(found[1].incident == "i2");
}

TEST_CASE("findings: what is usual is the median of the week's windows") {
  Baseline baseline;
  const auto learn = [&](uint64_t ended, uint64_t failed) {
    Baseline::Window window;
    window.ended = ended;
    if (failed != 0) window.errors[static_cast<uint8_t>(core::ErrorClass::timeout)] = failed;
    baseline.learn(window);
  };
  learn(100, 1);
  learn(100, 90);
  CHECK_FALSE(baseline.usual(core::ErrorClass::timeout).has_value());
  learn(50, 1);
  CHECK(baseline.usual(core::ErrorClass::timeout) == 200U);
  CHECK(baseline.usual(core::ErrorClass::auth) == 0U);
  learn(100, 95);
  CHECK(baseline.usual(core::ErrorClass::timeout) == 200U);
  // A new normal, once it is older than half a week.
  for (int i = 0; i < 200; ++i) learn(100, 30);
  CHECK(baseline.windows.size() == MonitorHabits::windows_max);
  CHECK(baseline.usual(core::ErrorClass::timeout) == 3000U);
}

TEST_CASE("findings: a report is read back as it was written, and damage is seen") {
  SweepReport report;
  report.number = 7;
  report.at_ms = now_ms;
  report.result = SweepResult::ultra;
  report.findings = findings_of(with_role([](RoleLook& r) { r.dead = r.died = 1000; }), {});
  const std::string bytes = encode_monitor(report);
  const auto read = decode_monitor<SweepReport>(bytes);
  REQUIRE(read.has_value());
  CHECK(encode_monitor(*read) == bytes);
  CHECK(read->findings[0].title == report.findings[0].title);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    CHECK_FALSE(decode_monitor<SweepReport>(std::string_view(bytes).substr(0, cut)).has_value());
  }
}

}  // namespace pawl::ops
