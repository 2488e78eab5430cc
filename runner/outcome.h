// How a handler's end becomes ACK or FAIL (contract, section 6). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/pattern/pattern.h"
#include "runner/handler.h"
#include "runner/handler_report.h"

namespace pawl::runner {

constexpr size_t result_bytes_max = size_t{1} << 20;

// What a role's own settings say of endings.
struct EndingRules {
  struct Pattern {
    pawl::Pattern expression;  // looked for in stderr's first line and kept end
    std::string error_class;
    std::optional<int64_t> retry_in_ms;
  };
  std::map<int, std::string> exits;  // exit code → error class; never 0
  std::vector<Pattern> patterns;     // the first that is found counts
};

struct Outcome {
  bool ok = false;
  std::string result;       // ok: stdout, cut with a mark at `result_bytes_max`
  std::string error_class;  // not ok
  std::string error_text;
  std::optional<int64_t> retry_in_ms;
};

// `timeout_ms`: the limit that it ran into, for the text. What the handler itself reported wins over the
// patterns, these over the exit codes of the rules, and these over the contract's table; a time-out, a signal
// and a lack of memory are what they are.
Outcome outcome_of(const HandlerResult& ended, const HandlerReport& report, const EndingRules& rules,
                   int64_t timeout_ms);

// Cuts `output` to at most `bytes_max`, ending in a line that says of how many bytes.
std::string cut_with_mark(const std::string& output, uint64_t all_bytes, size_t bytes_max);

}  // namespace pawl::runner
