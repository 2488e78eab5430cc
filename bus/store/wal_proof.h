// Proves that what the write-ahead log replays is our chain of batches: each whole, each with the
// hash that it had when it was written, none missing in between.
#pragma once

#include <rocksdb/wal_filter.h>
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <optional>
#include <string>

#include "bus/core/batch.h"

namespace pawl::store {

// What a log record turned out to be.
struct WalRecord {
  enum class Kind : uint8_t {
    batch,    // one of ours, and its hash is right
    format,   // the format row, written once at creation
    forged,   // names itself a batch of ours, but its rows do not give its hash
    newer,    // its chain row is of a version that this program does not know
    foreign,  // none of the above
  };
  Kind kind = Kind::foreign;
  core::ChainLink link;  // of batch and forged
};

WalRecord read_wal_record(const rocksdb::WriteBatch& record);

// Called by RocksDB at opening with every record that it is about to replay, oldest first.
class WalProof : public rocksdb::WalFilter {
 public:
  void ColumnFamilyLogNumberMap(const std::map<uint32_t, uint64_t>& /*log_numbers*/,
                                const std::map<std::string, uint32_t>& /*names*/) override {
    began_ = true;
  }
  WalProcessingOption LogRecordFound(unsigned long long log_number, const std::string& file,
                                     const rocksdb::WriteBatch& batch, rocksdb::WriteBatch* changed,
                                     bool* has_changed) override;
  const char* Name() const override { return "pawl.wal_proof"; }

  bool began() const { return began_; }  // false: opening failed before it came to the log
  const std::optional<core::ChainLink>& last() const { return last_; }  // newest batch replayed
  const std::string& problem() const { return problem_; }  // why a record was refused; empty: none was

 private:
  bool began_ = false;
  std::optional<core::ChainLink> last_;
  std::string problem_;
};

// Why `next` cannot follow `last`; empty when it can. A missing `last` is followed by anything whole.
std::string chain_break(const std::optional<core::ChainLink>& last, const WalRecord& next);

}  // namespace pawl::store
