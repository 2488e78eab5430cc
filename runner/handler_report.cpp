#include "runner/handler_report.h"

#include <cmath>

#include "bus/base/limits.h"
#include "bus/client/json.h"
#include "runner/words.h"

namespace pawl::runner {
namespace {

// A number of any JSON form between 0 and `most`, times `factor`, rounded.
bool take_number(const client::Json& line, const char* name, double factor, int64_t most,
                 std::optional<int64_t>* into) {
  const client::Json* value = line.field(name);
  if (!value) return true;
  double number = -1;
  if (const int64_t* whole = value->as_int()) {
    number = static_cast<double>(*whole);
  } else if (const double* real = value->as_double()) {
    number = *real;
  }
  const double scaled = std::round(number * factor);
  if (!(scaled >= 0 && scaled <= static_cast<double>(most))) return false;
  *into = static_cast<int64_t>(scaled);
  return true;
}

}  // namespace

Status take_report_line(std::string_view line, HandlerReport* report) {
  const auto parsed = client::parse_json(line);
  if (!parsed) return parsed.error();
  if (!parsed->as_object()) return make_error(Code::badarg, "a report is a JSON object");
  HandlerReport next = *report;
  constexpr double micro = 1e6;
  if (!take_number(*parsed, "tokens", 1, limits::usage_max, &next.tokens) ||
      !take_number(*parsed, "cost_usd", micro, limits::usage_max, &next.cost_micro) ||
      !take_number(*parsed, "progress", 1, 100, &next.progress) ||
      !take_number(*parsed, "retry_in_ms", 1, limits::duration_ms_max, &next.retry_in_ms)) {
    return make_error(Code::badarg,
                      "tokens, cost_usd, progress (0 to 100) and retry_in_ms are numbers, 0 or more");
  }
  if (const client::Json* note = parsed->field("note")) {
    if (!note->as_string()) return make_error(Code::badarg, "note is a text");
    next.note = note->as_string()->substr(0, limits::note_bytes_max);
  }
  if (const client::Json* kind = parsed->field("class")) {
    if (!kind->as_string() || !is_error_class(*kind->as_string())) {
      return make_error(Code::badarg, "class is one of " + error_class_list());
    }
    next.error_class = *kind->as_string();
  }
  *report = std::move(next);
  return {};
}

}  // namespace pawl::runner
