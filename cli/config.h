// pawl.toml: read, checked, and handed on as plain data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"
#include "bus/core/config.h"
#include "bus/ops/ops_config.h"
#include "runner/daemon_spec.h"
#include "runner/notify_rules.h"
#include "runner/run_config.h"

namespace pawl::cli {

// What the file says; what it leaves out is nothing here, or the default in `bus`.
struct FileConfig {
  core::BusConfig bus;
  std::optional<std::string> data;
  std::optional<std::string> listen;  // HOST:PORT or "none"
  std::optional<std::string> http;    // HOST:PORT or "none"
  std::optional<std::string> socket;
  std::optional<std::string> password;      // resolved: { env = "NAME" } has been looked up
  uint64_t disk_low = 0;                    // bytes; 0: by the size of the file system
  uint64_t disk_critical = 0;               // likewise
  runner::RunConfig run;                    // of the agent runner
  std::vector<std::string> notices;         // "FILE:LINE: … is not acted on yet", in the order of the file
  std::vector<runner::DaemonSpec> daemons;  // [daemon.NAME], in the order of the file
  std::vector<runner::NotifyChannel> notify;  // [[notify]], in the order of the file
  // What only the mirror must have: environment variables of [[notify]] that are not set, a line each.
  std::string notify_faults;
  ops::OpsConfig rules;  // [[classify]], [[policy]] and the limits of their actions, [[notify]]
  std::map<std::string, std::string> wholes;  // sections that RELOAD compares as a whole: name → what it says
  bool has_commands = false;                  // a role has a command: there is work for a runner
  bool has_notify = false;                    // [[notify]]: there is work for a mirror
  std::string path;
};

// NOTFOUND where the file cannot be read. Otherwise an error lists everything that is wrong, a line each:
// "pawl.toml:12: unknown key 'leese' in [role.research]; did you mean 'lease'?"
Result<FileConfig> load_config(const std::string& path);
// The same for a text; `path` is for messages.
Result<FileConfig> parse_config(std::string_view text, const std::string& path);

}  // namespace pawl::cli
