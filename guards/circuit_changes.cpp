// The second half of CircuitBreaker: what a change of a circuit brings about, and time.
#include <algorithm>
#include <utility>
#include <vector>

#include "guards/circuit_breaker.h"

namespace pawl::guards {

// ---- Changes --------------------------------------------------------------------

bool CircuitBreaker::open_by(Named named, std::string_view by, std::string_view reason, core::Desk& desk) {
  Circuit* found = find(named);
  Circuit circuit = found == nullptr ? Circuit() : *found;
  const CircuitState before = circuit.state;
  if (!step(circuit, CircuitEvent::trip, desk.clocks().bus_ms, desk.config().guards)) return false;
  circuit.reason = std::string(reason);
  circuit.by = std::string(by);
  const std::string name(named.name);
  circuits_[named.kind].insert_or_assign(name, std::move(circuit));
  set_idle(false);
  windows_[named.kind].erase(name);
  store(Named{named.kind, name}, before, {{"unspent", "0"}}, desk);
  return true;
}

bool CircuitBreaker::open_dependency(std::string_view dependency, std::string_view reason, core::Desk& desk,
                                     std::string_view by) {
  const auto known = needed_.find(dependency);
  return known != needed_.end() && open_by({of_dependency, *known}, by, reason, desk);
}

std::optional<Status> CircuitBreaker::restrict(const core::Restriction& restriction, core::Desk& desk) {
  if (restriction.kind != core::Restriction::Kind::open_circuit) return std::nullopt;
  const std::string subject(restriction.subject);
  const auto named = parse(subject);
  const bool known =
      named && (named->kind == of_role ? desk.role(named->name).has_value() : needed_.contains(named->name));
  if (!known) {
    return make_error(Code::notfound, "there is no circuit '" + subject +
                                          "': a role has one, and what a role of pawl.toml needs");
  }
  if (find(*named) != nullptr) {
    return make_error(Code::state,
                      "circuit " + subject + " is " +
                          std::string(circuit_state_names[static_cast<size_t>(state_of(subject))]) +
                          " already");
  }
  open_by(*named, restriction.by, restriction.reason, desk);
  return Status();
}

void CircuitBreaker::lift(const core::Restriction& restriction, core::Desk& desk) {
  if (restriction.kind != core::Restriction::Kind::open_circuit) return;
  const std::string subject(restriction.subject);
  const auto named = parse(subject);
  Circuit* circuit = named ? find(*named) : nullptr;
  if (circuit == nullptr || circuit->by != restriction.by) return;
  const CircuitState before = circuit->state;
  *circuit = {};
  store(*named, before, {{"reason", std::string(restriction.by) + " is over"}}, desk);
}

void CircuitBreaker::store(Named named, CircuitState before, core::Headers about, core::Desk& desk) {
  const auto at = circuits_[named.kind].find(named.name);
  Circuit& circuit = at->second;
  const std::string text = named.text();
  const std::string key = std::string(rows) + text;
  core::Headers fields = {{"circuit", text}};
  switch (circuit.state) {
    case CircuitState::closed:
      desk.erase(key);
      fields.insert(fields.end(), about.begin(), about.end());
      desk.chronicle("breaker.close", std::move(fields));
      wake(named, desk);
      circuits_[named.kind].erase(at);
      set_idle(quiet());
      if (named.kind == of_dependency) settle_limp("circuit " + text + " is closed", desk);
      return;
    case CircuitState::open:
      if (!PAWL_FAULT(breaker_lost_at_restart)) desk.put(key, encode_circuit(circuit));
      fields.emplace_back("reason", circuit.reason);
      fields.emplace_back("failures", std::to_string(circuit.failures));
      fields.emplace_back("cooldown_ms", std::to_string(circuit.cooldown_ms));
      if (!circuit.by.empty()) fields.emplace_back("by", circuit.by);
      fields.insert(fields.end(), about.begin(), about.end());
      desk.chronicle("breaker.open", std::move(fields));
      next_ms_ = std::min(next_ms_, circuit.cooled_at_ms());
      if (named.kind == of_dependency) {
        settle_limp("circuit " + text + " is open: " + std::string(circuit.reason), desk);
      }
      return;
    case CircuitState::half_open:
      desk.put(key, encode_circuit(circuit));
      if (circuit.state != before) {
        fields.emplace_back("cooldown_ms", std::to_string(circuit.cooldown_ms));
        desk.chronicle("breaker.half_open", std::move(fields));
      }
      if (!circuit.probe_is_out()) wake(named, desk);
      return;
  }
}

void CircuitBreaker::wake(Named named, core::Desk& desk) const {
  if (named.kind == of_role) return desk.wake(named.name);
  std::vector<std::string> roles;
  desk.each_role([&](const core::RoleFacts& role) {
    if (needs(role, named.name)) roles.emplace_back(role.name);
  });
  for (const std::string& role : roles) desk.wake(role);
}

void CircuitBreaker::find_next() {
  next_ms_ = INT64_MAX;
  for (const Circuits& circuits : circuits_) {
    for (const auto& [name, circuit] : circuits) {
      if (circuit.state == CircuitState::open) next_ms_ = std::min(next_ms_, circuit.cooled_at_ms());
    }
  }
}

// ---- Time -----------------------------------------------------------------------

void CircuitBreaker::tick(core::Desk& desk) {
  const int64_t now_ms = desk.clocks().bus_ms;
  if (now_ms >= next_ms_) cool(desk);
  if (now_ms >= tidy_ms_) tidy(desk);
}

void CircuitBreaker::cool(core::Desk& desk) {
  const int64_t now_ms = desk.clocks().bus_ms;
  for (const Kind kind : {of_role, of_dependency}) {
    for (auto& [name, circuit] : circuits_[kind]) {
      const CircuitState before = circuit.state;
      if (step(circuit, CircuitEvent::cooled, now_ms, desk.config().guards)) {
        store(Named{kind, name}, before, {}, desk);
      }
    }
  }
  find_next();
}

// What no role refers to any more, and probes that no claim is.
void CircuitBreaker::tidy(core::Desk& desk) {
  const core::GuardsConfig& config = desk.config().guards;
  const int64_t now_ms = desk.clocks().bus_ms;
  tidy_ms_ = now_ms + config.outage_window_ms;
  for (const std::string& text : std::exchange(unproven_, {})) {
    const Named named = *parse(text);
    Circuit* circuit = find(named);
    if (circuit != nullptr && step(*circuit, CircuitEvent::freed, now_ms, config)) {
      store(named, CircuitState::half_open, {}, desk);
    }
  }
  for (Windows& windows : windows_) {
    std::erase_if(windows, [&](const auto& entry) { return entry.second.over(now_ms, config); });
  }
  std::vector<std::string> gone;
  for (const auto& [name, circuit] : circuits_[of_role]) {
    if (!desk.role(name)) gone.push_back(Named{of_role, name}.text());
  }
  for (const auto& [name, circuit] : circuits_[of_dependency]) {
    if (!needed_.contains(name)) gone.push_back(Named{of_dependency, name}.text());
  }
  for (const std::string& text : gone) {
    const Named named = *parse(text);
    desk.erase(std::string(rows) + text);
    desk.chronicle("breaker.drop", {{"circuit", text}, {"reason", "no role refers to it any more"}});
    wake(named, desk);
    circuits_[named.kind].erase(std::string(named.name));
  }
  set_idle(quiet());
  settle_limp("the role, or what it needs, is another one", desk);
}

std::optional<int64_t> CircuitBreaker::next_wakeup_ms() const {
  if (next_ms_ == INT64_MAX) return std::nullopt;
  return next_ms_;
}

}  // namespace pawl::guards
