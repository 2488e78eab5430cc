// The incident graph and the distiller.
#include <catch2/catch.hpp>

#include "bus/core/fingerprint.h"
#include "bus/ops/distiller.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/incident_graph.h"

namespace pawl::ops {
namespace {

using core::ErrorClass;
using core::EventRecord;
using core::Headers;

constexpr int64_t minute = 60'000;
constexpr int64_t day = 24 * 60 * minute;

EventRecord entry(int64_t at_ms, std::string kind, Headers fields) {
  return {at_ms, at_ms, std::move(kind), std::move(fields), ""};
}

EventRecord failure(int64_t at_ms, const std::string& text, const std::string& role = "mail",
                    const std::string& daemon = "runner@b1") {
  return entry(at_ms, "message.retry",
               {{"id", "m1"}, {"role", role}, {"daemon", daemon}, {"class", "transient"}, {"text", text}});
}

uint64_t print_of(const std::string& text) { return core::fingerprint(ErrorClass::transient, text); }

EventRecord outcome(int64_t at_ms, uint64_t fingerprint, const std::string& action, bool helped, int64_t ms) {
  return entry(at_ms, "policy.outcome",
               {{"fingerprint", core::fingerprint_text(fingerprint)},
                {"action", action},
                {"helped", helped ? "1" : "0"},
                {"ms", std::to_string(ms)}});
}

IncidentGraph storm_week() {
  IncidentGraph graph;
  graph.apply(entry(0, "daemon.register", {{"daemon", "runner"}, {"needs", "slack,db"}}));
  graph.role_needs("mail", "slack", 0);
  for (int i = 0; i < 10; ++i) {
    const int64_t at = i * 60 * minute;
    if (i % 5 != 4) graph.apply(failure(at, "disk 17 slow", "store", "keeper"));
    graph.apply(failure(at + minute, "db gone"));
    graph.apply(failure(at + 2 * minute, "db gone", "web"));
    graph.apply(outcome(at + 3 * minute, print_of("db gone"), i < 3 ? "restart_daemon" : "open_breaker",
                        i >= 3, 5000));
  }
  graph.apply(entry(700 * minute, "incident.opened",
                    {{"incident", "12"}, {"fingerprint", core::fingerprint_text(print_of("db gone"))}}));
  return graph;
}

TEST_CASE("graph: what precedes a failure, whom it meets, and what helps") {
  const IncidentGraph graph = storm_week();
  const GraphAnswer answer = graph.about(print_of("db gone"));
  CHECK(answer.beginnings == 10);
  CHECK(answer.failures == 20);
  CHECK(answer.example == "transient: db gone");
  REQUIRE(answer.preceded_by.size() == 1);
  CHECK(answer.preceded_by[0].name == core::fingerprint_text(print_of("disk 17 slow")));
  CHECK(answer.preceded_by[0].count == 8);
  CHECK(answer.preceded_by[0].percent == 80);
  CHECK(answer.followed_by.empty());
  REQUIRE(answer.roles.size() == 2);
  CHECK(answer.roles[0].percent == 50);
  REQUIRE(answer.daemons.size() == 1);
  CHECK(answer.daemons[0].name == "runner");  // whatever its boot
  REQUIRE(answer.depends_on.size() == 2);
  CHECK(answer.depends_on[0].name == "slack");
  CHECK(answer.depends_on[0].count == 2);
  REQUIRE(answer.helps.size() == 2);
  CHECK(answer.helps[0].action == Action::open_breaker);
  CHECK(answer.helps[0].measure.successes == 7);
  CHECK(answer.helps[0].mean_ms == 5000);
  CHECK(answer.helps[1].lower_ppm == 0);
  CHECK(graph.about(print_of("disk 17 slow")).followed_by.size() == 1);
  CHECK(graph.about(1).failures == 0);
}

TEST_CASE("graph: beyond the window nothing follows") {
  IncidentGraph graph;
  graph.apply(failure(0, "first"));
  graph.apply(failure(IncidentGraph::window_ms, "second"));
  CHECK(graph.about(print_of("second")).preceded_by.empty());
  graph.apply(failure(IncidentGraph::window_ms + 1, "first"));
  CHECK(graph.about(print_of("first")).beginnings == 2);
  CHECK(graph.about(print_of("first")).preceded_by.size() == 1);
}

TEST_CASE("graph: drawn for Graphviz, with everything in quotes") {
  IncidentGraph graph = storm_week();
  graph.apply(failure(0, "odd \"quoted\" \\ text"));
  const std::string dot = graph.dot();
  CHECK(dot.starts_with("digraph pawl {\n"));
  CHECK(dot.ends_with("}\n"));
  CHECK(dot.find("\"role:mail\" -> \"dependency:slack\" [label=\"depends on 1\"];") != std::string::npos);
  CHECK(dot.find("[label=\"recovered by 7/7, 5 s\"];") != std::string::npos);
  CHECK(dot.find("\"incident:12\"") != std::string::npos);
  CHECK(dot.find("odd \\\"?\\\" \\\\ text") != std::string::npos);
  CHECK(dot == graph.dot());
}

TEST_CASE("graph: entries that say nothing, or nonsense, change nothing") {
  IncidentGraph graph = storm_week();
  const std::string before = encode(graph);
  for (const EventRecord& event :
       {entry(1, "kill.set", {}), entry(1, "message.dead", {}),
        entry(1, "incident.opened", {{"fingerprint", ""}, {"incident", "1"}}),
        entry(1, "policy.outcome",
              {{"fingerprint", "0000000000000001"}, {"action", "dance"}, {"helped", "1"}, {"ms", "1"}}),
        entry(1, "policy.outcome",
              {{"fingerprint", "0000000000000001"}, {"action", "release"}, {"helped", "x"}, {"ms", "1"}})}) {
    graph.apply(event);
    CHECK(encode(graph) == before);
  }
}

TEST_CASE("graph: the same log twice gives identical bytes, and they are read again") {
  const std::string bytes = encode(storm_week());
  CHECK(bytes == encode(storm_week()));
  REQUIRE(decode_incident_graph(bytes));
  CHECK(encode(*decode_incident_graph(bytes)) == bytes);
  CHECK(decode_incident_graph(bytes)->dot() == storm_week().dot());
  for (size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(decode_incident_graph(bytes.substr(0, cut)));
}

TEST_CASE("graph: it stays within its bounds") {
  IncidentGraph graph;
  for (int i = 0; i < 20'500; ++i)
    graph.apply(failure(i, "text " + std::string(1, static_cast<char>('a' + i % 26)) + "x",
                        "role" + std::to_string(i), ""));
  CHECK(graph.edges().size() <= IncidentGraph::edges_max);
}

PastRow failed_row(int64_t at_ms, const std::string& text, uint64_t cost = 0,
                   const std::string& role = "mail") {
  PastRow row;
  row.key = "i" + std::to_string(at_ms);
  row.bytes = 100;
  row.role = role;
  row.message = "m" + std::to_string(at_ms % 7);
  core::InvocationRecord& failed = row.invocation.emplace();
  failed.outcome = core::Outcome::failed;
  failed.error_class = ErrorClass::transient;
  failed.error_text = text;
  failed.end_ms = at_ms;
  failed.daemon = "runner@b" + std::to_string(at_ms);
  failed.tokens = 10;
  failed.cost = cost;
  return row;
}

PastRow event_row(EventRecord event) {
  PastRow row;
  row.key = "e" + std::to_string(event.at_ms);
  row.bytes = 50;
  row.event = std::move(event);
  return row;
}

std::vector<PastRow> month() {
  std::vector<PastRow> rows;
  for (int64_t i = 0; i < 300; ++i) {
    const int64_t at = i * day / 10;
    rows.push_back(failed_row(at, i % 3 == 0 ? "db gone" : "host " + std::to_string(i) + " slow",
                              i % 3 == 0 ? 500 : 20));
    if (i % 10 == 5)
      rows.push_back(event_row(outcome(at + 1, print_of("db gone"), "release", i % 20 == 5, 700)));
    if (i % 10 == 6) {
      rows.push_back(event_row(entry(at + 2, "incident.closed",
                                     {{"incident", std::to_string(i)},
                                      {"open_ms", "9000"},
                                      {"fingerprint", core::fingerprint_text(print_of("db gone"))}})));
    }
    if (i % 10 == 7) rows.push_back(event_row(entry(at + 3, "kill.set", {{"by", "ann"}})));
  }
  return rows;
}

Totals all_of(const Insights& insights, const std::vector<PastRow>& rows,
              const std::vector<std::string>& gone = {}) {
  Totals totals = insights.totals();
  const std::set<std::string> without(gone.begin(), gone.end());
  for (const PastRow& row : rows) {
    if (!without.contains(row.key)) totals += totals_of(row);
  }
  return totals;
}

TEST_CASE("distiller: insights by fingerprint, the most costly first") {
  const auto rows = month();
  Keep keep;
  keep.since_ms = 100 * day;
  const Distilled done = distil({}, rows, keep);
  CHECK(done.gone.size() == rows.size());
  const auto list = done.insights.list();
  REQUIRE(list.size() == 2);
  CHECK(list[0].first == print_of("db gone"));
  const Insight& worst = *list[0].second;
  CHECK(worst.failures == 100);
  CHECK(worst.cost == 50'000);
  CHECK(worst.tokens == 1000);
  CHECK(worst.first_ms == 0);
  CHECK(worst.last_ms == 297 * day / 10);
  CHECK(worst.days.size() == 30);
  CHECK(worst.days.at(0) == 4);
  CHECK(worst.roles.at("mail") == 100);
  CHECK(worst.daemons.at("runner") == 100);
  CHECK(worst.mean_recovery_ms() == 9000);
  CHECK(worst.best_action() == Action::release);
  CHECK(done.insights.kinds().at("kill.set") == 30);
}

TEST_CASE("distiller: totals before and after agree, in any number of steps") {
  const auto rows = month();
  const Totals before = all_of({}, rows);
  CHECK(before.failures == 300);
  CHECK(before.tries == 30);
  CHECK(before.recovery_ms == 270'000);
  Insights insights;
  std::vector<std::string> gone;
  std::vector<PastRow> left = rows;
  for (int64_t step = 0; step <= 31; step += 3) {
    Keep keep;
    keep.since_ms = step * day;
    if (step == 15) keep.open_fingerprints = {print_of("db gone")};
    const Distilled done = distil(insights, left, keep);
    insights = done.insights;
    const std::set<std::string> out(done.gone.begin(), done.gone.end());
    std::erase_if(left, [&](const PastRow& row) { return out.contains(row.key); });
    CHECK(all_of(insights, left) == before);
  }
  CHECK(left.empty());
  // As if it had been done at once.
  Keep all;
  all.since_ms = 100 * day;
  CHECK(encode(distil({}, rows, all).insights) == encode(insights));
}

TEST_CASE("distiller: what an open incident refers to stays, whatever its age or the space") {
  const auto rows = month();
  Keep keep;
  keep.since_ms = 100 * day;
  keep.open_fingerprints = {print_of("db gone")};
  keep.open_incidents = {"16"};
  keep.messages = {"m3"};
  const Distilled done = distil({}, rows, keep);
  CHECK(done.kept_referred == rows.size() - done.gone.size());
  CHECK_FALSE(done.insights.by_fingerprint().contains(print_of("db gone")));
  const std::set<std::string> gone(done.gone.begin(), done.gone.end());
  for (const PastRow& row : rows) {
    const bool refers = row.invocation
                            ? core::fingerprint(row.invocation->error_class, row.invocation->error_text) ==
                                      print_of("db gone") ||
                                  row.message == "m3"
                            : fingerprint_in(row.event) == print_of("db gone");
    CHECK(gone.contains(row.key) != refers);
  }
}

TEST_CASE("distiller: space decides as well as age") {
  const auto rows = month();
  Keep keep;
  keep.since_ms = 10 * day;
  const Distilled by_age = distil({}, rows, keep);
  CHECK(by_age.gone.size() == 130);
  CHECK(by_age.kept_young == rows.size() - 130);
  keep.bytes_max = 5000;
  const Distilled by_space = distil({}, rows, keep);
  uint64_t bytes = 0;
  for (size_t i = by_space.gone.size(); i < rows.size(); ++i) bytes += rows[i].bytes;
  CHECK(bytes <= 5000);
  CHECK(bytes > 4800);
  CHECK(by_space.gone.back() == rows[by_space.gone.size() - 1].key);  // the oldest
}

TEST_CASE("distiller: bounded names and days, and sums still agree") {
  std::vector<PastRow> rows;
  for (int64_t i = 0; i < 500; ++i) rows.push_back(failed_row(i * day, "x", 1, "role" + std::to_string(i)));
  Keep keep;
  keep.since_ms = 1000 * day;
  const Distilled distilled = distil({}, rows, keep);
  const Insight& insight = distilled.insights.by_fingerprint().at(print_of("x"));
  CHECK(insight.days.size() == Insight::days_max);
  CHECK(insight.days_before == 100);
  CHECK(insight.roles.size() == Insight::names_max + 1);
  CHECK(insight.roles.at("") == 500 - Insight::names_max);
  CHECK(insight.failures == 500);
}

TEST_CASE("distiller: the same input gives identical bytes, and damage is seen") {
  Keep keep;
  keep.since_ms = 20 * day;
  const std::string bytes = encode(distil({}, month(), keep).insights);
  CHECK(bytes == encode(distil({}, month(), keep).insights));
  REQUIRE(decode_insights(bytes));
  CHECK(encode(*decode_insights(bytes)) == bytes);
  for (size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(decode_insights(bytes.substr(0, cut)));
}

}  // namespace
}  // namespace pawl::ops
