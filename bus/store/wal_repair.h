// Cuts a torn tail off the write-ahead log, where it is proven that no whole batch lies behind it.
#pragma once

#include <string>

#include "bus/base/result.h"

namespace pawl::store {

struct LogRepair {
  std::string directory;  // copies go to DIR/damaged
  std::string database;   // where the logs are; the database must be closed
  bool look_only = false;
};

struct LogRepaired {
  bool cut = false;  // false: the logs are sound, the trouble is elsewhere
  std::string note;  // one sentence: what was cut and where the copy is
};

// For when RocksDB refused the log. An Error: whole batches lie behind the damage, so that cutting
// would lose answered ones; or the copy could not be made. Then nothing has been changed.
Result<LogRepaired> repair_log(const LogRepair& what);

// For before RocksDB opens: it takes a zeroed record for the end of what was written and skips the
// rest of its block without a word. An Error when batches lie behind such a place.
Status refuse_hidden_batches(const LogRepair& what);

// The same as repair_log for the list of the database's files, which has the same layout as a log:
// cuts a torn last entry, which RocksDB does not rely on before it is synced.
Result<LogRepaired> repair_manifest(const LogRepair& what);

}  // namespace pawl::store
