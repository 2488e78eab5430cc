// What is wrong with ordered rules of which the first that matches counts.
#pragma once

#include <string>
#include <vector>

namespace pawl::ops {

// What is asked of one kind of rule, which has a name.
template <typename Rule>
struct RuleQuestions {
  // Why it can match nothing at all.
  std::vector<std::string> (*contradictions)(const Rule&);
  // Whether `a` matches whatever `b` does.
  bool (*covers)(const Rule& a, const Rule& b);
  // How two rules with the same conditions differ. Empty: they do not.
  std::string (*difference)(const Rule& earlier, const Rule& rule);
};

// What is wrong with rule `i` beside those before it, in words for whoever wrote it.
template <typename Rule>
void check_rule_order(const std::vector<Rule>& rules, size_t i, const RuleQuestions<Rule>& ask,
                      std::vector<std::string>& wrong) {
  const Rule& rule = rules[i];
  const std::string name = "rule '" + rule.name + "'";
  const std::vector<std::string> never = ask.contradictions(rule);
  for (const std::string& why : never) wrong.push_back(name + " can never match: " + why);
  for (size_t j = 0; j < i; ++j) {
    const Rule& earlier = rules[j];
    const std::string other = "rule '" + earlier.name + "'";
    if (!rule.name.empty() && earlier.name == rule.name) {
      wrong.push_back("there are two rules '" + rule.name + "'");
    }
    if (!never.empty() || !ask.contradictions(earlier).empty() || !ask.covers(earlier, rule)) continue;
    const std::string difference = ask.difference(earlier, rule);
    if (!ask.covers(rule, earlier)) {
      wrong.push_back(name + " can never match: " + other +
                      " before it takes everything that it would; put " + name + " first, or make " + other +
                      " narrower");
    } else if (difference.empty()) {
      wrong.push_back(name + " can never match: it says the same as " + other + "; remove one of them");
    } else {
      wrong.push_back(name + " contradicts " + other + ": same conditions, but " + difference +
                      "; remove one of them");
    }
    return;
  }
}

}  // namespace pawl::ops
