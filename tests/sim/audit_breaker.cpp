#include "tests/sim/audit_breaker.h"

#include <algorithm>
#include <set>

#include "bus/base/parse.h"
#include "bus/core/keys.h"

namespace pawl::sim {
namespace {

using core::ErrorClass;
using core::Outcome;
using core::Place;
using core::Table;

bool outage_class(ErrorClass kind) {
  constexpr ErrorClass kinds[] = {ErrorClass::transient,    ErrorClass::timeout, ErrorClass::dependency_down,
                                  ErrorClass::rate_limited, ErrorClass::auth,    ErrorClass::crash};
  return std::find(std::begin(kinds), std::end(kinds), kind) != std::end(kinds);
}

bool like_an_outage(const core::InvocationRecord& record) {
  return record.outcome == Outcome::failed && outage_class(record.error_class);
}

int64_t number(const std::map<std::string, std::string>& fields, const std::string& name) {
  const auto found = fields.find(name);
  return found == fields.end() ? -1 : parse_int(found->second).value_or(-1);
}

// The circuits that a claim is the probe of, with the bus time of its grant.
std::vector<std::pair<std::string, int64_t>> probed(std::string_view marks) {
  std::vector<std::pair<std::string, int64_t>> result;
  while (!marks.empty()) {
    const size_t end = std::min(marks.find('\n'), marks.size());
    const std::string_view mark = marks.substr(0, end);
    marks.remove_prefix(std::min(end + 1, marks.size()));
    const size_t at = mark.rfind('@');
    if (at == std::string_view::npos) continue;
    result.emplace_back(mark.substr(0, at), parse_int(mark.substr(at + 1)).value_or(0));
  }
  return result;
}

std::vector<std::string> words(const std::string& list) {
  std::vector<std::string> all;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    all.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return all;
}

}  // namespace

void BreakerAudit::wrong(const std::string& what) {
  if (!problem_) problem_ = what;
}

void BreakerAudit::look_at(const core::StateView& before, const core::Batch& batch) {
  before_ = &before;
  events_.clear();
  lives_.clear();
  erased_.clear();
  closed_.clear();
  given_back_ = given_back_told_ = unseen_ = 0;
  circuits_before_ = circuits_;
  gather(batch);
  for (const core::EventRecord& event : events_) look_at_event(event);
  for (const BirthKey& key : erased_) {
    probes_.erase(key.sequence);
    forget(encode_id(key));
  }
  for (const auto& [key, life] : lives_) look_at_life(key, life);
  // Of what was given back and ended in one batch no row may be left to show it.
  if (given_back_ > given_back_told_ || given_back_told_ > given_back_ + unseen_) {
    wrong(std::to_string(given_back_) + " attempts were given back, and breaker.open tells of " +
          std::to_string(given_back_told_));
  }
  for (const auto& [name, circuit] : circuits_) {
    if (circuit.state != State::half_open) continue;
    size_t out = 0;
    for (const auto& [sequence, marks] : probes_) {
      for (const auto& [tried, at_ms] : probed(marks)) {
        if (tried == name && at_ms >= circuit.since_bus) ++out;
      }
    }
    if (out > 1) wrong(std::to_string(out) + " probes of circuit " + name + " are out at a time");
  }
  before_ = nullptr;
}

void BreakerAudit::gather(const core::Batch& batch) {
  batch.for_each([&](Table table, std::string_view key, std::optional<std::string_view> value) {
    if (table == Table::meta && key == core::keys::head_row && value) {
      if (const auto head = core::decode<core::HeadRecord>(*value)) bus_ms_ = head->bus_ms;
    } else if (table == Table::chronicle && value) {
      if (auto event = core::decode<core::EventRecord>(*value)) events_.push_back(std::move(*event));
    } else if (table == Table::life && value) {
      if (auto life = core::decode<core::LifeRecord>(*value)) {
        lives_.emplace_back(core::keys::read_birth(key), std::move(*life));
      }
    } else if (table == Table::life) {
      erased_.push_back(core::keys::read_birth(key));
      // With keep_done 0 a failure that ended its message leaves no row to be told from.
      std::string row;
      const bool known = before_->get(Table::life, key, row);
      const auto old = known ? core::decode<core::LifeRecord>(row) : std::nullopt;
      if (old && old->place == Place::claimed) failures_.emplace_back(INT64_MAX, erased_.back().sequence);
    } else if (table == Table::invocation && value) {
      const auto record = core::decode<core::InvocationRecord>(*value);
      if (record && like_an_outage(*record))
        failures_.emplace_back(INT64_MAX, core::keys::read_birth(key).sequence);
    }
  });
  for (auto& [at_ms, sequence] : failures_) at_ms = std::min(at_ms, bus_ms_);
  leave_out_final();
}

// Whoever dies with attempts left died for good, by FAIL … DEAD or by its class: that is no sign of an
// outage.
void BreakerAudit::leave_out_final() {
  for (const core::EventRecord& event : events_) {
    if (event.kind != "message.dead") continue;
    const Fields fields(event.fields.begin(), event.fields.end());
    const auto key = decode_id(fields.at("id"));
    std::string row;
    if (!key || !before_->get(Table::home, core::keys::birth(*key), row)) continue;
    const auto home = core::decode<core::HomeRecord>(row);
    if (!home) continue;
    const uint32_t max =
        home->max_attempts != 0 ? home->max_attempts : config_.role(fields.at("role")).max_attempts;
    if (number(fields, "spent") >= max) continue;
    const auto failed = std::find(failures_.rbegin(), failures_.rend(), std::pair(bus_ms_, key->sequence));
    if (failed != failures_.rend()) failures_.erase(std::next(failed).base());
  }
}

// At least so many as can have failed within the window before that time.
size_t BreakerAudit::failing_messages(int64_t bus_ms) const {
  std::set<uint64_t> messages;
  for (const auto& [at_ms, sequence] : failures_) {
    if (at_ms > bus_ms - config_.guards.outage_window_ms) messages.insert(sequence);
  }
  return messages.size();
}

void BreakerAudit::look_at_event(const core::EventRecord& event) {
  Fields fields(event.fields.begin(), event.fields.end());
  if (event.kind == "breaker.open" || event.kind == "breaker.half_open" || event.kind == "breaker.close" ||
      event.kind == "breaker.drop") {
    look_at_circuit(fields["circuit"], event, fields);
  } else if (event.kind == "message.retry" || event.kind == "message.lapse" || event.kind == "message.dead") {
    look_at_failure(event, fields);
  }
}

void BreakerAudit::look_at_circuit(const std::string& name, const core::EventRecord& event,
                                   const Fields& fields) {
  Circuit& circuit = circuits_[name];
  const core::GuardsConfig& config = config_.guards;
  const auto illegal = [&] {
    constexpr const char* names[] = {"closed", "open", "half open"};
    wrong(event.kind + " of circuit " + name + ", which is " + names[static_cast<size_t>(circuit.state)]);
  };
  if (event.kind == "breaker.open") {
    const int64_t cooldown = number(fields, "cooldown_ms");
    given_back_told_ += static_cast<size_t>(std::max<int64_t>(0, number(fields, "unspent")));
    if (circuit.state == State::open) return illegal();
    const int64_t expected = circuit.state == State::closed
                                 ? config.cooldown_ms
                                 : std::min(circuit.cooldown * 2, config.cooldown_max_ms);
    if (cooldown != expected) {
      wrong("circuit " + name + " opens for " + std::to_string(cooldown) + " ms, expected " +
            std::to_string(expected));
    }
    if (circuit.state == State::closed && failing_messages(event.bus_ms) < config.outage_messages) {
      wrong("circuit " + name + " opens though only " + std::to_string(failing_messages(event.bus_ms)) +
            " messages failed");
    }
    circuit.state = State::open;
    circuit.cooldown = cooldown;
    circuit.openings.emplace_back(event.at_ms, 0);
  } else if (event.kind == "breaker.half_open") {
    if (circuit.state != State::open) return illegal();
    if (event.bus_ms < circuit.since_bus + circuit.cooldown) wrong("circuit " + name + " cools too fast");
    circuit.state = State::half_open;
    circuit.openings.back().second = event.at_ms;
  } else {
    const bool dropped = event.kind == "breaker.drop" && circuit.state != State::closed;
    if (circuit.state != State::half_open && !dropped) return illegal();
    if (circuit.state == State::open) circuit.openings.back().second = event.at_ms;
    circuit.state = State::closed;
    ++closed_[name];
  }
  circuit.since_bus = event.bus_ms;
}

// At most the attempt of the newest failure can be given back, and once.
void BreakerAudit::give_back(const std::string& id, Spent& spent, uint32_t to) {
  if (spent.count == to) return;
  if (spent.count != to + 1 || !spent.may_come_back) {
    wrong("message " + id + " had spent " + std::to_string(spent.count) + " attempts, and now " +
          std::to_string(to));
  }
  ++given_back_;
  spent.count = to;
  spent.may_come_back = false;
}

// While the circuit of the role is not closed, what fails like an outage is put down to it.
void BreakerAudit::look_at_spent(const std::string& id, const Fields& fields) {
  const auto kind = core::class_from(fields.at("class"));
  const bool plain = kind && *kind != ErrorClass::crash && *kind != ErrorClass::dependency_down;
  if (!plain || !outage_class(*kind)) return;
  if (circuits_["role:" + fields.at("role")].state != State::closed) {
    wrong("a failure of message " + id + " is spent, and the circuit of its role stands open");
  }
}

// Its newest attempt may have been given back in this very batch.
void BreakerAudit::forget(const std::string& id) {
  const auto known = spent_.find(id);
  if (known == spent_.end()) return;
  if (known->second.may_come_back) ++unseen_;
  spent_.erase(known);
}

void BreakerAudit::look_at_failure(const core::EventRecord& event, const Fields& fields) {
  const std::string& id = fields.at("id");
  if (event.kind == "message.dead") {
    // A replay may follow at once, and begins anew.
    forget(id);
    return;
  }
  const auto ruling = fields.find("ruling");
  // What ran without a dependency says nothing of it.
  if (const auto key = decode_id(id); key && ruling != fields.end()) {
    std::string row;
    const bool known = before_->get(Table::life, core::keys::birth(*key), row);
    const auto old = known ? core::decode<core::LifeRecord>(row) : std::nullopt;
    for (const std::string& without : old ? words(old->limp) : std::vector<std::string>()) {
      const bool same = std::to_string(old->deliveries) == fields.at("delivery");
      if (same && ruling->second.find("needs:" + without) != std::string::npos) {
        wrong("message " + id + " ran without " + without + ", and its failure is put down to it");
      }
    }
  }
  const auto told = fields.find("class");
  // A handler that was told to stop has not failed.
  const bool stopped = told != fields.end() && told->second == "cancelled";
  const bool is_spent =
      !stopped && (ruling == fields.end() || ruling->second.find("not spent") == std::string::npos);
  const auto now = static_cast<uint32_t>(number(fields, "spent"));
  if (event.kind == "message.retry" && is_spent) look_at_spent(id, fields);
  const auto [at, fresh] = spent_.try_emplace(id);
  if (!fresh) give_back(id, at->second, now - (is_spent && now > 0 ? 1 : 0));
  // One that is not spent leaves the failure before it as it was.
  at->second = {now, is_spent || at->second.may_come_back};
}

void BreakerAudit::look_at_life(const BirthKey& key, const core::LifeRecord& life) {
  const std::string id = encode_id(key);
  std::string row;
  std::optional<core::LifeRecord> old;
  if (before_->get(Table::life, core::keys::birth(key), row)) old = core::decode<core::LifeRecord>(row);
  if (life.place == Place::dead || (old && old->place == Place::dead)) spent_.erase(id);
  if (const auto known = spent_.find(id); known != spent_.end()) give_back(id, known->second, life.spent);
  if (old && old->place == Place::claimed && life.place == Place::done && old->token == life.token) {
    for (const auto& [name, at_ms] : probed(old->reserved.probe)) {
      const Circuit& circuit = circuits_before_[name];
      const bool was_its_probe = circuit.state == State::half_open && at_ms >= circuit.since_bus;
      if (was_its_probe && closed_[name] == 0) wrong("the probe of " + name + " went well, and it stays");
    }
  }
  probes_.erase(key.sequence);
  if (life.place != Place::claimed) return;
  if (!life.reserved.probe.empty()) probes_[key.sequence] = life.reserved.probe;
  if (!old || old->token != life.token) look_at_grant(id, life);
}

// A claim goes on without what is out, and tries none of it.
void BreakerAudit::look_at_limp(const std::string& id, const core::LifeRecord& life) {
  for (const std::string& without : words(life.limp)) {
    const std::string name = "needs:" + without;
    if (circuits_before_[name].state == State::closed && circuits_[name].state == State::closed) {
      wrong("message " + id + " goes on without " + without + ", whose circuit is closed");
    }
    for (const auto& [tried, at_ms] : probed(life.reserved.probe)) {
      if (tried == name) wrong("message " + id + " goes on without " + without + ", and is its probe");
    }
  }
}

// A claim that was granted while a circuit of its role stood open.
void BreakerAudit::look_at_grant(const std::string& id, const core::LifeRecord& life) {
  std::string row;
  if (!before_->get(Table::role, core::keys::role(life.role), row)) return;
  const auto role = core::decode<core::RoleRecord>(row);
  if (!role) return;
  const core::RoleConfig& role_config = config_.role(role->name);
  if (!life.limp.empty() && !role_config.limp) wrong("message " + id + " limps, and its role cannot");
  look_at_limp(id, life);
  const std::vector<std::string> without = words(life.limp);
  std::vector<std::string> names = {"role:" + role->name};
  for (const std::string& dependency : role_config.needs) {
    const bool limps = std::find(without.begin(), without.end(), dependency) != without.end();
    if (!limps) names.push_back("needs:" + dependency);
  }
  for (const std::string& name : names) {
    for (const auto& [from, to] : circuits_[name].openings) {
      if (life.claimed_at_ms > from && (to == 0 || life.claimed_at_ms < to)) {
        wrong("message " + id + " was claimed while circuit " + name + " was open");
      }
    }
  }
}

}  // namespace pawl::sim
