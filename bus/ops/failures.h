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
FailedDelivery delivery_of(const core::InvocationRecord& invocation, const std::string& role);

// For the classifier: the failed deliveries, daemons that died or turned red, guards that tripped or failed.
std::optional<Failure> failure_in(const core::EventRecord& event);

// The first line, at most 200 bytes, not ending inside a character.
std::string first_line(std::string_view text);

}  // namespace pawl::ops
