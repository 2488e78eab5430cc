#include "bus/store/prepared_log.h"

#include <fcntl.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace pawl::store {
namespace {

using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr uint64_t page_bytes = 4096;

uint64_t page_up(uint64_t offset) { return (offset + page_bytes - 1) / page_bytes * page_bytes; }

// Through the kernel's cache: the log writes parts of pages, which it would have to read first otherwise.
class ZeroWriter {
 public:
  ZeroWriter(const std::string& path, size_t piece_bytes)
      : zeros_(piece_bytes, '\0'), fd_(::open(path.c_str(), O_WRONLY | O_CLOEXEC)) {}
  ~ZeroWriter() {
    if (fd_ >= 0) ::close(fd_);
  }
  ZeroWriter(const ZeroWriter&) = delete;
  ZeroWriter& operator=(const ZeroWriter&) = delete;

  // Synced at once, so that the log's own fsync finds little to write.
  bool write_piece(uint64_t offset) const {
    if (fd_ < 0) return false;
    const ssize_t written = ::pwrite(fd_, zeros_.data(), zeros_.size(), static_cast<off_t>(offset));
    return written == static_cast<ssize_t>(zeros_.size()) && ::fdatasync(fd_) == 0;
  }

 private:
  const std::string zeros_;
  const int fd_;
};

// Threads: the log's writer, and one of its own. The one rule: no piece of zeros that is being written
// reaches over anything that the writer has claimed.
class PreparedLog final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  PreparedLog(std::unique_ptr<FSWritableFile>&& log, std::string path, const PreparedLogOptions& options)
      : FSWritableFileOwnerWrapper(std::move(log)), path_(std::move(path)), options_(options) {}
  ~PreparedLog() override { stop(); }

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    claim(data.size());
    return target()->Append(data, options, debug);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo& checksum,
                  IODebugContext* debug) override {
    claim(data.size());
    return target()->Append(data, options, checksum, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = target()->Sync(options, debug);
    synced();
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = target()->Fsync(options, debug);
    synced();
    return status;
  }
  // A log that ends in order keeps none of its zeros.
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    stop();
    IOStatus status = target()->Close(options, debug);
    if (status.ok() && zeroed_through_ > written_ &&
        ::truncate(path_.c_str(), static_cast<off_t>(written_)) != 0) {
      status = IOStatus::IOError("cannot cut the zeros off " + path_, std::strerror(errno));
    }
    return status;
  }

 private:
  void claim(size_t bytes) {
    std::unique_lock lock(mutex_);
    written_ += bytes;
    changed_.wait(lock, [&] { return piece_end_ == 0 || written_ <= piece_begin_; });
  }

  void synced() {
    const std::lock_guard lock(mutex_);
    const uint64_t bytes = written_ - std::exchange(written_at_sync_, written_);
    usual_bytes_ = (usual_bytes_ * 7 + bytes) / 8;
    if (++syncs_ < options_.syncs_before || failed_ || usual_bytes_ > options_.sync_bytes_max) return;
    if (zeroed_through_ >= written_ + options_.ahead_bytes / 2) return;
    goal_ = written_ + options_.ahead_bytes;
    if (!thread_.joinable()) thread_ = std::thread([this] { prepare(); });
    changed_.notify_all();
  }

  void prepare() {
    const ZeroWriter zeros(path_, options_.piece_bytes);
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || zeroed_through_ < goal_; });
      if (stopping_) return;
      // Some way before the log's end, so that its next few batches need not wait.
      piece_begin_ = std::max(zeroed_through_, page_up(written_ + options_.piece_bytes));
      piece_end_ = piece_begin_ + options_.piece_bytes;
      lock.unlock();
      const bool done = zeros.write_piece(piece_begin_);
      lock.lock();
      zeroed_through_ = piece_end_;
      piece_end_ = 0;
      changed_.notify_all();
      // A disk that is full or fails says so to the log itself.
      failed_ = !done;
      if (failed_) return;
    }
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  const std::string path_;
  const PreparedLogOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t written_ = 0;  // claimed by the writer
  uint64_t written_at_sync_ = 0;
  uint64_t usual_bytes_ = 0;  // between two syncs
  uint64_t syncs_ = 0;
  uint64_t zeroed_through_ = 0;  // what the thread has written, or tried to
  uint64_t goal_ = 0;
  uint64_t piece_begin_ = 0;  // being written now, while piece_end_ is not 0
  uint64_t piece_end_ = 0;
  bool failed_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

class PreparedLogFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  PreparedLogFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base, const PreparedLogOptions& options)
      : FileSystemWrapper(base), options_(options) {}

  const char* Name() const override { return "pawl.prepared_log"; }

  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    IOStatus status = target()->NewWritableFile(path, options, file, debug);
    if (status.ok() && std::string_view(path).ends_with(".log")) {
      *file = std::make_unique<PreparedLog>(std::move(*file), path, options_);
    }
    return status;
  }

 private:
  const PreparedLogOptions options_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> prepared_log_file_system(
    const std::shared_ptr<rocksdb::FileSystem>& base, const PreparedLogOptions& options) {
  return std::make_shared<PreparedLogFileSystem>(base, options);
}

rocksdb::Env* prepared_log_env() {
  static const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(
      prepared_log_file_system(rocksdb::FileSystem::Default(), PreparedLogOptions()));
  return env.get();
}

}  // namespace pawl::store
