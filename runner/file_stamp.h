// What a file looked like when it was read, to see whether it is another one since.
#pragma once

#include <cstdint>
#include <string>

namespace pawl::runner {

struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t bytes = -1;  // -1: it cannot be looked at
  int64_t changed_ns = 0;
  bool fresh = false;  // so new that it may change again and look the same

  bool same_as(const FileStamp& other) const {
    return device == other.device && inode == other.inode && bytes == other.bytes &&
           changed_ns == other.changed_ns;
  }
};

// Take it before reading: a change between the two is then seen the next time.
FileStamp stamp_of(const std::string& path);

}  // namespace pawl::runner
