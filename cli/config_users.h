// [user.NAME] of pawl.toml: who may come in, and what he may do.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "bus/core/config.h"
#include "cli/config_reader.h"

namespace pawl::cli {

// `section` is the node "user" of the file; complaints go to the reader.
void read_users(ConfigReader& reader, const TomlNode& section,
                std::map<std::string, core::UserConfig, std::less<>>& users);

}  // namespace pawl::cli
