#include "runner/outcome.h"

#include <csignal>
#include <cstring>

#include "bus/base/parse.h"

namespace pawl::runner {
namespace {

std::string_view class_of_exit(int code) {
  switch (code) {
    case 65:
      return "bad_input";
    case 69:
      return "dependency_down";
    case 75:
      return "transient";
    case 77:
      return "auth";
    case 124:
      return "timeout";
    default:
      return "unknown";
  }
}

// The tail of stderr, whole characters, without blank ends.
std::string error_tail(const HandlerResult& ended) {
  std::string_view tail = ended.error_tail;
  for (int i = 0; i < 3 && !tail.empty() && (static_cast<unsigned char>(tail.front()) & 0xc0) == 0x80; ++i) {
    tail.remove_prefix(1);
  }
  while (!tail.empty() && (tail.back() == '\n' || tail.back() == '\r' || tail.back() == ' '))
    tail.remove_suffix(1);
  return std::string(tail);
}

std::string signal_text(int number) {
  const char* name = sigabbrev_np(number);
  return "killed by signal " + std::to_string(number) + (name ? std::string(" (SIG") + name + ")" : "");
}

const EndingRules::Pattern* pattern_in(const HandlerResult& ended, const EndingRules& rules) {
  if (rules.patterns.empty()) return nullptr;
  const std::string said = ended.error_first_line + "\n" + ended.error_tail;
  for (const EndingRules::Pattern& pattern : rules.patterns) {
    if (pattern.expression.found_in(said)) return &pattern;
  }
  return nullptr;
}

std::string with_tail(std::string head, const std::string& tail) {
  if (!tail.empty()) head += "\n" + tail;
  return head;
}

}  // namespace

std::string cut_with_mark(const std::string& output, uint64_t all_bytes, size_t bytes_max) {
  if (all_bytes <= bytes_max && output.size() <= bytes_max) return output;
  const std::string mark = "\n[pawl: cut here; " + std::to_string(all_bytes) + " bytes in all]\n";
  size_t keep = std::min(output.size(), bytes_max - std::min(bytes_max, mark.size()));
  while (keep > 0 && keep < output.size() && (static_cast<unsigned char>(output[keep]) & 0xc0) == 0x80)
    --keep;
  return output.substr(0, keep) + mark;
}

Outcome outcome_of(const HandlerResult& ended, const HandlerReport& report, const EndingRules& rules,
                   int64_t timeout_ms) {
  Outcome outcome;
  if (!ended.timed_out && !ended.signalled && ended.code == 0) {
    outcome.ok = true;
    outcome.result = cut_with_mark(ended.output, ended.output_bytes, result_bytes_max);
    return outcome;
  }
  outcome.retry_in_ms = report.retry_in_ms;
  const std::string tail = error_tail(ended);
  if (ended.timed_out) {
    outcome.error_class = "timeout";
    outcome.error_text = with_tail("ran longer than " + format_duration(timeout_ms), tail);
    return outcome;
  }
  if (ended.signalled) {
    outcome.error_class = ended.out_of_memory ? "out_of_memory" : "crash";
    outcome.error_text = with_tail(
        signal_text(ended.code) + (ended.out_of_memory ? " by the kernel, out of memory" : ""), tail);
    return outcome;
  }
  outcome.error_text = tail.empty() ? "exit code " + std::to_string(ended.code) : tail;
  // The first line names the dependency that is down: it must survive a long stderr.
  const bool first_line_is_gone = tail.find(ended.error_first_line) == std::string::npos;
  if (ended.code == 69 && first_line_is_gone) outcome.error_text = ended.error_first_line + "\n…" + tail;
  const EndingRules::Pattern* pattern = pattern_in(ended, rules);
  const auto mapped = rules.exits.find(ended.code);
  if (!report.error_class.empty()) {
    outcome.error_class = report.error_class;
  } else if (pattern) {
    outcome.error_class = pattern->error_class;
    if (!outcome.retry_in_ms) outcome.retry_in_ms = pattern->retry_in_ms;
  } else {
    outcome.error_class =
        mapped != rules.exits.end() ? mapped->second : std::string(class_of_exit(ended.code));
  }
  return outcome;
}

}  // namespace pawl::runner
