// One circuit as a pure function of (circuit, event, bus time). Who may claim, and what counts as which
// event, is the breaker's; see circuit_breaker.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/core/faults.h"

#include "bus/core/config.h"

namespace pawl::guards {

enum class CircuitState : uint8_t { closed, open, half_open };
constexpr std::array<std::string_view, 3> circuit_state_names = {"closed", "open", "half_open"};

enum class CircuitEvent : uint8_t {
  trip,    // enough failed alike, or somebody says that it is down
  cooled,  // time has passed
  probe,   // a claim was granted that tries it
  passed,  // what was tried went well
  failed,  // the probe failed as the outage does
  unsure,  // the probe ended in a way that proves little
  freed,   // the probe came back untried, or failed for reasons of its own
};

// Legal moves: closed → open → half_open → open or closed. At most one probe is out, and only while half
// open. Times are bus time, in milliseconds.
struct Circuit {
  static constexpr uint8_t version_now = 3;  // since 2: by; since 3: opened_ms
  // Messages that failed as probes are remembered, up to so many; see CircuitBreaker.
  static constexpr size_t suspects_max = 1'000;
  // So many unsure probes of one half-open period are as good as a failed one.
  static constexpr uint32_t unsure_max = 4;

  CircuitState state = CircuitState::closed;
  int64_t opened_ms = 0;           // not closed since
  int64_t since_ms = 0;            // open since, or half open since
  int64_t cooldown_ms = 0;         // how long it stays open this time
  int64_t probe_ms = 0;            // when the probe that is out was granted; 0: none is
  uint32_t unsure = 0;             // probes since it became half open
  uint32_t failures = 0;           // that opened it, and failed probes since
  bool crashes = false;            // among what opened it
  std::vector<uint64_t> suspects;  // sequences of messages
  std::string reason;              // for a person: why it is not closed
  std::string by;                  // who had it opened; empty: failures of messages did

  bool probe_is_out() const { return probe_ms != 0; }
  // Bus time at which an open one becomes half open.
  int64_t cooled_at_ms() const { return since_ms + cooldown_ms; }
  // Would a claim granted now be its probe?
  bool wants_probe(int64_t now_ms) const {
    if (state == CircuitState::open) return now_ms >= cooled_at_ms();
    return state == CircuitState::half_open && (!probe_is_out() || PAWL_FAULT(breaker_two_probes));
  }
  bool suspects_message(uint64_t sequence) const;
  bool operator==(const Circuit&) const = default;
};

// What happens to `circuit` at `now_ms`, which is above 0. False: nothing; an event that has no meaning in
// the circuit's state changes none of it. A circuit that closes is as new.
bool step(Circuit& circuit, CircuitEvent event, int64_t now_ms, const core::GuardsConfig& config);

// A row: the version byte and the fields; nothing for a newer version or damage.
std::string encode_circuit(const Circuit& circuit);
std::optional<Circuit> decode_circuit(std::string_view bytes);

}  // namespace pawl::guards
