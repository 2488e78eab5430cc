// The incident graph, the distiller, and the fold of the chronicle that they are part of.
#include <catch2/catch.hpp>

#include "bus/core/fingerprint.h"
#include "bus/ops/distiller.h"
#include "bus/ops/dot_text.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/incident_graph.h"
#include "bus/ops/memory_fold.h"

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
  graph.set_role_needs({{"mail", {"slack"}}});
  for (int i = 0; i < 10; ++i) {
    const int64_t at = i * 60 * minute;
    if (i % 5 != 4) graph.apply(failure(at, "disk 17 slow", "store", "keeper"));
    graph.apply(failure(at + minute, "db gone"));
    graph.apply(failure(at + 2 * minute, "db gone", "web"));
    graph.apply(outcome(at + 3 * minute, print_of("db gone"), i < 3 ? "restart_daemon" : "open_breaker",
                        i >= 3, 5000));
  }
  graph.apply(entry(543 * minute, "incident.opened",
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

TEST_CASE("graph: an incident of dead letters is one of what they died of, and so is what helps") {
  IncidentGraph graph = storm_week();
  const std::string dead = "dead:" + core::fingerprint_text(print_of("db gone"));
  graph.apply(entry(544 * minute, "incident.opened", {{"incident", "i9"}, {"fingerprint", dead}}));
  graph.apply(entry(545 * minute, "policy.outcome",
                    {{"fingerprint", dead}, {"action", "release"}, {"helped", "1"}, {"ms", "10"}}));
  const GraphAnswer answer = graph.about(print_of("db gone"));
  CHECK(answer.failures == 20);
  REQUIRE(answer.helps.size() == 3);
  CHECK(answer.helps[0].action == Action::release);
  const Node node = {NodeKind::fingerprint, core::fingerprint_text(print_of("db gone"))};
  CHECK(graph.edges().contains({node, EdgeKind::part_of, {NodeKind::incident, "i9"}}));
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
  CHECK(dot.find("\"role:mail\" -> \"dependency:slack\" [label=\"depends on\"];") != std::string::npos);
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
  auto read = decode_incident_graph(bytes);
  read->set_role_needs({{"mail", {"slack"}}});  // of the file, not of the bytes
  CHECK(read->dot() == storm_week().dot());
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
  row.event = std::move(event);
  return row;
}

std::vector<PastRow> month() {
  std::vector<PastRow> rows;
  const std::string gone = core::fingerprint_text(print_of("db gone"));
  for (int64_t i = 0; i < 300; ++i) {
    const int64_t at = (i + 1) * day / 10;
    rows.push_back(failed_row(at, i % 3 == 0 ? "db gone" : "host " + std::to_string(i) + " slow",
                              i % 3 == 0 ? 500 : 20));
    const std::string incident = "i" + std::to_string(i / 10);
    if (i % 10 == 4) {
      rows.push_back(
          event_row(entry(at, "incident.opened", {{"incident", incident}, {"fingerprint", gone}})));
    }
    if (i % 10 == 5)
      rows.push_back(event_row(outcome(at + 1, print_of("db gone"), "release", i % 20 == 5, 700)));
    if (i % 10 == 6) {
      rows.push_back(event_row(entry(at + 2, "incident.closed",
                                     {{"incident", incident}, {"open_ms", "9000"}, {"fingerprint", gone}})));
    }
    if (i % 10 == 7) rows.push_back(event_row(entry(at + 3, "kill.set", {{"by", "ann"}})));
  }
  return rows;
}

Totals sum_of(const std::vector<PastRow>& rows) {
  Totals totals;
  for (const PastRow& row : rows) totals += totals_of(row);
  return totals;
}

Insights distilled(const std::vector<PastRow>& rows) {
  Insights insights;
  for (const PastRow& row : rows) insights.add(row);
  return insights;
}

TEST_CASE("distiller: insights by fingerprint") {
  const Insights insights = distilled(month());
  REQUIRE(insights.by_fingerprint().size() == 2);
  const Insight& worst = *insights.find(print_of("db gone"));
  CHECK(worst.failures == 100);
  CHECK(worst.cost == 50'000);
  CHECK(worst.tokens == 1000);
  CHECK(worst.first_ms == day / 10);
  CHECK(worst.last_ms == 298 * day / 10);
  CHECK(worst.days.size() == 30);
  CHECK(worst.days.at(0) == 3);
  CHECK(worst.roles.at("mail") == 100);
  CHECK(worst.daemons.at("runner") == 100);
  CHECK(worst.example == "db gone");
  CHECK(worst.incidents == 30);
  CHECK(worst.mean_recovery_ms() == 9000);
  CHECK(worst.best_action() == Action::release);
  CHECK(insights.kinds().at("kill.set") == 30);
}

TEST_CASE("distiller: totals before and after agree, row by row") {
  const std::vector<PastRow> rows = month();
  const Totals before = sum_of(rows);
  CHECK(before.failures == 300);
  CHECK(before.tries == 30);
  CHECK(before.incidents == 30);
  CHECK(before.recovery_ms == 270'000);
  Insights insights;
  for (size_t taken = 0; taken < rows.size(); ++taken) {
    insights.add(rows[taken]);
    Totals all = insights.totals();
    all += sum_of({rows.begin() + static_cast<ptrdiff_t>(taken) + 1, rows.end()});
    REQUIRE(all == before);
  }
}

TEST_CASE("distiller: what an open incident refers to") {
  Keep keep;
  const std::string named = core::fingerprint_text(print_of("db gone"));
  const auto opened = [&](const std::string& id, const std::string& fingerprint) {
    return event_row(entry(1, "incident.opened", {{"incident", id}, {"fingerprint", fingerprint}}));
  };
  CHECK_FALSE(keep.refers(failed_row(1, "db gone")));
  keep.incidents = {"i7"};
  keep.texts = {"daemon:slack", named};
  keep.fingerprints = {print_of("db gone"), *incident_fingerprint("daemon:slack")};
  struct Row {
    PastRow row;
    bool refers;
  };
  const Row rows[] = {
      {failed_row(1, "db gone"), true},
      {failed_row(1, "db slow"), false},
      {event_row(failure(1, "db gone")), true},
      {event_row(failure(1, "db slow")), false},
      {opened("i7", "anything"), true},
      {opened("i8", "anything"), false},
      {opened("i6", "daemon:slack"), true},
      {event_row(entry(1, "daemon.red", {{"daemon", "slack"}})), true},  // it is made of those
      {event_row(entry(1, "daemon.red", {{"daemon", "mail"}})), false},
      {event_row(entry(1, "kill.set", {})), false},
  };
  for (const Row& row : rows) CHECK(keep.refers(row.row) == row.refers);
}

TEST_CASE("distiller: bounded names and days, and sums still agree") {
  std::vector<PastRow> rows;
  for (int64_t i = 0; i < 500; ++i) rows.push_back(failed_row(i * day, "x", 1, "role" + std::to_string(i)));
  const Insights insights = distilled(rows);
  const Insight& insight = *insights.find(print_of("x"));
  CHECK(insight.days.size() == Insight::days_max);
  CHECK(insight.days_before == 100);
  CHECK(insight.roles.size() == Insight::names_max + 1);
  CHECK(insight.roles.at("") == 500 - Insight::names_max);
  CHECK(insight.failures == 500);
}

TEST_CASE("distiller: bounded fingerprints and kinds, and sums still agree") {
  Insights insights(true);
  Totals fed;
  std::set<uint64_t> rows;
  for (int64_t i = 0; i < 12'000; ++i) {
    PastRow row = failed_row(i,
                             std::string(static_cast<size_t>(i % 110) + 1, 'a') +
                                 std::string(static_cast<size_t>(i / 110) + 1, 'b'),
                             3);
    insights.add(row);
    fed += totals_of(row);
    row = event_row(entry(i, "kind" + std::to_string(i), {}));
    insights.add(row);
    fed += totals_of(row);
    // Rows are put and erased as it says.
    for (const uint64_t fingerprint : insights.take_changed()) {
      insights.find(fingerprint) != nullptr ? void(rows.insert(fingerprint)) : void(rows.erase(fingerprint));
    }
  }
  CHECK(insights.by_fingerprint().size() <= Insights::fingerprints_max + 1);
  CHECK(insights.kinds().size() == Insights::kinds_max + 1);
  CHECK(insights.totals() == fed);
  CHECK(insights.find(0)->failures > 1000);
  CHECK(rows.size() == insights.by_fingerprint().size());
}

TEST_CASE("distiller: two accounts of the same failures make one") {
  const Insights early = distilled({failed_row(day, "x", 5), failed_row(2 * day, "x", 5, "web")});
  const Insights late = distilled({failed_row(2 * day, "x", 7, "web"), failed_row(3 * day, "x", 7, "web")});
  const Insight& a = *early.find(print_of("x"));
  const Insight& b = *late.find(print_of("x"));
  const Insight all = Insight::fuller(a, b);
  CHECK(encode(all) == encode(Insight::fuller(b, a)));
  CHECK(all.failures == 2);
  CHECK(all.cost == 14);
  CHECK(all.first_ms == day);
  CHECK(all.last_ms == 3 * day);
  CHECK(all.days.size() == 3);
  CHECK(all.roles.at("mail") == 1);
  CHECK(all.roles.at("web") == 2);
  CHECK(encode(Insight::fuller(a, Insight())) == encode(a));
  CHECK(encode(Insight::fuller(Insight(), a)) == encode(a));
}

TEST_CASE("distiller: the same input gives identical bytes, and damage is seen") {
  const std::string bytes = encode(distilled(month()));
  CHECK(bytes == encode(distilled(month())));
  REQUIRE(decode_insights(bytes));
  CHECK(encode(*decode_insights(bytes)) == bytes);
  for (size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(decode_insights(bytes.substr(0, cut)));
  for (const size_t which : {size_t{0}, size_t{6}}) {
    const std::string one = month()[which].encode();
    REQUIRE(PastRow::decode(one));
    CHECK(PastRow::decode(one)->encode() == one);
    for (size_t cut = 0; cut < one.size(); ++cut) CHECK_FALSE(PastRow::decode(one.substr(0, cut)));
  }
}

// ---- All of it together -------------------------------------------------------------

// Three days of what a bus chronicles.
std::vector<EventRecord> three_days() {
  std::vector<EventRecord> events;
  for (int64_t i = 0; i < 600; ++i) {
    const int64_t at = (i + 1) * 7 * minute;
    EventRecord failed = failure(at, "row " + std::to_string(i) + (i % 4 == 0 ? " odd" : " timed out"),
                                 i % 3 == 0 ? "mail" : "web");
    failed.fields[3].second = i % 5 == 0 ? "unknown" : "transient";
    failed.fields.emplace_back("tokens", std::to_string(i));
    events.push_back(std::move(failed));
    const std::string id = "m" + std::to_string(i);
    if (i % 50 == 10) {
      const Headers lapsed = {{"id", id},
                              {"delivery", "5"},
                              {"role", "mail"},
                              {"daemon", "runner@b1"},
                              {"class", "lease_expired"},
                              {"text", "no sign of life for the lease of 15m"}};
      events.push_back(entry(at + 1, "message.lapse", lapsed));
      events.push_back(entry(at + 1, "message.dead", lapsed));
    }
    if (i % 60 == 20) {
      events.push_back(
          entry(at + 2, "launcher.ending",
                {{"daemon", "slack"}, {"ended", "exit 42"}, {"reason", "exit 42; it said: moo"}}));
      events.push_back(entry(at + 3, "daemon.red", {{"daemon", "slack"}, {"reason", "no beat"}}));
    }
    if (i % 100 == 30) {
      events.push_back(entry(at + 4, "incident.opened",
                             {{"incident", "i" + std::to_string(i)}, {"fingerprint", "daemon:slack"}}));
    }
  }
  return events;
}

TEST_CASE("memory: the same log twice gives identical bytes, however often it is written and read between") {
  const Classifier classifier;
  MemoryFold once;
  MemoryFold again;
  size_t number = 0;
  for (const EventRecord& event : three_days()) {
    once.apply(event, classifier);
    again.apply(event, classifier);
    if (++number % 37 != 0) continue;
    MemoryFold fresh;
    REQUIRE(fresh.decode(again.encode()));
    again = std::move(fresh);
  }
  CHECK(once.encode() == again.encode());
  const std::string bytes = once.encode();
  for (size_t cut = 0; cut < bytes.size(); cut += 97) {
    MemoryFold fresh;
    CHECK_FALSE(fresh.decode(bytes.substr(0, cut)));
  }
}

TEST_CASE("memory: a lapse that was the last attempt is one failure") {
  MemoryFold fold;
  for (const EventRecord& event : three_days()) fold.apply(event, Classifier());
  const uint64_t lapse = core::fingerprint(ErrorClass::lease_expired, "no sign of life for the lease of 15m");
  CHECK(fold.seen().find(lapse)->failures == 12);
  CHECK(fold.graph().about(lapse).failures == 12);
}

TEST_CASE("memory: what no rule knows is grouped, until one does") {
  MemoryFold fold;
  for (const EventRecord& event : three_days()) fold.apply(event, Classifier());
  const auto groups = fold.unknown().list();
  // Handlers' "row # odd" that said unknown, the daemon that ends with 42, and its redness.
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].count == 30);
  CHECK(groups[0].source == Source::invocation);
  CHECK(suggested_rule(groups[0]).find(R"(text = '''row\s+[0-9a-f-]+\s+odd''')") != std::string::npos);
  CHECK(groups[1].daemon == "slack");
  CHECK(groups[1].count == 10);
  ClassifyRule rule;
  rule.name = "moo";
  rule.exit_codes = {{42, 42}};
  rule.becomes = ErrorClass::bad_input;
  CHECK(fold.relearn(Classifier({rule})));
  CHECK(fold.unknown().size() == 2);
  CHECK_FALSE(fold.relearn(Classifier({rule})));
}

}  // namespace
TEST_CASE("graph: text as Graphviz takes it") {
  const std::pair<std::string_view, std::string_view> table[] = {
      {"", R"("")"},
      {R"(a "b" \n)", R"("a \"b\" \\n")"},
      {"a\nb\tc\x7f", R"("a b c ")"},
      {"R&D &nbsp;", R"("R&amp;D &amp;nbsp;")"},
      {"Größe 漢 🦊", R"("Größe 漢 🦊")"},
      {"half \xc3", R"("half ?")"},
      {"\xff\xc0\xaf\xe0\x80\x80\xed\xa0\x80\xf4\x90\x80\x80.", R"("?????????????.")"},
      {"\xf0\x9f\xa6", R"("???")"},
  };
  for (const auto& [text, quoted] : table) CHECK(dot_quoted(text) == quoted);
}

}  // namespace pawl::ops
