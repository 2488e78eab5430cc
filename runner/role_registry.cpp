#include "runner/role_registry.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "runner/files.h"

namespace pawl::runner {
namespace {

constexpr size_t prompt_bytes_max = size_t{4} << 20;

std::string hex_hash(const std::string& bytes) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(bytes.data(), bytes.size())));
  return text.data();
}

// With its length before it, so that no two lists of parts read the same.
void append_part(std::string_view part, std::string* all) {
  *all += std::to_string(part.size()) + ":" + std::string(part);
}

std::vector<std::string> command_line(const RoleConfig& role, const std::vector<std::string>& command) {
  if (!role.shell) return command;
  std::vector<std::string> line = {"/bin/sh", "-c", command[0], role.name};
  line.insert(line.end(), command.begin() + 1, command.end());
  return line;
}

// The same role with its limp command.
RoleConfig limping(RoleConfig role) {
  role.command = role.limp;
  role.command_place = role.limp_place;
  return role;
}

Status check_program(const RoleConfig& role, const char* key) {
  if (role.shell || find_program(role.command[0])) return {};
  return make_error(Code::err, role.command_place + ": role." + role.name + "." + key + ": cannot run '" +
                                   role.command[0] + "': no such program");
}

bool same_versions(const Setup& one, const Setup& other) {
  const bool same = one.version == other.version && !one.limp == !other.limp;
  return same && (!one.limp || one.limp->version == other.limp->version);
}

std::string file_name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::string version_of(const RoleConfig& role, const std::string& prompt) {
  std::string all;
  append_part(role.shell ? "sh" : "argv", &all);
  append_part(std::to_string(role.command.size()), &all);
  for (const std::string& word : role.command) append_part(word, &all);
  append_part(role.prompt.empty() ? "" : "prompt", &all);
  append_part(prompt, &all);
  append_part(std::to_string(role.timeout_ms), &all);
  append_part(on_freeze_names[static_cast<size_t>(role.on_freeze)], &all);
  for (const auto& [code, kind] : role.rules.exits) append_part(std::to_string(code) + kind, &all);
  for (const EndingRules::Pattern& pattern : role.rules.patterns) {
    append_part(pattern.expression.text(), &all);
    append_part(pattern.error_class, &all);
    append_part(std::to_string(pattern.retry_in_ms.value_or(-1)), &all);
  }
  return hex_hash(all);
}

RoleRegistry::RoleRegistry(std::string config_file, LoadRunConfig load, std::vector<std::string> names,
                           PromptStore prompts)
    : config_file_(std::move(config_file)),
      load_(std::move(load)),
      names_(std::move(names)),
      prompts_(std::move(prompts)) {}

// Before it is read: a change between the two is then seen the next time.
void RoleRegistry::watch(const std::string& path) { stamps_[path] = stamp_of(path); }

bool RoleRegistry::files_changed() const {
  return std::any_of(stamps_.begin(), stamps_.end(), [](const auto& entry) {
    return entry.second.fresh || !entry.second.same_as(stamp_of(entry.first));
  });
}

bool RoleRegistry::is_served(const RoleConfig& role) const {
  if (names_.empty()) return !role.command.empty();
  return std::find(names_.begin(), names_.end(), role.name) != names_.end();
}

std::vector<std::string> RoleRegistry::faults_of_names(const RunConfig& config) const {
  std::vector<std::string> faults;
  for (const std::string& name : names_) {
    const auto role = std::find_if(config.roles.begin(), config.roles.end(),
                                   [&](const RoleConfig& one) { return one.name == name; });
    if (role == config.roles.end()) {
      faults.push_back(config_file_ + ": there is no [role." + name + "]; write one with a command");
    }
  }
  const bool any = std::any_of(config.roles.begin(), config.roles.end(),
                               [this](const RoleConfig& role) { return is_served(role); });
  if (names_.empty() && !any) {
    faults.push_back(config_file_ +
                     ": no role has a command, so there is nothing to run; write command = [\"./agent.sh\"] "
                     "into a [role.NAME]");
  }
  return faults;
}

Result<ServedRole> RoleRegistry::make(const RoleConfig& role) {
  if (role.command.empty()) {
    return make_error(Code::err, role.place + ": [role." + role.name +
                                     "] has no command, so nobody can handle it; write command = "
                                     "[\"./agent.sh\"]");
  }
  if (!role.limp.empty()) {
    if (const Status found = check_program(limping(role), "limp"); !found) return found.error();
  }
  if (const auto deployed = deployed_.find(role.name); deployed != deployed_.end()) {
    auto made = make_deployed(role, deployed->second);
    if (made) return made;
    unusable_ = true;
    return make_error(Code::err, role.name + ": version " + std::to_string(deployed->second.number) +
                                     " cannot be run here: " + made.error().text);
  }
  if (const Status found = check_program(role, "command"); !found) return found.error();
  std::string prompt;
  if (!role.prompt.empty()) {
    auto text = read_prompt(role);
    if (!text) return text.error();
    prompt = std::move(*text);
  }
  return assemble(role, prompt, version_of(role, prompt));
}

Result<std::string> RoleRegistry::read_prompt(const RoleConfig& role) {
  watch(role.prompt);
  auto text = read_file(role.prompt, prompt_bytes_max);
  if (text) return text;
  return make_error(Code::err, role.prompt_place + ": role." + role.name + ".prompt: " + text.error().text);
}

// What it does not bring along is the file's.
Result<ServedRole> RoleRegistry::make_deployed(const RoleConfig& file, const DeployedVersion& version) {
  if (!version.fault.empty()) return make_error(Code::err, version.fault);
  RoleConfig role = file;
  if (!version.command.empty()) {
    if (!file.limp.empty()) role.limp = command_line(file, file.limp);
    role.command = version.command;
    role.shell = false;
  }
  if (!role.shell && !find_program(role.command[0])) {
    return make_error(Code::err, "cannot run '" + role.command[0] + "': no such program");
  }
  std::string prompt;
  if (version.prompt) {
    prompt = *version.prompt;
    if (role.prompt.empty()) role.prompt = "prompt";
  } else if (!role.prompt.empty()) {
    auto text = read_prompt(role);
    if (!text) return text.error();
    prompt = std::move(*text);
  }
  // The third part names what of it is the file's: settings, and the half that was not deployed.
  constexpr size_t rest_digits = 8;
  const std::string rest = version_of(role, prompt).substr(0, rest_digits);
  auto made = assemble(role, prompt, std::to_string(version.number) + ":" + version.hash + ":" + rest);
  if (made) made->deployed = version.number;
  return made;
}

Result<ServedRole> RoleRegistry::assemble(const RoleConfig& role, const std::string& prompt,
                                          std::string version) {
  Setup setup;
  setup.version = std::move(version);
  if (!role.prompt.empty()) {
    auto copy = prompts_.keep(prompt, hex_hash(prompt), file_name_of(role.prompt));
    if (!copy) return copy.error();
    setup.prompt = std::move(*copy);
  }
  setup.command = command_line(role, role.command);
  setup.timeout_ms = role.timeout_ms;
  setup.on_freeze = role.on_freeze;
  setup.rules = role.rules;
  if (!role.limp.empty()) {
    Setup limp = setup;
    limp.version = version_of(limping(role), prompt);
    limp.command = command_line(role, role.limp);
    setup.limp = std::make_shared<const Setup>(std::move(limp));
  }
  return ServedRole{std::make_shared<const Setup>(std::move(setup)), role.concurrency, role.needs};
}

// Role by role: one with a fault stays as it was.
bool RoleRegistry::apply(const RunConfig& config, std::vector<std::string>* faults) {
  bool changed = false;
  unusable_ = false;
  std::set<std::string> named;
  for (const RoleConfig& role : config.roles) {
    if (!is_served(role)) continue;
    named.insert(role.name);
    auto made = make(role);
    if (!made) {
      faults->push_back(made.error().text);
      continue;
    }
    const auto known = roles_.find(role.name);
    if (known != roles_.end() && same_versions(*known->second.setup, *made->setup)) {
      made->setup = known->second.setup;
      changed = changed || known->second.concurrency != made->concurrency;
    } else {
      changed = true;
    }
    roles_.insert_or_assign(role.name, std::move(*made));
  }
  changed =
      std::erase_if(roles_, [&](const auto& one) { return named.count(one.first) == 0; }) > 0 || changed;
  return changed;
}

void RoleRegistry::complain(const std::vector<std::string>& faults) {
  std::set<std::string> now(faults.begin(), faults.end());
  for (const std::string& fault : faults) {
    if (standing_.count(fault) == 0) complaints_.push_back(fault);
  }
  standing_ = std::move(now);
}

Status RoleRegistry::open() {
  prompts_.clear();
  watch(config_file_);
  auto config = load_();
  if (!config) return config.error();
  std::vector<std::string> faults = faults_of_names(*config);
  apply(*config, &faults);
  config_ = std::move(*config);
  if (faults.empty()) return {};
  std::string text;
  for (const std::string& fault : faults) text += (text.empty() ? "" : "\n") + fault;
  return make_error(Code::err, text);
}

bool RoleRegistry::deploy(const std::string& role, std::optional<DeployedVersion> version) {
  const int64_t before = deployed(role);
  if (!version && before == 0) return false;
  if (version) {
    deployed_.insert_or_assign(role, std::move(*version));
  } else {
    deployed_.erase(role);
  }
  std::vector<std::string> faults;
  const bool changed = apply(*config_, &faults);
  complain(faults);
  return changed;
}

int64_t RoleRegistry::deployed(const std::string& role) const {
  const auto found = deployed_.find(role);
  return found == deployed_.end() ? 0 : found->second.number;
}

bool RoleRegistry::is_faulty(const std::string& role) const {
  const auto found = deployed_.find(role);
  return found != deployed_.end() && !found->second.fault.empty();
}

bool RoleRegistry::refresh(bool forced) {
  if (!forced && !unusable_ && !files_changed()) return false;
  stamps_.clear();
  watch(config_file_);
  auto config = load_();
  std::vector<std::string> faults;
  if (config) {
    faults = faults_of_names(*config);
    if (faults.empty()) config_ = std::move(*config);
  } else {
    faults.push_back(config.error().text);
  }
  // The prompts are looked at with the old file as well, should the new one be no use.
  const bool changed = apply(*config_, &faults);
  complain(faults);
  return changed;
}

std::vector<std::string> RoleRegistry::take_complaints() {
  std::vector<std::string> complaints;
  complaints.swap(complaints_);
  return complaints;
}

}  // namespace pawl::runner
