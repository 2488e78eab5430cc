// The proof's part about deployed versions: each row is of a version that its role keeps, and whole.
#include <algorithm>
#include <optional>

#include "bus/core/keys.h"
#include "bus/core/records.h"
#include "bus/core/verify.h"

namespace pawl::core {
namespace {

constexpr size_t role_bytes = 4;
constexpr size_t version_bytes = role_bytes + 8;

// Whether the rows of a version are there and agree.
bool is_whole_version(const StateView& view, uint32_t role, uint64_t version) {
  std::string row;
  if (!view.get(Table::deploy, keys::deploy(role, version), row)) return false;
  const auto record = decode<DeployRecord>(row);
  std::string prompt;
  const bool has_prompt = view.get(Table::deploy, keys::deploy_prompt(role, version), prompt);
  return record && record->number == version && record->has_prompt == has_prompt &&
         record->prompt_bytes == prompt.size();
}

}  // namespace

uint64_t verify_deployed(const StateView& view, const std::map<uint32_t, const RoleRecord*>& roles,
                         const std::function<void(std::string)>& problem) {
  uint64_t rows = 0;
  std::map<uint32_t, DeployLog> logs;
  view.scan(Table::deploy, "", "", [&](std::string_view key, std::string_view value) {
    ++rows;
    const auto number = key.size() < role_bytes
                            ? 0
                            : static_cast<uint32_t>(keys::read_be(key, 0, static_cast<int>(role_bytes)));
    const auto role = roles.find(number);
    if (role == roles.end() || role->second->dropped) {
      problem("versions of no role");
    } else if (key.size() == role_bytes) {
      auto log = decode<DeployLog>(value);
      if (!log) problem(role->second->name + ": a damaged list of its versions");
      if (log) logs[number] = *std::move(log);
    } else if (const auto& kept = logs[number].kept;
               key.size() < version_bytes ||
               !std::binary_search(kept.begin(), kept.end(), keys::read_be(key, role_bytes, 8))) {
      problem(role->second->name + ": a row of a version that is not kept");
    }
    return true;
  });
  for (const auto& [number, role] : roles) {
    const std::vector<uint64_t>& kept = logs[number].kept;
    for (const uint64_t version : kept) {
      if (!is_whole_version(view, number, version)) {
        problem(role->name + ": version " + std::to_string(version) + " is missing or damaged");
      }
    }
    if (role->deployed != 0 && !std::binary_search(kept.begin(), kept.end(), role->deployed)) {
      problem(role->name + ": runs version " + std::to_string(role->deployed) + ", which is not there");
    }
  }
  return rows;
}

}  // namespace pawl::core
