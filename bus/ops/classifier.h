// What kind of failure is this? Ordered rules over how a handler or daemon ended, what it said and where
// give an error class; class and text give the fingerprint. Same rules and failure, same answer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/words.h"
#include "bus/ops/conditions.h"
#include "bus/pattern/pattern.h"

namespace pawl::ops {

enum class Source : uint8_t { invocation, daemon, guard };
constexpr std::array<std::string_view, 3> source_names = {"invocation", "daemon", "guard"};
std::optional<Source> source_from(std::string_view word);

// A failure as it was reported.
struct Failure {
  Source source = Source::invocation;
  core::ErrorClass error_class = core::ErrorClass::unknown;  // as reported
  std::string text;                                          // as reported; may be long
  std::string role;                                          // empty: none
  std::string daemon;                                        // who ran it, or who failed; empty: none
  std::string guard;                                         // which one, of a guard; else empty
  std::optional<int> exit_code;                              // how a process ended, where that is known
  std::optional<int> signal;
};

// The runner and the launcher put how a process ended into the text ("exit code 3", "killed by signal 9
// (SIGKILL)"): what stands there, for a failure that does not know better.
void read_ending(Failure& failure);

// Every condition that is there must hold; a list holds when one of it does.
struct ClassifyRule {
  std::string name;
  std::vector<Source> sources;
  std::vector<core::ErrorClass> reported;  // the class as it was reported
  std::vector<Span> exit_codes;            // 1 to 255
  std::vector<Span> signals;               // 1 to 64
  std::string role;                        // a glob; empty: no condition
  std::string daemon;                      // likewise
  std::string guard;                       // likewise
  std::optional<Pattern> text;
  core::ErrorClass becomes = core::ErrorClass::unknown;
};

struct Classified {
  core::ErrorClass error_class = core::ErrorClass::unknown;
  uint64_t fingerprint = 0;  // of the class and the text; never 0
  std::string rule;          // its name; empty: none matched, the reported class stands

  // Nobody knows what it is: it was reported so, and no rule says more.
  bool known() const { return error_class != core::ErrorClass::unknown; }
  bool operator==(const Classified&) const = default;
};

// One rule that was tried.
struct Trial {
  std::string rule;
  bool matched = false;
  std::string why;  // the first condition that does not hold; or all that do
};

class Classifier {
 public:
  // Shipped rules alone.
  Classifier() : Classifier(std::vector<ClassifyRule>{}) {}
  // `own` come before the shipped ones. They have passed check_classify_rules().
  explicit Classifier(std::vector<ClassifyRule> own);

  Classified classify(const Failure& failure) const;
  // Each rule that was tried, in order; the last one matched, unless none does.
  std::vector<Trial> explain(const Failure& failure) const;
  // Whether what was reported with a class may become unknown: a rule of the file says so.
  bool may_unlearn() const { return may_unlearn_; }
  const std::vector<ClassifyRule>& rules() const { return rules_; }

 private:
  std::vector<ClassifyRule> rules_;
  bool may_unlearn_ = false;
};

// The rules that every bus has. They only say more where nobody knew: a class that a handler reported stays.
std::vector<ClassifyRule> shipped_classify_rules();

// One text a mistake, with the names of the rules: what can never match (conditions that exclude each other,
// an earlier rule that takes everything), what contradicts (same conditions, another class), names that are
// there twice. Empty: all is well.
std::vector<std::string> check_classify_rules(const std::vector<ClassifyRule>& rules);

}  // namespace pawl::ops
