#include "bus/ops/policy.h"

#include <catch2/catch.hpp>

#include "bus/ops/policy_memory.h"

namespace pawl::ops {
namespace {

using core::ErrorClass;
using enum Action;

Situation about(ErrorClass error_class = ErrorClass::crash) {
  Situation situation;
  situation.incident = 7;
  situation.fingerprint = 0xabc;
  situation.error_class = error_class;
  situation.count = 5;
  situation.spread = 2;
  situation.age_ms = 60'000;
  situation.minute = 600;
  situation.role = "mail";
  situation.daemon = "slack";
  return situation;
}

PolicyRule rule(std::string name, std::vector<Action> actions) {
  PolicyRule made;
  made.name = std::move(name);
  made.actions = std::move(actions);
  return made;
}

Measure measured(uint32_t successes, uint32_t tries, int64_t each_ms = 60'000) {
  return {tries, successes, int64_t{tries} * each_ms};
}

std::vector<Action> order_of(const Decision& decision) {
  std::vector<Action> order;
  for (const Candidate& one : decision.candidates) order.push_back(one.action);
  return order;
}

TEST_CASE("measure: the lower bound of the rate of success") {
  struct Row {
    uint32_t successes;
    uint32_t tries;
    uint32_t lower;  // ppm, from the formula in exact arithmetic, cut
  };
  // Wilson, one-sided 95 %: 1/1 0.2699, 5/5 0.6489, 3/10 0.1265, 90/100 0.8396, 0/9 0.
  const Row rows[] = {{0, 0, 0},        {1, 1, 269'864},    {5, 5, 648'862},
                      {3, 10, 126'905}, {90, 100, 839'586}, {0, 9, 0}};
  for (const Row& row : rows) {
    INFO(row.successes << " of " << row.tries);
    const int64_t off = int64_t{lower_ppm(measured(row.successes, row.tries))} - row.lower;
    CHECK(std::abs(off) <= 1000);
  }
  for (uint32_t tries = 1; tries <= Measure::tries_max; ++tries) {
    for (uint32_t s = 0; s < tries; ++s) {
      CHECK(lower_ppm(measured(s, tries)) <= lower_ppm(measured(s + 1, tries)));
      if (lower_ppm(measured(s, tries)) > s * 1'000'000ULL / tries) FAIL("above the rate itself");
    }
  }
}

TEST_CASE("measure: what was long ago counts less") {
  Measure measure;
  for (int i = 0; i < 1000; ++i) measure.note(true, 1000);
  CHECK(measure.tries <= Measure::tries_max);
  for (int i = 0; i < 300; ++i) measure.note(false, 1000);
  CHECK(expected_ppm(measure) < 250'000);
  measure = {};
  measure.note(true, -5);
  measure.note(true, int64_t{1} << 60);
  CHECK(measure.spent_ms == Measure::spent_ms_max);
}

TEST_CASE("policy: each condition of a rule decides") {
  PolicyRule narrow = rule("narrow", {pause_role, escalate});
  narrow.classes = {ErrorClass::crash, ErrorClass::timeout};
  narrow.tiers = {Tier::concern};
  narrow.colours = {Colour::green, Colour::yellow};
  narrow.breakers = {BreakerState::closed};
  narrow.fingerprints = {0xabc};
  narrow.count.least = 5;
  narrow.spread.most = 2;
  narrow.age_ms.least = 60'000;
  narrow.load_percent.most = 79;
  narrow.minutes = {{1320, 1439}, {0, 600}};
  narrow.role = "ma*";
  narrow.daemon = "s?ack";
  struct Row {
    const char* what;
    void (*change)(Situation&);
  };
  const Row rows[] = {
      {"class", [](Situation& s) { s.error_class = ErrorClass::auth; }},
      {"tier", [](Situation& s) { s.tier = Tier::ultra; }},
      {"colour", [](Situation& s) { s.colour = Colour::red; }},
      {"breaker", [](Situation& s) { s.breaker = BreakerState::half_open; }},
      {"fingerprint", [](Situation& s) { s.fingerprint = 1; }},
      {"count", [](Situation& s) { s.count = 4; }},
      {"spread", [](Situation& s) { s.spread = 3; }},
      {"age", [](Situation& s) { s.age_ms = 59'999; }},
      {"load", [](Situation& s) { s.load_percent = 80; }},
      {"time", [](Situation& s) { s.minute = 601; }},
      {"role", [](Situation& s) { s.role = "web"; }},
      {"no role", [](Situation& s) { s.role.clear(); }},
      {"daemon", [](Situation& s) { s.daemon = "stack2"; }},
  };
  const PolicyTable table({narrow});
  CHECK(decide(table, about()).rule == "narrow");
  for (const Row& row : rows) {
    INFO(row.what);
    Situation situation = about();
    row.change(situation);
    CHECK(decide(table, situation).rule != "narrow");
  }
}

TEST_CASE("policy: the shipped table has an answer for every class, and a person at its end") {
  const PolicyTable table;
  for (size_t i = 0; i < core::class_count; ++i) {
    INFO(core::class_names[i]);
    Situation situation = about(static_cast<ErrorClass>(i));
    Decision decision = decide(table, situation);
    CHECK_FALSE(decision.rule.empty());
    // Tried one after the other, it ends at a person, and then at nothing.
    while (decision.chosen) {
      REQUIRE(situation.tried.size() < action_count);
      situation.tried.push_back(*decision.chosen);
      decision = decide(table, situation);
    }
    CHECK(situation.tried.back() == escalate);
  }
  CHECK(check_policy_rules(shipped_policy_rules()).empty());
}

TEST_CASE("policy: what rules an action out") {
  struct Row {
    const char* why;
    void (*change)(Situation&);
  };
  const Row rows[] = {
      {"it was tried for this incident and did not help", [](Situation& s) { s.tried = {open_breaker}; }},
      {"the breaker is open already", [](Situation& s) { s.breaker = BreakerState::open; }},
      {"at its cap: 6 of 6 in 1h on slack, free in 90s",
       [](Situation& s) {
         s.used = {{open_breaker, 6, s.now_ms + 90'000}};
       }},
      {"at its cap: 20 of 20 in 1h on the whole fleet, free in 90s",
       [](Situation& s) {
         s.used_by_all = {{open_breaker, 20, s.now_ms + 90'000}};
       }},
      {"no daemon is affected", [](Situation& s) { s.daemon.clear(), s.role.clear(); }},
  };
  const PolicyTable table({rule("r", {open_breaker})});
  for (const Row& row : rows) {
    Situation situation = about();
    row.change(situation);
    const Decision decision = decide(table, situation);
    CHECK(decision.candidates[0].verdict == Verdict::excluded);
    CHECK(decision.candidates[0].why == row.why);
    // Nothing of the rule is left: a person.
    CHECK(decision.chosen == escalate);
    CHECK(decision.candidates.back().place == 0);
  }
  Situation below = about();
  below.used = {{open_breaker, 5, 1}};
  below.used_by_all = {{open_breaker, 19, 1}};
  CHECK(decide(table, below).chosen == open_breaker);
  CHECK(decide(table, below).subject == "slack");
  below.daemon.clear();
  CHECK(decide(table, below).subject == "mail");
  Situation all_tried = about();
  all_tried.tried = {open_breaker, escalate};
  CHECK_FALSE(decide(table, all_tried).chosen);
}

TEST_CASE("policy: measured success moves an action forward, noise does not") {
  struct Row {
    const char* what;
    std::vector<MeasuredAction> measures;
    std::vector<Action> order;
  };
  const std::vector<Action> given = {restart_daemon, restart_chain, open_breaker,
                                     notify,         pause_role,    escalate};
  const Row rows[] = {
      {"nothing known", {}, given},
      {"one lucky try", {{open_breaker, measured(1, 1)}}, given},
      {"the first fails for long, another always helps",
       {{restart_daemon, measured(0, 10)}, {open_breaker, measured(9, 9)}},
       {open_breaker, restart_daemon, restart_chain, notify, pause_role, escalate}},
      {"the first is good: 3 of 3 elsewhere does not outweigh it",
       {{restart_daemon, measured(14, 20)}, {open_breaker, measured(3, 3)}},
       {restart_daemon, open_breaker, restart_chain, notify, pause_role, escalate}},
      {"as good, but in a tenth of the time",
       {{restart_daemon, measured(15, 20, 600'000)}, {restart_chain, measured(15, 20, 60'000)}},
       {restart_chain, restart_daemon, open_breaker, notify, pause_role, escalate}},
      {"as often, but in ten times the time",
       {{restart_daemon, measured(10, 20, 60'000)}, {restart_chain, measured(20, 20, 600'000)}},
       given},
      {"never over one that keeps its place",
       {{restart_daemon, measured(0, 50)},
        {restart_chain, measured(0, 50)},
        {open_breaker, measured(0, 50)},
        {pause_role, measured(50, 50)}},
       given},
  };
  const PolicyTable table({rule("r", given)});
  for (const Row& row : rows) {
    INFO(row.what);
    Situation situation = about();
    situation.measures = row.measures;
    const Decision decision = decide(table, situation);
    CHECK(order_of(decision) == row.order);
    CHECK(decision.chosen == row.order.front());
  }
}

TEST_CASE("policy: a decision is explained, kept as bytes, and made again") {
  const PolicyTable table;
  Situation situation = about(ErrorClass::dependency_down);
  situation.measures = {{restart_daemon, measured(9, 10)}, {open_breaker, measured(1, 12)}};
  situation.tried = {restart_chain};
  const Decision decision = decide(table, situation);
  const auto lines = explain(decision);
  REQUIRE(lines.size() == 9);
  CHECK(lines[0] ==
        "incident 7, fingerprint 0000000000000abc: concern, dependency_down, 5 failures in 60 s, affects 2, "
        "role mail, "
        "daemon slack, health green, breaker closed, load 0 %");
  CHECK(lines[1] == "rule: 'dependency-down'");
  CHECK(lines[2].starts_with("chosen: restart_daemon (place 2 of the rule), helped 9 of 10 (at least 6"));
  CHECK(lines[3].starts_with("later: open_breaker (place 1 of the rule), helped 1 of 12"));
  CHECK(lines[4].starts_with(
      "excluded: restart_chain (place 3 of the rule), helped 0 of 0, takes 60 s: it was tried"));
  CHECK(lines[7] == "decided: restart_daemon on slack");
  CHECK(lines[8] == "taken back by: it runs again");

  const std::string bytes = encode(decision);
  const auto read = decode_decision(bytes);
  REQUIRE(read);
  CHECK(encode(*read) == bytes);
  const Decision again = decide(table, read->situation);
  CHECK(encode(again) == bytes);
  CHECK(differences(decision, again).empty());

  const PolicyTable changed({rule("ours", {pause_role, escalate})});
  const auto other = differences(decision, decide(changed, read->situation));
  REQUIRE(other.size() >= 3);
  CHECK(other[0] == "rule: 'dependency-down' -> 'ours'");
  CHECK(other[1] ==
        "order: restart_daemon, open_breaker, restart_chain, pause_role, escalate -> pause_role, escalate");
  CHECK(other[2] == "decided: restart_daemon on slack -> pause_role on mail");

  for (size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(decode_decision(bytes.substr(0, cut)));
  CHECK_FALSE(decode_decision("\x63" + bytes.substr(1)));
  // What an older bus wrote lacks the last list.
  std::string old = bytes.substr(0, bytes.size() - 1);
  old[0] = 1;
  CHECK(decode_decision(old).has_value());
}

TEST_CASE("policy: rules that can never match, contradict or try nothing are named") {
  const auto with = [](PolicyRule made, auto change) {
    change(made);
    return made;
  };
  const auto plain = rule("plain", {escalate});
  struct Row {
    std::vector<PolicyRule> rules;
    std::string says;
  };
  const Row rows[] = {
      {{plain}, ""},
      {{plain, rule("more", {notify, escalate})},
       "rule 'more' contradicts rule 'plain': same conditions, but other actions"},
      {{plain, rule("more", {escalate})}, "rule 'more' can never match: it says the same as rule 'plain'"},
      {{plain, with(plain, [](PolicyRule& r) { r.name = "late", r.tiers = {Tier::ultra}; })},
       "rule 'late' can never match: rule 'plain' before it takes everything that it would"},
      {{with(plain, [](PolicyRule& r) { r.name = "first", r.tiers = {Tier::ultra}; }), plain}, ""},
      {{with(plain,
             [](PolicyRule& r) {
               r.count = {9, 3};
             })},
       "rule 'plain' can never match: its range of count, 9-3, is empty"},
      {{with(plain, [](PolicyRule& r) { r.load_percent.least = 101; })},
       "rule 'plain' can never match: load is never at least 101"},
      {{with(plain,
             [](PolicyRule& r) {
               r.minutes = {{1500, 1600}};
             })},
       "rule 'plain' can never match: time is never 1500-1600"},
      {{rule("r", {})}, "rule 'r' tries nothing"},
      {{rule("r", {notify, notify})}, "rule 'r' names notify twice"},
      {{rule("r", {escalate, notify})}, "rule 'r': what comes after escalate is never tried"},
      {{rule("", {notify})}, "rule 1 has no name"},
  };
  for (const Row& row : rows) {
    const auto wrong = check_policy_rules(row.rules);
    INFO(row.says);
    CHECK(wrong.size() == (row.says.empty() ? 0 : 1));
    if (!wrong.empty()) CHECK(wrong[0].substr(0, row.says.size()) == row.says);
  }
}

TEST_CASE("policy: an unknown action is refused, and one that cannot be taken back as well") {
  for (size_t i = 0; i < action_count; ++i)
    CHECK(action_from(action_names[i]).value() == static_cast<Action>(i));
  CHECK(action_from("restart_deamon")
            .error()
            .text.starts_with(
                "\"restart_deamon\" is no action; did you mean \"restart_daemon\"? There are: retry_later"));
  CHECK(action_from("hard_freeze").error().text ==
        "\"hard_freeze\" cannot be taken back, so only a person does it; use escalate to call one");
}

TEST_CASE("policy: memory fills in measures and caps, forgets, and stays within its bounds") {
  const PolicyTable table;
  PolicyMemory memory;
  Situation situation = about();
  for (int i = 0; i < 3; ++i) memory.acted(table, restart_daemon, "slack", 1000 + i);
  memory.acted(table, restart_daemon, "mail", 1000);
  memory.learned(0xabc, restart_daemon, true, 5000, 1);
  memory.learned(0xabc, restart_daemon, false, 9000, 2);
  memory.learned(0xabc, notify, true, 5, 3);  // is not measured
  situation.now_ms = 2000;
  memory.complete(table, situation);
  REQUIRE(situation.measures.size() == 1);
  CHECK(situation.measures[0].measure == Measure{2, 1, 14'000});
  REQUIRE(situation.used.size() == 1);
  CHECK(situation.used[0].count == 3);
  CHECK(situation.used[0].frees_at_ms == 1000 + 600'000);
  REQUIRE(situation.used_by_all.size() == 1);
  CHECK(situation.used_by_all[0].count == 4);
  CHECK(decide(table, situation).chosen == restart_chain);
  situation.now_ms = 601'000;  // the first of the three is ten minutes old
  memory.complete(table, situation);
  CHECK(situation.used[0].count == 2);
  CHECK(situation.used_by_all[0].count == 2);
  CHECK(decide(table, situation).chosen == restart_daemon);
  CHECK(memory.best(0xabc) == restart_daemon);
  CHECK_FALSE(memory.best(0xdef));

  const std::string bytes = encode(memory);
  REQUIRE(decode_policy_memory(bytes));
  CHECK(encode(*decode_policy_memory(bytes)) == bytes);
  for (size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(decode_policy_memory(bytes.substr(0, cut)));

  for (uint64_t i = 0; i < PolicyMemory::fingerprints_max + 5; ++i)
    memory.learned(i + 10'000, release, true, 1, 100);
  CHECK(memory.fingerprints() == PolicyMemory::fingerprints_max);
  CHECK(memory.measure(0xabc, restart_daemon).tries == 0);  // the one that was quiet for longest
}

TEST_CASE("policy: the same log twice gives identical bytes") {
  const auto run = [] {
    const PolicyTable table;
    PolicyMemory memory;
    std::string out;
    uint64_t luck = 1;
    for (int64_t i = 0; i < 500; ++i) {
      luck = luck * 6364136223846793005ULL + 1442695040888963407ULL;
      Situation situation = about(static_cast<ErrorClass>((luck >> 33) % core::class_count));
      situation.fingerprint = 1 + (luck >> 40) % 7;
      situation.now_ms = i * 60'000;
      memory.complete(table, situation);
      const Decision decision = decide(table, situation);
      out += encode(decision);
      if (!decision.chosen) continue;
      memory.acted(table, *decision.chosen, decision.subject, situation.now_ms);
      memory.learned(situation.fingerprint, *decision.chosen, (luck >> 20) % 3 == 0, 1000, situation.now_ms);
    }
    return out + encode(memory);
  };
  CHECK(run() == run());
}

}  // namespace
}  // namespace pawl::ops
