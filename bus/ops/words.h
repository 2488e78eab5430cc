// The closed word lists that rules, incidents and notices share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bus/core/config.h"

namespace pawl::ops {

// Of an incident: look at it today; a human now.
using core::Tier;
using core::tier_names;

// Of a daemon.
enum class Colour : uint8_t { green, yellow, red };
constexpr std::array<std::string_view, 3> colour_names = {"green", "yellow", "red"};

enum class BreakerState : uint8_t { closed, open, half_open };
constexpr std::array<std::string_view, 3> breaker_names = {"closed", "open", "half_open"};

// What the policy may do. Each of them can be taken back, or takes itself back: nothing else is in it.
enum class Action : uint8_t {
  retry_later,
  release,
  restart_daemon,
  restart_chain,
  open_breaker,
  pause_role,
  lower_concurrency,
  shed_by_priority,
  soft_freeze,
  notify,
  escalate,
};
constexpr size_t action_count = 11;
constexpr std::array<std::string_view, action_count> action_names = {
    "retry_later",       "release",          "restart_daemon", "restart_chain", "open_breaker", "pause_role",
    "lower_concurrency", "shed_by_priority", "soft_freeze",    "notify",        "escalate"};

template <typename E>
constexpr std::string_view name_of(E value, const auto& names) {
  return names[static_cast<size_t>(value)];
}
constexpr std::string_view tier_name(Tier tier) { return name_of(tier, tier_names); }
constexpr std::string_view action_name(Action action) { return name_of(action, action_names); }

// Nothing for a word that is none.
template <typename E, size_t count>
constexpr std::optional<E> word_from(std::string_view word,
                                     const std::array<std::string_view, count>& names) {
  for (size_t i = 0; i < count; ++i) {
    if (names[i] == word) return static_cast<E>(i);
  }
  return std::nullopt;
}

}  // namespace pawl::ops
