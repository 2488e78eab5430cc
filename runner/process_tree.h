// Processes that may not be lost sight of: who they are, whom they brought forth, how
// to end all of them, and how to prove that nobody is left.
//
// Two ways, used together where both are there. A control group (cgroup v2) holds
// every process born in it, wherever it hides. A child subreaper (PR_SET_CHILD_SUBREAPER)
// inherits every orphan among its descendants, so when it has no child left, nothing is
// left. A bare process number is never trusted: numbers are given again, start times are not.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"

namespace pawl::runner {

struct ProcessId {
  pid_t pid = 0;
  uint64_t start = 0;  // in clock ticks since the machine started

  bool operator==(const ProcessId&) const = default;
};

// Nothing where no such process is, or only a zombie of it.
std::optional<ProcessId> process_of(pid_t pid);
// The process of this very start time lives; a zombie does not.
bool alive(const ProcessId& process);
// Signals it if it still is the one meant, through a pidfd. False: it is not there any more.
bool send_signal(const ProcessId& process, int signal);

// Every living process below `root` (each of `roots`), which is not in the list itself; parents before
// children.
std::vector<ProcessId> descendants_of(pid_t root);
std::vector<ProcessId> descendants_of(const std::vector<pid_t>& roots);
// `pid` is `root` or below it.
bool is_within(pid_t pid, pid_t root);
// Living processes that have `entry` ("NAME=value") in their environment as it was at their start, or
// hold an end of the pipe with this inode (0: none). For what a dead keeper left.
std::vector<ProcessId> marked_processes(std::string_view entry, uint64_t pipe);

// This process inherits orphans from below from now on. False: the kernel refuses.
bool become_subreaper();
// A childless subreaper has no descendants: this is the proof. Collects what has ended.
bool has_children();

// One control group. Moves freely; the folder stays until remove().
class ControlGroup {
 public:
  // A new group below this process's own one, or the reason why there can be none.
  static Result<ControlGroup> create(const std::string& name);
  // One that an earlier process made, by its path; nothing when it is no longer there.
  static std::optional<ControlGroup> open(const std::string& path);

  const std::string& path() const { return path_; }
  // Moves the calling process in. Safe between fork and exec: only open, write and close.
  bool enter() const;
  bool populated() const;
  // KILL to every process in it, at once.
  bool kill_all() const;
  // After it is empty; groups that processes made inside go too.
  void remove() const;

 private:
  explicit ControlGroup(std::string path) : path_(std::move(path)), procs_(path_ + "/cgroup.procs") {}
  std::string path_;
  std::string procs_;
};

}  // namespace pawl::runner
