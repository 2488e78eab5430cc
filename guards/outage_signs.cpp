#include "guards/outage_signs.h"

#include "bus/base/ids.h"

namespace pawl::guards {
namespace {

using core::ErrorClass;

constexpr size_t quoted_bytes_max = 200;  // of an error text, in a reason

bool is_outage_class(ErrorClass error_class) {
  switch (error_class) {
    case ErrorClass::transient:
    case ErrorClass::timeout:
    case ErrorClass::dependency_down:
    case ErrorClass::rate_limited:
    case ErrorClass::auth:
    case ErrorClass::crash:
      return true;
    case ErrorClass::bad_input:
    case ErrorClass::out_of_memory:
    case ErrorClass::quota:
    case ErrorClass::cancelled:
    case ErrorClass::lease_expired:
    case ErrorClass::unknown:
      return false;
  }
  return false;
}

}  // namespace

bool is_outage_failure(const core::Ending& ending) {
  return ending.outcome == core::Outcome::failed && !ending.final && is_outage_class(ending.error_class);
}

std::string_view blamed(const core::Ending& ending) {
  if (ending.error_class != core::ErrorClass::dependency_down) return {};
  const std::string_view name = ending.text.substr(0, ending.text.find(": "));
  return name.size() < ending.text.size() && well_formed_name(name) ? name : std::string_view{};
}

std::string quote(const core::Ending& ending) {
  std::string_view text = ending.text.substr(0, ending.text.find('\n'));
  if (text.size() > quoted_bytes_max) {
    size_t end = quoted_bytes_max;
    while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  std::string out(core::class_name(ending.error_class));
  if (!text.empty()) (out += ": ") += text;
  return out;
}

}  // namespace pawl::guards
