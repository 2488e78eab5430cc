#include "bus/ops/classifier.h"

#include <algorithm>

#include "bus/base/parse.h"
#include "bus/core/fingerprint.h"

namespace pawl::ops {
namespace {

using core::class_name;

template <typename T, typename Name>
std::string names_of(const std::vector<T>& values, Name name) {
  std::vector<std::string> words;
  for (const T& value : values) words.emplace_back(name(value));
  return or_list(words);
}
std::string_view source_name(Source source) { return source_names[static_cast<size_t>(source)]; }

// One condition at a time: `met` collects those that hold, `unmet` is the first that does not.
struct Look {
  std::string met;
  std::string unmet;

  // Whether to go on.
  bool see(bool asked, bool holds, const std::string& what, const std::string& wanted) {
    if (!asked) return true;
    if (!holds) {
      unmet = what + ", not " + wanted;
      return false;
    }
    if (!met.empty()) met += ", ";
    met += what;
    return true;
  }
};

bool see_code(Look& look, const std::vector<Span>& wanted, const std::optional<int>& code,
              const std::string& what) {
  const bool holds = code && spans_hold(wanted, *code);
  return look.see(!wanted.empty(), holds, code ? what + " " + std::to_string(*code) : "no " + what,
                  spans_text(wanted));
}

bool see_glob(Look& look, const std::string& glob, const std::string& name, const std::string& what) {
  return look.see(!glob.empty(), !name.empty() && glob_matches(glob, name),
                  name.empty() ? "no " + what : what + " " + name, glob);
}

bool see_text(Look& look, const std::optional<Pattern>& wanted, const std::string& text) {
  if (!wanted) return true;
  const bool found = wanted->found_in(text);
  if (found) return look.see(true, true, "the text matches /" + wanted->text() + "/", "");
  look.unmet = "the text does not match /" + wanted->text() + "/";
  return false;
}

bool matches(const ClassifyRule& rule, const Failure& failure, Look& look) {
  // The text last: it is the one that costs something.
  return look.see(!rule.sources.empty(), list_holds(rule.sources, failure.source),
                  "from " + std::string(source_name(failure.source)), names_of(rule.sources, source_name)) &&
         look.see(!rule.reported.empty(), list_holds(rule.reported, failure.error_class),
                  "reported as " + std::string(class_name(failure.error_class)),
                  names_of(rule.reported, class_name)) &&
         see_code(look, rule.exit_codes, failure.exit_code, "exit code") &&
         see_code(look, rule.signals, failure.signal, "signal") &&
         see_glob(look, rule.role, failure.role, "role") &&
         see_glob(look, rule.daemon, failure.daemon, "daemon") &&
         see_glob(look, rule.guard, failure.guard, "guard") && see_text(look, rule.text, failure.text);
}

// Like see(), without a word of why: the path of every failure.
bool matches(const ClassifyRule& rule, const Failure& failure) {
  const auto code_in = [](const std::vector<Span>& wanted, const std::optional<int>& code) {
    return wanted.empty() || (code && spans_hold(wanted, *code));
  };
  const auto name_in = [](const std::string& glob, const std::string& name) {
    return glob.empty() || (!name.empty() && glob_matches(glob, name));
  };
  return list_holds(rule.sources, failure.source) && list_holds(rule.reported, failure.error_class) &&
         code_in(rule.exit_codes, failure.exit_code) && code_in(rule.signals, failure.signal) &&
         name_in(rule.role, failure.role) && name_in(rule.daemon, failure.daemon) &&
         name_in(rule.guard, failure.guard) && (!rule.text || rule.text->found_in(failure.text));
}

// Alike failures of one process or guard belong together, those of two do not: a signal 9 of `slack` says
// nothing about `mail`. Invocations have the fingerprint that their dead letters have.
uint64_t fingerprint_of(const Failure& failure, core::ErrorClass error_class) {
  switch (failure.source) {
    case Source::invocation:
      break;
    case Source::daemon:
      return core::fingerprint(error_class, "daemon " + failure.daemon + ": " + failure.text);
    case Source::guard:
      return core::fingerprint(error_class, "guard " + failure.guard + ": " + failure.text);
  }
  return core::fingerprint(error_class, failure.text);
}

std::optional<int> number_behind(std::string_view text, std::string_view words) {
  const size_t at = text.find(words);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(at + words.size());
  rest = rest.substr(0, rest.find_first_not_of("0123456789"));
  const auto number = parse_int(rest);
  if (!number || *number < 1 || *number > 255) return std::nullopt;
  return static_cast<int>(*number);
}

}  // namespace

std::optional<Source> source_from(std::string_view word) {
  for (size_t i = 0; i < source_names.size(); ++i) {
    if (word == source_names[i]) return static_cast<Source>(i);
  }
  return std::nullopt;
}

void read_ending(Failure& failure) {
  if (failure.exit_code || failure.signal) return;
  const std::string_view first = std::string_view(failure.text).substr(0, failure.text.find('\n'));
  failure.signal = number_behind(first, "killed by signal ");
  if (!failure.signal) failure.exit_code = number_behind(first, "exit code ");
}

Classifier::Classifier(std::vector<ClassifyRule> own) : rules_(std::move(own)) {
  may_unlearn_ = std::any_of(rules_.begin(), rules_.end(), [](const ClassifyRule& rule) {
    return rule.becomes == core::ErrorClass::unknown;
  });
  for (ClassifyRule& rule : shipped_classify_rules()) rules_.push_back(std::move(rule));
}

Classified Classifier::classify(const Failure& failure) const {
  for (const ClassifyRule& rule : rules_) {
    if (matches(rule, failure)) return {rule.becomes, fingerprint_of(failure, rule.becomes), rule.name};
  }
  return {failure.error_class, fingerprint_of(failure, failure.error_class), ""};
}

std::vector<Trial> Classifier::explain(const Failure& failure) const {
  std::vector<Trial> trials;
  for (const ClassifyRule& rule : rules_) {
    Look look;
    const bool matched = matches(rule, failure, look);
    trials.push_back({rule.name, matched, matched ? look.met : look.unmet});
    if (matched) break;
  }
  return trials;
}

}  // namespace pawl::ops
