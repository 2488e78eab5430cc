// Directories that are not what they were: torn, cut, robbed of a log.
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "bus/store/rocks_store.h"
#include "bus/store/wal_log.h"
#include "tests/store/batch_maker.h"
#include "tests/support/faulty_env.h"
#include "tests/support/temp_directory.h"

namespace pawl::test {
namespace {

namespace fs = std::filesystem;
using core::Table;

constexpr size_t row_bytes = 3000;

// What a loss of power leaves after ten batches in one log, or after 200 in several.
class Crashed {
 public:
  explicit Crashed(bool many_logs = false) {
    FaultyDisk disk;
    store::RocksOptions options;
    options.directory = path();
    options.env = disk.env();
    if (many_logs) options.write_buffer_bytes = size_t{512} << 10;
    {
      auto opened = store::open_rocks_store(options);
      REQUIRE(opened.ok());
      BatchMaker batches;
      // A row that nothing flushes keeps every later log alive.
      REQUIRE((*opened)->write(batches.put(Table::life, "pin", "1").make()).ok());
      const int count = many_logs ? 199 : 9;
      for (int i = 0; i < count; ++i) {
        batches.put(Table::home, "k" + std::to_string(i),
                    std::string(row_bytes, static_cast<char>('a' + i % 26)));
        REQUIRE((*opened)->write(batches.make()).ok());
      }
      newest_ = (*opened)->chain().sequence;
      disk.cut_power();
      // Takes the chance to note a clean end away from the store.
      REQUIRE_FALSE((*opened)->write(batches.make()).ok());
    }
    disk.lose_power(Tail::drop, 1);
  }

  std::string path() const { return directory_ / "data"; }
  uint64_t newest() const { return newest_; }
  std::vector<std::string> logs() const {
    std::vector<std::string> paths;
    const auto numbers = store::log_numbers(path() + "/db");
    REQUIRE(numbers.ok());
    for (const uint64_t number : *numbers) paths.push_back(store::log_path(path() + "/db", number));
    return paths;
  }

  Result<std::unique_ptr<store::Store>> open(bool read_only = false) {
    store::RocksOptions options;
    options.directory = path();
    options.read_only = read_only;
    options.on_repair = [this](const std::string& note) { notes.push_back(note); };
    return store::open_rocks_store(options);
  }
  std::vector<std::string> notes;

 private:
  TempDirectory directory_;
  uint64_t newest_ = 0;
};

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void zero(const std::string& path, size_t from, size_t count) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(from));
  const std::string zeros(count, '\0');
  file.write(zeros.data(), static_cast<std::streamsize>(zeros.size()));
}

// Where each record of a log ends.
std::vector<size_t> record_ends(const std::string& path) {
  const std::string bytes = read_all(path);
  store::LogReader reader(bytes);
  std::vector<size_t> ends;
  while (reader.next()) ends.push_back(reader.sound_bytes());
  REQUIRE_FALSE(reader.damaged());
  return ends;
}

std::string refusal(Crashed& crashed, bool read_only = false) {
  const auto opened = crashed.open(read_only);
  REQUIRE_FALSE(opened.ok());
  return opened.error().text;
}

TEST_CASE("our reader finds in a log what RocksDB wrote") {
  const Crashed crashed;
  REQUIRE(crashed.logs().size() == 1);
  const auto ends = record_ends(crashed.logs()[0]);
  CHECK(ends.size() == 11);  // the format row and ten batches
  CHECK(ends.back() == fs::file_size(crashed.logs()[0]));
}

TEST_CASE("an untouched copy opens with everything") {
  const bool many_logs = GENERATE(false, true);
  Crashed crashed(many_logs);
  const auto opened = crashed.open();
  if (!opened.ok()) FAIL(opened.error().text);
  CHECK((*opened)->chain().sequence == crashed.newest());
  CHECK(crashed.notes.empty());
}

TEST_CASE("a last record that was cut short is dropped") {
  Crashed crashed;
  const std::string log = crashed.logs()[0];
  const auto ends = record_ends(log);
  const size_t last = ends[ends.size() - 2];
  const size_t size = GENERATE_COPY(last + 1, last + 6, last + 7, last + 100, ends.back() - 1);
  fs::resize_file(log, size);
  const auto opened = crashed.open();
  if (!opened.ok()) FAIL(opened.error().text);
  CHECK((*opened)->chain().sequence == crashed.newest() - 1);
}

TEST_CASE("a zeroed stretch in the last record is cut, and a copy of the log is kept") {
  Crashed crashed;
  const std::string log = crashed.logs()[0];
  const auto ends = record_ends(log);
  const size_t last = ends[ends.size() - 2];
  zero(log, last + 200, 700);
  const std::string damaged = read_all(log);

  CHECK_THAT(refusal(crashed, true), Catch::Contains("torn tail") && Catch::Contains("pawl serve"));
  CHECK(read_all(log) == damaged);  // looking changes nothing

  auto opened = crashed.open();
  if (!opened.ok()) FAIL(opened.error().text);
  CHECK((*opened)->chain().sequence == crashed.newest() - 1);
  REQUIRE(crashed.notes.size() == 1);
  CHECK_THAT(crashed.notes[0], Catch::Contains("after batch 9") && Catch::Contains("damaged/"));
  const std::string copy = crashed.path() + "/damaged/" + fs::path(log).filename().string() + ".1";
  CHECK(read_all(copy) == damaged);
  // It goes on from there, and the next opening is clean.
  BatchMaker batches((*opened)->chain());
  REQUIRE((*opened)->write(batches.put(Table::home, "new", "1").make()).ok());
  opened = make_error(Code::err, "closed");
  opened = crashed.open();
  REQUIRE(opened.ok());
  CHECK((*opened)->chain().sequence == crashed.newest());
  CHECK(crashed.notes.size() == 1);
}

void append_zeros(const std::string& path, size_t count) { zero(path, fs::file_size(path), count); }

TEST_CASE("zeros behind the last record of a log are its end") {
  const size_t count = GENERATE(1, 6, 7, 4096, 100'000, 4 << 20);
  CAPTURE(count);
  Crashed crashed;
  append_zeros(crashed.logs()[0], count);
  CHECK(record_ends(crashed.logs()[0]).size() == 11);
  if (count > 7) CHECK(store::is_plain_log(crashed.logs()[0]).value());
  const auto opened = crashed.open();
  REQUIRE(opened.ok());
  CHECK((*opened)->chain().sequence == crashed.newest());
  CHECK(crashed.notes.empty());
}

TEST_CASE("zeros behind the last record of an earlier log are its end") {
  Crashed crashed(true);
  for (const std::string& log : crashed.logs()) append_zeros(log, 50'000);
  const auto opened = crashed.open();
  REQUIRE(opened.ok());
  CHECK((*opened)->chain().sequence == crashed.newest());
  CHECK(crashed.notes.empty());
}

TEST_CASE("a torn record with zeros behind it is cut") {
  Crashed crashed;
  const std::string log = crashed.logs()[0];
  const auto ends = record_ends(log);
  append_zeros(log, 200'000);
  zero(log, ends.back() - row_bytes / 2, row_bytes / 2);
  const auto opened = crashed.open();
  REQUIRE(opened.ok());
  CHECK((*opened)->chain().sequence == crashed.newest() - 1);
  CHECK(crashed.notes.size() == 1);
}

TEST_CASE("a zeroed record with answered batches behind it and zeros at the end is refused") {
  Crashed crashed;
  const std::string log = crashed.logs()[0];
  const auto ends = record_ends(log);
  append_zeros(log, 200'000);
  zero(log, ends[4], ends[5] - ends[4]);
  const auto opened = crashed.open();
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.error().text.find("answered ones up to") != std::string::npos);
}

TEST_CASE("damage with answered batches behind it refuses to open and names them") {
  Crashed crashed;
  const std::string log = crashed.logs()[0];
  const auto ends = record_ends(log);
  // ends[i] is where batch i ends: batch 0 is the format row.
  const auto [from, count, missing] = GENERATE_REF(
      table<size_t, size_t, std::string>({{ends[4] + 300, 50, "batch 5 is missing"},
                                          {ends[4], ends[6] - ends[4], "batches 5 to 6 are missing"},
                                          {ends[4] + 10, ends[8] - ends[4], "batches 5 to 9 are missing"},
                                          {ends[0], 40, "the batches before batch 2 are missing"}}));
  zero(log, from, count);
  const std::string damaged = read_all(log);
  const std::string text = refusal(crashed);
  CHECK_THAT(text, Catch::Contains(missing) && Catch::Contains(log) && Catch::Contains("backup"));
  CHECK(read_all(log) == damaged);
}

TEST_CASE("a record taken out of the log as a whole is noticed by the chain") {
  Crashed crashed;
  const std::string log = crashed.logs()[0];
  const auto ends = record_ends(log);
  // Zeros where a record begins look like preallocated space to RocksDB: it skips the rest of the
  // block without a word.
  zero(log, ends[2], ends[9] - ends[2]);
  CHECK_THAT(refusal(crashed), Catch::Contains("batches 3 to 9 are missing"));
}

TEST_CASE("an earlier log that was cut refuses to open") {
  Crashed crashed(true);
  const auto logs = crashed.logs();
  REQUIRE(logs.size() >= 2);
  const auto ends = record_ends(logs[0]);
  REQUIRE(ends.size() > 2);
  const bool between_records = GENERATE(true, false);
  fs::resize_file(logs[0], between_records ? ends[ends.size() - 2] : ends.back() - 10);
  CHECK_THAT(refusal(crashed), Catch::Contains("backup"));
}

TEST_CASE("a deleted log refuses to open and is named") {
  Crashed crashed(true);
  const auto logs = crashed.logs();
  REQUIRE(logs.size() >= 2);
  SECTION("the oldest") {
    fs::remove(logs.front());
    CHECK_THAT(refusal(crashed), Catch::Contains(logs.front() + " is missing"));
  }
  SECTION("the newest, which RocksDB does not track") {
    fs::remove(logs.back());
    CHECK_THAT(refusal(crashed), Catch::Contains(logs.back() + " is missing"));
  }
  SECTION("all") {
    for (const auto& log : logs) fs::remove(log);
    CHECK_THAT(refusal(crashed), Catch::Contains(" is missing"));
  }
  SECTION("for a reader too") {
    fs::remove(logs.back());
    CHECK_THAT(refusal(crashed, true), Catch::Contains(logs.back() + " is missing"));
  }
}

TEST_CASE("after a clean end even a log cut between two batches is noticed") {
  const TempDirectory directory;
  store::RocksOptions options;
  options.directory = directory / "data";
  {
    auto opened = store::open_rocks_store(options);
    REQUIRE(opened.ok());
    BatchMaker batches;
    for (int i = 0; i < 5; ++i) REQUIRE((*opened)->write(batches.put(Table::home, "k", "v").make()).ok());
  }
  const auto numbers = store::log_numbers(options.directory + "/db");
  REQUIRE(numbers.ok());
  const std::string log = store::log_path(options.directory + "/db", numbers->back());
  const auto ends = record_ends(log);
  fs::resize_file(log, ends[ends.size() - 3]);
  const auto opened = store::open_rocks_store(options);
  REQUIRE_FALSE(opened.ok());
  CHECK_THAT(opened.error().text, Catch::Contains("lacks the answered batches 4 to 5"));
}

TEST_CASE("a damaged witness is named") {
  Crashed crashed;
  std::ofstream(crashed.path() + "/WITNESS") << "log twelve\n";
  CHECK_THAT(refusal(crashed), Catch::Contains("/WITNESS is damaged"));
  fs::remove(crashed.path() + "/WITNESS");
  CHECK(crashed.open().ok());
}

}  // namespace
}  // namespace pawl::test
