// Logs that are written over zeros: what was appended is there, whatever the two threads do.
#include "bus/store/prepared_log.h"

#include <rocksdb/file_system.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>

#include "tests/support/temp_directory.h"

namespace pawl::test {
namespace {

namespace fs = std::filesystem;

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool only_zeros(const std::string& bytes, size_t from) {
  return bytes.find_first_not_of('\0', from) == std::string::npos;
}

class Log {
 public:
  Log(const std::string& path, const store::PreparedLogOptions& options)
      : system_(store::prepared_log_file_system(rocksdb::FileSystem::Default(), options)) {
    REQUIRE(system_->NewWritableFile(path, rocksdb::FileOptions(), &file_, nullptr).ok());
  }
  void append(const std::string& bytes) { REQUIRE(file_->Append(bytes, {}, nullptr).ok()); }
  void sync() { REQUIRE(file_->Sync({}, nullptr).ok()); }
  void close() { REQUIRE(file_->Close({}, nullptr).ok()); }
  // As a process that is killed leaves it; the test's process goes on.
  void abandon() { file_.reset(); }

 private:
  std::shared_ptr<rocksdb::FileSystem> system_;
  std::unique_ptr<rocksdb::FSWritableFile> file_;
};

// Small bounds, so that the writer overtakes the zeros again and again.
constexpr store::PreparedLogOptions eager{size_t{64} << 10, size_t{8} << 10, size_t{1} << 20, 1};

TEST_CASE("a prepared log holds what was appended, and zeros behind it until it is closed") {
  const TempDirectory directory;
  const uint64_t seed = GENERATE(range(1, 9));
  CAPTURE(seed);
  const std::string path = directory / "000001.log";
  std::mt19937_64 random(seed);
  std::string expected;
  Log log(path, eager);
  for (int i = 0; i < 300; ++i) {
    const size_t size = random() % 4 == 0 ? random() % 60'000 : random() % 3'000;
    const std::string bytes(size, static_cast<char>('a' + i % 26));
    log.append(bytes);
    expected += bytes;
    if (random() % 3 != 0) log.sync();
  }
  log.sync();
  const std::string found = read_all(path);
  REQUIRE(found.size() >= expected.size());
  CHECK(found.compare(0, expected.size(), expected) == 0);
  CHECK(only_zeros(found, expected.size()));
  log.close();
  CHECK(fs::file_size(path) == expected.size());
}

TEST_CASE("a log that is synced often grows ahead of what is written") {
  const TempDirectory directory;
  const std::string path = directory / "000001.log";
  store::PreparedLogOptions options = eager;
  Log log(path, options);
  size_t written = 0;
  // The thread needs a moment; how long is not told, so the log goes on until it is seen.
  for (int i = 0; i < 100'000 && fs::file_size(path) < written + options.ahead_bytes / 2; ++i) {
    log.append("x");
    ++written;
    log.sync();
  }
  CHECK(fs::file_size(path) >= written + options.ahead_bytes / 2);
  log.abandon();
  CHECK(only_zeros(read_all(path), written));
}

TEST_CASE("a log that is synced in large pieces is left alone") {
  const TempDirectory directory;
  const std::string path = directory / "000001.log";
  store::PreparedLogOptions options = eager;
  options.sync_bytes_max = 1000;
  Log log(path, options);
  for (int i = 0; i < 50; ++i) {
    log.append(std::string(20'000, 'x'));
    log.sync();
  }
  log.abandon();
  CHECK(fs::file_size(path) == 50 * 20'000);
}

TEST_CASE("only logs are prepared") {
  const TempDirectory directory;
  const std::string path = directory / "000001.sst";
  Log file(path, eager);
  for (int i = 0; i < 50; ++i) {
    file.append("x");
    file.sync();
  }
  file.close();
  CHECK(fs::file_size(path) == 50);
}

}  // namespace
}  // namespace pawl::test
