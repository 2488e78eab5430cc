// Opening: is anything missing, does the log prove itself.
#include <rocksdb/env.h>

#include <algorithm>
#include <charconv>

#include "bus/store/rocks_database.h"
#include "bus/store/rocks_look.h"
#include "bus/store/rocks_options.h"
#include "bus/store/wal_log.h"

namespace pawl::store {
namespace {

constexpr int repairs_max = 3;

Error refuse(std::string text) { return make_error(Code::err, std::move(text)); }

rocksdb::Status try_open(const RocksOptions& options, Database& database) {
  auto settings = database_settings(options);
  database.proof = std::make_unique<WalProof>();
  settings.database.wal_filter = database.proof.get();
  database.stalls = std::make_shared<StallWatch>();
  settings.database.listeners.push_back(database.stalls);
  rocksdb::DB* opened = nullptr;
  const std::string path = database_path(options.directory);
  const auto status =
      options.read_only
          ? rocksdb::DB::OpenForReadOnly(settings.database, path, settings.families, &database.handles,
                                         &opened)
          : rocksdb::DB::Open(settings.database, path, settings.families, &database.handles, &opened);
  database.db.reset(opened);
  if (!status.ok()) return status;
  std::copy(database.handles.begin() + 1, database.handles.end(), database.families.begin());
  return status;
}

// RocksDB's refusals in our words, where we know what they mean.
Error explain(const RocksOptions& options, const rocksdb::Status& status, const std::string& problem) {
  const std::string path = database_path(options.directory);
  const std::string text = status.ToString();
  const std::string_view missing = "Missing WAL with log number: ";
  if (const size_t at = text.find(missing); at != std::string::npos) {
    uint64_t number = 0;
    std::from_chars(text.data() + at + missing.size(), text.data() + text.size(), number);
    return refuse(log_path(path, number) +
                  " is missing, and with it answered batches; put it back, or restore " + options.directory +
                  " from a backup");
  }
  if (text.find("Size mismatch: WAL") != std::string::npos) {
    return refuse("a log in " + path +
                  " is shorter than when it was written, answered batches are missing (" + text +
                  "); restore " + options.directory + " from a backup");
  }
  if (text.find("db/LOCK") != std::string::npos && status.IsIOError()) {
    return refuse("another program has " + path + " open (" + text + "); stop it");
  }
  return refuse("cannot open the database in " + path + ": " + (problem.empty() ? text : problem));
}

// Opens, cutting a torn tail where nothing answered can be in it.
Status open_with_proof(const RocksOptions& options, Database& database) {
  for (int attempt = 0;; ++attempt) {
    const auto status = try_open(options, database);
    if (status.ok()) return {};
    const bool damaged = status.IsCorruption() && database.proof->began();
    if (!damaged || attempt == repairs_max) return explain(options, status, database.proof->problem());
    const auto repair = repair_log(repair_of(options));
    if (!repair.ok()) return repair.error();
    if (!repair->cut) return explain(options, status, database.proof->problem());
    if (options.on_repair) options.on_repair(repair->note);
  }
}

Status check_witness_log(const RocksOptions& options, const Witness& witness) {
  const std::string path = database_path(options.directory);
  const auto logs = log_numbers(path);
  if (!logs.ok()) return logs.error();
  if (!logs->empty() && logs->back() >= witness.log) return {};
  return refuse(log_path(path, witness.log) + " is missing, and with it answered batches from sequence " +
                std::to_string(witness.sequence + 1) + " on; put it back, or restore " + options.directory +
                " from a backup");
}

// The chain row, and that it is the newest batch of the log and no older than the witness.
Status check_chain(Database& database, const std::optional<Witness>& witness) {
  std::string key;
  std::string row;
  family_key(core::Table::meta, core::chain_key, key);
  const auto status = database.db->Get(rocksdb::ReadOptions(), database.family(Family::meta), key, &row);
  if (!status.ok() && !status.IsNotFound()) return refuse("cannot read the chain row: " + status.ToString());
  if (status.ok()) {
    const auto link = core::decode_chain(row);
    if (!link) return refuse("the chain row in " + database_path(database.directory) + " is unreadable");
    database.chain = *link;
  }
  const auto& replayed = database.proof->last();
  if (replayed && *replayed != database.chain) {
    return refuse("the log in " + database_path(database.directory) + " ends with batch " +
                  std::to_string(replayed->sequence) + " but the tables hold batch " +
                  std::to_string(database.chain.sequence) + "; restore " + database.directory +
                  " from a backup");
  }
  if (witness && database.chain.sequence < witness->sequence) {
    return refuse(database.directory + " lacks the answered batches " +
                  std::to_string(database.chain.sequence + 1) + " to " + std::to_string(witness->sequence) +
                  " and perhaps later ones; restore it from a backup");
  }
  return {};
}

Status check_or_write_format(const RocksOptions& options, const Database& database) {
  const std::string path = database_path(options.directory);
  std::string row;
  const std::string key = format_row_key();
  auto status = database.db->Get(rocksdb::ReadOptions(), database.family(Family::meta), key, &row);
  if (status.ok()) return check_format(path, row);
  if (!status.IsNotFound()) return refuse("cannot read " + path + ": " + status.ToString());
  if (database.db->GetLatestSequenceNumber() != 0) return check_format(path, {});
  if (options.read_only) return refuse("there is no bus in " + options.directory);
  status = database.db->Put(durable_write(), database.family(Family::meta), key, format_row());
  if (!status.ok()) return refuse("cannot write to " + path + ": " + status.ToString());
  return sync_directory(options.directory);
}

// From here on the log that RocksDB has just begun must not vanish.
Status renew_witness(const RocksOptions& options, Database& database) {
  rocksdb::Env* env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  std::unique_ptr<rocksdb::Directory> directory;
  auto status = env->NewDirectory(database_path(options.directory), &directory);
  if (status.ok()) status = directory->Fsync();
  if (!status.ok())
    return refuse("cannot fsync " + database_path(options.directory) + ": " + status.ToString());
  database.witness = {.log = database.current_log(), .sequence = database.chain.sequence};
  return write_witness(options.directory, database.witness);
}

}  // namespace

Result<std::shared_ptr<Database>> open_database(const RocksOptions& options) {
  if (const Status made = prepare_directory(options); !made.ok()) return made.error();
  auto database = std::make_shared<Database>();
  database->directory = options.directory;
  database->read_only = options.read_only;
  auto lock = DirectoryLock::take(options.directory, options.read_only);
  if (!lock.ok()) return lock.error();
  database->lock = std::move(*lock);

  const auto shape = look(options);
  if (!shape.ok()) return shape.error();
  std::optional<Witness> witness;
  if (*shape == Shape::complete) {
    auto read = read_witness(options.directory);
    if (!read.ok()) return read.error();
    witness = *read;
    if (witness) {
      if (const Status there = check_witness_log(options, *witness); !there.ok()) return there.error();
    }
    if (const Status seen = refuse_hidden_batches(repair_of(options)); !seen.ok()) return seen.error();
  }
  if (const Status opened = open_with_proof(options, *database); !opened.ok()) return opened.error();
  if (const Status format = check_or_write_format(options, *database); !format.ok()) return format.error();
  if (const Status chain = check_chain(*database, witness); !chain.ok()) return chain.error();
  if (!options.read_only) {
    if (const Status renewed = renew_witness(options, *database); !renewed.ok()) return renewed.error();
  }
  return database;
}

}  // namespace pawl::store
