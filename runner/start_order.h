// Who starts after whom. Pure.
#pragma once

#include <string>
#include <vector>

#include "bus/base/result.h"
#include "runner/daemon_spec.h"

namespace pawl::runner {

// Indexes into `daemons`, each one behind all that it comes after; otherwise in the order given.
// BADARG: an `after` that names nobody (with the nearest name), or a cycle ("a after b after a").
Result<std::vector<size_t>> start_order(const std::vector<DaemonSpec>& daemons);

}  // namespace pawl::runner
