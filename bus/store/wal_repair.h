// Cuts a torn tail off the write-ahead log, where it is proven that no whole batch lies behind it.
#pragma once

#include <cstdint>
#include <string>

#include "bus/base/result.h"
#include "bus/store/wal_log.h"
#include "bus/store/wal_proof.h"

namespace pawl::store {

struct LogRepair {
  std::string directory;  // copies go to DIR/damaged
  std::string database;   // where the logs are; the database must be closed
  uint64_t first_log = 0;
  FamilyIds families;
  bool look_only = false;
};

struct LogRepaired {
  bool cut = false;  // false: the logs are sound, the trouble is elsewhere
  std::string note;  // one sentence: what was cut and where the copy is
};

// An Error: whole batches lie behind the damage, so that cutting would lose answered ones; or the
// copy could not be made. Then nothing has been changed.
Result<LogRepaired> repair_log(const LogRepair& what);

}  // namespace pawl::store
