// DIR/KILL and DIR/KILL_HARD: the kill switch as files (contract, section 5). Any script may make or remove
// one; the bus writes them for every freeze.
//
// Format: lines "reason=TEXT" "scope=WORD" "until=UNIX_MS" "freeze=N"; a file without such a line is plain
// text, the reason. N is the number of the freeze that the bus wrote it for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/base/result.h"
#include "bus/core/freeze.h"

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
  bool soft = false;  // DIR/KILL is there
  bool hard = false;  // DIR/KILL_HARD is there
  FlagFile file;      // of the stronger one that is there
};

// Thread: the loop's, but for write().
class FlagFiles {
 public:
  // Empty: there are none.
  explicit FlagFiles(std::string directory) : directory_(std::move(directory)) {}

  bool enabled() const { return !directory_.empty(); }
  // Two system calls while nothing has changed. `standing` is the freeze of the open batch, `committed` of
  // the newest durable one. Files of freezes that are over are removed; those of a hard one come back.
  std::optional<FlagNews> look(const core::FreezeRecord& standing, const core::FreezeRecord& committed);
  // Durable when it returns: temporary file, rename, fsync of the directory. Any thread.
  Status write(const core::FreezeRecord& freeze) const;
  // After a freeze was cleared.
  void remove() const;

 private:
  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }
  // What is to be thought of a file while nothing stands; nothing: it is not there, or was an old one's.
  std::optional<FlagFile> unexpected(std::string_view name, const core::FreezeRecord& standing) const;

  std::string directory_;
};

}  // namespace pawl::server
