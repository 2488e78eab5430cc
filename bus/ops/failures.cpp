#include "bus/ops/failures.h"

#include <algorithm>
#include <array>
#include <utility>

#include "bus/ops/entry_fields.h"

namespace pawl::ops {
namespace {

constexpr size_t line_bytes_max = 200;

uint64_t amount_of(const core::EventRecord& event, std::string_view name) {
  return static_cast<uint64_t>(std::max<int64_t>(0, number_of(event, name).value_or(0)));
}

bool is_delivery(const core::EventRecord& event) {
  return event.kind == "message.retry" || event.kind == "message.dead" || event.kind == "message.crash" ||
         event.kind == "message.lapse";
}

core::ErrorClass class_in(const core::EventRecord& event) {
  if (const auto said = core::class_from(field_of(event, "class"))) return *said;
  if (event.kind == "message.crash") return core::ErrorClass::crash;
  if (event.kind == "message.lapse") return core::ErrorClass::lease_expired;
  return core::ErrorClass::unknown;
}

struct Trip {
  std::string_view kind;
  Source source;
  std::string_view guard;  // empty: the field `guard`
};

// Refusals are no failures: a guard that holds something back does its work.
constexpr std::array<Trip, 6> trips = {{
    {"daemon.red", Source::daemon, ""},
    {"breaker.open", Source::guard, "breaker"},
    {"quota.trip", Source::guard, "quota"},
    {"velocity.trip", Source::guard, "velocity"},
    {"sweep.storm", Source::guard, "sweep"},
    {"guard.failed", Source::guard, ""},
}};

// What the launcher knows: "exit 3", "signal 9", "unstarted …" in `ended`.
void read_end(std::string_view ended, Failure& failure) {
  const size_t space = ended.find(' ');
  const auto code = parse_int(space == std::string_view::npos ? "" : ended.substr(space + 1));
  if (!code || *code < 1 || *code > 255) return;
  if (ended.starts_with("exit ")) failure.exit_code = static_cast<int>(*code);
  if (ended.starts_with("signal ")) failure.signal = static_cast<int>(*code);
}

}  // namespace

std::string first_line(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  if (text.size() <= line_bytes_max) return std::string(text);
  size_t end = line_bytes_max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

std::optional<FailedDelivery> delivery_in(const core::EventRecord& event) {
  if (!is_delivery(event)) return std::nullopt;
  const auto fingerprint = fingerprint_in(event);
  if (!fingerprint) return std::nullopt;
  FailedDelivery failed;
  failed.fingerprint = *fingerprint;
  failed.error_class = class_in(event);
  failed.text = first_line(field_of(event, "text"));
  failed.role = field_of(event, "role");
  failed.daemon = daemon_name(field_of(event, "daemon"));
  failed.tokens = amount_of(event, "tokens");
  failed.cost = amount_of(event, "cost");
  failed.at_ms = event.at_ms;
  return failed;
}

bool NewestLapse::told(const core::EventRecord& event) {
  const bool dies = event.kind == "message.dead";
  if (!dies && event.kind != "message.lapse" && event.kind != "message.crash") return false;
  std::string about(field_of(event, "id"));
  about += '/';
  about += field_of(event, "delivery");
  if (dies) return about == which;
  which = std::move(about);
  return false;
}

FailedDelivery delivery_of(const core::InvocationRecord& invocation, const std::string& role) {
  FailedDelivery failed;
  failed.fingerprint = core::fingerprint(invocation.error_class, invocation.error_text);
  failed.error_class = invocation.error_class;
  failed.text = first_line(invocation.error_text);
  failed.role = role;
  failed.daemon = daemon_name(invocation.daemon);
  failed.tokens = invocation.tokens;
  failed.cost = invocation.cost;
  failed.at_ms = invocation.end_ms;
  return failed;
}

std::optional<Failure> failure_in(const core::EventRecord& event) {
  Failure failure;
  failure.role = field_of(event, "role");
  failure.daemon = daemon_name(field_of(event, "daemon"));
  if (is_delivery(event)) {
    failure.error_class = class_in(event);
    failure.text = field_of(event, "text");
    read_ending(failure);
    return failure;
  }
  failure.text = field_of(event, "reason");
  if (event.kind == "launcher.ending") {
    const std::string_view ended = field_of(event, "ended");
    if (ended.empty()) return std::nullopt;  // it was told to
    failure.source = Source::daemon;
    read_end(ended, failure);
    return failure;
  }
  for (const Trip& row : trips) {
    if (row.kind != event.kind) continue;
    failure.source = row.source;
    if (row.source == Source::guard) failure.guard = row.guard.empty() ? field_of(event, "guard") : row.guard;
    return failure;
  }
  return std::nullopt;
}

}  // namespace pawl::ops
