#include "tests/support/faulty_env.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <vector>

#include "bus/base/result.h"

// RocksDB 7.8 loses a memtable of its own when it cannot begin a new log; only a failing disk shows it.
// NOLINTBEGIN(readability-identifier-naming): the sanitizer's name, not ours
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:rocksdb::DBImpl::SwitchMemtable\n"; }
// NOLINTEND(readability-identifier-naming)

namespace pawl::test {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

namespace fs = std::filesystem;

std::string folder_of(const std::string& path) {
  return fs::path(path).lexically_normal().parent_path().string();
}
std::string plain(const std::string& path) { return fs::path(path).lexically_normal().string(); }

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_all(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Counts down to one failure; 0: none is planned.
struct Countdown {
  uint64_t left = 0;
  bool hit() { return left > 0 && --left == 0; }
};

}  // namespace

class FaultyDisk::Files : public rocksdb::FileSystemWrapper, public std::enable_shared_from_this<Files> {
 public:
  Files() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "pawl.faulty_disk"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext* debug) override;
  IOStatus ReopenWritableFile(const std::string& /*path*/, const FileOptions& /*options*/,
                              std::unique_ptr<rocksdb::FSWritableFile>* /*result*/,
                              IODebugContext* /*debug*/) override {
    return IOStatus::NotSupported("the faulty disk does not reopen files");
  }
  IOStatus ReuseWritableFile(const std::string& /*path*/, const std::string& /*old*/,
                             const FileOptions& /*options*/,
                             std::unique_ptr<rocksdb::FSWritableFile>* /*result*/,
                             IODebugContext* /*debug*/) override {
    return IOStatus::NotSupported("the faulty disk does not reuse files");
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext* debug) override;
  IOStatus DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* debug) override;
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override;

  // Nothing: go on.
  IOStatus before_append();
  IOStatus before_sync(const std::string* path);
  void appended(const std::string& path, uint64_t bytes);
  void synced(const std::string& path);
  void folder_synced(const std::string& path);
  void lose_power(Tail tail, uint32_t seed);

  mutable std::mutex mutex;
  uint64_t appends = 0;
  uint64_t syncs = 0;
  Countdown append_failure;
  Countdown sync_failure;
  Countdown power_cut;
  bool full = false;
  bool powerless = false;
  std::function<void(const std::string&)> on_sync;

 private:
  struct File {
    uint64_t written = 0;
    uint64_t durable = 0;
    bool name_durable = false;
  };
  struct Rename {
    std::string from;
    std::string to;
    std::optional<std::string> replaced;  // what `to` held before
  };

  std::map<std::string, File> files_;
  std::vector<Rename> renames_;  // not durable yet, oldest first
};

namespace {

IOStatus no_power() { return IOStatus::IOError("injected: no power"); }

template <typename Files>
class FaultyFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, std::shared_ptr<Files> files)
      : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), files_(std::move(files)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    if (auto status = files_->before_append(); !status.ok()) return status;
    return count(data.size(), FSWritableFileOwnerWrapper::Append(data, options, debug));
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo& info,
                  IODebugContext* debug) override {
    if (auto status = files_->before_append(); !status.ok()) return status;
    return count(data.size(), FSWritableFileOwnerWrapper::Append(data, options, info, debug));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override { return sync(options, debug); }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override { return sync(options, debug); }

 private:
  IOStatus count(size_t bytes, IOStatus status) {
    if (status.ok()) files_->appended(path_, bytes);
    return status;
  }
  // The real sync is left out: durability is what this class says it is.
  IOStatus sync(const IOOptions& options, IODebugContext* debug) {
    if (auto status = files_->before_sync(&path_); !status.ok()) return status;
    auto status = FSWritableFileOwnerWrapper::Flush(options, debug);
    if (status.ok()) files_->synced(path_);
    return status;
  }

  std::string path_;
  std::shared_ptr<Files> files_;
};

template <typename Files>
class FaultyFolder : public rocksdb::FSDirectoryWrapper {
 public:
  FaultyFolder(std::unique_ptr<rocksdb::FSDirectory> folder, std::string path, std::shared_ptr<Files> files)
      : FSDirectoryWrapper(std::move(folder)), path_(std::move(path)), files_(std::move(files)) {}

  IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override { return sync(); }
  IOStatus FsyncWithDirOptions(const IOOptions& /*options*/, IODebugContext* /*debug*/,
                               const rocksdb::DirFsyncOptions& /*how*/) override {
    return sync();
  }

 private:
  IOStatus sync() {
    if (auto status = files_->before_sync(nullptr); !status.ok()) return status;
    files_->folder_synced(path_);
    return IOStatus::OK();
  }

  std::string path_;
  std::shared_ptr<Files> files_;
};

}  // namespace

IOStatus FaultyDisk::Files::NewWritableFile(const std::string& path, const FileOptions& options,
                                            std::unique_ptr<rocksdb::FSWritableFile>* result,
                                            IODebugContext* debug) {
  {
    const std::lock_guard guard(mutex);
    if (powerless) return no_power();
    if (full) return IOStatus::NoSpace("injected: no space");
  }
  std::unique_ptr<rocksdb::FSWritableFile> file;
  auto status = FileSystemWrapper::NewWritableFile(path, options, &file, debug);
  if (!status.ok()) return status;
  const std::lock_guard guard(mutex);
  files_[plain(path)] = File{};
  *result = std::make_unique<FaultyFile<Files>>(std::move(file), plain(path), shared_from_this());
  return status;
}

IOStatus FaultyDisk::Files::NewDirectory(const std::string& path, const IOOptions& options,
                                         std::unique_ptr<rocksdb::FSDirectory>* result,
                                         IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> folder;
  auto status = FileSystemWrapper::NewDirectory(path, options, &folder, debug);
  if (!status.ok()) return status;
  *result = std::make_unique<FaultyFolder<Files>>(std::move(folder), plain(path), shared_from_this());
  return status;
}

IOStatus FaultyDisk::Files::DeleteFile(const std::string& path, const IOOptions& options,
                                       IODebugContext* debug) {
  const std::lock_guard guard(mutex);
  if (powerless) return no_power();
  auto status = FileSystemWrapper::DeleteFile(path, options, debug);
  if (status.ok()) files_.erase(plain(path));
  return status;
}

IOStatus FaultyDisk::Files::RenameFile(const std::string& from, const std::string& to,
                                       const IOOptions& options, IODebugContext* debug) {
  const std::lock_guard guard(mutex);
  if (powerless) return no_power();
  Rename rename{plain(from), plain(to), std::nullopt};
  if (fs::exists(to)) rename.replaced = read_all(to);
  auto status = FileSystemWrapper::RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  if (const auto file = files_.find(rename.from); file != files_.end()) {
    files_[rename.to] = file->second;
    files_[rename.to].name_durable = false;
    files_.erase(rename.from);
  }
  renames_.push_back(std::move(rename));
  return status;
}

IOStatus FaultyDisk::Files::before_append() {
  const std::lock_guard guard(mutex);
  ++appends;
  if (powerless) return no_power();
  if (full) return IOStatus::NoSpace("injected: no space");
  if (append_failure.hit()) return IOStatus::IOError("injected: append failed");
  return IOStatus::OK();
}

IOStatus FaultyDisk::Files::before_sync(const std::string* path) {
  std::function<void(const std::string&)> hook;
  {
    const std::lock_guard guard(mutex);
    ++syncs;
    if (powerless) return no_power();
    if (power_cut.hit()) {
      powerless = true;
      return no_power();
    }
    if (sync_failure.hit()) return IOStatus::IOError("injected: sync failed");
    hook = on_sync;
  }
  if (hook && path != nullptr) hook(*path);
  return IOStatus::OK();
}

void FaultyDisk::Files::appended(const std::string& path, uint64_t bytes) {
  const std::lock_guard guard(mutex);
  files_[path].written += bytes;
}

void FaultyDisk::Files::synced(const std::string& path) {
  const std::lock_guard guard(mutex);
  if (powerless) return;
  File& file = files_[path];
  file.durable = file.written;
}

void FaultyDisk::Files::folder_synced(const std::string& path) {
  const std::lock_guard guard(mutex);
  for (auto& [name, file] : files_) {
    if (folder_of(name) == path) file.name_durable = true;
  }
  std::erase_if(renames_, [&](const Rename& rename) { return folder_of(rename.to) == path; });
}

void FaultyDisk::Files::lose_power(Tail tail, uint32_t seed) {
  const std::lock_guard guard(mutex);
  std::mt19937 random(seed);
  // Names last made are undone first.
  for (auto rename = renames_.rbegin(); rename != renames_.rend(); ++rename) {
    if (!fs::exists(rename->to)) continue;
    fs::rename(rename->to, rename->from);
    if (rename->replaced) write_all(rename->to, *rename->replaced);
    files_.erase(rename->to);
  }
  for (const auto& [path, file] : files_) {
    if (!fs::exists(path)) continue;
    if (!file.name_durable && tail != Tail::keep) {
      fs::remove(path);
      continue;
    }
    const uint64_t loose = file.written - file.durable;
    if (loose == 0 || tail == Tail::keep) continue;
    const uint64_t kept = tail == Tail::drop ? 0 : random() % loose;
    fs::resize_file(path, file.durable + kept);
    if (tail == Tail::zero) fs::resize_file(path, file.written);
  }
  files_.clear();
  renames_.clear();
  powerless = false;
  full = false;
  append_failure = sync_failure = power_cut = Countdown{};
}

namespace {

// RocksDB sleeps a second after each failed flush; a test need not.
class RestlessClock : public rocksdb::SystemClockWrapper {
 public:
  RestlessClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "pawl.restless_clock"; }
  void SleepForMicroseconds(int micros) override {
    SystemClockWrapper::SleepForMicroseconds(std::min(micros, 1000));
  }
};

class FaultyEnv : public rocksdb::EnvWrapper {
 public:
  explicit FaultyEnv(const std::shared_ptr<rocksdb::FileSystem>& files)
      : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    system_clock_ = std::make_shared<RestlessClock>();
  }
  const char* Name() const override { return "pawl.faulty_env"; }
};

}  // namespace

FaultyDisk::FaultyDisk() : files_(std::make_shared<Files>()), env_(std::make_unique<FaultyEnv>(files_)) {}
FaultyDisk::~FaultyDisk() = default;

rocksdb::Env* FaultyDisk::env() { return env_.get(); }

uint64_t FaultyDisk::appends() const {
  const std::lock_guard guard(files_->mutex);
  return files_->appends;
}
uint64_t FaultyDisk::syncs() const {
  const std::lock_guard guard(files_->mutex);
  return files_->syncs;
}
void FaultyDisk::fail_append(uint64_t n) {
  const std::lock_guard guard(files_->mutex);
  files_->append_failure.left = n;
}
void FaultyDisk::fail_sync(uint64_t n) {
  const std::lock_guard guard(files_->mutex);
  files_->sync_failure.left = n;
}
void FaultyDisk::set_full(bool full) {
  const std::lock_guard guard(files_->mutex);
  files_->full = full;
}
void FaultyDisk::set_on_sync(std::function<void(const std::string& path)> hook) {
  const std::lock_guard guard(files_->mutex);
  files_->on_sync = std::move(hook);
}
void FaultyDisk::cut_power_at_sync(uint64_t n) {
  const std::lock_guard guard(files_->mutex);
  files_->power_cut.left = n;
}
void FaultyDisk::cut_power() {
  const std::lock_guard guard(files_->mutex);
  files_->powerless = true;
}
bool FaultyDisk::powerless() const {
  const std::lock_guard guard(files_->mutex);
  return files_->powerless;
}
void FaultyDisk::lose_power(Tail tail, uint32_t seed) { files_->lose_power(tail, seed); }

}  // namespace pawl::test
