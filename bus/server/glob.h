// Patterns of PSUBSCRIBE: * ? [set] and \ as in Redis.
#pragma once

#include <string_view>

namespace pawl::server {

// At most pattern × text steps: no pattern takes exponential time.
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace pawl::server
