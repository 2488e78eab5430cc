// How a handler's end becomes ACK or FAIL (contract, section 6). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/handler_report.h"
#include "runner/handler.h"

namespace pawl::cli {

constexpr size_t result_bytes_max = size_t{1} << 20;

struct Outcome {
  bool ok = false;
  std::string result;       // ok: stdout, cut with a mark at `result_bytes_max`
  std::string error_class;  // not ok
  std::string error_text;
  std::optional<int64_t> retry_in_ms;
};

// `timeout_ms`: the limit that it ran into, for the text.
Outcome outcome_of(const runner::HandlerResult& ended, const HandlerReport& report, int64_t timeout_ms);

// Cuts `output` to at most `bytes_max`, ending in a line that says of how many bytes.
std::string cut_with_mark(const std::string& output, uint64_t all_bytes, size_t bytes_max);

}  // namespace pawl::cli
