// The process between the launcher and one incarnation of a daemon: `pawl keep …`.
//
// It starts the daemon in a session of its own, drains its output into the log, hears
// that it is ready, ends it (TERM to its group, KILL to everything later), and proves
// that nothing of it is left: as a child subreaper it inherits every orphan below it, and
// a control group holds them together where one can be made. It outlives a launcher that
// is killed: the next one connects to the same socket and adopts. When none comes, the
// keeper ends what it keeps.
//
// Between the two, one packet each (SOCK_SEQPACKET):
//   to the keeper     "stop MS" (KILL after MS), "kill", "bye" (the end has been noted)
//   to the launcher   "hello PID START PIPE" first, on every connection: the main process, the inode
//                     of the pipe that its output comes through; "up" (it said that it is
//                     ready), "status TEXT", "ended exit N", "ended signal N",
//                     "ended unstarted TEXT", each with a tab and its last line of output where it had one,
//                     and last "empty DROPPED-LINES"
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bus/base/result.h"
#include "runner/log_sink.h"

namespace pawl::runner {

struct KeeperOptions {
  std::string name;
  std::string group;  // path of the control group; empty: none
  std::string directory;
  LogRule log;
  bool notify = false;               // gives it NOTIFY_SOCKET and PAWL_NOTIFY_FD
  int64_t stop_within_ms = 10'000;   // when nobody says otherwise
  int64_t alone_ms = 60'000;         // how long it goes on without a launcher
  std::vector<std::string> command;  // with the environment that the keeper has
};

// The descriptor on which a keeper is handed its listening socket.
constexpr int keeper_listen_fd = 3;

// As words of a command line behind "keep", and back.
std::vector<std::string> keeper_words(const KeeperOptions& options);
Result<KeeperOptions> parse_keeper_words(const std::vector<std::string>& words);

// Runs until nothing is left to keep. The exit code of the process.
int run_keeper(const KeeperOptions& options);

}  // namespace pawl::runner
