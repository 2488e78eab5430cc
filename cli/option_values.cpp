#include "cli/option_values.h"

#include <algorithm>
#include <array>

#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "bus/base/text.h"
#include "bus/core/freeze.h"
#include "bus/core/words.h"
#include "cli/values.h"
#include "runner/words.h"

namespace pawl::cli {
namespace {

using Checked = Result<std::optional<int64_t>>;

Error wrong(const OptionSpec& option, const std::string& value, const std::string& takes) {
  return make_error(Code::badarg,
                    "--" + std::string(option.name) + " " + takes + ", not '" + printable(value) + "'");
}

Checked whole_number(const OptionSpec& option, const std::string& value, int64_t least, int64_t most) {
  const auto number = parse_int(value);
  if (number && *number >= least && *number <= most) return std::optional(*number);
  const std::string range = most == INT64_MAX
                                ? std::to_string(least) + " or more"
                                : "from " + std::to_string(least) + " to " + std::to_string(most);
  return wrong(option, value, "takes a whole number, " + range);
}

Checked duration(const OptionSpec& option, const std::string& value) {
  const auto ms = parse_duration_ms(value);
  if (ms && *ms <= limits::duration_ms_max) return std::optional(*ms);
  return wrong(option, value, "takes a duration such as 500ms, 30s, 15m, 2h or 7d");
}

Checked since(const OptionSpec& option, const std::string& value) {
  if (const auto back = parse_duration_ms(value); back && *back <= wall_now_ms()) {
    return std::optional(wall_now_ms() - *back);
  }
  if (const auto at = parse_time_ms(value)) return std::optional(*at);
  return wrong(option, value, "takes a duration such as 2h or a time such as 2025-03-01T12:00:00Z");
}

// The runner must not know the core: it has the words of its own.
static_assert(runner::error_class_names == core::class_names);

template <typename Words>
Checked one_of(const OptionSpec& option, const std::string& value, const Words& words) {
  if (std::find(words.begin(), words.end(), value) != words.end()) return std::optional<int64_t>();
  return wrong(option, value, "takes one of " + joined(words, " "));
}

}  // namespace

std::string state_list() { return joined(core::state_names, " "); }

std::string error_class_list() { return joined(core::class_names, " "); }

std::string freeze_scope_list() { return joined(core::freeze_scope_names, " "); }

std::string on_freeze_list() { return joined(runner::on_freeze_names, " "); }

Result<std::optional<int64_t>> check_option_value(const OptionSpec& option, const std::string& value) {
  switch (option.kind) {
    case ValueKind::flag:
    case ValueKind::text:
      return std::optional<int64_t>();
    case ValueKind::file:
    case ValueKind::folder:
      if (!value.empty() && value.find('\0') == std::string::npos) return std::optional<int64_t>();
      return wrong(option, value, "takes a path");
    case ValueKind::number:
      return whole_number(option, value, 0, INT64_MAX);
    case ValueKind::positive:
      return whole_number(option, value, 1, INT64_MAX);
    case ValueKind::priority:
      return whole_number(option, value, 0, limits::priority_max);
    case ValueKind::percent:
      return whole_number(option, value, 0, 100);
    case ValueKind::duration:
      return duration(option, value);
    case ValueKind::optional_duration:
      if (value.empty()) return std::optional(limits::wait_ms_max);
      return duration(option, value);
    case ValueKind::time:
      if (const auto at = parse_time_ms(value)) return std::optional(*at);
      return wrong(option, value, "takes a time such as 2025-03-01T12:00:00Z, or Unix milliseconds");
    case ValueKind::since:
      return since(option, value);
    case ValueKind::cost:
      if (const auto micro = parse_cost_micro(value)) return std::optional(*micro);
      return wrong(option, value, "takes dollars such as 0.0125, with at most six decimals");
    case ValueKind::header:
      if (const size_t equals = value.find('='); equals != std::string::npos && equals > 0) {
        return std::optional<int64_t>();
      }
      return wrong(option, value, "takes name=value");
    case ValueKind::error_class:
      return one_of(option, value, core::class_names);
    case ValueKind::state:
      return one_of(option, value, core::state_names);
    case ValueKind::freeze_scope:
      return one_of(option, value, core::freeze_scope_names);
    case ValueKind::on_freeze:
      return one_of(option, value, runner::on_freeze_names);
  }
  return std::optional<int64_t>();
}

}  // namespace pawl::cli
