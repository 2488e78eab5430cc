#include "guards/circuit_breaker.h"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bus/base/ids.h"
#include "bus/base/parse.h"
#include "bus/core/faults.h"
#include "guards/outage_signs.h"

namespace pawl::guards {
namespace {

using core::ErrorClass;
using core::Outcome;

constexpr std::array<std::string_view, 2> prefixes = {"role:", "needs:"};

}  // namespace

// ---- Names ----------------------------------------------------------------------

bool CircuitBreaker::needs(const core::RoleFacts& role, std::string_view dependency) {
  const auto& needed = role.config->needs;
  return std::find(needed.begin(), needed.end(), dependency) != needed.end();
}

std::string CircuitBreaker::Named::text() const { return std::string(prefixes[kind]) += name; }

std::optional<CircuitBreaker::Named> CircuitBreaker::parse(std::string_view circuit) {
  for (const Kind kind : {of_role, of_dependency}) {
    if (circuit.starts_with(prefixes[kind])) return Named{kind, circuit.substr(prefixes[kind].size())};
  }
  return std::nullopt;
}

const Circuit* CircuitBreaker::find(Named named) const {
  const auto found = circuits_[named.kind].find(named.name);
  return found == circuits_[named.kind].end() ? nullptr : &found->second;
}

Circuit* CircuitBreaker::find(Named named) {
  const auto found = circuits_[named.kind].find(named.name);
  return found == circuits_[named.kind].end() ? nullptr : &found->second;
}

template <typename Visit>
void CircuitBreaker::each_of(const core::RoleFacts& role, const Visit& visit) const {
  const Named own{of_role, role.name};
  if (const Circuit* circuit = find(own)) visit(own, *circuit);
  if (circuits_[of_dependency].empty() || PAWL_FAULT(breaker_ignores_needs)) return;
  for (const std::string& dependency : role.config->needs) {
    const Named needed{of_dependency, dependency};
    if (const Circuit* circuit = find(needed)) visit(needed, *circuit);
  }
}

CircuitState CircuitBreaker::state_of(std::string_view circuit) const {
  const auto named = parse(circuit);
  const Circuit* found = named ? find(*named) : nullptr;
  return found == nullptr ? CircuitState::closed : found->state;
}

// ---- Opening --------------------------------------------------------------------

void CircuitBreaker::read_config(const core::Desk& desk) {
  const core::BusConfig& config = desk.config();
  needed_.clear();
  needed_.insert(config.defaults.needs.begin(), config.defaults.needs.end());
  for (const auto& [name, role] : config.roles) needed_.insert(role.needs.begin(), role.needs.end());
  tidy_ms_ = 0;
}

void CircuitBreaker::open(core::Desk& desk) {
  circuits_ = {};
  windows_ = {};
  unproven_.clear();
  limp_.clear();
  desk.scan(rows, [&](std::string_view key, std::string_view value) {
    if (limp_.restore(key, value)) return true;
    const auto named = parse(key.substr(rows.size()));
    auto circuit = decode_circuit(value);
    if (!named || !well_formed_name(named->name) || !circuit) {
      throw std::runtime_error("the row of a circuit is damaged or from a newer pawl");
    }
    if (circuit->probe_is_out()) unproven_.insert(named->text());
    circuits_[named->kind].emplace(named->name, std::move(*circuit));
    return true;
  });
  read_config(desk);
  find_next();
  set_idle(quiet());
}

void CircuitBreaker::restored(const core::RoleFacts& /*role*/, const core::Reservation& reserved,
                              uint64_t /*tokens*/, uint64_t /*cost*/) {
  if (unproven_.empty() || PAWL_FAULT(breaker_probe_forgotten)) return;
  each_probe(reserved.probe, [&](std::string_view circuit, int64_t probe_ms) {
    const auto named = parse(circuit);
    const Circuit* found = named ? find(*named) : nullptr;
    if (found != nullptr && found->probe_ms == probe_ms) unproven_.erase(std::string(circuit));
  });
}

void CircuitBreaker::configured(core::Desk& desk) {
  read_config(desk);
  settle_limp("the configuration has changed", desk);
}

// ---- Limp mode ------------------------------------------------------------------

std::string CircuitBreaker::goes_without(const core::RoleFacts& role) const {
  std::string without;
  if (!role.config->limp || circuits_[of_dependency].empty()) return without;
  for (const std::string& dependency : role.config->needs) {
    if (find(Named{of_dependency, dependency}) != nullptr)
      (without += without.empty() ? "" : ",") += dependency;
  }
  return without;
}

void CircuitBreaker::settle_limp(std::string_view reason, core::Desk& desk) {
  if (limp_.empty() && circuits_[of_dependency].empty()) return;
  limp_.settle([this](const core::RoleFacts& role) { return goes_without(role); }, reason, desk);
}

// ---- Claims ---------------------------------------------------------------------

Answer CircuitBreaker::admit_claim(const core::Candidate& candidate, const core::Desk& desk) const {
  if (quiet()) return allow();
  const int64_t now_ms = candidate.clocks.bus_ms;
  // Of several the one that holds longest; nobody knows how long a probe takes.
  Named worst;
  const Circuit* holds = nullptr;
  each_of(candidate.role, [&](Named named, const Circuit& circuit) {
    if (circuit.wants_probe(now_ms)) return;
    if (candidate.role.config->limp && named.kind == of_dependency) return;
    const bool longer =
        holds == nullptr ||
        (holds->state == CircuitState::open &&
         (circuit.state == CircuitState::half_open || circuit.cooled_at_ms() > holds->cooled_at_ms()));
    if (!longer) return;
    worst = named;
    holds = &circuit;
  });
  if (holds == nullptr) return allow();
  const bool open = holds->state == CircuitState::open;
  const std::string circuit = worst.text();
  core::Verdict verdict =
      refuse(Code::open, core::Scope::role,
             open ? "circuit " + circuit + " is open (" + holds->reason + "); one claim tries it after " +
                        format_duration(holds->cooldown_ms)
                  : "circuit " + circuit + " is half open (" + holds->reason +
                        "); one claim tries it now, the others wait for how it ends");
  verdict.subject = circuit;
  if (open) verdict.retry_at_ms = candidate.clocks.wall_ms + (holds->cooled_at_ms() - now_ms);
  if (holds->failures != 0) {
    verdict.value = holds->failures;
    verdict.limit = desk.config().guards.outage_messages;
  }
  return verdict;
}

void CircuitBreaker::taken(const core::Candidate& candidate, core::Reservation& reserved, core::Desk& desk) {
  if (quiet()) return;
  const int64_t now_ms = desk.clocks().bus_ms;
  std::vector<std::string> tries;
  bool limps = false;
  each_of(candidate.role, [&](Named named, const Circuit& circuit) {
    if (circuit.wants_probe(now_ms)) {
      tries.push_back(named.text());
    } else if (named.kind == of_dependency) {
      limps = true;
    }
  });
  // One that goes on without anything it needs proves nothing about the rest either.
  if (limps) {
    reserved.limp = goes_without(candidate.role);
    std::erase_if(tries, [](const std::string& text) {
      return parse(text)->kind == of_dependency && !PAWL_FAULT(breaker_limp_probes);
    });
  }
  const core::GuardsConfig& config = desk.config().guards;
  for (const std::string& text : tries) {
    const Named named = *parse(text);
    Circuit& circuit = *find(named);
    const CircuitState before = circuit.state;
    // The claim may come in the turn in which the cooldown is over, before its tick.
    step(circuit, CircuitEvent::cooled, now_ms, config);
    if (!step(circuit, CircuitEvent::probe, now_ms, config)) continue;
    store(named, before, {}, desk);
    reserved.probe += probe_mark(text, now_ms);
  }
}

// ---- Failures -------------------------------------------------------------------

std::vector<CircuitBreaker::Named> CircuitBreaker::counts_for(const core::Ending& ending) const {
  const Named own{of_role, ending.role.name};
  const auto dependency = needed_.find(blamed(ending));
  if (dependency == needed_.end()) return {own};
  // It was told to go on without: that it could not is the role's own trouble.
  if (LimpMode::names(ending.limp, *dependency) && !PAWL_FAULT(breaker_limp_counts)) return {own};
  const Named blame{of_dependency, *dependency};
  // A role that does not need what it blames would not be held by that circuit.
  if (needs(ending.role, *dependency)) return {blame};
  return {own, blame};
}

std::vector<CircuitBreaker::Named> CircuitBreaker::probe_of(const core::Ending& ending) const {
  std::vector<Named> probed;
  each_probe(ending.reserved.probe, [&](std::string_view text, int64_t probe_ms) {
    const auto named = parse(text);
    const Circuit* circuit = named ? find(*named) : nullptr;
    if (circuit != nullptr && circuit->probe_ms == probe_ms) probed.push_back(*named);
  });
  return probed;
}

OutageFailure CircuitBreaker::failure_of(const core::Ending& ending, const core::Desk& desk) const {
  return {desk.clocks().bus_ms,          ending.message,           ending.delivery,
          std::string(ending.role.name), ending.role.counts->done, ending.error_class == ErrorClass::crash};
}

bool CircuitBreaker::makes_outage(Named named, const core::Ending& ending, const core::Desk& desk) const {
  static const OutageWindow none;
  const auto window = windows_[named.kind].find(named.name);
  return (window == windows_[named.kind].end() ? none : window->second)
      .makes_outage(failure_of(ending, desk), desk);
}

// A message that crashed as a probe, or failed as one before, lets others try, if there are any: a batch of
// that kind, first in its lane, would keep the circuit open for ever. It rests for as long as the outage has
// lasted: there is time for ever more others to be tried, and after an outage it comes late by no more than
// that.
int64_t CircuitBreaker::rest_ms(const std::vector<Named>& tried, const core::Ending& ending,
                                const core::Desk& desk) const {
  if (ending.role.depth(core::MessageState::ready) == 0) return 0;
  int64_t rest_ms = 0;
  for (const Named named : tried) {
    const Circuit& circuit = *find(named);
    const bool again = circuit.suspects_message(ending.message.sequence);
    if (ending.error_class != ErrorClass::crash && !again) return 0;
    rest_ms = std::max(rest_ms, desk.clocks().bus_ms - circuit.opened_ms);
  }
  return rest_ms;
}

core::Ruling CircuitBreaker::judge(const core::Ending& ending, const core::Desk& desk) const {
  if (!is_outage_failure(ending) || PAWL_FAULT(breaker_spends)) return {};
  const bool crash = ending.error_class == ErrorClass::crash;
  const std::vector<Named> tried = probe_of(ending);
  const auto unspent = [&](const std::string& why) {
    const int64_t ms = rest_ms(tried, ending, desk);
    return core::Ruling{false, false, "not spent: " + why + (ms > 0 ? "; it rests while others try" : ""),
                        ms};
  };
  for (const Named named : counts_for(ending)) {
    if (const Circuit* circuit = find(named)) {
      // No crash was part of this outage: it may be a message that kills whoever tries it.
      const bool is_probe = std::find(tried.begin(), tried.end(), named) != tried.end();
      if (crash && is_probe && !circuit->crashes) continue;
      return unspent("circuit " + named.text() + " is " +
                     (circuit->state == CircuitState::open ? "open" : "half open"));
    }
    if (makes_outage(named, ending, desk)) {
      return unspent("an outage; with this failure circuit " + named.text() + " opens");
    }
  }
  if (!tried.empty() && !crash) return unspent("it was the probe of circuit " + tried.front().text());
  return {};
}

void CircuitBreaker::ended(const core::Ending& ending, const core::Ruling& ruling, core::Desk& desk) {
  if (ending.outcome == Outcome::done && quiet()) return;
  for (const Named named : probe_of(ending)) settle_probe(named, ending, desk);
  if (ending.outcome == Outcome::done) {
    // Work that was in flight and went well says as much as a probe.
    const Named own{of_role, ending.role.name};
    Circuit* circuit = find(own);
    if (circuit == nullptr || circuit->state != CircuitState::half_open) return;
    step(*circuit, CircuitEvent::passed, desk.clocks().bus_ms, desk.config().guards);
    return store(own, CircuitState::half_open, {{"reason", "a message of the role was done"}}, desk);
  }
  if (!is_outage_failure(ending)) return;
  for (const Named named : counts_for(ending)) {
    if (find(named) != nullptr) continue;
    // Only where failures are really not spent; not in mode observe or off.
    if (makes_outage(named, ending, desk)) {
      trip(named, ending, !ruling.spend, desk);
    } else {
      windows_[named.kind][std::string(named.name)].add(failure_of(ending, desk), desk.config().guards);
    }
  }
}

void CircuitBreaker::trip(Named named, const core::Ending& ending, bool give_back, core::Desk& desk) {
  const core::GuardsConfig& config = desk.config().guards;
  const int64_t now_ms = desk.clocks().bus_ms;
  auto window = windows_[named.kind].extract(std::string(named.name));
  Circuit circuit;
  std::set<uint64_t> messages = {ending.message.sequence};
  circuit.crashes = ending.error_class == ErrorClass::crash;
  uint32_t unspent = 0;
  if (!window.empty()) {
    for (const OutageFailure& failure : window.mapped().failures()) {
      if (!counts(failure, now_ms, config)) continue;
      messages.insert(failure.message.sequence);
      circuit.crashes = circuit.crashes || failure.crash;
      // The message at hand is still being settled; its failure is ruled on.
      if (!give_back || failure.message == ending.message) continue;
      if (desk.unspend(failure.message, failure.delivery)) ++unspent;
    }
  }
  circuit.failures = static_cast<uint32_t>(messages.size());
  circuit.reason = std::to_string(messages.size()) + " different messages failed within " +
                   format_duration(config.outage_window_ms) + ", the last with " + quote(ending);
  step(circuit, CircuitEvent::trip, now_ms, config);
  circuits_[named.kind].insert_or_assign(std::string(named.name), std::move(circuit));
  set_idle(false);
  store(named, CircuitState::closed,
        {{"class", std::string(core::class_name(ending.error_class))},
         {"message", encode_id(ending.message)},
         {"delivery", std::to_string(ending.delivery)},
         {"unspent", std::to_string(unspent)}},
        desk);
}

// ---- Probes ---------------------------------------------------------------------

CircuitEvent CircuitBreaker::outcome_of(Named named, const Circuit& circuit,
                                        const core::Ending& ending) const {
  switch (ending.outcome) {
    case Outcome::done:
      return CircuitEvent::passed;
    case Outcome::lapsed:
      return CircuitEvent::unsure;
    case Outcome::released:
    case Outcome::cancelled:
    case Outcome::expired:
      return CircuitEvent::freed;
    case Outcome::failed:
      break;
  }
  if (!is_outage_failure(ending)) return CircuitEvent::freed;
  if (ending.error_class == ErrorClass::crash) return CircuitEvent::unsure;
  if (named.kind == of_dependency && blamed(ending) != named.name) return CircuitEvent::unsure;
  // The same message again says more about the message: let another one try. Else one that always fails,
  // first in its lane, would keep the circuit open for ever.
  return circuit.suspects_message(ending.message.sequence) ? CircuitEvent::unsure : CircuitEvent::failed;
}

void CircuitBreaker::settle_probe(Named named, const core::Ending& ending, core::Desk& desk) {
  Circuit& circuit = *find(named);
  const CircuitState before = circuit.state;
  const CircuitEvent event = outcome_of(named, circuit, ending);
  step(circuit, event, desk.clocks().bus_ms, desk.config().guards);
  const std::string message = encode_id(ending.message);
  core::Headers about = {{"circuit", named.text()},
                         {"message", message},
                         {"delivery", std::to_string(ending.delivery)},
                         {"daemon", std::string(ending.daemon)},
                         {"outcome", std::string(core::outcome_names[static_cast<size_t>(ending.outcome)])}};
  if (ending.outcome == Outcome::failed) about.emplace_back("error", quote(ending));
  desk.chronicle("breaker.probe", std::move(about));
  if (circuit.state == CircuitState::open) {
    ++circuit.failures;
    const auto sequence = ending.message.sequence;
    if (event == CircuitEvent::failed && circuit.suspects.size() < Circuit::suspects_max) {
      circuit.suspects.push_back(sequence);
    }
    circuit.reason = "the probe " + message + " ended as " +
                     (ending.outcome == Outcome::failed ? quote(ending) : "lapsed");
  }
  core::Headers reason;
  if (ending.outcome == Outcome::failed) {
    reason.emplace_back("class", std::string(core::class_name(ending.error_class)));
  }
  reason.insert(reason.end(),
                {{"message", message}, {"delivery", std::to_string(ending.delivery)}, {"unspent", "0"}});
  store(named, before, std::move(reason), desk);
}

// ---- ROLE --------------------------------------------------------------------

void CircuitBreaker::report(core::FactsSink& sink, const core::Desk& desk) const {
  if (!sink.wants(core::FactsSink::circuits)) return;
  const core::Clocks now = desk.clocks();
  for (const Kind kind : {of_role, of_dependency}) {
    for (const auto& [name, circuit] : circuits_[kind]) {
      const std::string full = Named{kind, name}.text();
      sink.circuit({full, circuit_state_names[static_cast<size_t>(circuit.state)], circuit.reason,
                    now.wall_ms + (circuit.cooled_at_ms() - now.bus_ms)});
    }
  }
}

void CircuitBreaker::describe(const core::RoleFacts& role, const core::Desk& /*desk*/,
                              core::Fields& fields) const {
  CircuitState worst = CircuitState::closed;
  std::string reason;
  each_of(role, [&](Named named, const Circuit& circuit) {
    const bool worse = worst == CircuitState::closed ||
                       (worst == CircuitState::half_open && circuit.state == CircuitState::open);
    if (!worse) return;
    worst = circuit.state;
    reason = named.text() + ": " + circuit.reason;
  });
  fields.text("breaker", std::string(circuit_state_names[static_cast<size_t>(worst)]));
  if (worst != CircuitState::closed) fields.text("breaker_reason", std::move(reason));
  if (std::string without = goes_without(role); !without.empty()) fields.text("limp", std::move(without));
}

}  // namespace pawl::guards
