// What stands in an entry of the chronicle.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/base/parse.h"
#include "bus/core/fingerprint.h"
#include "bus/core/records.h"

namespace pawl::ops {

// Empty where it is not there.
inline std::string_view field_of(const core::EventRecord& event, std::string_view name) {
  for (const auto& [key, value] : event.fields) {
    if (key == name) return value;
  }
  return {};
}

inline std::optional<int64_t> number_of(const core::EventRecord& event, std::string_view name) {
  return parse_int(field_of(event, name));
}

// Sixteen hex digits.
inline std::optional<uint64_t> fingerprint_from(std::string_view text) {
  if (text.size() != 16) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<uint64_t>(digit);
  }
  return value;
}

// Of an incident, whose fingerprint may be any text ("daemon:web-1", which is another one than web-2); one
// that stands in it after the last colon ("dead:00f1e2d3c4b5a697") is meant. Nothing for an empty one.
inline std::optional<uint64_t> incident_fingerprint(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (const auto plain = fingerprint_from(text.substr(text.rfind(':') + 1))) return plain;
  return core::exact_fingerprint(text);
}

// The one that the entry names; or the one of its class and text; or of the class that its kind says.
inline std::optional<uint64_t> fingerprint_in(const core::EventRecord& event) {
  if (const auto named = fingerprint_from(field_of(event, "fingerprint"))) return named;
  if (const auto kind = core::class_from(field_of(event, "class"))) {
    return core::fingerprint(*kind, field_of(event, "text"));
  }
  if (event.kind == "message.crash")
    return core::fingerprint(core::ErrorClass::crash, field_of(event, "text"));
  if (event.kind == "message.lapse")
    return core::fingerprint(core::ErrorClass::lease_expired, field_of(event, "text"));
  return std::nullopt;
}

// A daemon without the boot id of one of its starts.
inline std::string daemon_name(std::string_view daemon) {
  return std::string(daemon.substr(0, daemon.find('@')));
}

}  // namespace pawl::ops
