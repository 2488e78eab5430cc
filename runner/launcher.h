// `pawl up`: starts daemons in order, keeps them alive, ends them in reverse order.
//
// One loop of one thread; the bus is asked by a thread of its own (bus_desk.h). What
// becomes of a daemon is decided by the table in lifecycle.h and by restart_policy.h;
// each one runs below a keeper (keeper.h) that outlives a launcher that is killed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/base/result.h"
#include "bus/client/url.h"
#include "runner/daemon_spec.h"

namespace pawl::runner {

struct LauncherOptions {
  std::vector<DaemonSpec> daemons;  // start_order() has accepted them
  client::Endpoint bus;             // where it answers; daemons find it in PAWL_URL
  std::string folder;               // its own, DIR/up; the folder above it exists
  std::string program;              // what runs as a keeper: this program
  int64_t alone_ms = 60'000;        // daemons go on without a launcher for so long
  // For people: "pawl ops relaunch" with what finds this launcher, a name follows.
  std::string relaunch;
  std::function<void(std::string_view)> say;  // a line, without its end
  // On SIGHUP: the file as it is now, or what is wrong with it; alone_ms, say and read_anew itself stay.
  // Null: SIGHUP does nothing.
  std::function<Result<LauncherOptions>()> read_anew;
};

constexpr std::string_view bus_daemon_name = "bus";

// Until SIGTERM or SIGINT; a second one kills. SIGHUP reads the file anew: what has changed is restarted,
// what is new is started, what has gone is ended, and the bus is asked to RELOAD. ERR: it could not begin
// (another launcher, a folder that cannot be written).
Status run_launcher(LauncherOptions options);

}  // namespace pawl::runner
