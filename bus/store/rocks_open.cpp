// Opening: whose directory is it, is anything missing, does the log prove itself.
#include <rocksdb/env.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <set>

#include "bus/base/parse.h"
#include "bus/store/rocks_database.h"
#include "bus/store/rocks_options.h"
#include "bus/store/wal_log.h"
#include "bus/store/wal_repair.h"

namespace pawl::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view format_word = "pawl ";
constexpr int repairs_max = 3;

Error refuse(std::string text) { return make_error(Code::err, std::move(text)); }

std::string format_row_key() {
  std::string key;
  family_key(core::Table::meta, format_key, key);
  return key;
}

// The version that a format row names; nothing when it is none of ours.
std::optional<int64_t> format_of(std::string_view row) {
  if (!row.starts_with(format_word)) return std::nullopt;
  return parse_int(row.substr(format_word.size()));
}

Error not_ours(const std::string& path) {
  return refuse(path + " is a RocksDB database of something else; choose another data directory");
}

Error too_new(const std::string& path, const std::string& format) {
  return refuse(path + " was written by a newer pawl (format " + format + ", this one reads up to " +
                std::to_string(format_version) + "); use that version, or restore an older backup");
}

Status check_format(const std::string& path, std::string_view row) {
  const auto version = format_of(row);
  if (!version || *version < 1) return not_ours(path);
  if (*version > format_version) return too_new(path, std::to_string(*version));
  return {};
}

// Makes DIR, or says why it cannot be one.
Status prepare_directory(const RocksOptions& options) {
  const std::string& directory = options.directory;
  if (directory.empty()) return refuse("the data directory has no name");
  struct stat info{};
  if (::stat(directory.c_str(), &info) == 0) {
    if (!S_ISDIR(info.st_mode)) {
      return refuse(directory + " is not a directory; choose another data directory");
    }
    std::error_code error;
    (void)fs::directory_iterator(directory, error);
    if (error) return refuse("cannot read " + directory + ": " + error.message() + "; check owner and mode");
    if (fs::exists(directory + "/CURRENT", error)) return not_ours(directory);
    return {};
  }
  if (errno != ENOENT) return refuse("cannot look at " + directory + ": " + std::strerror(errno));
  if (options.read_only) return refuse(directory + " does not exist; give the directory of a bus");
  if (::mkdir(directory.c_str(), 0700) != 0) {
    return refuse("cannot create " + directory + ": " + std::strerror(errno));
  }
  const fs::path parent = fs::absolute(directory).lexically_normal().parent_path();
  return sync_directory(parent.string());
}

enum class Shape { fresh, complete };

// A database without rows: what a crash in the middle of creation leaves.
bool is_empty(const RocksOptions& options, const std::vector<std::string>& families) {
  auto settings = database_settings(options);
  std::vector<rocksdb::ColumnFamilyDescriptor> all;
  for (const auto& name : families) all.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  settings.database.create_if_missing = false;
  settings.database.create_missing_column_families = false;
  const auto status = rocksdb::DB::OpenForReadOnly(settings.database, database_path(options.directory), all,
                                                   &handles, &opened);
  if (!status.ok()) return false;
  const std::unique_ptr<rocksdb::DB> db(opened);
  const bool empty = db->GetLatestSequenceNumber() == 0;
  for (auto* handle : handles) (void)db->DestroyColumnFamilyHandle(handle).ok();
  return empty;
}

// The format row of a database whose families are not just ours; empty when there is none.
std::string format_row_of_strange(const RocksOptions& options) {
  auto settings = database_settings(options);
  settings.database.create_if_missing = false;
  settings.database.create_missing_column_families = false;
  const std::vector<rocksdb::ColumnFamilyDescriptor> some(settings.families.begin(),
                                                          settings.families.begin() + 2);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::OpenForReadOnly(settings.database, database_path(options.directory), some,
                                                   &handles, &opened);
  if (!status.ok()) return {};
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::string row;
  if (!db->Get(rocksdb::ReadOptions(), handles[1], format_row_key(), &row).ok()) row.clear();
  for (auto* handle : handles) (void)db->DestroyColumnFamilyHandle(handle).ok();
  return row;
}

Result<Shape> look_without_current(const RocksOptions& options) {
  const std::string path = database_path(options.directory);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const auto extension = entry.path().extension();
    if (extension == ".sst" || (extension == ".log" && entry.file_size(error) > 0)) {
      return refuse(path + " has lost its file CURRENT; restore the directory from a backup");
    }
  }
  if (error) return refuse("cannot read " + path + ": " + error.message() + "; check owner and mode");
  if (options.read_only) return refuse("there is no bus in " + options.directory);
  return Shape::fresh;
}

LogRepair repair_of(const RocksOptions& options) {
  return {.directory = options.directory,
          .database = database_path(options.directory),
          .look_only = options.read_only};
}

Result<std::vector<std::string>> list_families(const RocksOptions& options) {
  const std::string path = database_path(options.directory);
  rocksdb::DBOptions database;
  if (options.env != nullptr) database.env = options.env;
  for (int attempt = 0;; ++attempt) {
    std::vector<std::string> found;
    const auto status = rocksdb::DB::ListColumnFamilies(database, path, &found);
    if (status.ok()) return found;
    const Error error = refuse("cannot read the database in " + path + ": " + status.ToString() +
                               "; restore " + options.directory + " from a backup");
    if (!status.IsCorruption() || attempt > 0) return error;
    const auto repair = repair_manifest(repair_of(options));
    if (!repair.ok()) return repair.error();
    if (!repair->cut) return error;
    if (options.on_repair) options.on_repair(repair->note);
  }
}

// Looks before anything is opened for writing, so that a strange database stays as it was.
Result<Shape> look(const RocksOptions& options) {
  const std::string path = database_path(options.directory);
  std::error_code error;
  if (!fs::exists(path, error)) {
    if (error) return refuse("cannot look at " + path + ": " + error.message());
    if (options.read_only) return refuse("there is no bus in " + options.directory);
    return Shape::fresh;
  }
  if (!fs::is_directory(path, error)) return refuse(path + " is not a directory; move it away");
  if (!fs::exists(path + "/CURRENT", error)) return look_without_current(options);

  const auto families = list_families(options);
  if (!families.ok()) return families.error();
  const std::vector<std::string>& found = *families;
  std::set<std::string> strange(found.begin(), found.end());
  size_t ours = 0;
  for (const auto name : family_names) ours += strange.erase(std::string(name));
  strange.erase(rocksdb::kDefaultColumnFamilyName);
  if (ours == family_count && strange.empty()) return Shape::complete;
  if (strange.empty() && !options.read_only && is_empty(options, found)) return Shape::fresh;
  if (std::find(found.begin(), found.end(), family_name(Family::meta)) != found.end()) {
    const std::string row = format_row_of_strange(options);
    const Status format = check_format(path, row);
    if (!format.ok()) return format.error();
    return refuse(path + " lacks a part of its database; restore the directory from a backup");
  }
  return not_ours(path);
}

rocksdb::Status try_open(const RocksOptions& options, Database& database) {
  auto settings = database_settings(options);
  database.proof = std::make_unique<WalProof>();
  settings.database.wal_filter = database.proof.get();
  rocksdb::DB* opened = nullptr;
  const std::string path = database_path(options.directory);
  const auto status =
      options.read_only
          ? rocksdb::DB::OpenForReadOnly(settings.database, path, settings.families, &database.handles, &opened)
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
    return refuse(log_path(path, number) + " is missing, and with it answered batches; put it back, or restore " +
                  options.directory + " from a backup");
  }
  if (text.find("Size mismatch: WAL") != std::string::npos) {
    return refuse("a log in " + path + " is shorter than when it was written, answered batches are missing (" + text +
                  "); restore " + options.directory + " from a backup");
  }
  if (text.find("lock") != std::string::npos && status.IsIOError()) {
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
  const auto status =
      database.db->Get(rocksdb::ReadOptions(), database.family(Family::meta), key, &row);
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
                  std::to_string(database.chain.sequence) + "; restore " + database.directory + " from a backup");
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
  if (database.db->GetLatestSequenceNumber() != 0) return not_ours(path);
  if (options.read_only) return refuse("there is no bus in " + options.directory);
  status = database.db->Put(durable_write(), database.family(Family::meta), key,
                            std::string(format_word) + std::to_string(format_version));
  if (!status.ok()) return refuse("cannot write to " + path + ": " + status.ToString());
  return sync_directory(options.directory);
}

// From here on the log that RocksDB has just begun must not vanish.
Status renew_witness(const RocksOptions& options, Database& database) {
  rocksdb::Env* env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  std::unique_ptr<rocksdb::Directory> directory;
  auto status = env->NewDirectory(database_path(options.directory), &directory);
  if (status.ok()) status = directory->Fsync();
  if (!status.ok()) return refuse("cannot fsync " + database_path(options.directory) + ": " + status.ToString());
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
