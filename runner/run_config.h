// What pawl.toml says to the runner, as plain data; cli/ reads it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bus/base/result.h"
#include "runner/outcome.h"
#include "runner/words.h"

namespace pawl::runner {

constexpr int64_t timeout_ms_default = 7'200'000;
constexpr int64_t heartbeat_ms_default = 5000;

struct RoleConfig {
  std::string name;
  std::string place;                 // "pawl.toml:12", of its section
  std::vector<std::string> command;  // empty: nobody handles it here
  std::string command_place;
  std::vector<std::string> limp;  // instead, while something that it needs is out; empty: it is held
  std::string limp_place;
  bool shell = false;  // the first word of either is a script for sh, the others its arguments
  std::string prompt;  // a path; empty: none
  std::string prompt_place;
  size_t concurrency = 1;
  int64_t timeout_ms = timeout_ms_default;
  OnFreeze on_freeze = OnFreeze::pause;
  EndingRules rules;
  std::vector<std::string> needs;
};

struct RunConfig {
  std::string name;   // of the daemon; empty: not said
  std::string spool;  // a folder; empty: not said
  int64_t heartbeat_ms = heartbeat_ms_default;
  std::vector<RoleConfig> roles;  // in the order of the file
};

// Reads it anew. An error may have several lines, each with its place.
using LoadRunConfig = std::function<Result<RunConfig>()>;

}  // namespace pawl::runner
