// INCIDENT INSIGHTS, GRAPH and UNKNOWN over a whole bus, with restarts and a retention that is as short as
// the test needs it. Every table is played with a restart after each line as well: what the memory answers
// then must be the same.
#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bus/core/fingerprint.h"
#include "bus/ops/memory.h"
#include "bus/ops/ops.h"
#include "bus/ops/ops_config.h"
#include "bus/ops/registry.h"
#include "guards/registry.h"
#include "tests/scenario/scenario.h"
#include "tests/support/reply_tree.h"

namespace pawl::ops {
namespace {

constexpr int64_t hour = 3'600'000;

std::string remembered(const std::string& table, const core::BusConfig& config = {}) {
  return core::play(table, config, guards::make_guard_chain, make_ops);
}

// What an audited bus came to, over its restarts.
struct Audit {
  Totals fed;                     // by retention
  Totals written;                 // in the rows of the memory, after the newest batch
  size_t kept = 0;                // rows that stand for open incidents now,
  size_t kept_most = 0;           // and at most
  bool agreed = true;             // after every batch
  std::set<std::string> learned;  // bytes of the fold at the end of each play
  std::set<std::string> told;     // what INSIGHTS said then
};

// Incidents and the memory, with every batch looked at: what retention took stands in the memory's rows.
class Audited final : public core::Office {
 public:
  explicit Audited(Audit& audit) : audit_(audit) {
    auto incidents = std::make_unique<Incidents>();
    auto memory = std::make_unique<Memory>(*incidents);
    memory_ = memory.get();
    std::vector<std::unique_ptr<Part>> parts;
    parts.push_back(std::move(incidents));
    parts.push_back(std::move(memory));
    ops_ = std::make_unique<Ops>(std::move(parts));
  }
  Status open(core::OfficeDesk& desk) override {
    std::string value;
    if (!desk.get("memory/at", value) && !desk.get("memory/sums", value)) audit_.fed = {};
    return ops_->open(desk);
  }
  void tick(core::OfficeDesk& desk) override { ops_->tick(desk); }
  core::Wakeup next_wakeup() const override { return ops_->next_wakeup(); }
  void noted(const core::EventRecord& event, core::OfficeDesk& desk) override { ops_->noted(event, desk); }
  void forgets(const core::EventRecord& event, uint64_t number, uint64_t bytes,
               core::OfficeDesk& desk) override {
    PastRow row;
    row.event = event;
    audit_.fed += totals_of(row);
    ops_->forgets(event, number, bytes, desk);
  }
  void forgets(const core::PastFailure& failure, core::OfficeDesk& desk) override {
    PastRow row;
    row.invocation = *failure.invocation;
    audit_.fed += totals_of(row);
    ops_->forgets(failure, desk);
  }
  void sealing(core::OfficeDesk& desk) override {
    ops_->sealing(desk);
    look(desk);
  }
  void command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
               core::ReplyWriter& writer) override {
    ops_->command(operation, caller, desk, writer);
    // The table's last line is "insights".
    if (!std::holds_alternative<core::op::IncidentStudy>(operation)) return;
    test::TreeWriter tree;
    ops_->command(operation, caller, desk, tree);
    told_ = test::to_text(tree.take());
    learned_ = memory_->learned().encode();
  }
  ~Audited() override {
    if (learned_.empty()) return;
    audit_.learned.insert(learned_);
    audit_.told.insert(told_);
  }

 private:
  // From the rows, as a restart would read them.
  void look(const core::OfficeDesk& desk) {
    Insights read;
    std::string value;
    if (desk.get("memory/sums", value) && !read.restore_sums(value)) audit_.agreed = false;
    desk.scan("memory/i/", [&](std::string_view key, std::string_view bytes) {
      read.restore(std::hash<std::string_view>()(key), *decode_insight(bytes));
      return true;
    });
    audit_.written = read.totals();
    audit_.kept = 0;
    desk.scan("memory/k/", [&](std::string_view, std::string_view bytes) {
      audit_.written += totals_of(*PastRow::decode(bytes));
      ++audit_.kept;
      return true;
    });
    audit_.kept_most = std::max(audit_.kept_most, audit_.kept);
    audit_.agreed = audit_.agreed && audit_.written == audit_.fed;
  }

  Audit& audit_;
  std::unique_ptr<Ops> ops_;
  Memory* memory_;
  std::string learned_;
  std::string told_;
};

std::string audited(const std::string& table, const core::BusConfig& config, Audit& audit) {
  return core::play(table, config, guards::make_guard_chain,
                    [&]() -> std::unique_ptr<core::Office> { return std::make_unique<Audited>(audit); });
}

core::BusConfig short_memory() {
  core::BusConfig config;
  config.keep_dead_ms = 2 * hour;
  config.incidents.escalate_after_ms = 0;
  return config;
}

// Messages that fail now and then, of two roles, some for good.
std::string failures(int from, int to) {
  std::string table;
  for (int i = from; i < to; ++i) {
    const std::string m = "m" + std::to_string(i);
    const std::string role = i % 3 == 0 ? "mail" : "web";
    const std::string claim = "claim w@b" + std::to_string(i % 2) + " " + role + " | " + m + "\n";
    table += "push " + role + " x | " + m + "\n" + claim;
    const std::string spent = " tokens=" + std::to_string(i) + " cost=" + std::to_string(10 * i);
    switch (i % 4) {
      case 0:
        table += "fail " + m + " transient 'db " + std::to_string(i) + " is gone' dead" + spent +
                 " | state=dead\n";
        break;
      case 1:  // once, then well
        table += "fail " + m + " unknown 'odd thing'" + spent + " | state=scheduled\n+5s\n" + claim + "ack " +
                 m + " | OK\n";
        break;
      case 2:  // not heard of for its lease, and then not wanted any more
        table += "+16m\ncancel " + m + " | cancelled\n";
        break;
      default:
        table += "fail " + m + " bad_input 'row " + std::to_string(i) + "'" + spent + " | state=dead\n";
    }
    table += "+7m\n";
  }
  return table;
}

}  // namespace

TEST_CASE("memory: insights of failures that still stand") {
  CHECK(remembered(R"(
    insights                         | none
    push web a                       | m1
    claim w@b1 web                   | m1
    fail m1 transient 'db 17 is gone' tokens=10 cost=500 dead
    push web a                       | m2
    claim w@b2 web                   | m2
    fail m2 bad_input 'row 3 is odd' tokens=5 cost=20
    insights                         | *2
    push web b                       | m3
    claim w@b1 web                   | m3
    fail m3 transient 'db 18 is gone' tokens=1 cost=1 dead
    insights                         | *2
  )") == "");
}

TEST_CASE("memory: what no rule knows, and what one does") {
  core::BusConfig config;
  auto rules = std::make_shared<OpsConfig>();
  ClassifyRule rule;
  rule.name = "ours";
  rule.text = *Pattern::compile("moon");
  rule.becomes = core::ErrorClass::transient;
  rules->classify = {rule};
  config.office = rules;
  CHECK(remembered(R"(
    push web a                       | m1
    claim w@b1 web                   | m1
    fail m1 unknown 'phase of the moon'
    unknown                          | none
    +1h
    claim w@b1 web                   | m1
    fail m1 unknown 'something odd'
    +1h
    claim w@b1 web                   | m1
    fail m1 unknown 'connection refused'
    unknown                          | 1
  )",
                   config) == "");
}

TEST_CASE("memory: the graph of one fingerprint") {
  CHECK(remembered(R"(
    graph nothing                    | !NOTFOUND
    beat svc interval=1000 needs=db
    +10s
    push web a                       | m1
    claim w@b1 web                   | m1
    fail m1 transient 'svc does not answer'
    incidents                        | i1
    graph daemon:svc                 | beginnings=1 failures=0 example=daemon:svc preceded_by=0 followed_by=1
    +1h
    incidentclose i1                 | OK
    graph daemon:svc                 | beginnings=1 followed_by=1
  )") == "");
}

TEST_CASE("memory: totals agree through a real retention, whatever is restarted when") {
  Audit audit;
  CHECK(audited(failures(1, 41) + "+1d\ninsights\n", short_memory(), audit) == "");
  CHECK(audit.agreed);
  CHECK(audit.kept_most == 0);
  // Everything has gone by now: three of four failed once, the others lapsed.
  CHECK(audit.written.failures == 40);
  CHECK(audit.written.events > 60);
  uint64_t tokens = 0;
  for (uint64_t i = 1; i < 41; ++i) tokens += i % 4 == 2 ? 0 : i;
  CHECK(audit.written.tokens == tokens);
  CHECK(audit.written.cost == 10 * tokens);
  CHECK(audit.learned.size() == 1);
  CHECK(audit.told.size() == 1);
}

TEST_CASE("memory: space takes rows as age does, and the totals agree") {
  core::BusConfig config = short_memory();
  config.keep_dead_ms = 30 * 24 * hour;
  config.chronicle_bytes_max = 4000;
  config.dead_bytes_max = 1000;
  Audit audit;
  CHECK(audited(failures(1, 61) + "+1h\ninsights\n", config, audit) == "");
  CHECK(audit.agreed);
  CHECK(audit.written.failures > 30);
  CHECK(audit.written.failures < 60);  // the newest still stand
}

TEST_CASE("memory: retention takes nothing that was not learned for good") {
  core::BusConfig config = short_memory();
  config.chronicle_bytes_max = 2000;  // a few entries, so most go before the fold would be due
  std::string table;
  for (int i = 1; i < 51; ++i) {
    const std::string m = "m" + std::to_string(i);
    table += "push web x | " + m + "\nclaim w@b1 web | " + m + "\nfail " + m + " bad_input 'row " +
             std::to_string(i) + "' | state=dead\n";
  }
  Audit audit;
  CHECK(audited(table + "+30s\nrestart\ninsights\n", config, audit) == "");
  CHECK(audit.agreed);
  for (const std::string& bytes : audit.learned) {
    MemoryFold fold;
    REQUIRE(fold.decode(bytes));
    CHECK(fold.seen().totals().failures == 50);
  }
}

TEST_CASE("memory: what an open incident refers to stays until it is closed") {
  const std::string gone =
      core::fingerprint_text(core::fingerprint(core::ErrorClass::transient, "db 4 is gone"));
  const std::string open = "incident ultra 'db is gone' fingerprint=" + gone + " | id=i1\n";
  Audit during;
  CHECK(audited(open + failures(1, 41) + "+1d\ninsights\n", short_memory(), during) == "");
  CHECK(during.agreed);
  // Ten dead letters, and each one's entry; the opening.
  CHECK(during.kept == 21);
  CHECK(during.written.failures == 40);
  CHECK(during.learned.size() == 1);
  Audit after;
  CHECK(audited(open + failures(1, 41) + "+1d\nincidentclose i1 | OK\n+1m\ninsights\n", short_memory(),
                after) == "");
  CHECK(after.agreed);
  CHECK(after.kept_most == 21);
  CHECK(after.kept == 0);
  CHECK(after.written.failures == 40);
  CHECK(after.told.size() == 1);
}

}  // namespace pawl::ops
