// Names, rows and words of the quota breaker, for the guard and for its commands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bus/core/config.h"
#include "guards/quota_account.h"

namespace pawl::guards {

constexpr std::string_view fleet_name = "*";
constexpr std::string_view quota_prefix = "quota/";

inline std::string quota_key(std::string_view name) { return std::string(quota_prefix) + std::string(name); }

// What pawl.toml says of a role, or of the fleet.
const std::vector<core::QuotaConfig>& file_quotas(const core::BusConfig& config, std::string_view name);

// "20000000 micro-dollars per 24h"
std::string cap_text(const core::QuotaConfig& quota);
// Why a claim that needs so much does not fit, and what to do.
std::string shortage_text(std::string_view name, const Account& account, const Cap& cap, uint64_t need,
                          int64_t wall_ms);

}  // namespace pawl::guards
