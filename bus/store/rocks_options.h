// Every setting of RocksDB that we change, with its reason.
#pragma once

#include <rocksdb/db.h>

#include <vector>

#include "bus/store/rocks_store.h"

namespace pawl::store {

struct DatabaseSettings {
  rocksdb::DBOptions database;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;  // "default" first, then ours in Family order
};

DatabaseSettings database_settings(const RocksOptions& options);

// One fsync'ed group.
rocksdb::WriteOptions durable_write();

}  // namespace pawl::store
