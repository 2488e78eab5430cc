// What guards say before an operation, and before a claim is granted.
#include <algorithm>

#include "tests/sim/model.h"

namespace pawl::sim {
namespace {

namespace op = core::op;
using core::DiskMark;
using core::GuardMode;

// The first mark of a disk that runs full at which it is refused; ample: it never is.
struct RefusedFrom {
  DiskMark operator()(const op::Push&) const { return DiskMark::low; }
  DiskMark operator()(const op::MultiPush&) const { return DiskMark::low; }
  DiskMark operator()(const op::Claim&) const { return DiskMark::low; }
  DiskMark operator()(const op::DeadReplay& replay) const {
    return replay.dry_run ? DiskMark::ample : DiskMark::low;
  }
  DiskMark operator()(const op::Move&) const { return DiskMark::critical; }
  DiskMark operator()(const op::DeadEdit&) const { return DiskMark::critical; }
  DiskMark operator()(const op::RoleDrop&) const { return DiskMark::critical; }
  template <typename Other>
  DiskMark operator()(const Other&) const {
    return DiskMark::ample;
  }
};

// Payload, headers, keys and 64 bytes (docs/config.md).
uint64_t bytes_of(const op::Push& push) {
  uint64_t bytes =
      64 + push.payload.size() + push.unique.value_or("").size() + push.group.value_or("").size();
  for (const auto& [name, value] : push.headers) bytes += name.size() + value.size();
  return bytes;
}

uint64_t bytes_of(const ModelMessage& message) {
  uint64_t bytes =
      64 + message.payload.size() + message.unique.value_or("").size() + message.group.value_or("").size();
  for (const auto& [name, value] : message.headers) bytes += name.size() + value.size();
  return bytes;
}

// What a priority has of a cap (docs/guards.md); how the share is rounded is left open.
std::pair<uint64_t, uint64_t> share_of(uint64_t cap, int priority, uint32_t from) {
  if (priority >= limits::priority_default || from >= 100) return {cap, cap};
  const uint64_t fifths = 5 * uint64_t{from} + (100 - uint64_t{from}) * static_cast<uint64_t>(priority);
  return {cap * (fifths / 5) / 100, (cap * fifths + 499) / 500};
}

bool fixed_mode(std::string_view guard) {
  return guard == "authorisation" || guard == "size" || guard == "freeze" || guard == "sweep";
}

}  // namespace

GuardMode Model::mode(std::string_view guard) const {
  if (const auto set = modes_.find(guard); set != modes_.end()) return set->second;
  if (const auto said = config_.guards.modes.find(guard); said != config_.guards.modes.end()) {
    return said->second;
  }
  return guard == "velocity" ? GuardMode::observe : GuardMode::enforce;
}

// ---- Before an operation -----------------------------------------------------------

// Items of a transaction are looked at before any of them is done.
std::optional<Model::Refusal> Model::backlog_refusal(const std::string& role, int priority, uint64_t messages,
                                                     uint64_t bytes) const {
  const core::RoleConfig& config = config_.role(role);
  if (config.backlog_max == 0 && config.backlog_bytes_max == 0) return std::nullopt;
  uint64_t waiting = 0;
  uint64_t stored = 0;
  for (const auto& [id, message] : messages_) {
    const bool waits = message.state == MessageState::scheduled || message.state == MessageState::ready;
    if (message.role != role || (!waits && message.state != MessageState::claimed)) continue;
    waiting += waits ? 1 : 0;
    stored += bytes_of(message);
  }
  std::optional<Refusal> result;
  const auto look = [&](uint64_t now, uint64_t more, uint64_t cap) {
    if (cap == 0) return;
    const auto [least, most] = share_of(cap, priority, config_.guards.shed_from_percent);
    if (now + more > cap || now >= most)
      result = Refusal{Code::busy, true};
    else if (!result && now >= least)
      result = Refusal{Code::busy, false};
  };
  look(waiting, messages, config.backlog_max);
  look(stored, bytes, config.backlog_bytes_max);
  return result;
}

std::optional<Model::Refusal> Model::refusal_of(const core::Operation& operation) const {
  const auto denial = denial_of(operation);
  if (denial && denial->sure) return denial;
  const auto other = limit_of(operation);
  return denial && !(other && other->sure) ? denial : other;
}

std::optional<Model::Refusal> Model::limit_of(const core::Operation& operation) const {
  if (too_big(operation)) return Refusal{Code::toobig, true};
  if (stopping_freeze(operation)) return Refusal{Code::frozen, true};
  if (mode("shed") != GuardMode::enforce) return std::nullopt;
  const DiskMark from = std::visit(RefusedFrom{}, operation);
  if (from != DiskMark::ample && disk_ >= from) return Refusal{Code::busy, true};
  if (const auto* push = std::get_if<op::Push>(&operation)) {
    return backlog_refusal(std::string(push->role), push->priority, 1, bytes_of(*push));
  }
  if (const auto* pushes = std::get_if<op::MultiPush>(&operation)) {
    uint64_t bytes = 64 * pushes->payloads.size();
    for (const std::string_view payload : pushes->payloads) bytes += payload.size();
    return backlog_refusal(std::string(pushes->role), limits::priority_default, pushes->payloads.size(),
                           bytes);
  }
  return std::nullopt;
}

void Model::expect_refused(const std::string& what, Code code, const Value& got) {
  expect(what + " that is refused", Value::error(code), got);
  if (code != Code::frozen || freeze_.until == 0) return;
  const std::string left = "retry-after-ms=" + std::to_string(std::max<int64_t>(0, freeze_.until - wall_));
  if (got.text.find(left) == std::string::npos) wrong(what + ": expected " + left + " in " + to_text(got));
}

// Whether a guard refuses it; then the answer says so and nothing has happened.
bool Model::judge_refused(const core::Operation& operation, const Value* got) {
  std::vector<core::Operation> items = {operation};
  const auto* transaction = std::get_if<op::Transaction>(&operation);
  if (transaction != nullptr) {
    items.clear();
    for (const auto& item : transaction->items) {
      items.push_back(std::visit([](const auto& one) { return core::Operation(one); }, item));
    }
  }
  for (size_t i = 0; i < items.size(); ++i) {
    const auto refusal = refusal_of(items[i]);
    if (!refusal) continue;
    const std::string at = "at=" + std::to_string(i);
    const bool names_it =
        transaction == nullptr || (got != nullptr && got->text.find(at) != std::string::npos);
    if (!refusal->sure && !(got != nullptr && got->is_error(refusal->code) && names_it)) continue;
    if (got == nullptr) return wrong("what a guard refuses waits for something else"), true;
    expect_refused("an operation", refusal->code, *got);
    if (!names_it) wrong("EXEC: expected " + at + " in " + to_text(*got));
    return true;
  }
  return false;
}

// ---- Before a claim ------------------------------------------------------------------

int64_t Model::level_of(const std::string& role) const {
  const core::RateConfig& rate = config_.role(role).rate;
  const int64_t full = rate.count * rate.per_ms;
  const auto bucket = buckets_.find(role);
  if (bucket == buckets_.end()) return full;
  return std::min(full, bucket->second.level + (bus_ - bucket->second.at) * rate.count);
}

bool Model::at_concurrency(const std::string& role, size_t planned) const {
  const uint64_t cap = config_.role(role).concurrency;
  return cap != 0 && mode("concurrency") == GuardMode::enforce &&
         count(role, MessageState::claimed) + planned >= cap;
}

bool Model::at_rate(const std::string& role, size_t planned) const {
  const core::RateConfig& rate = config_.role(role).rate;
  return rate.count != 0 && mode("rate") == GuardMode::enforce &&
         level_of(role) - static_cast<int64_t>(planned) * rate.per_ms < rate.per_ms;
}

Model::Hold Model::hold_of(const std::string& role, size_t planned) const {
  if (claims_frozen() || is_paused(role)) return Hold::refused;
  if (disk_ != DiskMark::ample && mode("shed") == GuardMode::enforce) return Hold::refused;
  return at_concurrency(role, planned) || at_rate(role, planned) ? Hold::empty : Hold::none;
}

// What the model does not foretell.
bool Model::may_be_held(const std::string& role) const {
  return (accounts_.capped(role) && mode("quota") == GuardMode::enforce) || outages_ ||
         mode("velocity") == GuardMode::enforce;
}

bool Model::surely_held(std::string_view role) const {
  return roles_.contains(std::string(role)) && hold_of(std::string(role), 0) != Hold::none;
}

// Of roles that are refused for sure: the first of the chain.
Code Model::refusing_code() const {
  return disk_ != DiskMark::ample && mode("shed") == GuardMode::enforce ? Code::busy : Code::paused;
}

// A quota that refuses a claim for which there is room, and goes on doing so.
void Model::note_doubt(const std::string& role) {
  constexpr int64_t hold_ms = 1000;  // how long a refusal is kept, at most
  if (outages_ || mode("velocity") == GuardMode::enforce) return;
  if (!accounts_.surely_fits(role, wall_)) {
    doubts_.erase(role);
    return;
  }
  const int64_t since = doubts_.emplace(role, bus_).first->second;
  if (bus_ - since > hold_ms) {
    wrong("claims of " + role + " have been refused for " + std::to_string(bus_ - since) +
          " ms though there is room under every cap");
  }
}

// A claim that got nothing: emptiness, or the refusal of all of its roles.
void Model::judge_nothing(const std::vector<std::string>& roles, bool refusal_is_error, const Value& got) {
  bool all_refused = refusal_is_error;
  std::set<Code> guesses;
  for (const std::string& role : roles) {
    if (roles_.contains(role) && hold_of(role, 0) == Hold::refused) continue;
    all_refused = false;
    const bool guess = roles_.contains(role) && may_be_held(role);
    if (!guess) return expect("claim with nothing to take", Value::array(), got);
    if (accounts_.capped(role) || mode("velocity") == GuardMode::enforce) guesses.insert(Code::quota);
    if (outages_) guesses.insert(Code::open);
  }
  if (all_refused) return expect("claim of roles that are held", Value::error(refusing_code()), got);
  const bool guessed = refusal_is_error && got.kind == Value::Kind::error &&
                       (guesses.contains(got.code) || got.code == refusing_code());
  if (!guessed) expect("claim with nothing to take", Value::array(), got);
}

// ---- GUARD, QUOTA, EXPLAIN -------------------------------------------------------------

bool Model::judge_limits(const core::Operation& operation, const Value& got) {
  if (const auto* set = std::get_if<op::SetGuardMode>(&operation)) {
    if (!fixed_mode(set->name)) modes_.insert_or_assign(std::string(set->name), set->mode);
    expect("GUARD MODE", fixed_mode(set->name) ? Value::error(Code::badarg) : Value::simple("OK"), got);
  } else if (const auto* quota = std::get_if<op::QuotaSet>(&operation)) {
    const bool fits = accounts_.set(*quota, wall_);
    expect("QUOTA SET", fits ? Value::simple("OK") : Value::error(Code::badarg), got);
  } else if (const auto* drop = std::get_if<op::QuotaDrop>(&operation)) {
    expect("QUOTA DROP", accounts_.drop(*drop), got);
  } else {
    return false;
  }
  return true;
}

std::set<std::string> Model::held_by(const ModelMessage& message) const {
  std::set<std::string> guards;
  if (claims_frozen()) guards.insert("freeze");
  if (disk_ != DiskMark::ample && mode("shed") == GuardMode::enforce) guards.insert("shed");
  if (is_paused(message.role)) guards.insert("pause");
  if (at_concurrency(message.role, 0)) guards.insert("concurrency");
  if (at_rate(message.role, 0)) guards.insert("rate");
  return guards;
}

// Of what waits: every guard that holds it, and none that does not.
void Model::judge_explain(const ModelMessage& message, const Value& got) {
  if (got.kind != Value::Kind::array) return wrong("EXPLAIN answered " + to_text(got));
  if (message.state != MessageState::scheduled && message.state != MessageState::ready) return;
  std::set<std::string> shown;
  for (const Value& item : got.items) {
    const Value* guard = item.field("guard");
    if (guard == nullptr) return wrong("EXPLAIN shows " + to_text(item));
    for (const char* known : {"freeze", "shed", "pause", "concurrency", "rate"}) {
      if (guard->text == known) shown.insert(guard->text);
    }
  }
  if (shown != held_by(message)) {
    std::string names;
    for (const std::string& name : held_by(message)) names += " " + name;
    wrong("EXPLAIN " + message.id + ": held by" + names + ", shown " + to_text(got));
  }
}

}  // namespace pawl::sim
