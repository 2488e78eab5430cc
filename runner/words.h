// The closed lists of words that handlers, their roles and the bus share (contract, section 1).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pawl::runner {

// As bus/core has them; cli/option_values.cpp holds the two against each other.
constexpr std::array<std::string_view, 12> error_class_names = {
    "transient", "timeout",       "rate_limited", "auth",      "dependency_down", "bad_input",
    "crash",     "out_of_memory", "quota",        "cancelled", "lease_expired",   "unknown"};

constexpr bool is_error_class(std::string_view word) {
  return std::find(error_class_names.begin(), error_class_names.end(), word) != error_class_names.end();
}
inline std::string error_class_list() {
  std::string text;
  for (const std::string_view word : error_class_names) text += (text.empty() ? "" : " ") + std::string(word);
  return text;
}

// Who a worker is to those that started it: not for the environment of what it runs itself.
constexpr std::array<const char*, 8> workers_own_variables = {
    "PAWL_DAEMON", "PAWL_BOOT",     "PAWL_NOTIFY_FD", "PAWL_HEARTBEAT_MS",
    "PAWL_UP",     "NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID"};

// What a freeze of scope all does to what runs.
enum class OnFreeze : uint8_t { pause, terminate, finish };
constexpr std::array<std::string_view, 3> on_freeze_names = {"pause", "terminate", "finish"};
constexpr std::optional<OnFreeze> on_freeze_from(std::string_view word) {
  for (size_t i = 0; i < on_freeze_names.size(); ++i) {
    if (on_freeze_names[i] == word) return static_cast<OnFreeze>(i);
  }
  return std::nullopt;
}

}  // namespace pawl::runner
