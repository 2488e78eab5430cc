// The store on RocksDB: DIR/db holds the database, DIR/LOCK says who has it open.
//
// What it adds to RocksDB: one writer and one fsync a batch; a proof at opening that every batch of
// the write-ahead log is whole and follows its predecessor; a torn tail is cut (a copy stays in
// DIR/damaged), and anything that would lose an answered batch refuses to open.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "bus/base/result.h"
#include "bus/store/store.h"

namespace rocksdb {
class Env;
}

namespace pawl::store {

// Newest layout of DIR that this program writes and reads (meta row "format": "pawl N").
constexpr int format_version = 1;
constexpr std::string_view format_key = "format";

struct RocksOptions {
  std::string directory = {};
  // True: opens what is there, creates, repairs and writes nothing; write() fails.
  bool read_only = false;
  // Both bound memory together with about 20 MiB of fixed cost.
  size_t write_buffer_bytes = size_t{64} << 20;
  size_t block_cache_bytes = size_t{64} << 20;
  // For tests: files go through it instead of the default one. Not owned; outlives the store and
  // its snapshots.
  rocksdb::Env* env = nullptr;
  // Called on the opening thread with one sentence for the log when a torn tail had to be cut.
  std::function<void(const std::string&)> on_repair = nullptr;
};

// Opens or creates the store in options.directory (mode 0700; its parent must exist). Blocks for as
// long as the log takes to replay, under a second in general. Every error says what is wrong with which path
// and what to do.
//
// The directory stays locked until the store and all its snapshots are gone.
Result<std::unique_ptr<Store>> open_rocks_store(const RocksOptions& options);

// True while RocksDB delays or stops writes because flushes or compactions lag: a write() now may
// block for long, so it does not belong on the loop's thread. Always false for other stores.
// Thread: any.
bool writes_are_delayed(const Store& store);

}  // namespace pawl::store
