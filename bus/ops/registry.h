// Every part of the ops layer, in the order in which they are told.
#pragma once

#include <memory>

#include "bus/ops/ops.h"

namespace pawl::ops {

std::unique_ptr<Ops> make_ops();

}  // namespace pawl::ops
