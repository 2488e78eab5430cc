// The failures that the chronicle tells of: deliveries, daemons, guards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bus/core/records.h"
#include "bus/ops/classifier.h"

namespace pawl::ops {

// So much of what was said stands in an entry.
constexpr size_t told_text_bytes_max = 512;

// A delivery that failed or lapsed, as an entry of the chronicle or its invocation tells it.
struct FailedDelivery {
  uint64_t fingerprint = 0;
  core::ErrorClass error_class = core::ErrorClass::unknown;
  std::string text;    // the first line, at most 200 bytes
  std::string role;    // empty: nobody said
  std::string daemon;  // without its boot, likewise
  uint64_t tokens = 0;
  uint64_t cost = 0;  // micro-dollars
  int64_t at_ms = 0;  // wall
};

// Of message.retry, .dead, .crash and .lapse; nothing for any other entry.
std::optional<FailedDelivery> delivery_in(const core::EventRecord& event);
// A lapse or crash that was the last attempt has two entries, the death behind it: it is one failure.
class NewestLapse {
 public:
  // The failure that the entry tells of is the one that the lapse before it told of.
  bool told(const core::EventRecord& event);
  std::string which;  // its message and delivery
};
FailedDelivery delivery_of(const core::InvocationRecord& invocation, const std::string& role);

// For the classifier: the failed deliveries, daemons that died or turned red, guards that tripped or failed.
std::optional<Failure> failure_in(const core::EventRecord& event);

// The first line, at most 200 bytes, not ending inside a character.
std::string first_line(std::string_view text);

}  // namespace pawl::ops
