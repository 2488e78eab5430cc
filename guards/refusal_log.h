// Refusals in the chronicle: the first one of a guard and scope, then one summary a minute.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "bus/core/gate.h"

namespace pawl::guards {

// Memory only: after a restart the first one is a first one again. Thread: the bus's.
class RefusalLog {
 public:
  // kind: "guard.refuse", "guard.would_refuse", "guard.failed"; a summary has "d" or "s" behind it, see the
  // table in the source.
  void note(std::string_view kind, const core::Verdict& verdict, core::Desk& desk);
  // Summaries that are due.
  void tick(core::Desk& desk);
  std::optional<int64_t> next_wakeup_ms() const;
  void clear() { entries_.clear(); }

 private:
  struct Entry {
    int64_t summary_at_ms = 0;  // bus time
    uint64_t more = 0;          // since the first one, or the last summary
    std::string reason;
  };
  // kind, guard, subject
  std::map<std::tuple<std::string, std::string, std::string>, Entry> entries_;
};

}  // namespace pawl::guards
