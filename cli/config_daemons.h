// [daemon.NAME]: what `pawl up` keeps alive.
#pragma once

#include "cli/config.h"
#include "cli/config_reader.h"
#include "cli/toml_tree.h"

namespace pawl::cli {

void read_daemons(ConfigReader& reader, const TomlNode& table, FileConfig& config);
// Whether the file has work for a runner and a mirror.
void note_work(const TomlNode& root, FileConfig& config);

}  // namespace pawl::cli
