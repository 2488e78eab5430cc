#include "bus/ops/classifier.h"

#include <catch2/catch.hpp>

#include "bus/core/fingerprint.h"
#include "bus/ops/unknown_groups.h"

namespace pawl::ops {
namespace {

using core::ErrorClass;

Failure said(std::string text, ErrorClass reported = ErrorClass::unknown) {
  Failure failure;
  failure.text = std::move(text);
  failure.error_class = reported;
  failure.role = "mail";
  read_ending(failure);
  return failure;
}

ClassifyRule rule(std::string name, ErrorClass becomes, std::string_view text = "") {
  ClassifyRule made;
  made.name = std::move(name);
  made.becomes = becomes;
  if (!text.empty()) made.text = *Pattern::compile(text);
  return made;
}

TEST_CASE("classifier: what the shipped rules make of what handlers say") {
  struct Row {
    const char* text;
    ErrorClass becomes;
    const char* rule;
  };
  const Row rows[] = {
      {"Error: connect ECONNREFUSED 127.0.0.1:5432", ErrorClass::dependency_down, "unreachable"},
      {"curl: (6) Could not resolve host: api.example.com", ErrorClass::dependency_down, "unreachable"},
      {"HTTP 503 Service Unavailable", ErrorClass::dependency_down, "unreachable"},
      {"status code 502", ErrorClass::dependency_down, "unreachable"},
      {"write: No space left on device", ErrorClass::dependency_down, "disk-full"},
      {"Disk quota exceeded", ErrorClass::dependency_down, "disk-full"},
      {"HTTP 429: Too Many Requests", ErrorClass::rate_limited, "rate-limit"},
      {"anthropic.APIStatusError: overloaded_error", ErrorClass::rate_limited, "rate-limit"},
      {"error: insufficient_quota, rate limit reached", ErrorClass::quota, "quota"},
      {"Your credit balance is too low", ErrorClass::quota, "quota"},
      {"401 Unauthorized", ErrorClass::auth, "auth"},
      {"HTTP/1.1 403", ErrorClass::auth, "auth"},
      {"invalid api key provided", ErrorClass::auth, "auth"},
      {"bash: ./x: Permission denied", ErrorClass::auth, "auth"},
      {"request timed out after 30s", ErrorClass::timeout, "timed-out"},
      {"context deadline exceeded", ErrorClass::timeout, "timed-out"},
      {"504 Gateway Time-out", ErrorClass::timeout, "timed-out"},
      {"read: connection reset by peer", ErrorClass::transient, "passing"},
      {"sqlite3: database is locked", ErrorClass::transient, "passing"},
      {"json.decoder.JSONDecodeError: Expecting value", ErrorClass::bad_input, "bad-input"},
      {"status 422", ErrorClass::bad_input, "bad-input"},
      {"MemoryError", ErrorClass::out_of_memory, "out-of-memory"},
      {"terminate called after throwing an instance of 'std::bad_alloc'", ErrorClass::out_of_memory,
       "out-of-memory"},
      {"Segmentation fault (core dumped)", ErrorClass::crash, "crashed"},
      {"panic: runtime error: index out of range", ErrorClass::crash, "crashed"},
      {"killed by signal 11 (SIGSEGV)", ErrorClass::crash, "signal"},
      {"exit code 69", ErrorClass::dependency_down, "exit-69"},
      {"exit code 124", ErrorClass::timeout, "exit-124"},
      {"exit code 3", ErrorClass::unknown, ""},
      {"401 items, 429 done, 500 left", ErrorClass::unknown, ""},
      {"", ErrorClass::unknown, ""},
  };
  const Classifier classifier;
  for (const Row& row : rows) {
    INFO(row.text);
    const Classified made = classifier.classify(said(row.text));
    CHECK(core::class_name(made.error_class) == core::class_name(row.becomes));
    CHECK(made.rule == row.rule);
    CHECK(made.fingerprint == core::fingerprint(row.becomes, row.text));
  }
}

TEST_CASE("classifier: a class that was reported stays, with the fingerprint of its dead letters") {
  const Classifier classifier;
  for (size_t i = 0; i + 1 < core::class_count; ++i) {
    const auto reported = static_cast<ErrorClass>(i);
    const Classified made = classifier.classify(said("connection refused", reported));
    CHECK(made == Classified{reported, core::fingerprint(reported, "connection refused"), ""});
  }
}

TEST_CASE("classifier: daemons and guards have fingerprints of their own") {
  const Classifier classifier;
  Failure dead = said("killed by signal 9 (SIGKILL)");
  dead.source = Source::daemon;
  dead.role.clear();
  dead.daemon = "slack";
  const Classified slack = classifier.classify(dead);
  CHECK(slack.error_class == ErrorClass::crash);
  dead.daemon = "worker-17";
  const Classified worker = classifier.classify(dead);
  CHECK(slack.fingerprint != worker.fingerprint);
  dead.daemon = "worker-18";  // of a numbered row of them
  CHECK(classifier.classify(dead).fingerprint == worker.fingerprint);

  const std::pair<const char*, ErrorClass> guards[] = {{"quota", ErrorClass::quota},
                                                       {"breaker", ErrorClass::dependency_down},
                                                       {"poison", ErrorClass::crash},
                                                       {"velocity", ErrorClass::rate_limited},
                                                       {"pause", ErrorClass::unknown}};
  for (const auto& [name, becomes] : guards) {
    INFO(name);
    Failure tripped = said("tokens 120 of 100");
    tripped.source = Source::guard;
    tripped.guard = name;
    CHECK(classifier.classify(tripped).error_class == becomes);
  }
}

TEST_CASE("classifier: each condition decides, and explain says so") {
  ClassifyRule narrow = rule("mail-limits", ErrorClass::rate_limited, "slow down");
  narrow.sources = {Source::invocation};
  narrow.reported = {ErrorClass::unknown, ErrorClass::transient};
  narrow.exit_codes = {{3, 3}, {10, 20}};
  narrow.role = "mail*";
  narrow.daemon = "runner-?";
  Failure good = said("Slow Down, please", ErrorClass::transient);
  good.exit_code = 12;
  good.daemon = "runner-a";
  struct Row {
    void (*change)(Failure&);
    const char* why;
  };
  const Row rows[] = {
      {[](Failure&) {},
       "from invocation, reported as transient, exit code 12, role mail, daemon runner-a, the text matches "
       "/slow down/"},
      {[](Failure& f) { f.source = Source::daemon; }, "from daemon, not invocation"},
      {[](Failure& f) { f.error_class = ErrorClass::auth; }, "reported as auth, not unknown or transient"},
      {[](Failure& f) { f.exit_code = 4; }, "exit code 4, not 3 or 10-20"},
      {[](Failure& f) { f.exit_code.reset(); }, "no exit code, not 3 or 10-20"},
      {[](Failure& f) { f.role = "web"; }, "role web, not mail*"},
      {[](Failure& f) { f.daemon = ""; }, "no daemon, not runner-?"},
      {[](Failure& f) { f.text = "faster"; }, "the text does not match /slow down/"},
  };
  const Classifier classifier({narrow});
  for (const Row& row : rows) {
    Failure failure = good;
    row.change(failure);
    const auto trials = classifier.explain(failure);
    REQUIRE_FALSE(trials.empty());
    CHECK(trials[0].rule == "mail-limits");
    CHECK(trials[0].why == row.why);
    const Classified made = classifier.classify(failure);
    CHECK(trials[0].matched == (made.rule == "mail-limits"));
    CHECK((trials.back().matched ? trials.back().rule : "") == made.rule);
    CHECK(trials.size() == (trials[0].matched ? 1 : classifier.rules().size()));
  }
  // A file's rule stands before the shipped ones.
  const Classifier own({rule("ours", ErrorClass::transient, "refused")});
  CHECK(own.classify(said("connection refused")).rule == "ours");
}

TEST_CASE("classifier: how a process ended is read from the text") {
  CHECK(said("exit code 3").exit_code == 3);
  CHECK(said("daemon slack: exit code 17 after 3s").exit_code == 17);
  CHECK(said("killed by signal 9 (SIGKILL)\nexit code 5").signal == 9);
  CHECK_FALSE(said("exit code 0").exit_code);
  CHECK_FALSE(said("exit code 999").exit_code);
  CHECK_FALSE(said("exit code x").exit_code);
  CHECK_FALSE(said("first\nexit code 3").exit_code);
}

TEST_CASE("classifier: a huge stderr is bounded") {
  Failure huge = said(std::string(8 << 20, 'x') + " connection refused");
  const Classified made = Classifier().classify(huge);
  CHECK(made.error_class == ErrorClass::unknown);
  UnknownGroups groups;
  groups.note(huge, made, 1);
  CHECK(groups.list()[0].example.size() == 200);
}

struct RuleRow {
  std::vector<ClassifyRule> rules;
  std::string says;  // empty: all is well
};

template <typename Change>
ClassifyRule with(ClassifyRule made, Change change) {
  change(made);
  return made;
}

ClassifyRule role_rule(std::string name, std::string role) {
  ClassifyRule made = rule(std::move(name), ErrorClass::auth);
  made.role = std::move(role);
  return made;
}

const ClassifyRule wide = rule("wide", ErrorClass::timeout, "timed? out");

const RuleRow rule_rows[] = {
    {{wide, rule("other", ErrorClass::auth, "no entry")}, ""},
    {{wide, rule("narrow", ErrorClass::auth, "db timed out")},
     "rule 'narrow' can never match: rule 'wide' before it takes everything that it would; put rule "
     "'narrow' first, or make rule 'wide' narrower"},
    {{rule("narrow", ErrorClass::auth, "db timed out"), wide}, ""},
    {{rule("all", ErrorClass::auth), wide},
     "rule 'wide' can never match: rule 'all' before it takes everything"},
    {{wide, rule("again", ErrorClass::auth, "timed? out")},
     "rule 'again' contradicts rule 'wide': same conditions, but one says timeout and the other auth; "
     "remove one of them"},
    {{wide, rule("again", ErrorClass::timeout, "timed? out")},
     "rule 'again' can never match: it says the same as rule 'wide'; remove one of them"},
    {{wide, rule("wide", ErrorClass::auth, "x")}, "there are two rules 'wide'"},
    {{rule("", ErrorClass::auth, "x")}, "rule 1 has no name"},
    {{with(rule("a", ErrorClass::auth),
           [](auto& r) {
             r.exit_codes = {{9, 3}};
           })},
     "rule 'a' can never match: its range of exit codes, 9-3, is empty: write the smaller number first"},
    {{with(rule("a", ErrorClass::auth),
           [](auto& r) {
             r.exit_codes = {{0, 0}};
           })},
     "rule 'a' can never match: exit codes 0 is outside of 1-255"},
    {{with(rule("a", ErrorClass::auth),
           [](auto& r) {
             r.signals = {{1, 65}};
           })},
     "rule 'a' can never match: signals 1-65 is outside of 1-64"},
    {{with(rule("a", ErrorClass::auth),
           [](auto& r) {
             r.signals = {{9, 9}};
             r.exit_codes = {{1, 1}};
           })},
     "rule 'a' can never match: a process ends with an exit code or by a signal, never both"},
    {{with(rule("a", ErrorClass::auth),
           [](auto& r) {
             r.sources = {Source::guard};
             r.exit_codes = {{1, 1}};
           })},
     "rule 'a' can never match: a guard has no exit code"},
    {{with(rule("a", ErrorClass::auth),
           [](auto& r) {
             r.sources = {Source::daemon};
             r.guard = "quota";
           })},
     "rule 'a' can never match: only source = \"guard\" has a guard"},
    {{with(rule("a", ErrorClass::auth),
           [](auto& r) {
             r.sources = {Source::daemon};
             r.role = "x";
           })},
     "rule 'a' can never match: a daemon's own failure has no role"},
    {{role_rule("a", "team-*"), role_rule("b", "team-a.*")}, "rule 'b' can never match"},
    {{role_rule("a", "team-a"), role_rule("b", "team-?")}, ""},
    {{rule("a", ErrorClass::auth, "\\bout"), rule("b", ErrorClass::auth, "timed out")}, ""},
};

TEST_CASE("classifier: rules that can never match, and those that contradict, are named") {
  for (const RuleRow& row : rule_rows) {
    const auto wrong = check_classify_rules(row.rules);
    INFO(row.says);
    if (row.says.empty()) {
      INFO((wrong.empty() ? "" : wrong[0]));
      CHECK(wrong.empty());
    } else {
      REQUIRE(wrong.size() == 1);
      CHECK(wrong[0].substr(0, row.says.size()) == row.says);
    }
  }
  CHECK(check_classify_rules(shipped_classify_rules()).empty());
}

TEST_CASE("classifier: unknown failures are grouped, bounded, and suggest a rule that takes them") {
  const Classifier classifier;
  UnknownGroups groups;
  for (int i = 0; i < 5; ++i) {
    const Failure failure =
        said("widget 'w" + std::to_string(i) + "' (slot " + std::to_string(i * 7) + ") jammed");
    groups.note(failure, classifier.classify(failure), 100 + i);
  }
  const Failure rare = said("gear missing");
  groups.note(rare, classifier.classify(rare), 50);
  const Failure known = said("connection refused");
  groups.note(known, classifier.classify(known), 60);
  const auto list = groups.list();
  REQUIRE(list.size() == 2);
  CHECK(list[0].count == 5);
  CHECK(list[0].first_ms == 100);
  CHECK(list[0].last_ms == 104);
  CHECK(list[0].example == "widget 'w4' (slot 28) jammed");
  const std::string suggested = suggested_rule(list[0]);
  const size_t from = suggested.find("'''") + 3;
  const auto pattern = Pattern::compile(suggested.substr(from, suggested.find("'''", from) - from));
  REQUIRE(pattern);
  CHECK(pattern->found_in("widget 'other' (slot 99) jammed"));
  CHECK_FALSE(pattern->found_in("widget 'other' jammed"));

  const std::string bytes = encode(groups);
  REQUIRE(decode_unknown_groups(bytes));
  CHECK(encode(*decode_unknown_groups(bytes)) == bytes);
  CHECK_FALSE(decode_unknown_groups(bytes.substr(0, bytes.size() - 1)));
  CHECK_FALSE(decode_unknown_groups("\x09" + bytes.substr(1)));

  for (int i = 0; i < 1200; ++i) {
    const Failure failure = said("kind " + std::string(1 + static_cast<size_t>(i), 'z'));
    groups.note(failure, classifier.classify(failure), 1000 + i);
  }
  CHECK(groups.size() <= UnknownGroups::groups_max);
}

TEST_CASE("classifier: the same log twice gives identical bytes") {
  const auto run = [] {
    const Classifier classifier;
    UnknownGroups groups;
    std::string out;
    for (int i = 0; i < 2000; ++i) {
      const Failure failure =
          said((i % 3 == 0 ? "connection refused by host " : "part ") + std::to_string(i % 50));
      const Classified made = classifier.classify(failure);
      groups.note(failure, made, i);
      out += made.rule + core::fingerprint_text(made.fingerprint);
    }
    return out + encode(groups);
  };
  CHECK(run() == run());
}

}  // namespace
}  // namespace pawl::ops
