// Which roles go on without something they need, and that their begin and end are chronicled once each.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "bus/core/gate.h"

namespace pawl::guards {

// A part of the breaker: a role in limp mode has a row "breaker/limp:ROLE", so that a restart begins nothing
// twice. Times are of bus time, in milliseconds.
class LimpMode {
 public:
  // What a role goes on without, with commas; empty: it is not in limp mode.
  using GoesWithout = std::function<std::string(const core::RoleFacts&)>;

  void clear() { roles_.clear(); }
  bool empty() const { return roles_.empty(); }
  // Whether the row is one of these. Throws std::runtime_error when it is, and is damaged.
  bool restore(std::string_view key, std::string_view value);
  // Compares what was with what is, and chronicles "role.limp" for whoever is another one now.
  void settle(const GoesWithout& without, std::string_view reason, core::Desk& desk);

  // Whether a list with commas names it.
  static bool names(std::string_view list, std::string_view name);

 private:
  struct Entry {
    int64_t since_ms = 0;
    std::string without;  // that it began with
  };
  std::map<std::string, Entry, std::less<>> roles_;
};

}  // namespace pawl::guards
