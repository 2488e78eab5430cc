// Asking a launcher that runs. One request, then packets of answers until it closes.
//   "list"            "row " and nine fields with tabs between: name, state, pid (0: none), boot, started
//                     (wall clock, ms), starts, why, what it says of itself, log; "-" where there is none
//   "restart NAME"    ends it and waits until a fresh one is ready
//   "relaunch NAME"   the same, for one that has failed too: its restarts count from zero
//   "reload"          reads its file anew, as on SIGHUP
// An answer is "row …", "say TEXT" or at last "done", "failed TEXT" or "notfound TEXT".
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "bus/base/result.h"

namespace pawl::runner {

// `folder` is the launcher's, DIR/up. `on_answer` gets the verb and the rest of each "row" and "say".
// ERR: it failed, says why; NOTFOUND: no such daemon; NOTLEADER: no launcher answers there.
Status ask_launcher(const std::string& folder, const std::string& request,
                    const std::function<void(std::string_view, std::string_view)>& on_answer);

}  // namespace pawl::runner
