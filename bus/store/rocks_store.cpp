#include "bus/store/rocks_store.h"

#include <rocksdb/db.h>

#include <atomic>
#include <mutex>

#include "bus/store/rocks_database.h"
#include "bus/store/rocks_options.h"

namespace pawl::store {
namespace {

constexpr size_t write_batch_overhead_bytes = 256;

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

// Reading, for the store and its snapshots alike.
class Reader {
 public:
  Reader(const Database& database, const rocksdb::ReadOptions& options)
      : database_(database), options_(options) {}

  bool get(core::Table table, std::string_view key, std::string& value) const {
    const Family family = family_of(table);
    std::string prefixed;
    if (is_shared(family)) {
      family_key(table, key, prefixed);
      key = prefixed;
    }
    rocksdb::PinnableSlice found;
    const auto status = database_.db->Get(options_, database_.family(family), slice(key), &found);
    if (status.ok()) {
      value.assign(found.data(), found.size());
      return true;
    }
    if (!status.IsNotFound()) failed_.store(true, std::memory_order_release);
    return false;
  }

  void scan(core::Table table, std::string_view from, std::string_view to, const core::RowSink& sink) const {
    const Family family = family_of(table);
    const size_t prefix = is_shared(family) ? 1 : 0;
    std::string first;
    std::string end;
    family_key(table, from, first);
    if (!to.empty()) {
      family_key(table, to, end);
    } else if (prefix != 0) {
      end = static_cast<char>(static_cast<uint8_t>(table) + 1);
    }
    if (!end.empty() && end <= first) return;
    rocksdb::ReadOptions options = options_;
    const rocksdb::Slice bound = slice(end);
    if (!end.empty()) options.iterate_upper_bound = &bound;
    const std::unique_ptr<rocksdb::Iterator> rows(
        database_.db->NewIterator(options, database_.family(family)));
    for (rows->Seek(slice(first)); rows->Valid(); rows->Next()) {
      if (!sink(view(rows->key()).substr(prefix), view(rows->value()))) return;
    }
    if (!rows->status().ok()) failed_.store(true, std::memory_order_release);
  }

  bool failed() const { return failed_.load(std::memory_order_acquire); }

 private:
  const Database& database_;
  rocksdb::ReadOptions options_;
  mutable std::atomic<bool> failed_{false};
};

rocksdb::ReadOptions snapshot_read(const rocksdb::Snapshot* snapshot) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.fill_cache = false;  // one long read must not push out what claims need
  return options;
}

class RocksSnapshot : public core::StateView {
 public:
  explicit RocksSnapshot(std::shared_ptr<const Database> database)
      : database_(std::move(database)),
        snapshot_(database_->db->GetSnapshot()),
        reader_(*database_, snapshot_read(snapshot_)) {}
  ~RocksSnapshot() override { database_->db->ReleaseSnapshot(snapshot_); }

  bool get(core::Table table, std::string_view key, std::string& value) const override {
    return reader_.get(table, key, value);
  }
  void scan(core::Table table, std::string_view from, std::string_view to,
            const core::RowSink& sink) const override {
    reader_.scan(table, from, to, sink);
  }
  bool failed() const override { return reader_.failed(); }

 private:
  std::shared_ptr<const Database> database_;
  const rocksdb::Snapshot* snapshot_;
  Reader reader_;
};

class RocksStore : public Store {
 public:
  explicit RocksStore(std::shared_ptr<Database> database)
      : database_(std::move(database)),
        reader_(*database_, rocksdb::ReadOptions()),
        chain_(database_->chain),
        witness_(database_->witness) {}

  ~RocksStore() override {
    // The witness of a clean end also notices a log that is cut between two batches.
    if (!database_->read_only && !write_failed_ && chain_.sequence > witness_.sequence) {
      witness_.sequence = chain_.sequence;
      (void)write_witness(database_->directory, witness_).ok();
    }
  }

  bool get(core::Table table, std::string_view key, std::string& value) const override {
    return reader_.get(table, key, value);
  }
  void scan(core::Table table, std::string_view from, std::string_view to,
            const core::RowSink& sink) const override {
    reader_.scan(table, from, to, sink);
  }
  bool failed() const override { return reader_.failed(); }

  Status write(const core::Batch& batch) override {
    if (database_->read_only) {
      return make_error(Code::readonly, database_->directory + " is open for reading only");
    }
    if (write_failed_) {
      return make_error(Code::readonly, database_->directory + " failed a write; open the store again");
    }
    const Status status = write_durably(batch);
    if (!status.ok()) {
      write_failed_ = true;
      return status;
    }
    const std::lock_guard guard(chain_mutex_);
    chain_ = batch.link;
    return {};
  }

  std::unique_ptr<core::StateView> snapshot() const override {
    return std::make_unique<RocksSnapshot>(database_);
  }

  core::ChainLink chain() const override {
    const std::lock_guard guard(chain_mutex_);
    return chain_;
  }

  bool writes_are_delayed() const { return database_->stalls->delayed(); }

 private:
  Status write_durably(const core::Batch& batch) {
    rocksdb::WriteBatch rows(batch.rows.size() + batch.row_count * 4 + write_batch_overhead_bytes);
    std::string stored;
    bool accepted = true;
    const bool whole =
        batch.for_each([&](core::Table table, std::string_view key, std::optional<std::string_view> value) {
          family_key(table, key, stored);
          auto* family = database_->family(family_of(table));
          const auto status =
              value ? rows.Put(family, slice(stored), slice(*value)) : rows.Delete(family, slice(stored));
          accepted = accepted && status.ok();
        });
    PAWL_CHECK(whole);  // a batch is made by our own encoder
    PAWL_CHECK(accepted);
    const auto status = database_->db->Write(durable_write(), &rows);
    if (!status.ok()) {
      return make_error(Code::readonly, "writing to " + database_path(database_->directory) + " failed: " +
                                            status.ToString() + "; the store must be opened again");
    }
    return move_witness();
  }

  // A new log begins about once every 64 MiB; from the first answer that rests on it, its loss must
  // be noticed.
  Status move_witness() {
    if (!database_->stalls->take_log_change()) return {};
    const uint64_t log = database_->current_log();
    if (log <= witness_.log) return {};
    witness_.log = log;
    return write_witness(database_->directory, witness_);
  }

  const std::shared_ptr<Database> database_;
  Reader reader_;
  mutable std::mutex chain_mutex_;  // write() and chain() may be on two threads
  core::ChainLink chain_;
  Witness witness_;
  bool write_failed_ = false;
};

}  // namespace

Database::~Database() {
  if (!db) return;
  for (auto* handle : handles) (void)db->DestroyColumnFamilyHandle(handle).ok();
  (void)db->Close().ok();
}

uint64_t Database::current_log() const {
  std::unique_ptr<rocksdb::LogFile> log;
  return db->GetCurrentWalFile(&log).ok() && log ? log->LogNumber() : 0;
}

std::string database_path(const std::string& directory) { return directory + "/db"; }

bool writes_are_delayed(const Store& store) {
  const auto* rocks = dynamic_cast<const RocksStore*>(&store);
  return rocks != nullptr && rocks->writes_are_delayed();
}

Result<std::unique_ptr<Store>> open_rocks_store(const RocksOptions& options) {
  auto database = open_database(options);
  if (!database.ok()) return database.error();
  return std::unique_ptr<Store>(std::make_unique<RocksStore>(std::move(*database)));
}

}  // namespace pawl::store
