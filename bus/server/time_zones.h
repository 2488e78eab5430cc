// Rules of time zones out of the system's tzdata: the edge where the names of the world become data.
#pragma once

#include <cstdint>
#include <string_view>

#include "bus/base/result.h"
#include "bus/core/zone_rules.h"

namespace pawl::server {

// Nothing, or BADARG with the nearest name that there is; ERR when the system has no tzdata.
Status check_time_zone(std::string_view name);

// From the beginning of the year before `now_ms` (Unix milliseconds) to ten years ahead of it: the same all
// year, as long as tzdata is. Fails as check_time_zone().
Result<core::ZoneRules> time_zone_rules(std::string_view name, int64_t now_ms);

}  // namespace pawl::server
