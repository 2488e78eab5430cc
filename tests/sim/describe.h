// An operation as a person would type it.
#pragma once

#include <string>

#include "bus/core/operation.h"

namespace pawl::sim {

std::string describe(const core::Operation& operation);

}  // namespace pawl::sim
