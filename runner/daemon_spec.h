// What the launcher keeps alive, as plain data. cli/config_daemons makes it out of pawl.toml.
// Durations are milliseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runner/restart_policy.h"

namespace pawl::runner {

enum class ReadyBy : uint8_t {
  started,    // the process runs
  notify,     // READY=1 on NOTIFY_SOCKET, or a line on the descriptor PAWL_NOTIFY_FD
  heartbeat,  // the bus has had a BEAT of this boot
  command,    // ready_command exits 0
  answers,    // the bus itself: it answers INFO, as this very process
};

struct DaemonSpec {
  std::string name;
  std::vector<std::string> command;                              // looked up in PATH; not empty
  std::vector<std::string> after;                                // names; started once these are ready
  std::vector<std::string> needs;                                // of `after`: restarted when one of these is
  std::vector<std::pair<std::string, std::string>> environment;  // besides what the launcher has
  std::string directory;  // where it runs; empty: where the launcher does
  ReadyBy ready = ReadyBy::started;
  std::vector<std::string> ready_command;
  int64_t ready_within_ms = 30'000;  // then the start has failed
  int64_t stop_within_ms = 10'000;   // from TERM to KILL
  RestartRule restart;
  std::optional<int64_t> heartbeat_ms;  // what it is told to beat at
  // Output: kept in files of at most so many bytes, this many of them; at most so much a second.
  uint64_t log_bytes_max = uint64_t{10} << 20;
  uint32_t log_files = 5;
  uint64_t log_bytes_per_second = uint64_t{1} << 20;
  std::string source;  // "pawl.toml:12", for messages; empty: the launcher's own
};

}  // namespace pawl::runner
