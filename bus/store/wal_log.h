// Reads RocksDB's write-ahead log files directly: only to find out, after RocksDB refused one, where
// the damage is and whether answered batches lie behind it.
//
// Layout (RocksDB, db/log_format.h and its wiki page "Write Ahead Log File Format"): blocks of
// 32 KiB; in a block, fragments of
//   masked crc32c of type and payload (4 LE), payload length (2 LE), type (1), payload
// with type 1 a whole record, 2 3 4 the first, middle and last piece of one. Fewer than seven bytes
// at the end of a block are zero. We never recycle or compress logs, so other types do not occur. Behind the
// last record there may be zeros to the end of the file (prepared_log.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"

namespace pawl::store {

// Path of a log in the database folder, and the numbers of those that are there, ascending.
std::string log_path(const std::string& database, uint64_t number);
Result<std::vector<uint64_t>> log_numbers(const std::string& database);

// Whether the headers lead from the beginning of a log exactly to its end, or to nothing but zeros, as they
// do in every log that is whole; reads each byte once, checks no checksums.
Result<bool> is_plain_log(const std::string& path);

// Walks the records of one log held in memory.
class LogReader {
 public:
  explicit LogReader(std::string_view bytes) : bytes_(bytes) {}

  // The next whole record, or nothing: at the end, or at damage (then damaged() is true). The view
  // lives until the next call.
  std::optional<std::string_view> next();
  bool damaged() const { return damaged_; }
  // Where the last whole record ended; what is before it is sound.
  size_t sound_bytes() const { return sound_bytes_; }

  // After damage: goes on at the next place where a record begins whose checksum is right. False
  // when there is none.
  bool resume();

 private:
  struct Fragment {
    uint8_t type;
    std::string_view payload;
    size_t end;
  };
  std::optional<Fragment> fragment_at(size_t offset) const;
  size_t skip_block_trailer(size_t offset) const;
  bool only_zeros_from(size_t offset) const;

  std::string_view bytes_;
  size_t position_ = 0;
  size_t sound_bytes_ = 0;
  bool damaged_ = false;
  std::string assembled_;
};

}  // namespace pawl::store
