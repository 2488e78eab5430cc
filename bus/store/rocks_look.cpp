#include "bus/store/rocks_look.h"

#include <rocksdb/db.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "bus/base/parse.h"
#include "bus/store/families.h"
#include "bus/store/rocks_database.h"
#include "bus/store/rocks_options.h"

namespace pawl::store {
namespace {

namespace fs = std::filesystem;

Error refuse(std::string text) { return make_error(Code::err, std::move(text)); }

constexpr std::string_view format_word = "pawl ";

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

}  // namespace

std::string format_row_key() {
  std::string key;
  family_key(core::Table::meta, format_key, key);
  return key;
}

std::string format_row() { return std::string(format_word) + std::to_string(format_version); }

Status check_format(const std::string& path, std::string_view row) {
  const auto version = format_of(row);
  if (!version || *version < 1) return not_ours(path);
  if (*version > format_version) return too_new(path, std::to_string(*version));
  return {};
}

LogRepair repair_of(const RocksOptions& options) {
  return {.directory = options.directory,
          .database = database_path(options.directory),
          .look_only = options.read_only};
}

Status prepare_directory(const RocksOptions& options) {
  const std::string& directory = options.directory;
  if (directory.empty()) return refuse("the data directory has no name");
  struct stat info {};
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

}  // namespace pawl::store
