// Versions of what a role runs.
#include "bus/base/limits.h"
#include "tests/sim/model.h"

namespace pawl::sim {
namespace {

namespace op = core::op;

Value number(uint64_t value) { return Value::integer(static_cast<int64_t>(value)); }

}  // namespace

bool Model::judge_deploy(const core::Operation& operation, const Value& got) {
  if (const auto* set = std::get_if<op::DeploySet>(&operation)) {
    judge_deploy_set(*set, got);
  } else if (const auto* rollback = std::get_if<op::DeployRollback>(&operation)) {
    judge_rollback(*rollback, got);
  } else if (const auto* get = std::get_if<op::DeployGet>(&operation)) {
    judge_version(*get, got);
  } else if (const auto* list = std::get_if<op::DeployList>(&operation)) {
    judge_versions(*list, got);
  } else {
    return false;
  }
  return true;
}

void Model::expect_change(const std::string& what, const std::string& role, uint64_t before,
                          const Value& got) {
  Versions& all = versions_[role];
  if (all.current != before) ++all.changes;
  expect_field(what, got, "role", Value::bulk(role));
  expect_field(what, got, "version", number(all.current));
  expect_field(what, got, "before", number(before));
  expect_field(what, got, "changed", number(all.current != before ? 1 : 0));
}

void Model::expect_deployed(const std::string& what, const std::string& role, const Value& got) {
  const auto all = versions_.find(role);
  const uint64_t current = all == versions_.end() ? 0 : all->second.current;
  if (current != 0) return expect_field(what, got, "deployed", number(current));
  if (got.field("deployed") != nullptr)
    wrong(what + " shows a version, and none is deployed: " + to_text(got));
}

void Model::judge_deploy_set(const op::DeploySet& set, const Value& got) {
  const std::string role(set.role);
  // As with PAUSE: whether a role may have one before its first message, the answer says.
  if (!roles_.contains(role) && got.is_error(Code::notfound)) return;
  roles_.try_emplace(role, false);
  Versions& all = versions_[role];
  const uint64_t before = all.current;
  Version version = before == 0 ? Version{} : all.kept.at(before);
  if (!set.command.empty()) version.command.assign(set.command.begin(), set.command.end());
  if (set.prompt) version.prompt = std::string(*set.prompt);
  if (before == 0 || !version.same_as(all.kept.at(before))) {
    version.before = before;
    all.current = all.next++;
    all.kept[all.current] = std::move(version);
    auto oldest = all.kept.begin();
    while (all.kept.size() > limits::deploy_versions_max) {
      oldest = oldest->first == before ? std::next(oldest) : all.kept.erase(oldest);
    }
  }
  expect_change("DEPLOY SET", role, before, got);
}

void Model::judge_rollback(const op::DeployRollback& rollback, const Value& got) {
  const std::string role(rollback.role);
  if (!roles_.contains(role)) return expect("DEPLOY ROLLBACK", Value::error(Code::notfound), got);
  Versions& all = versions_[role];
  const uint64_t before = all.current;
  if (!rollback.to && before == 0) return expect("DEPLOY ROLLBACK", Value::error(Code::state), got);
  const uint64_t to = rollback.to.value_or(before == 0 ? 0 : all.kept.at(before).before);
  if (to != 0 && !all.kept.contains(to)) {
    return expect("DEPLOY ROLLBACK", Value::error(rollback.to ? Code::notfound : Code::state), got);
  }
  all.current = to;
  expect_change("DEPLOY ROLLBACK", role, before, got);
}

void Model::judge_version(const op::DeployGet& get, const Value& got) {
  const std::string role(get.role);
  if (!roles_.contains(role)) return expect("DEPLOY GET", Value::error(Code::notfound), got);
  const Versions& all = versions_[role];
  const uint64_t version = get.version.value_or(all.current);
  if (version == 0) return expect("DEPLOY GET", Value::nil(), got);
  const auto found = all.kept.find(version);
  if (found == all.kept.end()) return expect("DEPLOY GET", Value::error(Code::notfound), got);
  expect_field("DEPLOY GET", got, "version", number(version));
  expect_field("DEPLOY GET", got, "current", number(version == all.current ? 1 : 0));
  expect_field("DEPLOY GET", got, "before", number(found->second.before));
  if (found->second.prompt) expect_field("DEPLOY GET", got, "prompt", Value::bulk(*found->second.prompt));
  if (found->second.command.empty()) return;
  std::vector<Value> words;
  for (const std::string& word : found->second.command) words.push_back(Value::bulk(word));
  expect_field("DEPLOY GET", got, "command", Value::array(std::move(words)));
}

void Model::judge_versions(const op::DeployList& list, const Value& got) {
  const std::string role(list.role);
  if (!roles_.contains(role)) return expect("DEPLOY LIST", Value::error(Code::notfound), got);
  const Versions& all = versions_[role];
  expect_field("DEPLOY LIST", got, "current", number(all.current));
  const Value* versions = got.field("versions");
  const Value* history = got.field("history");
  if (versions == nullptr || versions->items.size() != all.kept.size() || history == nullptr ||
      history->items.size() != std::min(all.changes, limits::deploy_lines_max)) {
    wrong("DEPLOY LIST shows " + to_text(got));
  }
}

}  // namespace pawl::sim
