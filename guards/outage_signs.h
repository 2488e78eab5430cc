// What the breaker reads from the end of a delivery, and what it writes into a claim.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/base/parse.h"
#include "bus/core/gate.h"

namespace pawl::guards {

// May an outage be behind it? It failed, not for good, as transient, timeout, dependency_down, rate_limited,
// auth or crash.
bool is_outage_failure(const core::Ending& ending);
// The NAME of `dependency_down "NAME: …"`; empty: none.
std::string_view blamed(const core::Ending& ending);
// "timeout: what the worker said", one line, cut.
std::string quote(const core::Ending& ending);

// The probe's mark in a reservation: circuit, '@' (no name has one), bus time of its grant, line feed.
inline std::string probe_mark(const std::string& circuit, int64_t probe_ms) {
  return circuit + '@' + std::to_string(probe_ms) + '\n';
}

// Calls visit(circuit, bus time of its grant) for each.
template <typename Visit>
void each_probe(std::string_view marks, const Visit& visit) {
  while (!marks.empty()) {
    const size_t end = std::min(marks.find('\n'), marks.size());
    const std::string_view mark = marks.substr(0, end);
    marks.remove_prefix(std::min(end + 1, marks.size()));
    const size_t at = mark.rfind('@');
    if (at == std::string_view::npos) continue;
    if (const auto probe_ms = parse_int(mark.substr(at + 1))) visit(mark.substr(0, at), *probe_ms);
  }
}

}  // namespace pawl::guards
