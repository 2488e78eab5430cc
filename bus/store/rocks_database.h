// An open database of ours with what it needs to live. Internal to bus/store.
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "bus/store/directory_lock.h"
#include "bus/store/families.h"
#include "bus/store/rocks_store.h"
#include "bus/store/stall_watch.h"
#include "bus/store/wal_proof.h"
#include "bus/store/witness.h"

namespace pawl::store {

struct Database {
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  rocksdb::ColumnFamilyHandle* family(Family which) const { return families[static_cast<size_t>(which)]; }
  // Number of the log that the next batch goes to; 0 when RocksDB cannot say.
  uint64_t current_log() const;

  std::string directory;
  bool read_only = false;
  std::unique_ptr<DirectoryLock> lock;  // falls last
  std::unique_ptr<WalProof> proof;
  std::shared_ptr<StallWatch> stalls;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;  // owned by db; "default" first
  std::array<rocksdb::ColumnFamilyHandle*, family_count> families{};
  core::ChainLink chain;  // as found at opening
  Witness witness;        // as last written
};

std::string database_path(const std::string& directory);

// Everything up to a store that may be used; see open_rocks_store.
Result<std::shared_ptr<Database>> open_database(const RocksOptions& options);

}  // namespace pawl::store
