// Which entries of the chronicle a person wants to see, beyond what the wire selects.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/json.h"

namespace pawl::cli {

struct EventFilter {
  std::string kind;  // the wire's
  std::string role;
  std::string daemon;
  std::string id;
  std::string incident;
  std::string match;
  std::optional<int64_t> since_ms;  // wall
  std::optional<int64_t> until_ms;

  // Of the options of `pawl events`.
  static EventFilter of(const Arguments& arguments);
  // Whether anything but the wire decides.
  bool sifts() const;
  // A gap is always of interest.
  bool holds(const Json& entry) const;
  // Everything that follows is newer than what is wanted.
  bool is_past(const Json& entry) const;
};

}  // namespace pawl::cli
