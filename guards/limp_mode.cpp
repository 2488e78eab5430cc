#include "guards/limp_mode.h"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

#include "bus/base/ids.h"
#include "bus/core/archive.h"

namespace pawl::guards {
namespace {

constexpr std::string_view rows = "breaker/limp:";
constexpr char version_now = 1;

std::string row_of(std::string_view role) { return std::string(rows) += role; }

}  // namespace

bool LimpMode::restore(std::string_view key, std::string_view value) {
  if (!key.starts_with(rows)) return false;
  const std::string_view role = key.substr(rows.size());
  Entry entry;
  bool whole = !value.empty() && value[0] == version_now && well_formed_name(role);
  if (whole) {
    core::RecordReader reader(value.substr(1));
    reader(entry.since_ms, entry.without);
    whole = reader.whole();
  }
  if (!whole) throw std::runtime_error("the row of a role in limp mode is damaged or from a newer pawl");
  roles_.insert_or_assign(std::string(role), std::move(entry));
  return true;
}

bool LimpMode::names(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    if (list.substr(0, end) == name) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

void LimpMode::settle(const GoesWithout& without, std::string_view reason, core::Desk& desk) {
  const int64_t now_ms = desk.clocks().bus_ms;
  std::map<std::string, std::string, std::less<>> now;
  desk.each_role([&](const core::RoleFacts& role) {
    if (std::string list = without(role); !list.empty()) now.emplace(role.name, std::move(list));
  });
  for (auto at = roles_.begin(); at != roles_.end();) {
    if (now.contains(at->first)) {
      ++at;
      continue;
    }
    desk.erase(row_of(at->first));
    desk.chronicle("role.limp", {{"role", at->first},
                                 {"state", "end"},
                                 {"without", at->second.without},
                                 {"reason", std::string(reason)},
                                 {"lasted_ms", std::to_string(now_ms - at->second.since_ms)}});
    at = roles_.erase(at);
  }
  for (auto& [role, list] : now) {
    if (roles_.contains(role)) continue;
    std::string row(1, version_now);
    core::RecordWriter writer(row);
    writer(now_ms, list);
    desk.put(row_of(role), row);
    desk.chronicle("role.limp",
                   {{"role", role}, {"state", "begin"}, {"without", list}, {"reason", std::string(reason)}});
    roles_.emplace(role, Entry{now_ms, std::move(list)});
  }
}

}  // namespace pawl::guards
