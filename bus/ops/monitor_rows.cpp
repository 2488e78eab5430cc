#include "bus/ops/monitor_rows.h"

#include <algorithm>
#include <utility>

#include "bus/ops/coding.h"

namespace pawl::ops {
template <typename Archive>
void MonitorHead::code(Archive& ar, uint8_t /*version*/) {
  ar(next_sweep, last_ms, last_bus_ms, armed_bus_ms, thawed_bus_ms);
  code_map(ar, standing);
}

template <typename Archive>
void RoleErrors::code(Archive& ar, uint8_t /*version*/) {
  code_map(ar, classes, [&](Class& one) { ar(one.count, one.id, one.text); });
}

template <typename Archive>
void CronMisses::code(Archive& ar, uint8_t /*version*/) {
  ar(slots, last_ms, why);
}

template <typename Archive>
void MonitorMark::code(Archive& ar, uint8_t /*version*/) {
  ar(at_ms);
  code_map(ar, roles, [&](Role& role) {
    ar(role.number, role.ended, role.claimed, role.died, role.tokens, role.cost);
    code_map(ar, role.errors);
  });
  code_map(ar, would_refuse);
  code_map(ar, missed);
}

template <typename Archive>
void Baseline::code(Archive& ar, uint8_t /*version*/) {
  code_items(ar, windows, [&](Window& window) {
    ar(window.ended);
    code_map(ar, window.errors);
  });
}

template <typename Archive>
void SweepReport::code(Archive& ar, uint8_t /*version*/) {
  ar(number, at_ms, since_ms, more, by);
  code_word(ar, result, sweep_result_names.size());
  code_items(ar, findings, [&](Finding& finding) {
    ar(finding.kind, finding.subject, finding.title, finding.look, finding.fingerprint, finding.incident);
    ar(finding.roles, finding.daemons);
    code_word(ar, finding.tier, tier_names.size());
    code_flag(ar, finding.raises);
    code_items(ar, finding.evidence, [&](Evidence& one) {
      ar(one.name, one.text, one.number);
      code_flag(ar, one.numeric);
    });
  });
}

void Baseline::learn(Window window) {
  windows.push_back(std::move(window));
  if (windows.size() > MonitorHabits::windows_max) windows.erase(windows.begin());
}

std::optional<uint32_t> Baseline::usual(core::ErrorClass error_class) const {
  if (windows.size() < MonitorHabits::windows_least) return std::nullopt;
  std::vector<uint32_t> rates;
  rates.reserve(windows.size());
  for (const Window& window : windows) {
    const auto count = window.errors.find(static_cast<uint8_t>(error_class));
    const uint64_t failed = count == window.errors.end() ? 0 : count->second;
    rates.push_back(window.ended == 0
                        ? 0
                        : static_cast<uint32_t>(std::min<uint64_t>(10'000, failed * 10'000 / window.ended)));
  }
  const auto middle = rates.begin() + static_cast<ptrdiff_t>((rates.size() - 1) / 2);
  std::nth_element(rates.begin(), middle, rates.end());
  return *middle;
}

template <typename Row>
std::string encode_monitor(const Row& row) {
  return encode_value(row);
}
template <typename Row>
std::optional<Row> decode_monitor(std::string_view bytes) {
  return decode_value<Row>(bytes);
}

template std::string encode_monitor(const MonitorHead&);
template std::string encode_monitor(const RoleErrors&);
template std::string encode_monitor(const CronMisses&);
template std::string encode_monitor(const MonitorMark&);
template std::string encode_monitor(const Baseline&);
template std::string encode_monitor(const SweepReport&);
template std::optional<MonitorHead> decode_monitor(std::string_view);
template std::optional<RoleErrors> decode_monitor(std::string_view);
template std::optional<CronMisses> decode_monitor(std::string_view);
template std::optional<MonitorMark> decode_monitor(std::string_view);
template std::optional<Baseline> decode_monitor(std::string_view);
template std::optional<SweepReport> decode_monitor(std::string_view);

}  // namespace pawl::ops
