// [[classify]] and [[policy]].
#include <catch2/catch.hpp>

#include "cli/config.h"
#include "cli/config_changes.h"

using pawl::cli::FileConfig;
using pawl::cli::parse_config;
using pawl::core::ErrorClass;
namespace ops = pawl::ops;

namespace {

FileConfig good(const std::string& text) {
  auto parsed = parse_config(text, "pawl.toml");
  INFO((parsed ? "" : parsed.error().text));
  REQUIRE(parsed);
  return std::move(*parsed);
}

}  // namespace

TEST_CASE("config: what [[classify]] says") {
  const FileConfig config = good(R"([[classify]]
name  = "slow-mail"
when  = { role = "mail*", text = "greylisted|later", exit = [3, "64-78"], source = "invocation", class = ["unknown", "transient"] }
class = "transient"

[[classify]]
when  = { source = "guard", guard = "quota" }
class = "quota"

[[classify]]
when  = { signal = 9, daemon = "db-?" }
class = "out_of_memory"
)");
  const auto& rules = config.rules.classify;
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].name == "slow-mail");
  CHECK(rules[0].role == "mail*");
  CHECK(rules[0].text->text() == "greylisted|later");
  CHECK(rules[0].exit_codes == std::vector<ops::Span>{{3, 3}, {64, 78}});
  CHECK(rules[0].sources == std::vector<ops::Source>{ops::Source::invocation});
  CHECK(rules[0].reported.size() == 2);
  CHECK(rules[0].becomes == ErrorClass::transient);
  CHECK(rules[1].name == "classify 2");
  CHECK(rules[1].guard == "quota");
  CHECK(rules[2].signals.size() == 1);
  CHECK(rules[2].daemon == "db-?");
  ops::Failure failure;
  failure.role = "mail-out";
  failure.text = "Greylisted";
  failure.exit_code = 70;
  CHECK(config.rules.classifier().classify(failure).rule == "slow-mail");
}

TEST_CASE("config: what [[policy]] says") {
  const FileConfig config = good(R"([[policy]]
name = "nights"
when = { class = "dependency_down", tier = "concern", health = ["yellow", "red"], breaker = "closed", count = 5, spread = "1-3", age = "10m", load = "0-80", time = "22:00-06:00", role = "a*", daemon = "d?", fingerprint = "00000000000000ff" }
try  = ["restart_daemon", "escalate"]

[[policy]]
when = { time = ["06:00-22:00", "00:00-24:00"] }
try  = "notify"
)");
  REQUIRE(config.rules.policy.size() == 2);
  const ops::PolicyRule& rule = config.rules.policy[0];
  CHECK(rule.classes == std::vector<ErrorClass>{ErrorClass::dependency_down});
  CHECK(rule.tiers == std::vector<ops::Tier>{ops::Tier::concern});
  CHECK(rule.colours.size() == 2);
  CHECK(rule.breakers.size() == 1);
  CHECK(rule.count == ops::Span{5, ops::Span{}.most});
  CHECK(rule.spread == ops::Span{1, 3});
  CHECK(rule.age_ms.least == 600'000);
  CHECK(rule.load_percent == ops::Span{0, 80});
  CHECK(rule.minutes == std::vector<ops::Span>{{1320, 1439}, {0, 359}});
  CHECK(rule.role == "a*");
  CHECK(rule.fingerprints == std::vector<uint64_t>{255});
  CHECK(rule.actions == std::vector<ops::Action>{ops::Action::restart_daemon, ops::Action::escalate});
  CHECK(config.rules.policy[1].name == "policy 2");
  CHECK(config.rules.policy[1].minutes == std::vector<ops::Span>{{360, 1319}, {0, 1439}});
  CHECK(config.rules.policy_table().rules.front().name == "nights");
}

TEST_CASE("config: mistakes in [[classify]] and [[policy]] are named") {
  struct Row {
    std::string text;
    std::string error;
  };
  const Row rows[] = {
      {"[[classify]]\nwhen = {}\n", "pawl.toml:1: classify[0] has no class"},
      {"[[classify]]\nclass = \"tired\"\n",
       "pawl.toml:2: classify[0].class says \"tired\"; it is one of transient"},
      {"[[classify]]\nclass = [\"auth\", \"quota\"]\n",
       "pawl.toml:2: classify[0].class is one class, not several"},
      {"[[classify]]\nclass = \"auth\"\nwhen = { text = \"(\" }\n",
       "pawl.toml:3: classify[0].when.text: \"(\" is no regular expression"},
      {"[[classify]]\nclass = \"auth\"\nwhen = { exit = \"9-3\" }\n",
       "pawl.toml:3: classify[0].when.exit: \"9-3\" is empty"},
      {"[[classify]]\nclass = \"auth\"\nwhen = { exit = 300 }\n",
       "pawl.toml:1: [[classify]]: rule 'classify 1' can never match: exit codes 300"},
      {"[[classify]]\nclass = \"auth\"\nwhen = { exit = [] }\n",
       "pawl.toml:3: classify[0].when.exit is empty"},
      {"[[classify]]\nclass = \"auth\"\nwhen = { rolle = \"x\" }\n",
       "pawl.toml:3: unknown key 'rolle' in [classify[0].when]; did you mean 'role'"},
      {"[[classify]]\nclass = \"auth\"\nwhen = { role = \"a b\" }\n",
       "pawl.toml:3: classify[0].when.role is no name"},
      {"[[classify]]\nclass = \"auth\"\n[[classify]]\nclass = \"quota\"\n",
       "pawl.toml:1: [[classify]]: rule 'classify 2' contradicts rule 'classify 1'"},
      {"[[policy]]\nwhen = {}\n", "pawl.toml:1: policy[0] has no try"},
      {"[[policy]]\ntry = [\"restart_deamon\"]\n",
       "pawl.toml:2: policy[0].try: \"restart_deamon\" is no action; did you mean \"restart_daemon\"?"},
      {"[[policy]]\ntry = [\"hard_freeze\"]\n",
       "pawl.toml:2: policy[0].try: \"hard_freeze\" cannot be taken back"},
      {"[[policy]]\ntry = []\n", "pawl.toml:2: policy[0].try is empty"},
      {"[[policy]]\ntry = \"notify\"\nwhen = { time = \"22-6\" }\n",
       "pawl.toml:3: policy[0].when.time says \"22-6\"; write it like"},
      {"[[policy]]\ntry = \"notify\"\nwhen = { time = \"22:00-22:00\" }\n",
       "pawl.toml:3: policy[0].when.time says"},
      {"[[policy]]\ntry = \"notify\"\nwhen = { tier = \"loud\" }\n",
       "pawl.toml:3: policy[0].when.tier says \"loud\"; it is one of concern ultra"},
      {"[[policy]]\ntry = \"notify\"\nwhen = { fingerprint = \"12\" }\n",
       "pawl.toml:3: policy[0].when.fingerprint says \"12\"; a fingerprint is sixteen digits"},
      {"[[policy]]\ntry = \"notify\"\nwhen = { load = 101 }\n",
       "pawl.toml:1: [[policy]]: rule 'policy 1' can never match: load is never at least 101"},
      {"[[policy]]\ntry = \"notify\"\n[[policy]]\ntry = \"escalate\"\n",
       "pawl.toml:1: [[policy]]: rule 'policy 2' contradicts rule 'policy 1'"},
      {"[policy]\ntry = \"notify\"\n", "pawl.toml:1: policy"},
      {"[ops]\npolicy = \"on\"\n", "pawl.toml:2: ops.policy says \"on\"; it is one of off observe enforce"},
      {"[ops]\npolicy = true\n", "pawl.toml:2: ops.policy"},
      {"[ops]\npolcy = \"off\"\n", "pawl.toml:2: unknown key 'polcy' in [ops]; did you mean 'policy'"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const auto parsed = parse_config(row.text, "pawl.toml");
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().text.substr(0, row.error.size()) == row.error);
  }
}

TEST_CASE("config: whether the policy acts") {
  using pawl::core::GuardMode;
  CHECK(good("").rules.policy_mode == GuardMode::enforce);
  CHECK(good("[ops]\npolicy = \"observe\"\n").rules.policy_mode == GuardMode::observe);
  const FileConfig off = good("[ops]\npolicy = \"off\"\n[[policy]]\ntry = [\"notify\"]\n");
  CHECK(off.rules.policy_mode == GuardMode::off);
  CHECK(off.notices.empty());
  // RELOAD says that it is another one.
  const auto changes = pawl::cli::config_changes(good(""), off);
  REQUIRE(changes.size() == 2);
  CHECK(changes[0] == "ops.policy enforce -> off");
  CHECK(changes[1] == "[[policy]] added");
}
