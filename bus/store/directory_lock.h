// DIR/LOCK: one bus per directory. The lock is a flock, so it falls with its process; the pid in the
// file is for people.
#pragma once

#include <memory>
#include <string>

#include "bus/base/result.h"

namespace pawl::store {

class DirectoryLock {
 public:
  // Takes DIR/LOCK or says who holds it. With read_only a directory that cannot be written is
  // opened without leaving a trace in it.
  static Result<std::unique_ptr<DirectoryLock>> take(const std::string& directory, bool read_only);

  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;  // -1: a medium that nobody can write needs no lock
};

}  // namespace pawl::store
