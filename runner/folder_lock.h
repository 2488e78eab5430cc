// A folder that belongs to one process at a time: the lock is the file LOCK in it, which says who holds it.
#pragma once

#include <string>

#include "bus/base/result.h"

namespace pawl::runner {

class FolderLock {
 public:
  // Makes the folder, locks it and proves that it can be written, durably. STATE: the text is who holds it
  // ("process 123"); ERR: why it cannot be used.
  static Result<FolderLock> take(const std::string& folder);

  FolderLock(FolderLock&& other) noexcept : folder_(std::move(other.folder_)), file_(other.file_) {
    other.file_ = -1;
  }
  FolderLock& operator=(FolderLock&&) = delete;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

  // Absolute.
  const std::string& folder() const { return folder_; }

 private:
  FolderLock(std::string folder, int file) : folder_(std::move(folder)), file_(file) {}

  std::string folder_;
  int file_ = -1;
};

}  // namespace pawl::runner
