// What the mirror must know when it is started anew: how far each channel has come, and which posts have
// failed for good. One folder, of one mirror at a time:
//
//   LOCK             says who holds it
//   NAME.position    {"mirror":1,"seq":…,"tries":…,"posted":…,"failed":…}
//   NAME.failed      a line of JSON each: delivery, why, entry; at 16 MiB it becomes NAME.failed.1
//
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/base/result.h"
#include "runner/folder_lock.h"
#include "runner/notify_rules.h"

namespace pawl::runner {

struct MirrorPosition {
  int64_t seq = 0;      // all entries up to this one are dealt with
  uint32_t tries = 0;   // that failed at the next post; counted where their number is bounded
  uint64_t posted = 0;  // since the position began
  uint64_t failed = 0;

  friend bool operator==(const MirrorPosition&, const MirrorPosition&) = default;
};

class MirrorStore {
 public:
  // Makes and locks the folder, and proves that it can be written. ERR and STATE say what to do.
  static Result<MirrorStore> open(const std::string& folder);

  const std::string& folder() const { return lock_.folder(); }
  Result<std::optional<MirrorPosition>> load(const std::string& channel) const {
    return load_from(folder(), channel);
  }
  // Durable once it returns.
  Status save(const std::string& channel, const MirrorPosition& position);
  Status note_failed(const NotifyChannel& channel, const NotifyEntry& entry, const std::string& why);

  // For who only looks. Nothing: there is none yet. ERR: what is there cannot be used.
  static Result<std::optional<MirrorPosition>> load_from(const std::string& folder,
                                                         const std::string& channel);

 private:
  explicit MirrorStore(FolderLock lock) : lock_(std::move(lock)) {}
  FolderLock lock_;
};

}  // namespace pawl::runner
