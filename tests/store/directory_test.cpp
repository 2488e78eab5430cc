// Whose directory is it: creation, locks, strangers, newer formats, reading only.
#include <rocksdb/db.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "bus/store/families.h"
#include "bus/store/rocks_store.h"
#include "tests/store/batch_maker.h"
#include "tests/support/temp_directory.h"

namespace pawl::test {
namespace {

namespace fs = std::filesystem;
using core::Table;

std::string refusal(const std::string& directory, bool read_only = false) {
  store::RocksOptions options;
  options.directory = directory;
  options.read_only = read_only;
  const auto opened = store::open_rocks_store(options);
  REQUIRE_FALSE(opened.ok());
  return opened.error().text;
}

void create(const std::string& directory) {
  store::RocksOptions options;
  options.directory = directory;
  auto opened = store::open_rocks_store(options);
  if (!opened.ok()) FAIL(opened.error().text);
  BatchMaker batches;
  REQUIRE((*opened)->write(batches.put(Table::home, "a", "1").make()).ok());
}

// A database as another program would make it.
class Raw {
 public:
  Raw(const std::string& path, std::vector<std::string> names) {
    rocksdb::DBOptions options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    names.insert(names.begin(), rocksdb::kDefaultColumnFamilyName);
    std::vector<rocksdb::ColumnFamilyDescriptor> all;
    for (const auto& name : names) all.emplace_back(name, rocksdb::ColumnFamilyOptions());
    rocksdb::DB* opened = nullptr;
    const auto status = rocksdb::DB::Open(options, path, all, &handles_, &opened);
    if (!status.ok()) FAIL(status.ToString());
    db_.reset(opened);
  }
  ~Raw() {
    for (auto* handle : handles_) (void)db_->DestroyColumnFamilyHandle(handle).ok();
  }
  void put(size_t family, const std::string& key, const std::string& value) {
    rocksdb::WriteOptions sync;
    sync.sync = true;
    REQUIRE(db_->Put(sync, handles_[family], key, value).ok());
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

std::vector<std::string> our_families() { return {store::family_names.begin(), store::family_names.end()}; }

std::vector<std::string> families_in(const std::string& path) {
  std::vector<std::string> names;
  REQUIRE(rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), path, &names).ok());
  return names;
}

TEST_CASE("a new directory is for its owner only") {
  const TempDirectory directory;
  create(directory / "data");
  struct stat info {};
  REQUIRE(::stat((directory / "data").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  CHECK(fs::exists(directory / "data/LOCK"));
}

TEST_CASE("a second store on a directory is told who holds it") {
  const TempDirectory directory;
  store::RocksOptions options;
  options.directory = directory / "data";
  auto first = store::open_rocks_store(options);
  REQUIRE(first.ok());
  const std::string holder = "(pid " + std::to_string(::getpid()) + ")";
  CHECK_THAT(refusal(options.directory),
             Catch::Contains("another pawl serve holds " + options.directory) && Catch::Contains(holder));
  CHECK_THAT(refusal(options.directory, true), Catch::Contains(holder));
  // A snapshot keeps the directory until it goes.
  auto snapshot = (*first)->snapshot();
  first = make_error(Code::err, "closed");
  CHECK_THAT(refusal(options.directory), Catch::Contains(holder));
  snapshot.reset();
  CHECK(store::open_rocks_store(options).ok());
}

TEST_CASE("paths that cannot be a data directory") {
  const TempDirectory directory;
  std::ofstream(directory / "file") << "text";
  CHECK_THAT(refusal(directory / "file"), Catch::Contains("is not a directory"));
  CHECK_THAT(refusal(directory / "no/such"), Catch::Contains("cannot create"));
  CHECK_THAT(refusal(""), Catch::Contains("no name"));
  fs::create_directory(directory / "data");
  std::ofstream(directory / "data/db") << "text";
  CHECK_THAT(refusal(directory / "data"), Catch::Contains("data/db is not a directory"));
  if (::geteuid() != 0) {  // root may read everything
    fs::create_directory(directory / "shut");
    fs::permissions(directory / "shut", fs::perms::none);
    CHECK_THAT(refusal(directory / "shut"), Catch::Contains("cannot read"));
    fs::permissions(directory / "shut", fs::perms::owner_all);
  }
}

TEST_CASE("other files in the directory do no harm") {
  const TempDirectory directory;
  fs::create_directory(directory / "data");
  std::ofstream(directory / "data/KILL") << "stop";
  std::ofstream(directory / "data/pawl.toml") << "";
  create(directory / "data");
}

TEST_CASE("a database of another program is refused and left as it was") {
  const TempDirectory directory;
  SECTION("in our place") {
    fs::create_directory(directory / "data");
    { Raw(directory / "data/db", {}).put(0, "their", "row"); }
    CHECK_THAT(refusal(directory / "data"), Catch::Contains("something else"));
    CHECK(families_in(directory / "data/db").size() == 1);
  }
  SECTION("with families of its own") {
    fs::create_directory(directory / "data");
    { Raw(directory / "data/db", {"meta", "theirs"}).put(2, "their", "row"); }
    CHECK_THAT(refusal(directory / "data"), Catch::Contains("something else"));
    CHECK(families_in(directory / "data/db").size() == 3);
  }
  SECTION("with families named like ours") {
    fs::create_directory(directory / "data");
    { Raw(directory / "data/db", our_families()).put(1, "their", "row"); }
    CHECK_THAT(refusal(directory / "data"), Catch::Contains("no batch of the bus"));
  }
  SECTION("as the directory itself") {
    { Raw(directory / "data", {}).put(0, "their", "row"); }
    CHECK_THAT(refusal(directory / "data"), Catch::Contains("something else"));
  }
}

TEST_CASE("a newer format is refused") {
  const TempDirectory directory;
  create(directory / "data");
  std::string key;
  store::family_key(Table::meta, store::format_key, key);
  SECTION("by its format row") { Raw(directory / "data/db", our_families()).put(1, key, "pawl 2"); }
  SECTION("with more families") {
    auto names = our_families();
    names.emplace_back("future");
    Raw(directory / "data/db", names).put(1, key, "pawl 2");
  }
  CHECK_THAT(refusal(directory / "data"), Catch::Contains("newer pawl (format 2"));
  CHECK_THAT(refusal(directory / "data", true), Catch::Contains("newer pawl (format 2"));
}

// A batch without rows, as only its chain row shows it.
std::string chain_row(uint64_t sequence, const core::Hash& previous, bool right) {
  core::ChainLink link{.sequence = sequence, .term = 1, .previous = previous, .hash = {}};
  link.hash = core::hash_batch(previous, sequence, link.term, right ? "" : "other rows");
  return core::encode_chain(link);
}

TEST_CASE("a batch that another hand put into the log is refused though its checksum is right") {
  const TempDirectory directory;
  create(directory / "data");
  std::string key;
  store::family_key(Table::meta, core::chain_key, key);
  std::string expected;
  SECTION("with other rows than its hash says") {
    Raw(directory / "data/db", our_families()).put(1, key, chain_row(2, {}, false));
    expected = "batch 2, whose rows do not match its hash";
  }
  SECTION("with a gap before it") {
    Raw raw(directory / "data/db", our_families());
    raw.put(1, key, chain_row(2, {}, true));
    raw.put(1, key, chain_row(5, {}, true));
    expected = "batches 3 to 4 are missing";
  }
  SECTION("with another past") {
    Raw raw(directory / "data/db", our_families());
    raw.put(1, key, chain_row(2, {}, true));
    raw.put(1, key, chain_row(3, {}, true));
    expected = "batch 3, which does not follow batch 2";
  }
  CHECK_THAT(refusal(directory / "data"), Catch::Contains(expected));
}

TEST_CASE("a creation that was interrupted is finished") {
  const TempDirectory directory;
  fs::create_directory(directory / "data");
  { Raw(directory / "data/db", {"meta", "home"}); }
  create(directory / "data");
}

TEST_CASE("a lost CURRENT is not taken for an empty directory") {
  const TempDirectory directory;
  create(directory / "data");
  fs::remove(directory / "data/db/CURRENT");
  CHECK_THAT(refusal(directory / "data"), Catch::Contains("has lost its file CURRENT"));
}

TEST_CASE("reading only changes nothing") {
  const TempDirectory directory;
  CHECK_THAT(refusal(directory / "data", true), Catch::Contains("does not exist"));
  CHECK_FALSE(fs::exists(directory / "data"));
  fs::create_directory(directory / "empty");
  CHECK_THAT(refusal(directory / "empty", true), Catch::Contains("there is no bus in"));
  CHECK_FALSE(fs::exists(directory / "empty/db"));

  create(directory / "data");
  store::RocksOptions options;
  options.directory = directory / "data";
  options.read_only = true;
  auto opened = store::open_rocks_store(options);
  if (!opened.ok()) FAIL(opened.error().text);
  std::string value;
  CHECK((*opened)->get(Table::home, "a", value));
  CHECK(value == "1");
  CHECK((*opened)->chain().sequence == 1);
  CHECK((*opened)->snapshot()->get(Table::home, "a", value));
  BatchMaker batches((*opened)->chain());
  const Status status = (*opened)->write(batches.put(Table::home, "b", "2").make());
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == Code::readonly);
}

}  // namespace
}  // namespace pawl::test
