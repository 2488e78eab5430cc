#include "bus/server/time_zones.h"

#include <date/tz.h>

#include <chrono>
#include <exception>
#include <string>
#include <vector>

#include "bus/base/parse.h"

namespace pawl::server {
namespace {

using Seconds = date::sys_seconds;
constexpr int years_ahead = 10;

std::string unknown(std::string_view name) {
  std::vector<std::string> names;
  for (const date::time_zone& zone : date::get_tzdb().zones) names.push_back(zone.name());
  const std::string near = nearest_word(name, names);
  const std::string shown(name.substr(0, 64));
  return "time zone '" + shown + "' is not known" +
         (near.empty() ? "; names are like Europe/Berlin or UTC" : "; did you mean " + near + "?");
}

Result<const date::time_zone*> find(std::string_view name) {
  try {
    return date::locate_zone(name);
  } catch (const std::exception&) {
    // No such zone, or no tzdata at all.
  }
  try {
    return make_error(Code::badarg, unknown(name));
  } catch (const std::exception& error) {
    return make_error(
        Code::err, std::string("the system's time zones cannot be read (install tzdata): ") + error.what());
  }
}

Seconds begin_of(date::year year) { return date::sys_days{year / date::January / 1}; }

}  // namespace

Status check_time_zone(std::string_view name) {
  const auto zone = find(name);
  return zone.ok() ? Status() : Status(zone.error());
}

Result<core::ZoneRules> time_zone_rules(std::string_view name, int64_t now_ms) {
  const auto zone = find(name);
  if (!zone.ok()) return zone.error();
  const Seconds now{std::chrono::duration_cast<std::chrono::seconds>(std::chrono::milliseconds(now_ms))};
  const date::year year = date::year_month_day{date::floor<date::days>(now)}.year();
  const Seconds end = begin_of(year + date::years{years_ahead + 1});
  core::ZoneRules rules;
  rules.name = std::string(name);
  try {
    for (Seconds at = begin_of(year - date::years{1}); at < end;) {
      const date::sys_info info = (*zone)->get_info(at);
      const auto offset_s = static_cast<int32_t>(info.offset.count());
      // Where only the name of the time changes, the clock does not.
      if (rules.changes.empty() || rules.changes.back().offset_s != offset_s) {
        rules.changes.push_back({at.time_since_epoch().count(), offset_s});
      }
      if (info.end <= at) break;
      at = info.end;
    }
  } catch (const std::exception& error) {
    return make_error(Code::err, "the rules of time zone " + rules.name + " cannot be read: " + error.what());
  }
  return rules;
}

}  // namespace pawl::server
