// `pawl up`: the file, made into what the launcher keeps alive.
#pragma once

#include <string>
#include <vector>

#include "cli/config.h"
#include "runner/launcher.h"

namespace pawl::cli {

// Everything that `pawl up` starts for this file, in an order that start_order() accepts: the bus, the runner
// and the mirror where there is work for them, and the file's daemons. BADARG lists what is wrong, by line.
// `program` is this program; `config_path` is absolute.
Result<runner::LauncherOptions> plan_launcher(const FileConfig& file, const std::string& program,
                                              const std::string& config_path);

// DIR/up of the launcher that these arguments mean: --data, --config, PAWL_UP, ./pawl.toml, ./pawl-data.
class Session;
Result<std::string> launcher_folder(const Session& session);

// Unit files: systemd's service, launchd's property list. Paths are absolute.
struct UnitPlan {
  std::string program;
  std::string config;
  std::string directory;
  std::string data;
  int64_t stop_within_ms = 0;  // of a whole stop
};
std::string systemd_unit(const UnitPlan& plan);
std::string launchd_unit(const UnitPlan& plan);

}  // namespace pawl::cli
