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
  // kind: "guard.refuse", "guard.would_refuse", "guard.failed"; a summary has ".summary" behind it.
  void note(std::string_view kind, const core::Verdict& verdict, core::Desk& desk);
  // Summaries that are due.
  void tick(core::Desk& desk);
  std::optional<int64_t> next_wakeup_ms() const;
  void clear();

 private:
  struct Entry {
    int64_t summary_at_ms = 0;  // bus time
    uint64_t more = 0;          // since the first one, or the last summary
    std::string reason;
  };
  // kind, guard, subject
  using Key = std::tuple<std::string, std::string, std::string>;
  std::map<Key, Entry> entries_;
  int64_t next_ms_ = INT64_MAX;  // bus time of the next summary, of however many entries
};

}  // namespace pawl::guards
