// What a new pawl.toml changes, for the operator who reloads it.
#pragma once

#include <string>
#include <vector>

#include "cli/config.h"

namespace pawl::cli {

// A line for each setting that is another one: "role.research.concurrency 4 -> 8", "role.mail added",
// "bus.password changed". Values as the file writes them; passwords are never shown. Left out: data, listen,
// http and socket, which a running bus keeps.
std::vector<std::string> config_changes(const FileConfig& from, const FileConfig& to);

}  // namespace pawl::cli
