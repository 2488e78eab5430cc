// The launcher's folder, DIR/up: the lock that lets there be one launcher, what it would
// need to know should it be killed, its sockets and its logs.
//
//   lock          held for life; says who
//   run/NAME      the process that runs: boot, keeper (pid and start time), control group
//   failures      when daemons have failed, for the bound on restarts
//   chronicle     changes of state that the bus has not been told of, a line of JSON each
//   reap          incarnations that have ended and whose claims the bus has not been told of
//   sock/BOOT     the keeper's socket of one incarnation;  control  the launcher's own
//   log/NAME.log  a daemon's output;  log/launcher.log  every change of state, a line of JSON each
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/base/result.h"
#include "runner/process_tree.h"

namespace pawl::runner {

struct RunRecord {
  std::string name;
  std::string boot;
  ProcessId keeper;
  ProcessId main;
  uint64_t pipe = 0;        // inode of the pipe that its output comes through
  std::string group;        // path of its control group; may be empty
  std::string fingerprint;  // of what it was started with
  int64_t started_at = 0;   // wall clock, milliseconds
  bool ready = false;
};

class UpFolder {
 public:
  // Creates what is missing and takes the lock. ERR says who holds it, or what cannot be written.
  static Result<UpFolder> open(const std::string& path);
  // Only to talk to the launcher that holds it.
  static Result<UpFolder> look(const std::string& path);

  UpFolder(UpFolder&& other) noexcept;
  UpFolder& operator=(UpFolder&&) = delete;
  UpFolder(const UpFolder&) = delete;
  UpFolder& operator=(const UpFolder&) = delete;
  ~UpFolder();

  const std::string& path() const { return path_; }
  std::string log_path(const std::string& name) const { return path_ + "/log/" + name + ".log"; }

  // Written beside and renamed: whole or not at all.
  Status save(const RunRecord& record) const;
  void drop(const std::string& name) const;
  std::vector<RunRecord> records() const;

  // name and boot.
  using Reaps = std::vector<std::pair<std::string, std::string>>;
  Status save_reaps(const Reaps& reaps) const;
  Reaps reaps() const;

  // Failures of daemons: how many in a row, and when (wall clock, ms).
  struct Failures {
    std::string name;
    uint32_t in_a_row = 0;
    std::vector<int64_t> at;
  };
  Status save_failures(const std::vector<Failures>& failures) const;
  std::vector<Failures> failures() const;

  // A file of its own for whoever keeps lines in it; none: no lines.
  Status save_lines(const std::string& name, std::string_view text) const { return write_file(name, text); }
  std::vector<std::string> lines(const std::string& name) const;

  // Sockets of packets, by a name in this folder, however long its path is. -1: errno says why.
  int listen_at(const std::string& name) const;
  int connect_to(const std::string& name) const;
  void unlink_socket(const std::string& name) const;

 private:
  explicit UpFolder(std::string path) : path_(std::move(path)) {}
  Status write_file(const std::string& name, std::string_view text) const;
  std::string path_;
  int folder_ = -1;
  int lock_ = -1;
};

}  // namespace pawl::runner
