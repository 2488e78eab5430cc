#include "bus/store/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <cstdarg>
#include <memory>

#include "bus/store/families.h"
#include "bus/store/prepared_log.h"

namespace pawl::store {
namespace {

constexpr uint64_t wal_bytes_max = uint64_t{64} << 20;  // replays in under a second, small rows as well
constexpr size_t deletion_window = 8192;
constexpr size_t deletion_trigger = 4096;
constexpr double deletion_ratio = 0.5;
constexpr double bloom_bits_per_key = 10;
constexpr size_t lane_bytes = 5;  // of a birth key: role and lane
constexpr uint64_t rewrite_seconds = 3 * 24 * 3600;

// RocksDB's own diary says nothing that our errors do not, and on a full disk the assertions of Debian's
// build stop the process over a line of it that could not be written.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions for_database(const RocksOptions& options) {
  rocksdb::DBOptions db;
  db.env = options.env != nullptr ? options.env : prepared_log_env();
  db.create_if_missing = !options.read_only;
  db.create_missing_column_families = !options.read_only;

  // The log: what an answered batch rests on.
  db.track_and_verify_wals_in_manifest = true;
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.recycle_log_file_num = 0;
  db.manual_wal_flush = false;
  db.wal_bytes_per_sync = 0;
  db.wal_compression = rocksdb::kNoCompression;
  db.max_total_wal_size = wal_bytes_max;
  // Replayed rows go to table files at once: after a failed fsync the log's bytes may exist only in
  // the page cache, and the next crash would take them although we have served them since.
  db.avoid_flush_during_recovery = false;
  db.allow_mmap_writes = false;

  // One writer: nothing to merge, nothing to hand over.
  db.enable_pipelined_write = false;
  db.unordered_write = false;
  db.two_write_queues = false;
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;

  // A failed write is never papered over: the owner throws the store away and opens it again.
  db.max_bgerror_resume_count = 0;
  db.paranoid_checks = true;

  // 7.8 can order updates wrongly after a failed flush with eight jobs and three buffers.
  db.max_background_jobs = 3;
  db.db_write_buffer_size = options.write_buffer_bytes;
  db.max_open_files = 512;
  // The default starts 15 threads a family at every opening; a file takes a fraction of a millisecond.
  db.max_file_opening_threads = 1;
  db.skip_stats_update_on_db_open = true;
  db.bytes_per_sync = uint64_t{1} << 20;
  db.avoid_unnecessary_blocking_io = true;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.info_log = std::make_shared<NoLog>();
  return db;
}

rocksdb::ColumnFamilyOptions for_family(Family family, const std::shared_ptr<rocksdb::Cache>& cache,
                                        const RocksOptions& options) {
  rocksdb::ColumnFamilyOptions out;
  out.write_buffer_size = options.write_buffer_bytes / 2;
  out.max_write_buffer_number = 2;
  out.level_compaction_dynamic_level_bytes = true;
  out.target_file_size_base = uint64_t{32} << 20;
  out.max_bytes_for_level_base = uint64_t{128} << 20;
  // The first two levels are rewritten soon; compressing them costs more than it saves.
  out.compression_per_level = {rocksdb::kNoCompression,  rocksdb::kNoCompression,  rocksdb::kLZ4Compression,
                               rocksdb::kLZ4Compression, rocksdb::kLZ4Compression, rocksdb::kLZ4Compression,
                               rocksdb::kLZ4Compression};

  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = size_t{8} << 10;
  table.format_version = 5;
  // Inside the cache, so that a backlog of millions cannot grow memory through its indexes.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  if (family != Family::chronicle) {  // that one is only ever scanned
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(bloom_bits_per_key));
    table.whole_key_filtering = true;
  }
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  // Most reads of these ask for what is not there.
  if (family == Family::life || family == Family::index) {
    out.memtable_prefix_bloom_size_ratio = 0.02;
    out.memtable_whole_key_filtering = true;
  }
  // Claims and acknowledgements write near where the batch before wrote in the same lane.
  if (family == Family::life || family == Family::home) {
    out.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(lane_bytes));
  }
  // Rows of every family come and go; what is deleted must not be stepped over for long.
  out.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(deletion_window, deletion_trigger, deletion_ratio));
  out.periodic_compaction_seconds = rewrite_seconds;
  return out;
}

}  // namespace

DatabaseSettings database_settings(const RocksOptions& options) {
  DatabaseSettings settings;
  settings.database = for_database(options);
  rocksdb::LRUCacheOptions cache;
  cache.capacity = options.block_cache_bytes;
  cache.high_pri_pool_ratio = 0.5;
  const std::shared_ptr<rocksdb::Cache> shared = rocksdb::NewLRUCache(cache);
  // RocksDB insists on a family "default"; we keep it empty.
  settings.families.emplace_back(rocksdb::kDefaultColumnFamilyName,
                                 for_family(Family::meta, shared, options));
  for (size_t i = 0; i < family_count; ++i) {
    const auto family = static_cast<Family>(i);
    settings.families.emplace_back(std::string(family_name(family)), for_family(family, shared, options));
  }
  return settings;
}

rocksdb::WriteOptions durable_write() {
  rocksdb::WriteOptions write;
  write.sync = true;
  write.disableWAL = false;
  return write;
}

}  // namespace pawl::store
