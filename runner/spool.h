// Outcomes that could not be reported yet, on disk: one file each, whole or not there, so that they are
// reported by the next process when this one is killed. The claim's token decides at the bus whether an
// outcome still counts, so that none counts twice.
//
// The folder belongs to one process at a time, which holds a lock in it. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bus/base/result.h"
#include "bus/client/client.h"
#include "runner/folder_lock.h"

namespace pawl::runner {

struct SpooledOutcome {
  std::string id;
  std::string token;
  std::string role;
  std::string delivery;
  std::string daemon;      // who claimed it
  std::string ending;      // handled, failed, cancelled or released
  client::Command settle;  // ACK, FAIL or RELEASE
  int64_t at_ms = 0;       // wall time of the end
};

class Spool {
 public:
  // Makes and locks `folder`, and proves that it can be written. ERR says why not and what to do.
  static Result<Spool> open(const std::string& folder);

  const std::string& folder() const { return lock_.folder(); }
  // A folder of its own for other files of the same process; it exists.
  std::string folder_of(const std::string& name) const { return folder() + "/" + name; }

  // Durable once it returns.
  Status put(const SpooledOutcome& outcome);
  void remove(const std::string& id, const std::string& token);
  // What is there, oldest first. Files that cannot be read are put aside as NAME.damaged and named in
  // `complaints`.
  std::vector<SpooledOutcome> load(std::vector<std::string>* complaints) const;

 private:
  explicit Spool(FolderLock lock) : lock_(std::move(lock)) {}
  std::string path_of(const std::string& id, const std::string& token) const;

  FolderLock lock_;
};

}  // namespace pawl::runner
