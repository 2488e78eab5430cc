// DIR/WITNESS: what the store must at least contain, kept outside of the database, so that a log
// that vanished as a whole is missed. RocksDB itself tracks only logs that it has closed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bus/base/result.h"

namespace pawl::store {

struct Witness {
  uint64_t log = 0;       // a log file with at least this number must exist
  uint64_t sequence = 0;  // the newest batch has at least this sequence
};

// Nothing where there is no such file: a store restored from a backup has none.
Result<std::optional<Witness>> read_witness(const std::string& directory);
// Replaces the file as a whole, durably.
Status write_witness(const std::string& directory, const Witness& witness);

// Makes the names in a directory durable.
Status sync_directory(const std::string& path);

}  // namespace pawl::store
