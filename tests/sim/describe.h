// An operation as a person would type it, and the settings that it meets.
#pragma once

#include <string>

#include "bus/core/operation.h"

namespace pawl::sim {

std::string describe(const core::Operation& operation);
// The settings of a role, and those of the guards, that a reader of a trace needs.
std::string describe(const core::RoleConfig& role);
std::string describe(const core::BusConfig& config);

}  // namespace pawl::sim
