#include "guards/circuit.h"

#include <algorithm>

#include "bus/core/archive.h"
#include "bus/core/faults.h"

namespace pawl::guards {
namespace {

void open(Circuit& circuit, int64_t cooldown_ms, int64_t now_ms) {
  circuit.state = CircuitState::open;
  circuit.since_ms = now_ms;
  circuit.cooldown_ms = cooldown_ms;
  circuit.probe_ms = 0;
  circuit.unsure = 0;
}

int64_t first_cooldown_ms(const core::GuardsConfig& config) {
  return std::max<int64_t>(1, std::min(config.cooldown_ms, config.cooldown_max_ms));
}

int64_t next_cooldown_ms(const Circuit& circuit, const core::GuardsConfig& config) {
  if (PAWL_FAULT(breaker_cooldown_stays)) return circuit.cooldown_ms;
  const int64_t max_ms = std::max<int64_t>(1, config.cooldown_max_ms);
  return circuit.cooldown_ms > max_ms / 2 ? max_ms : std::max<int64_t>(1, circuit.cooldown_ms * 2);
}

bool step_half_open(Circuit& circuit, CircuitEvent event, int64_t now_ms, const core::GuardsConfig& config) {
  switch (event) {
    case CircuitEvent::cooled:
      return false;
    case CircuitEvent::probe:
      if (circuit.probe_is_out() && !PAWL_FAULT(breaker_two_probes)) return false;
      circuit.probe_ms = now_ms;
      return true;
    case CircuitEvent::passed:
      if (PAWL_FAULT(breaker_never_closes)) return circuit.probe_ms = 0, true;
      circuit = {};
      return true;
    case CircuitEvent::freed:
      if (!circuit.probe_is_out()) return false;
      if (!PAWL_FAULT(breaker_probe_not_freed)) circuit.probe_ms = 0;
      return true;
    case CircuitEvent::unsure:
      if (!circuit.probe_is_out()) return false;
      circuit.probe_ms = 0;
      if (++circuit.unsure >= Circuit::unsure_max) open(circuit, next_cooldown_ms(circuit, config), now_ms);
      return true;
    case CircuitEvent::failed:
      if (!circuit.probe_is_out()) return false;
      open(circuit, next_cooldown_ms(circuit, config), now_ms);
      return true;
    case CircuitEvent::trip:
      open(circuit, next_cooldown_ms(circuit, config), now_ms);
      return true;
  }
  return false;
}

template <typename Archive, typename Record>
void fields(Archive& archive, Record& circuit) {
  archive(circuit.since_ms, circuit.cooldown_ms, circuit.probe_ms, circuit.unsure, circuit.failures,
          circuit.suspects, circuit.reason);
}

}  // namespace

bool Circuit::suspects_message(uint64_t sequence) const {
  return std::find(suspects.begin(), suspects.end(), sequence) != suspects.end();
}

bool step(Circuit& circuit, CircuitEvent event, int64_t now_ms, const core::GuardsConfig& config) {
  switch (circuit.state) {
    case CircuitState::closed:
      if (event != CircuitEvent::trip) return false;
      open(circuit, first_cooldown_ms(config), now_ms);
      circuit.opened_ms = now_ms;
      return true;
    case CircuitState::open:
      if (event != CircuitEvent::cooled || now_ms < circuit.cooled_at_ms()) return false;
      circuit.state = CircuitState::half_open;
      circuit.since_ms = now_ms;
      return true;
    case CircuitState::half_open:
      return step_half_open(circuit, event, now_ms, config);
  }
  return false;
}

std::string encode_circuit(const Circuit& circuit) {
  std::string out(1, static_cast<char>(Circuit::version_now));
  out += static_cast<char>(circuit.state);
  out += static_cast<char>(circuit.crashes ? 1 : 0);
  core::RecordWriter writer(out);
  fields(writer, circuit);
  writer(circuit.by, circuit.opened_ms);
  return out;
}

std::optional<Circuit> decode_circuit(std::string_view bytes) {
  if (bytes.size() < 3) return std::nullopt;
  const auto version = static_cast<uint8_t>(bytes[0]);
  if (version == 0 || version > Circuit::version_now) return std::nullopt;
  const auto state = static_cast<uint8_t>(bytes[1]);
  const auto crashes = static_cast<uint8_t>(bytes[2]);
  // A closed one has no row.
  if (state == 0 || state > static_cast<uint8_t>(CircuitState::half_open) || crashes > 1) return std::nullopt;
  Circuit circuit;
  circuit.state = static_cast<CircuitState>(state);
  circuit.crashes = crashes == 1;
  core::RecordReader reader(bytes.substr(3));
  fields(reader, circuit);
  if (version >= 2) reader(circuit.by);
  circuit.opened_ms = circuit.since_ms;
  if (version >= 3) reader(circuit.opened_ms);
  const bool open = circuit.state == CircuitState::open;
  if (!reader.whole() || circuit.opened_ms < 0 || circuit.since_ms < circuit.opened_ms ||
      circuit.cooldown_ms < 1 || circuit.probe_ms < 0 || circuit.cooldown_ms > limits::duration_ms_max ||
      (open && circuit.probe_is_out()) || circuit.unsure >= Circuit::unsure_max ||
      circuit.suspects.size() > Circuit::suspects_max) {
    return std::nullopt;
  }
  return circuit;
}

}  // namespace pawl::guards
