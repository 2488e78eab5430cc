// What the bus says about itself, on stderr. Any thread; nothing leaves a call.
#pragma once

#include <string_view>

namespace pawl::server::log {

enum class Level { debug, info, warn, error };

// Until set_level is called: info.
void set_level(Level level);
void debug(std::string_view text);
void info(std::string_view text);
void warn(std::string_view text);
void error(std::string_view text);

}  // namespace pawl::server::log
