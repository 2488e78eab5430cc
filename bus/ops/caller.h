// Who asks, and what it may see.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/gate.h"

namespace pawl::ops {

inline std::string name_of(const core::Caller& caller) {
  return caller.name.empty() ? "client " + std::to_string(caller.client) : std::string(caller.name);
}

// A user who has to do with some roles only sees what is about one of them.
inline bool sees_all(const core::Caller& caller) {
  return caller.user == nullptr || caller.user->roles.empty();
}
inline bool sees(const core::Caller& caller, std::string_view role) {
  return sees_all(caller) || caller.user->covers(role);
}
// One of them; each may be a prefix with a star behind it.
inline bool sees(const core::Caller& caller, const std::vector<std::string>& roles) {
  return sees_all(caller) || std::any_of(roles.begin(), roles.end(), [&](std::string_view role) {
           if (role.ends_with('*')) role.remove_suffix(1);
           return caller.user->covers(role);
         });
}

}  // namespace pawl::ops
