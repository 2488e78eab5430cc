#include "bus/core/deploy.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "bus/core/fields.h"

namespace pawl::core {
namespace {

std::string caller_name(const Caller& caller) {
  return caller.name.empty() ? "client " + std::to_string(caller.client) : std::string(caller.name);
}

// With its length before it, so that no two lists of parts read the same.
void append_sized(std::string_view part, std::string& all) {
  all += std::to_string(part.size()) + ':';
  all += part;
}

uint64_t version_hash(const DeployRecord& version, std::string_view prompt) {
  std::string all = std::to_string(version.command.size()) + ' ';
  for (const std::string& word : version.command) append_sized(word, all);
  all += version.has_prompt ? 'p' : '-';
  append_sized(prompt, all);
  return XXH3_64bits(all.data(), all.size());
}

void write_command(const std::vector<std::string>& command, ReplyWriter& writer) {
  writer.bulk("command");
  writer.array(command.size());
  for (const std::string& word : command) writer.bulk(word);
}

Fields version_fields(const DeployRecord& version, uint64_t current) {
  Fields fields;
  fields.number("version", static_cast<int64_t>(version.number));
  fields.text("hash", fingerprint_text(version.hash));
  fields.number("current", version.number == current ? 1 : 0);
  fields.number("at", version.at_ms);
  fields.text("by", version.by);
  if (!version.reason.empty()) fields.text("reason", version.reason);
  fields.number("before", static_cast<int64_t>(version.before));
  if (version.has_prompt) fields.number("prompt_bytes", static_cast<int64_t>(version.prompt_bytes));
  return fields;
}

Error no_version(const RoleState& role, uint64_t number) {
  return make_error(Code::notfound, "role '" + role.record.name + "' has no version " +
                                        std::to_string(number) +
                                        ", or it is not kept any more; DEPLOY LIST tells which there are");
}
Error no_role(std::string_view role) {
  return make_error(Code::notfound, "no role '" + std::string(role) + "'; ROLES lists those there are");
}

}  // namespace

DeployLog Machine::Deployments::log_of(const RoleState& role) {
  std::string row;
  if (!m_.view_.get(Table::deploy, keys::role(role.number), row)) return {};
  auto log = decode<DeployLog>(row);
  if (!log) m_.damage("the list of a role's versions");
  return log ? *std::move(log) : DeployLog{};
}

std::optional<DeployRecord> Machine::Deployments::version_of(const RoleState& role, uint64_t number) {
  std::string row;
  if (!m_.view_.get(Table::deploy, keys::deploy(role.number, number), row)) return std::nullopt;
  auto version = decode<DeployRecord>(row);
  if (!version) m_.damage("a version of a role");
  return version;
}

std::string Machine::Deployments::prompt_of(const RoleState& role, uint64_t number) {
  std::string prompt;
  if (!m_.view_.get(Table::deploy, keys::deploy_prompt(role.number, number), prompt)) {
    m_.damage("the prompt of a role's version");
  }
  return prompt;
}

// The oldest go, but never `needed`: it is what runs until now, and what a rollback would go back to.
void Machine::Deployments::make_room(const RoleState& role, DeployLog& log, uint64_t needed) {
  auto oldest = log.kept.begin();
  while (log.kept.size() > limits::deploy_versions_max && oldest != log.kept.end()) {
    if (*oldest == needed) {
      ++oldest;
      continue;
    }
    m_.view_.erase(Table::deploy, keys::deploy(role.number, *oldest));
    m_.view_.erase(Table::deploy, keys::deploy_prompt(role.number, *oldest));
    oldest = log.kept.erase(oldest);
  }
}

void Machine::Deployments::change(RoleState& role, DeployLog log, DeployLine line, uint64_t hash,
                                  Outbox& outbox) {
  role.record.deployed = line.version;
  role.record.deployed_hash = hash;
  m_.put_role(role);
  m_.counts(role);
  Headers fields = {{"role", role.record.name}, {"version", std::to_string(line.version)}};
  if (line.version != 0) fields.emplace_back("hash", fingerprint_text(hash));
  fields.emplace_back("before", std::to_string(line.before));
  fields.emplace_back("by", line.by);
  fields.emplace_back("reason", line.reason);
  m_.chronicle(line.fresh ? "role.deploy" : "role.rollback", std::move(fields));
  std::string news = (line.fresh ? "deployed " : "rolled back to ") + std::to_string(line.version);
  if (line.version != 0) news += " " + fingerprint_text(hash);
  outbox.publish("pawl.role." + role.record.name, news);
  log.lines.push_back(std::move(line));
  if (log.lines.size() > limits::deploy_lines_max) log.lines.erase(log.lines.begin());
  m_.view_.put(Table::deploy, keys::role(role.number), encode(log));
}

void Machine::Deployments::reply(const RoleState& role, uint64_t before, bool changed, ReplyWriter& writer) {
  Fields fields;
  fields.text("role", role.record.name);
  fields.number("version", static_cast<int64_t>(role.record.deployed));
  if (role.record.deployed != 0) fields.text("hash", fingerprint_text(role.record.deployed_hash));
  fields.number("before", static_cast<int64_t>(before));
  fields.number("changed", changed ? 1 : 0);
  writer.map(fields.size());
  fields.write(writer);
}

Applied Machine::Deployments::apply(const Caller& caller, const op::DeploySet& set, Outbox& outbox) {
  const Result<RoleState*> found = m_.role_for_write(set.role);
  if (!found) {
    outbox.reply_to(caller.client).error(found.error());
    return Applied::replied;
  }
  RoleState& role = **found;
  const uint64_t before = role.record.deployed;
  DeployLog log = log_of(role);
  // What is not said stays as it runs.
  DeployRecord version;
  std::string prompt;
  if (before != 0) {
    auto present = version_of(role, before);
    if (!present) {
      m_.damage("the version of a role that runs");
      return Applied::replied;
    }
    version.command = std::move(present->command);
    version.has_prompt = present->has_prompt;
    if (version.has_prompt && !set.prompt) prompt = prompt_of(role, before);
  }
  if (!set.command.empty()) version.command.assign(set.command.begin(), set.command.end());
  if (set.prompt) {
    version.has_prompt = true;
    prompt = std::string(*set.prompt);
  }
  version.hash = version_hash(version, prompt);
  const bool changed = before == 0 || version.hash != role.record.deployed_hash;
  if (changed) {
    version.number = log.next++;
    version.prompt_bytes = prompt.size();
    version.before = before;
    version.at_ms = m_.head_.wall_ms;
    version.by = caller_name(caller);
    version.reason = std::string(set.reason);
    m_.view_.put(Table::deploy, keys::deploy(role.number, version.number), encode(version));
    if (version.has_prompt) {
      m_.view_.put(Table::deploy, keys::deploy_prompt(role.number, version.number), std::move(prompt));
    }
    log.kept.push_back(version.number);
    make_room(role, log, before);
    change(role, std::move(log), {version.number, before, true, version.at_ms, version.by, version.reason},
           version.hash, outbox);
  }
  reply(role, before, changed, outbox.reply_to(caller.client));
  return Applied::replied;
}

Result<uint64_t> Machine::Deployments::target(const RoleState& role, const DeployLog& log,
                                              const op::DeployRollback& rollback) {
  const auto is_kept = [&](uint64_t number) {
    return number == 0 || std::binary_search(log.kept.begin(), log.kept.end(), number);
  };
  if (rollback.to) {
    if (!is_kept(*rollback.to)) return no_version(role, *rollback.to);
    return *rollback.to;
  }
  const uint64_t present = role.record.deployed;
  if (present == 0) {
    return make_error(Code::state, "role '" + role.record.name +
                                       "' runs what its runners' files say, so there is nothing to go back "
                                       "to; DEPLOY ROLLBACK role TO version brings a kept one back");
  }
  const auto version = version_of(role, present);
  if (!version) return no_version(role, present);
  if (!is_kept(version->before)) {
    return make_error(Code::state, "version " + std::to_string(version->before) + ", which ran before " +
                                       std::to_string(present) +
                                       ", is not kept any more; name another one with TO (DEPLOY LIST)");
  }
  return version->before;
}

Applied Machine::Deployments::apply(const Caller& caller, const op::DeployRollback& rollback,
                                    Outbox& outbox) {
  RoleState* role = m_.find_role(rollback.role);
  if (role == nullptr) {
    outbox.reply_to(caller.client).error(no_role(rollback.role));
    return Applied::replied;
  }
  DeployLog log = log_of(*role);
  const Result<uint64_t> to = target(*role, log, rollback);
  if (!to) {
    outbox.reply_to(caller.client).error(to.error());
    return Applied::replied;
  }
  const uint64_t before = role->record.deployed;
  if (*to != before) {
    const auto version = *to == 0 ? std::optional(DeployRecord{}) : version_of(*role, *to);
    if (!version) {
      m_.damage("a version of a role that is listed");
      return Applied::replied;
    }
    change(*role, std::move(log),
           {*to, before, false, m_.head_.wall_ms, caller_name(caller), std::string(rollback.reason)},
           version->hash, outbox);
  }
  reply(*role, before, *to != before, outbox.reply_to(caller.client));
  return Applied::replied;
}

// Newest first, prompts left out.
Applied Machine::Deployments::list(const op::DeployList& list, ReplyWriter& writer) {
  const RoleState* role = m_.find_role(list.role);
  if (role == nullptr) {
    writer.error(no_role(list.role));
    return Applied::replied;
  }
  const DeployLog log = log_of(*role);
  std::vector<DeployRecord> versions;
  for (auto number = log.kept.rbegin(); number != log.kept.rend(); ++number) {
    if (auto version = version_of(*role, *number)) versions.push_back(*std::move(version));
  }
  writer.map(4);
  writer.bulk("role");
  writer.bulk(role->record.name);
  writer.bulk("current");
  writer.integer(static_cast<int64_t>(role->record.deployed));
  writer.bulk("versions");
  writer.array(versions.size());
  for (const DeployRecord& version : versions) {
    const Fields fields = version_fields(version, role->record.deployed);
    writer.map(fields.size() + (version.command.empty() ? 0 : 1));
    fields.write(writer);
    if (!version.command.empty()) write_command(version.command, writer);
  }
  writer.bulk("history");
  writer.array(log.lines.size());
  for (auto line = log.lines.rbegin(); line != log.lines.rend(); ++line) {
    Fields fields;
    fields.number("at", line->at_ms);
    fields.text("what", line->fresh ? "deploy" : "rollback");
    fields.number("version", static_cast<int64_t>(line->version));
    fields.number("before", static_cast<int64_t>(line->before));
    fields.text("by", line->by);
    if (!line->reason.empty()) fields.text("reason", line->reason);
    writer.map(fields.size());
    fields.write(writer);
  }
  return Applied::replied;
}

Applied Machine::Deployments::get(const op::DeployGet& get, ReplyWriter& writer) {
  const RoleState* role = m_.find_role(get.role);
  if (role == nullptr) {
    writer.error(no_role(get.role));
    return Applied::replied;
  }
  const uint64_t number = get.version.value_or(role->record.deployed);
  if (number == 0) {
    writer.nil();
    return Applied::replied;
  }
  const auto version = version_of(*role, number);
  if (!version) {
    writer.error(no_version(*role, number));
    return Applied::replied;
  }
  const std::string prompt = version->has_prompt ? prompt_of(*role, number) : "";
  const Fields fields = version_fields(*version, role->record.deployed);
  writer.map(fields.size() + (version->command.empty() ? 0 : 1) + (version->has_prompt ? 1 : 0));
  fields.write(writer);
  if (!version->command.empty()) write_command(version->command, writer);
  if (version->has_prompt) {
    writer.bulk("prompt");
    writer.bulk(prompt);
  }
  return Applied::replied;
}

void Machine::Deployments::forget(RoleState& role) {
  const DeployLog log = log_of(role);
  if (log.next == 1) return;
  for (const uint64_t number : log.kept) {
    m_.view_.erase(Table::deploy, keys::deploy(role.number, number));
    m_.view_.erase(Table::deploy, keys::deploy_prompt(role.number, number));
  }
  m_.view_.erase(Table::deploy, keys::role(role.number));
  role.record.deployed = role.record.deployed_hash = 0;
}

}  // namespace pawl::core
