// What guards are offered, and what their refusals hold back.
#include "bus/core/desk.h"

#include <algorithm>
#include <utility>

#include "bus/core/ops_desk.h"

namespace pawl::core {
namespace {

// A guard that forgets to wake a role costs no more than this.
constexpr int64_t held_ms_max = 1000;

}  // namespace

template <typename Seam, Table rows>
std::optional<RoleFacts> Machine::DeskFor<Seam, rows>::role(std::string_view name) const {
  const auto found = m_.role_names_.find(name);
  if (found == m_.role_names_.end()) return std::nullopt;
  return facts(*found->second);
}

template <typename Seam, Table rows>
void Machine::DeskFor<Seam, rows>::each_role(const std::function<void(const RoleFacts&)>& visit) const {
  for (const auto& [number, role] : m_.roles_) {
    if (!role->record.dropped) visit(facts(*role));
  }
}

template <typename Seam, Table rows>
std::optional<RoleFacts> Machine::DeskFor<Seam, rows>::role_of(std::string_view id) const {
  const auto message = m_.load(id);
  if (!message) return std::nullopt;
  return facts(m_.role_by_number(message->life.role));
}

template <typename Seam, Table rows>
void Machine::DeskFor<Seam, rows>::scan(std::string_view prefix, const RowSink& sink) const {
  m_.view_.scan(rows, prefix, keys::after_prefix(std::string(prefix)), sink);
}

template <typename Seam, Table rows>
void Machine::DeskFor<Seam, rows>::scan_committed(std::string_view prefix, const RowSink& sink) const {
  m_.view_.committed().scan(rows, prefix, keys::after_prefix(std::string(prefix)), sink);
}

template <typename Seam, Table rows>
void Machine::DeskFor<Seam, rows>::wake(std::string_view role) {
  if (role.empty()) return m_.wake_all();
  if (RoleState* found = m_.find_role(role)) m_.wake(*found);
}

template <typename Seam, Table rows>
void Machine::DeskFor<Seam, rows>::freeze_softly(FreezeScope scope, std::string_view by,
                                                 std::string_view reason, int64_t until_ms) {
  if (m_.freeze_.frozen() || m_.wanted_freeze_) return;
  FreezeRecord freeze;
  freeze.kind = FreezeKind::soft;
  freeze.scope = scope;
  freeze.by = std::string(by);
  freeze.reason = std::string(reason);
  freeze.until_ms = until_ms;
  m_.wanted_freeze_ = std::move(freeze);
  m_.more_work_ = true;
}

template <typename Seam, Table rows>
void Machine::DeskFor<Seam, rows>::thaw(std::string_view by, std::string_view reason) {
  m_.wanted_thaw_.emplace(by, reason);
  m_.more_work_ = true;
}

template <typename Seam, Table rows>
std::vector<IncidentBrief> Machine::DeskFor<Seam, rows>::incidents_of(
    std::string_view daemon, const std::vector<std::string>& roles) const {
  return m_.ops_ ? m_.ops_->incidents(daemon, roles) : std::vector<IncidentBrief>();
}

void write_incidents(const std::vector<IncidentBrief>& incidents, ReplyWriter& writer) {
  writer.array(incidents.size());
  for (const IncidentBrief& incident : incidents) {
    writer.map(3);
    writer.bulk("id");
    writer.bulk(incident.id);
    writer.bulk("tier");
    writer.bulk(incident.tier);
    writer.bulk("title");
    writer.bulk(incident.title);
  }
}

template class Machine::DeskFor<Desk, Table::guard>;
template class Machine::DeskFor<OfficeDesk, Table::ops>;

// What holds this role's claims, or null. A refusal is kept and not asked about again for a while, so that
// neither a busy producer nor a crowd of waiters makes the guards spin.
const Verdict* Machine::ask_claim(RoleState& role, const Candidate& candidate) {
  if (on_unasked_path) return nullptr;
  const bool stands = head_.bus_ms < role.held_until_ms || PAWL_FAULT(held_never_asked_again);
  if (role.held && stands && !PAWL_FAULT(held_asked_each_time)) return &*role.held;
  role.held.reset();
  const Answer answer = gate_.admit_claim(candidate, *desk_);
  if (answer.allowed()) [[likely]] {
    role.retry_wall_ms = 0;
    return nullptr;
  }
  Verdict verdict = answer.verdict();
  int64_t hold_ms = held_ms_max;
  if (verdict.retry_at_ms) {
    // The time is over and the moment has not come: wall time stands still until the clock has caught up.
    const bool stuck = role.retry_wall_ms == *verdict.retry_at_ms && role.retry_bus_ms <= head_.bus_ms;
    const int64_t left_ms = std::max<int64_t>(1, *verdict.retry_at_ms - head_.wall_ms);
    if (!stuck) {
      role.retry_wall_ms = *verdict.retry_at_ms;
      role.retry_bus_ms = head_.bus_ms + left_ms;
      hold_ms = std::min(left_ms, hold_ms);
    }
  }
  role.held_until_ms = head_.bus_ms + hold_ms;
  hold_ends_.emplace(role.held_until_ms, role.number);
  role.held = std::move(verdict);
  return &*role.held;
}

void Machine::wake(RoleState& role) {
  role.held.reset();
  if (!role_waits_.empty()) readied(role);
}

void Machine::wake_all() {
  for (const auto& [number, role] : roles_) wake(*role);
  more_work_ = true;
}

void Machine::end_holds() {
  while (!hold_ends_.empty() && hold_ends_.begin()->first <= head_.bus_ms) {
    const auto found = roles_.find(hold_ends_.begin()->second);
    hold_ends_.erase(hold_ends_.begin());
    if (PAWL_FAULT(held_never_asked_again)) continue;
    if (found != roles_.end() && found->second->held && found->second->held_until_ms <= head_.bus_ms) {
      wake(*found->second);
    }
  }
}

bool Machine::unspend(const BirthKey& key, uint32_t delivery) {
  LiveClaim* live = nullptr;
  if (const auto found = claims_.find(key.sequence); found != claims_.end()) live = &found->second;
  auto message = live == nullptr ? load(key) : std::nullopt;
  if (live == nullptr && (!message || message->fresh)) return false;
  LifeRecord& life = live != nullptr ? live->life : message->life;
  const MessageState state = state_of(life);
  const bool lives =
      state == MessageState::scheduled || state == MessageState::ready || state == MessageState::claimed;
  if (!lives || life.spent_delivery != delivery || life.spent == 0) return false;
  --life.spent;
  if (PAWL_FAULT(unspend_twice) && life.spent > 0) --life.spent;
  uint32_t& cause = life.causes[static_cast<size_t>(life.error_class)];
  if (cause > 0) --cause;
  if (life.crashes_in_row > 0) --life.crashes_in_row;
  life.spent_delivery = 0;
  put_life(key, life);
  return true;
}

}  // namespace pawl::core
