// Every guard of the bus, in the order in which they are asked.
#pragma once

#include <memory>

#include "guards/guard_chain.h"

namespace pawl::guards {

std::unique_ptr<GuardChain> make_guard_chain();

}  // namespace pawl::guards
