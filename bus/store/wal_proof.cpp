#include "bus/store/wal_proof.h"

#include "bus/store/families.h"
#include "bus/store/rocks_store.h"

namespace pawl::store {
namespace {

std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// Puts the rows of a record back into our encoding.
class RowReader : public rocksdb::WriteBatch::Handler {
 public:
  rocksdb::Status PutCF(uint32_t id, const rocksdb::Slice& key, const rocksdb::Slice& value) override {
    return row(id, view(key), view(value));
  }
  rocksdb::Status DeleteCF(uint32_t id, const rocksdb::Slice& key) override {
    return row(id, view(key), std::nullopt);
  }

  std::string rows;
  size_t row_count = 0;
  std::string chain;  // the chain row's value; it is the last row
  bool format = false;

 private:
  rocksdb::Status row(uint32_t id, std::string_view stored, std::optional<std::string_view> value) {
    // RocksDB numbers families in the order of their creation, from "default", 0, on.
    if (id < 1 || id > family_count) return rocksdb::Status::Corruption("no family of ours");
    const auto key = table_key(static_cast<Family>(id - 1), stored);
    if (!key || !chain.empty()) return rocksdb::Status::Corruption("no row of ours");
    if (key->table == core::Table::meta && value && key->key == core::chain_key) {
      chain = *value;
    } else if (key->table == core::Table::meta && value && key->key == format_key) {
      format = true;
    } else {
      core::append_row(rows, key->table, key->key, value);
      ++row_count;
    }
    return rocksdb::Status::OK();
  }
};

}  // namespace

WalRecord read_wal_record(const rocksdb::WriteBatch& record) {
  RowReader reader;
  WalRecord out;
  if (!record.Iterate(&reader).ok()) return out;
  if (reader.chain.empty()) {
    if (reader.format && reader.row_count == 0) out.kind = WalRecord::Kind::format;
    return out;
  }
  const auto link = core::decode_chain(reader.chain);
  if (!link) {
    out.kind = WalRecord::Kind::newer;
    return out;
  }
  out.link = *link;
  const bool whole = core::hash_batch(link->previous, link->sequence, link->term, reader.rows) == link->hash;
  out.kind = whole && !reader.format ? WalRecord::Kind::batch : WalRecord::Kind::forged;
  return out;
}

std::string chain_break(const std::optional<core::ChainLink>& last, const WalRecord& next) {
  switch (next.kind) {
    case WalRecord::Kind::format:
      return {};
    case WalRecord::Kind::foreign:
      return "a record that is no batch of the bus";
    case WalRecord::Kind::newer:
      return "a batch written by a newer pawl (use that version)";
    case WalRecord::Kind::forged:
      return "batch " + std::to_string(next.link.sequence) + ", whose rows do not match its hash";
    case WalRecord::Kind::batch:
      break;
  }
  if (!last || (next.link.sequence == last->sequence + 1 && next.link.previous == last->hash)) return {};
  return "batch " + std::to_string(next.link.sequence) + ", which does not follow batch " +
         std::to_string(last->sequence);
}

rocksdb::WalFilter::WalProcessingOption WalProof::LogRecordFound(unsigned long long /*log_number*/,
                                                                 const std::string& file,
                                                                 const rocksdb::WriteBatch& batch,
                                                                 rocksdb::WriteBatch* /*changed*/,
                                                                 bool* /*has_changed*/) {
  const WalRecord record = read_wal_record(batch);
  const std::string broken = chain_break(last_, record);
  if (!broken.empty()) {
    problem_ = file + " holds " + broken;
    return WalProcessingOption::kCorruptedRecord;
  }
  if (record.kind == WalRecord::Kind::batch) last_ = record.link;
  return WalProcessingOption::kContinueProcessing;
}

}  // namespace pawl::store
