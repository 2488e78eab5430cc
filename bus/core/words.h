// The closed word lists of contract section 1, shared by core, protocol and docs.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pawl::core {

enum class MessageState : uint8_t { scheduled, ready, claimed, done, dead, cancelled, expired };
constexpr size_t state_count = 7;
constexpr std::array<std::string_view, state_count> state_names = {
    "scheduled", "ready", "claimed", "done", "dead", "cancelled", "expired"};

enum class ErrorClass : uint8_t {
  transient,
  timeout,
  rate_limited,
  auth,
  dependency_down,
  bad_input,
  crash,
  out_of_memory,
  quota,
  cancelled,
  lease_expired,
  unknown,
};
constexpr size_t class_count = 12;
constexpr std::array<std::string_view, class_count> class_names = {
    "transient", "timeout",       "rate_limited", "auth",      "dependency_down", "bad_input",
    "crash",     "out_of_memory", "quota",        "cancelled", "lease_expired",   "unknown"};

constexpr std::string_view state_name(MessageState state) { return state_names[static_cast<size_t>(state)]; }
constexpr std::string_view class_name(ErrorClass kind) { return class_names[static_cast<size_t>(kind)]; }

// Nothing for a word that is none.
std::optional<MessageState> state_from(std::string_view word);
std::optional<ErrorClass> class_from(std::string_view word);

}  // namespace pawl::core
