// Exit codes of the command line (contract, section 4).
#pragma once

#include "bus/base/result.h"

namespace pawl::cli {

enum ExitCode : int {
  exit_ok = 0,
  exit_failed = 1,
  exit_usage = 2,
  exit_frozen = 3,
  exit_nothing = 4,
  exit_refused = 5,
  exit_lost = 6,
  exit_unreachable = 7,
  exit_denied = 8,
};

// `pawl sweep` has those that monitoring systems expect: 0 nominal, and these.
constexpr int exit_concern = 1;
constexpr int exit_ultra = 2;
constexpr int exit_cannot_tell = 3;  // no report, whatever the reason

// For an error that the bus answered.
constexpr int exit_code_of(Code code) {
  switch (code) {
    case Code::badarg:
    case Code::toobig:
      return exit_usage;
    case Code::frozen:
      return exit_frozen;
    case Code::notfound:
      return exit_nothing;
    case Code::quota:
    case Code::open:
    case Code::paused:
    case Code::busy:
      return exit_refused;
    case Code::lost:
      return exit_lost;
    case Code::noauth:
    case Code::denied:
      return exit_denied;
    case Code::err:
    case Code::state:
    case Code::readonly:
    case Code::notleader:
    case Code::execabort:
      return exit_failed;
  }
  return exit_failed;
}

}  // namespace pawl::cli
