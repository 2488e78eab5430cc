// DIR/KILL and DIR/KILL_HARD: the kill switch as files (contract, section 5). Any script may make or remove
// one; the bus writes them for every freeze.
//
// Format: lines "reason=TEXT" "scope=WORD" "until=UNIX_MS" "freeze=N"; a file without such a line is plain
// text, the reason. N is the number of the freeze that the bus wrote it for.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bus/base/result.h"
#include "bus/core/freeze.h"
#include "bus/server/worker.h"

namespace pawl::server {

// What one file says.
struct FlagFile {
  uint64_t number = 0;  // 0: not the bus's
  core::FreezeScope scope = core::FreezeScope::all;
  int64_t until_ms = 0;  // wall; 0: no limit
  std::string reason;
};
// `text` is a file's beginning; whatever it is, it is a flag.
FlagFile parse_flag(std::string_view text);
std::string format_flag(const core::FreezeRecord& freeze);

// The files do not say what stands.
struct FlagNews {
  bool soft = false;     // DIR/KILL is there
  bool hard = false;     // DIR/KILL_HARD is there
  bool written = false;  // over the soft freeze that stands
  FlagFile file;         // of the stronger one that is there
};

// Thread: the loop's, but for write().
class FlagFiles {
 public:
  // Empty: there are none.
  explicit FlagFiles(std::string directory) : directory_(std::move(directory)) {}

  bool enabled() const { return !directory_.empty(); }
  // Two system calls while nothing has changed, and none that waits for a disk. `standing` is the freeze of
  // the open batch, `committed` of the newest durable one. Files of freezes that are over are removed; those
  // of a hard one come back.
  std::optional<FlagNews> look(const core::FreezeRecord& standing, const core::FreezeRecord& committed);
  // The file of this freeze is there: from now on its absence means that somebody removed it.
  void seen(uint64_t number) { seen_ = number; }
  bool is_seen(uint64_t number) const { return seen_ == number; }
  // Durable when it returns: temporary file, rename, fsync of the directory. Where that fails an empty file
  // is tried. A freeze that a file began keeps that very file: who removes it meanwhile has removed it. Any
  // thread.
  Status write(const core::FreezeRecord& freeze) const;
  // What is there now belongs to the freeze that stands.
  void adopt();
  // The same as write() on a thread of its own, unless that is still at it.
  void write_later(const core::FreezeRecord& freeze);
  // After the freeze of this number was cleared: the files that were there when it was, and those that are
  // still being written.
  void remove(uint64_t number);

 private:
  // Which file it is and when it was written, so that a new one under the same name is not taken for it.
  struct Mark {
    bool there = false;
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t modified_ns = 0;
    bool operator==(const Mark&) const = default;
  };

  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }
  Mark mark_of(std::string_view name) const;
  FlagFile read(std::string_view name) const;
  std::optional<FlagNews> look_at_soft(const core::FreezeRecord& standing, const Mark& soft, const Mark& hard,
                                       bool first);
  std::optional<FlagNews> look_at_clear(const core::FreezeRecord& committed, const Mark& soft,
                                        const Mark& hard);
  // What is to be thought of a file while nothing stands; nothing: it was an old freeze's.
  std::optional<FlagFile> unexpected(std::string_view name, uint64_t newest) const;

  // Does nothing more once remove() was called for the clears_ + 1st time.
  Status write_unless_cleared(const core::FreezeRecord& freeze, uint64_t clears) const;

  std::string directory_;
  Mark soft_;  // as the freeze that stands has them
  Mark hard_;
  uint64_t seen_ = 0;
  bool looked_ = false;
  mutable std::mutex placing_;      // a flag gets its name, or those of a cleared freeze go
  uint64_t clears_ = 0;             // calls of remove(); changed under placing_
  std::optional<Worker> rewrites_;  // since the first one
};

}  // namespace pawl::server
