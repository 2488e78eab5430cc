// What a running handler reports: lines of JSON on file descriptor 3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/base/result.h"

namespace pawl::runner {

struct HandlerReport {
  std::optional<int64_t> tokens;      // of this delivery, in all
  std::optional<int64_t> cost_micro;  // likewise
  std::optional<int64_t> progress;    // percent
  std::string note;
  std::string error_class;  // for the failure, should it fail
  std::optional<int64_t> retry_in_ms;
};

// Takes one line in: {"tokens": N, "cost_usd": X, "progress": 0-100, "note": "…",
// "class": "…", "retry_in_ms": N}, each field on its own or together; later ones win,
// unknown ones are ignored. BADARG for a line that is no such object; then nothing changed.
Status take_report_line(std::string_view line, HandlerReport* report);

}  // namespace pawl::runner
