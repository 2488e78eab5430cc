// The rules of the classifier that every bus has, and the check of a file's own.
#include "bus/core/words.h"
#include "bus/ops/classifier.h"
#include "bus/ops/rule_order.h"

namespace pawl::ops {
namespace {

using core::ErrorClass;

struct TextRule {
  std::string_view name;
  ErrorClass becomes;
  std::string_view text;
};

// In this order: what is more particular comes first (a full disk may speak of its quota, a quota that is
// used up of rates, a refused login of a connection).
constexpr std::array<TextRule, 10> text_rules = {{
    {"out-of-memory", ErrorClass::out_of_memory,
     R"(out of memory|cannot allocate memory|std::bad_alloc|\bOutOfMemoryError\b|\bMemoryError\b|\bENOMEM\b|oom-kill)"},
    {"disk-full", ErrorClass::dependency_down, R"(no space left on device|\bENOSPC\b|disk quota exceeded)"},
    {"quota", ErrorClass::quota,
     R"(insufficient[ _]quota|quota (is )?(exceeded|exhausted|used up)|billing (hard )?limit|credit balance is too low|402 payment required)"},
    {"rate-limit", ErrorClass::rate_limited,
     R"(too many requests|rate[ _-]?limit|\boverloaded(_error)?\b|\bthrottl(ed|ing)|(http|status|error|code)[ :=/.0-9]*\b429\b)"},
    {"auth", ErrorClass::auth,
     R"(\bunauthori[sz]ed\b|403 forbidden|permission denied|access denied|authentication (failed|required|error)|(invalid|expired|missing|incorrect) (api[ _-]?key|token|credentials?|password)|(http|status|error|code)[ :=/.0-9]*\b(401|403)\b)"},
    {"unreachable", ErrorClass::dependency_down,
     R"(connection refused|\bECONNREFUSED\b|no route to host|\bEHOSTUNREACH\b|network is unreachable|could ?n[o']t resolve|could not resolve|name or service not known|temporary failure in name resolution|\bENOTFOUND\b|bad gateway|service unavailable|(http|status|error|code)[ :=/.0-9]*\b50[23]\b)"},
    {"timed-out", ErrorClass::timeout,
     R"(\btime[d]?[ -]?out\b|deadline exceeded|\bETIMEDOUT\b|gateway time-?out|(http|status|error|code)[ :=/.0-9]*\b(408|504)\b)"},
    {"passing", ErrorClass::transient,
     R"(try again|temporarily unavailable|\bEAGAIN\b|deadlock detected|could not serialize access|connection (was )?(reset|closed|aborted)|\bECONNRESET\b|broken pipe|\bEPIPE\b|database is locked|(http|status|error|code)[ :=/.0-9]*\b500\b)"},
    {"bad-input", ErrorClass::bad_input,
     R"(invalid (json|input|argument|payload)|\bJSONDecodeError\b|\bValidationError\b|schema validation|malformed (json|input|payload|request)|(http|status|error|code)[ :=/.0-9]*\b(400|413|422)\b)"},
    {"crashed", ErrorClass::crash,
     R"(segmentation fault|core dumped|\bpanic(ked)?( at|:)|stack overflow|assertion .*failed|terminate called after)"},
}};

struct ExitRule {
  std::string_view name;
  ErrorClass becomes;
  int code;
};

// The contract's exit codes, for daemons and for handlers whose own client says `unknown`.
constexpr std::array<ExitRule, 6> exit_rules = {{
    {"exit-65", ErrorClass::bad_input, 65},
    {"exit-69", ErrorClass::dependency_down, 69},
    {"exit-75", ErrorClass::transient, 75},
    {"exit-77", ErrorClass::auth, 77},
    {"exit-78", ErrorClass::bad_input, 78},
    {"exit-124", ErrorClass::timeout, 124},
}};

struct GuardRule {
  std::string_view guard;
  ErrorClass becomes;
};

constexpr std::array<GuardRule, 9> guard_rules = {{
    {"quota", ErrorClass::quota},
    {"breaker", ErrorClass::dependency_down},
    {"poison", ErrorClass::crash},
    {"sweep", ErrorClass::lease_expired},
    {"velocity", ErrorClass::rate_limited},
    {"rate", ErrorClass::rate_limited},
    {"shed", ErrorClass::rate_limited},
    {"authorisation", ErrorClass::auth},
    {"size", ErrorClass::bad_input},
}};

bool text_covers(const std::optional<Pattern>& a, const std::optional<Pattern>& b) {
  if (!a) return true;
  if (!b) return false;
  if (*a == *b) return true;
  // A literal that every match of b contains, where nothing around it matters.
  return b->literal() && !a->anchored() && a->found_in(b->text());
}

bool glob_condition_covers(const std::string& a, const std::string& b) {
  return a.empty() || (!b.empty() && glob_covers(a, b));
}

bool covers(const ClassifyRule& a, const ClassifyRule& b) {
  return list_covers(a.sources, b.sources) && list_covers(a.reported, b.reported) &&
         spans_cover(a.exit_codes, b.exit_codes) && spans_cover(a.signals, b.signals) &&
         glob_condition_covers(a.role, b.role) && glob_condition_covers(a.daemon, b.daemon) &&
         glob_condition_covers(a.guard, b.guard) && text_covers(a.text, b.text);
}

bool only(const std::vector<Source>& sources, Source one) {
  return sources.size() == 1 && sources.front() == one;
}

void check_spans(const std::vector<Span>& spans, Span allowed, const std::string& what,
                 std::vector<std::string>& wrong) {
  for (const Span& span : spans) {
    if (span.empty()) {
      wrong.push_back("its range of " + what + ", " + std::to_string(span.least) + "-" +
                      std::to_string(span.most) + ", is empty: write the smaller number first");
    } else if (!allowed.holds(span.least) || !allowed.holds(span.most)) {
      wrong.push_back(what + " " + span_text(span) + " is outside of " + span_text(allowed));
    }
  }
}

// Why no failure can meet all conditions of it.
std::vector<std::string> contradictions(const ClassifyRule& rule) {
  std::vector<std::string> wrong;
  check_spans(rule.exit_codes, {1, 255}, "exit codes", wrong);
  check_spans(rule.signals, {1, 64}, "signals", wrong);
  if (!rule.exit_codes.empty() && !rule.signals.empty()) {
    wrong.emplace_back("a process ends with an exit code or by a signal, never both: make it two rules");
  }
  if (only(rule.sources, Source::guard) && (!rule.exit_codes.empty() || !rule.signals.empty())) {
    wrong.emplace_back("a guard has no exit code and no signal: leave them or source = \"guard\" out");
  }
  if (!rule.guard.empty() && !list_holds(rule.sources, Source::guard)) {
    wrong.emplace_back("only source = \"guard\" has a guard: leave one of both out");
  }
  if (!rule.role.empty() && only(rule.sources, Source::daemon)) {
    wrong.emplace_back("a daemon's own failure has no role: leave role or source = \"daemon\" out");
  }
  return wrong;
}

ClassifyRule unknown_rule(std::string name, ErrorClass becomes) {
  ClassifyRule rule;
  rule.name = std::move(name);
  rule.reported = {ErrorClass::unknown};
  rule.becomes = becomes;
  return rule;
}

std::string difference(const ClassifyRule& earlier, const ClassifyRule& rule) {
  if (earlier.becomes == rule.becomes) return {};
  return "one says " + std::string(class_name(earlier.becomes)) + " and the other " +
         std::string(class_name(rule.becomes));
}

}  // namespace

std::vector<ClassifyRule> shipped_classify_rules() {
  std::vector<ClassifyRule> rules;
  for (const GuardRule& one : guard_rules) {
    ClassifyRule& rule = rules.emplace_back(unknown_rule("guard-" + std::string(one.guard), one.becomes));
    rule.sources = {Source::guard};
    rule.guard = std::string(one.guard);
  }
  for (const ExitRule& one : exit_rules) {
    rules.emplace_back(unknown_rule(std::string(one.name), one.becomes)).exit_codes = {{one.code, one.code}};
  }
  for (const TextRule& one : text_rules) {
    auto pattern = Pattern::compile(one.text);
    PAWL_CHECK(pattern.ok());
    rules.emplace_back(unknown_rule(std::string(one.name), one.becomes)).text = std::move(*pattern);
  }
  rules.emplace_back(unknown_rule("signal", ErrorClass::crash)).signals = {{1, 64}};
  return rules;
}

std::vector<std::string> check_classify_rules(const std::vector<ClassifyRule>& rules) {
  std::vector<std::string> wrong;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].name.empty()) wrong.push_back("rule " + std::to_string(i + 1) + " has no name");
    check_rule_order(rules, i, {contradictions, covers, difference}, wrong);
  }
  return wrong;
}

}  // namespace pawl::ops
