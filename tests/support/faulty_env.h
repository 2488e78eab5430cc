// A disk that fails on demand: under RocksDB, over the real file system. It knows which bytes and
// names were made durable, so that a loss of power can be played.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace rocksdb {
class Env;
}

namespace pawl::test {

// What a loss of power leaves of bytes that were written but not synced.
enum class Tail {
  drop,  // nothing
  tear,  // a beginning of them
  zero,  // all of their length, zeros from some place on (delayed allocation gives that)
  keep,  // all of them
};

// Threads: any. The object outlives every store that was opened on its env().
class FaultyDisk {
 public:
  FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;
  ~FaultyDisk();

  rocksdb::Env* env();

  uint64_t appends() const;  // to any file, tried
  uint64_t syncs() const;    // of files and folders, tried

  // The n-th (1: the next) fails once with an I/O error; a failed append writes nothing.
  void fail_append(uint64_t n);
  void fail_sync(uint64_t n);
  // While on, appends and new files fail for want of space.
  void set_full(bool full);
  // Called before each sync of a file, outside of any lock: block in it to play a hanging disk.
  void set_on_sync(std::function<void(const std::string& path)> hook);

  // Power goes at the n-th sync from now, before it takes effect: from then on nothing changes on
  // the disk any more, everything fails. Then destroy the store and call lose_power().
  void cut_power_at_sync(uint64_t n);
  void cut_power();  // at once
  bool powerless() const;
  // Brings the files to what a loss of power leaves and the disk back to health. No store is open
  // on it. The same seed tears at the same places.
  void lose_power(Tail tail, uint32_t seed);

 private:
  class Files;
  std::shared_ptr<Files> files_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace pawl::test
