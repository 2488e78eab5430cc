// Weeks of a whole fleet in virtual time: work comes and goes every minute, something breaks on a known day,
// and what the bus did about it is counted.
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bus/core/fingerprint.h"
#include "bus/ops/ops_config.h"
#include "tests/ops/rig.h"

namespace pawl::ops {
namespace {

using test::Value;

constexpr int64_t minute_ms = 60'000;
constexpr int day = 24 * 60;  // in minutes
constexpr int week = 7 * day;

// What a handler makes of a message.
struct Outcome {
  bool done = true;
  core::ErrorClass error_class = core::ErrorClass::unknown;
  std::string text;
  bool dead = false;
};

core::BusConfig watched_fleet() {
  auto rules = std::make_shared<OpsConfig>();
  rules->monitor.on = true;
  NotifyChannel channel;
  channel.name = "ops";
  rules->notify = {channel};
  core::BusConfig config;
  schedule_monitor(rules->monitor, config);
  config.office = std::move(rules);
  return config;
}

std::string text_of(const Value& map, std::string_view name) {
  const Value* value = map.field(name);
  return value == nullptr ? "" : value->text;
}

int64_t number_of(const Value& map, std::string_view name) {
  const Value* value = map.field(name);
  return value == nullptr ? -1 : value->number;
}

// Producers and runners: what was pushed in a minute is claimed in it, as far as the bus lets it, and settled
// two seconds later.
class Fleet {
 public:
  explicit Fleet(const core::BusConfig& config) : rig(config) {}
  virtual ~Fleet() = default;

  void run(int from, int to, int restart_every = 0) {
    for (int at = from; at < to; ++at) {
      if (restart_every != 0 && at % restart_every == restart_every - 1) rig.restart();
      run_minute(at);
    }
  }

  Rig rig;
  std::map<std::string, int64_t> pushed;            // by role
  std::map<std::string, int64_t> held;              // claims that were refused, by role
  std::map<std::string, int64_t> deliveries;        // by payload
  int64_t attempts = 1;                             // the highest of any delivery
  std::map<int, Value> sweeps;                      // by minute
  std::map<std::string, std::pair<int, int>> load;  // role: pushes a minute, claims a minute at most

  std::vector<std::string> all(std::string_view kind, std::string_view field) {
    std::vector<std::string> texts;
    for (const Value& entry : rig.events(kind)) texts.push_back(text_of(entry, field));
    return texts;
  }
  std::string swept(int at) { return text_of(sweeps[at], "result"); }
  int64_t count(std::string_view role, std::string_view field) {
    return number_of(rig.ask(op::RoleInfo{role}), field);
  }

 protected:
  virtual Outcome handle(const std::string& /*role*/, const std::string& /*payload*/, int /*at*/) {
    return {};
  }
  virtual void before(int /*at*/) {}

 private:
  struct Held {
    std::string role, id, token, payload;
  };

  void run_minute(int at) {
    constexpr size_t pushes_max = 32;  // a minute
    before(at);
    std::vector<core::Operation> asked;
    std::vector<std::string> payloads;
    payloads.reserve(pushes_max);
    for (const auto& [role, rates] : load) {
      for (int i = 0; i < rates.first; ++i) {
        op::Push push;
        push.role = role;
        push.payload = payloads.emplace_back(role + std::to_string(pushed[role]++));
        asked.emplace_back(push);
      }
    }
    const size_t pushes = asked.size();
    for (const auto& [role, rates] : load) {
      if (rates.second == 0) continue;
      op::Claim claim;
      claim.daemon = "runner@1";
      claim.roles = {role};
      claim.count = static_cast<size_t>(rates.second);
      asked.emplace_back(claim);
    }
    op::Claim sweep;
    sweep.daemon = "runner@1";
    sweep.roles = {monitor_name};
    asked.emplace_back(sweep);
    const std::vector<Value> replies = rig.ask(asked);
    std::vector<Held> claims;
    size_t next = pushes;
    for (const auto& [role, rates] : load) {
      if (rates.second != 0) take(role, replies[next++], claims);
    }
    if (!replies[next].items.empty()) take(std::string(monitor_name), replies[next], claims);
    rig.pass(2'000);
    settle(claims, at);
    rig.pass(minute_ms - 2'000);
  }

  void take(const std::string& role, const Value& reply, std::vector<Held>& claims) {
    if (reply.kind == Value::Kind::error) ++held[role];
    for (const Value& claim : reply.items) {
      Held one{role, text_of(claim, "id"), text_of(claim, "token"), text_of(claim, "payload")};
      if (role != monitor_name) {
        ++deliveries[one.payload];
        attempts = std::max(attempts, number_of(claim, "attempt"));
      }
      claims.push_back(std::move(one));
    }
  }

  void settle(const std::vector<Held>& claims, int at) {
    std::vector<core::Operation> asked;
    std::vector<Outcome> outcomes;
    outcomes.reserve(claims.size());
    for (const Held& claim : claims) {
      if (claim.role == monitor_name) sweeps[at] = rig.ask(op::Sweep{});
      Outcome& outcome = outcomes.emplace_back();
      if (claim.role != monitor_name) outcome = handle(claim.role, claim.payload, at);
      if (outcome.done) {
        op::Ack ack;
        ack.id = claim.id;
        ack.token = claim.token;
        asked.emplace_back(ack);
        continue;
      }
      op::Fail fail;
      fail.id = claim.id;
      fail.token = claim.token;
      fail.error_class = outcome.error_class;
      fail.text = outcome.text;
      fail.dead = outcome.dead;
      asked.emplace_back(fail);
    }
    if (!asked.empty()) rig.ask(asked);
  }
};

// ---- A dependency that is out

struct Outage {
  int from = 0;  // in minutes
  int to = 0;
  bool silent = false;  // its process is gone; else only its work fails
};

constexpr int sweep_at = 12 * 60;  // one of them, each day
constexpr int brief = 6;           // less than the policy's second action has to help
constexpr Outage first{day + sweep_at - 3, day + sweep_at - 3 + brief, false};
constexpr Outage gone{3 * day + sweep_at - 30, 3 * day + sweep_at + 30, true};
constexpr Outage last{5 * day + sweep_at - 3, 5 * day + sweep_at - 3 + brief, false};

// Three roles need the service, one does not. A person acknowledges what is an ultra, and closes it after it.
class Chat final : public Fleet {
 public:
  explicit Chat(int restart_every = 0, int to = week) : Fleet(config()) {
    load = {{"bill", {1, 30}}, {"mail", {2, 30}}, {"report", {1, 30}}, {"sms", {2, 30}}};
    run(0, gone.from + 20, restart_every);
    rig.ask(op::IncidentAck{"i2", "ann"});
    run(gone.from + 20, gone.to + 60, restart_every);
    rig.close("i2");
    run(gone.to + 60, to, restart_every);
  }

 private:
  static core::BusConfig config() {
    core::BusConfig config = watched_fleet();
    for (const char* role : {"mail", "sms", "report"}) config.roles[role].needs = {"slack"};
    return config;
  }
  static const Outage* outage(int at) {
    for (const Outage* one : {&first, &gone, &last}) {
      if (at >= one->from && at < one->to) return one;
    }
    return nullptr;
  }
  void before(int at) override {
    const Outage* now = outage(at);
    if (now != nullptr && now->silent) return;
    op::Beat beat;
    beat.daemon = "slack";
    beat.boot = "b1";
    beat.interval_ms = minute_ms;
    rig.ask(beat);
  }
  Outcome handle(const std::string& role, const std::string& /*payload*/, int at) override {
    if (role == "bill" || outage(at) == nullptr) return {};
    return {false, core::ErrorClass::dependency_down, "slack: connection refused", false};
  }
};

// ---- A batch that kills

class Imports final : public Fleet {
 public:
  static constexpr int batch = 200;
  static constexpr int pushed_at = day + sweep_at - 20;
  static constexpr int mended_at = 3 * day + 9 * 60;

  // `signals`: what kills its worker is told of by a runner, instead of found out by a launcher.
  explicit Imports(int restart_every = 0, int to = week, bool signals = false)
      : Fleet(config()), signals_(signals) {
    load = {{"import", {2, 0}}, {"mail", {2, 30}}};
    run(0, mended_at, restart_every);
    before_replay = rig.ask(op::RoleInfo{"import"});
    op::DeadReplay replay;
    replay.filter.role = "import";
    replayed = number_of(rig.ask(replay), "matched");
    run(mended_at, to, restart_every);
  }
  static bool bad(const std::string& payload) { return payload.starts_with("bad"); }

  Value before_replay;
  int64_t replayed = 0;
  int slowest = 0;  // minutes that a good one took

 private:
  const bool signals_;

  static core::BusConfig config() {
    core::BusConfig config = watched_fleet();
    config.roles["import"].lease_ms = 5 * minute_ms;
    return config;
  }
  // Ten processes a minute, one message each.
  void before(int at) override {
    if (at == pushed_at) push_batch();
    for (int i = 0; i < 10; ++i) {
      const std::string boot = "b" + std::to_string(++boots_);
      const std::string daemon = "importer@" + boot;
      op::Claim claim;
      claim.daemon = daemon;
      claim.roles = {"import"};
      const Value claimed = rig.ask(claim);
      if (claimed.kind == Value::Kind::error) ++held["import"];
      if (claimed.items.empty()) return;
      work(claimed.items.front(), boot, at);
    }
  }
  void push_batch() {
    std::vector<std::string> payloads;
    for (int i = 0; i < batch; ++i) payloads.push_back("bad" + std::to_string(i));
    op::MultiPush push;
    push.role = "import";
    push.payloads.assign(payloads.begin(), payloads.end());
    rig.ask(push);
  }
  void work(const Value& claim, const std::string& boot, int at) {
    const std::string payload = text_of(claim, "payload");
    const std::string id = text_of(claim, "id");
    const std::string token = text_of(claim, "token");
    if (at < mended_at) ++deliveries[payload];
    if (!bad(payload)) slowest = std::max(slowest, at - std::stoi(payload.substr(6)) / 2);
    const int number = bad(payload) ? std::stoi(payload.substr(3)) : 0;
    const std::string row = "row " + std::to_string(number) + " is no row";
    op::Fail fail;
    fail.id = id;
    fail.token = token;
    fail.text = row;
    fail.usage.cost = 1'000;
    if (!bad(payload) || at >= mended_at) {
      op::Ack ack;
      ack.id = id;
      ack.token = token;
      rig.ask(ack);
    } else if (number % 4 == 0 && signals_) {
      fail.error_class = core::ErrorClass::crash;
      fail.text = "signal 11";
      rig.ask(fail);
    } else if (number % 4 == 0) {
      rig.ask(op::Reap{"importer", boot});  // it took its process along
    } else if (number % 4 == 1) {
      fail.error_class = core::ErrorClass::bad_input;
      rig.ask(fail);
    } else if (number % 4 == 3) {
      rig.ask(fail);  // an exit code that says nothing
    }
    // Else it hangs until its lease ends.
  }

  int boots_ = 0;
};

}  // namespace

TEST_CASE("a week: an outage of a dependency is one incident each time, and costs no message anything") {
  Chat chat;
  for (const auto& [role, pushed] : chat.pushed) {
    CHECK(chat.count(role, "done_total") == pushed);
    CHECK(chat.count(role, "dead_total") == 0);
  }
  CHECK(chat.attempts == 1);
  // Only who needs it waits, and only a few messages find out for the others.
  CHECK_FALSE(chat.held.contains("bill"));
  CHECK(chat.held["sms"] > 60);
  CHECK(chat.rig.events("message.retry").size() < 60);

  using Texts = std::vector<std::string>;
  const std::string circuit = "breaker:needs:slack";
  CHECK(chat.all("incident.opened", "fingerprint") == Texts(3, circuit));
  CHECK(chat.all("incident.closed", "by") == Texts{"bus", "client 1", "bus"});
  CHECK(chat.all("notify.sent", "notice") ==
        Texts{"opened", "closed", "opened", "escalated", "acknowledged", "closed", "opened", "closed"});
  CHECK(chat.all("policy.restart", "chain") == Texts{"0", "1", "0", "1", "0", "1"});
  CHECK(chat.all("policy.outcome", "helped") == Texts{"0", "1", "0", "0", "0", "1"});

  const std::map<int, std::string> seen = {{first.from + 3, "concern"},
                                           {gone.from + 30, "ultra"},
                                           {gone.from + 150, "concern"},
                                           {last.from + 3, "concern"}};
  CHECK(chat.sweeps.size() == 83);
  for (const auto& [at, report] : chat.sweeps) {
    INFO(at << " " << test::to_text(report));
    CHECK(chat.swept(at) == (seen.contains(at) ? seen.at(at) : "nominal"));
  }
}

TEST_CASE("a week: the graph knows what an outage goes with, and what has helped") {
  Chat chat;
  const std::string failure = core::fingerprint_text(
      core::fingerprint(core::ErrorClass::dependency_down, "slack: connection refused"));
  const auto names = [](const Value& answer, std::string_view field, std::string_view name) {
    std::vector<std::string> texts;
    for (const Value& one : answer.field(field)->items) texts.push_back(text_of(one, name));
    return texts;
  };
  using Texts = std::vector<std::string>;
  const Value about = chat.rig.ask(op::IncidentStudy{op::Study::graph, failure});
  CHECK(number_of(about, "beginnings") == 3);
  CHECK(names(about, "roles", "name") == Texts{"mail", "sms", "report"});
  CHECK(names(about, "depends_on", "name") == Texts{"slack"});
  CHECK(names(about, "followed_by", "example") == Texts{"breaker:needs:slack"});
  const Value outage = chat.rig.ask(op::IncidentStudy{op::Study::graph, "breaker:needs:slack"});
  CHECK(names(outage, "preceded_by", "name") == Texts{failure});
  CHECK(names(outage, "helps", "action") == Texts{"restart_chain", "restart_daemon"});
  CHECK(number_of(outage.field("helps")->items.front(), "tries") == 3);
  CHECK(number_of(outage.field("helps")->items.front(), "successes") == 2);
}

TEST_CASE("a week: with an outage, twice the same bytes") {
  CHECK(Chat(0, 4 * day).rig.chain() == Chat(0, 4 * day).rig.chain());
}

TEST_CASE("a week: with an outage and restarts of the bus, the same happens") {
  Chat chat(0, 4 * day);
  Chat restarted(240, 4 * day);
  for (const auto& [role, pushed] : restarted.pushed) CHECK(restarted.count(role, "done_total") == pushed);
  CHECK(restarted.attempts == 1);
  CHECK_FALSE(restarted.held.contains("bill"));
  for (const auto& [kind, field] : {std::pair("incident", "fingerprint"), std::pair("notify.sent", "notice"),
                                    std::pair("policy.outcome", "helped")}) {
    CHECK(restarted.all(kind, field) == chat.all(kind, field));
  }
}

TEST_CASE("a week: a batch that kills its workers is buried, told of once, and done after its replay") {
  Imports imports;
  CHECK(number_of(imports.before_replay, "dead") == Imports::batch);
  CHECK(number_of(imports.before_replay, "ready") <= 4);
  CHECK(imports.slowest < 90);
  for (const auto& [payload, count] : imports.deliveries) {
    if (!Imports::bad(payload)) continue;
    constexpr int64_t at_most[] = {3, 1, 3, 5};
    CHECK(count == at_most[std::stoi(payload.substr(3)) % 4]);
  }
  CHECK(imports.replayed == Imports::batch);
  CHECK(imports.count("import", "dead") == 0);
  CHECK(imports.count("import", "done_total") == imports.pushed["import"] + Imports::batch - 2);
  CHECK(imports.count("mail", "done_total") == imports.pushed["mail"]);

  using Texts = std::vector<std::string>;
  // One for each way to die; nothing is done about them but that people are told.
  const Texts opened = imports.all("incident.opened", "fingerprint");
  CHECK(opened.size() == 4);
  CHECK(std::set<std::string>(opened.begin(), opened.end()).size() == 4);
  CHECK(imports.all("incident.closed", "by") == Texts(4, "bus"));
  CHECK(imports.all("notify.sent", "notice") ==
        Texts{"opened", "opened", "opened", "opened", "closed", "closed", "closed", "closed"});
  CHECK(imports.all("policy.decision", "action") == Texts(4, "notify"));
  CHECK(imports.all("role", "kind") == Texts{});
  CHECK(imports.held["import"] == 0);
  for (const auto& [at, report] : imports.sweeps) {
    INFO(at << " " << test::to_text(report));
    CHECK(imports.swept(at) == (at > Imports::pushed_at && at < Imports::mended_at ? "concern" : "nominal"));
  }
  const Value insights = imports.rig.ask(op::IncidentStudy{});
  const Value& costliest = insights.items.at(0);
  CHECK(text_of(costliest, "example").starts_with("row "));
  CHECK(number_of(costliest, "failures") == 250);
  CHECK(number_of(costliest, "cost") == 250'000);
  CHECK(number_of(costliest, "incidents") == 1);
}

// Many that crash alike look like an outage: the circuit opens, and first in line stands one that kills
// whoever tries it.
TEST_CASE("a week: a batch whose workers die by a signal holds its role up for a while, not for ever") {
  Imports imports(0, week, true);
  // Two quarters of the batch hold a probe for five minutes each, or kill it: a day, where it was for ever.
  CHECK(imports.slowest < 24 * 60);
  CHECK(number_of(imports.before_replay, "dead") == Imports::batch);
  CHECK(number_of(imports.before_replay, "ready") <= 4);
  for (const auto& [payload, count] : imports.deliveries) {
    if (Imports::bad(payload)) CHECK(count <= 12);
  }
  // Nobody acknowledges the two ultras of the hours that it waits, so they are repeated; else it is a
  // handful.
  const auto notices = imports.all("notify.sent", "notice");
  CHECK(notices.size() - static_cast<size_t>(std::count(notices.begin(), notices.end(), "reminder")) < 30);
  const auto opened = imports.all("incident.opened", "fingerprint");
  CHECK(std::count(opened.begin(), opened.end(), "breaker:role:import") == 1);
  CHECK(imports.count("import", "dead") == 0);
  CHECK(imports.count("import", "done_total") == imports.pushed["import"] + Imports::batch - 2);
}

TEST_CASE("a week: with a batch that kills, twice the same bytes") {
  CHECK(Imports(481, 4 * day).rig.chain() == Imports(481, 4 * day).rig.chain());
}

}  // namespace pawl::ops
