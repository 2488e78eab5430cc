// One line of a scenario table, taken apart.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/operation.h"

namespace pawl::core {

struct ScenarioLine {
  size_t number = 0;
  std::string text;
  bool same_turn = false;
  std::string verb;
  std::vector<std::string> args;
  std::map<std::string, std::string> options;  // name=value, and bare flags as name → ""
  std::vector<std::string> expected;

  bool flag(const std::string& name) const { return options.count(name) != 0; }
  std::optional<std::string_view> word(const std::string& name) const;
  std::optional<int64_t> number_of(const std::string& name) const;
};

std::vector<ScenarioLine> read_table(const std::string& table);
// "exec a ; b": the parts as lines of their own.
std::vector<ScenarioLine> split_exec(const ScenarioLine& line);

// Names of messages and the tokens that went out for them.
class ScenarioNames {
 public:
  // The id of a name, or of a name with ".delivery" or "@token" behind it; "?": one that never was.
  std::string_view id(const std::string& reference);
  std::string_view token(const std::string& reference);
  void bind(const std::string& name, const std::string& id);
  void bind_token(const std::string& id, int64_t delivery, const std::string& token);
  bool knows(const std::string& name) const { return ids_.count(name) != 0; }
  // The name of an id, or the text itself.
  std::string name_of(const std::string& id) const;

 private:
  std::string_view keep(std::string text) { return arena_.emplace_back(std::move(text)); }

  std::map<std::string, std::string> ids_;
  std::map<std::string, std::string> names_;
  std::map<std::string, std::map<int64_t, std::string>> tokens_;  // by id
  std::deque<std::string> arena_;
};

// Nothing for a verb that is no operation. Views point into `line` and `names`.
std::optional<Operation> make_operation(const ScenarioLine& line, ScenarioNames& names, int64_t wall_ms,
                                        std::string_view cursor);

}  // namespace pawl::core
