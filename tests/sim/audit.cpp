#include "tests/sim/audit.h"

#include <algorithm>

#include "bus/core/keys.h"

namespace pawl::sim {

using core::FreezeScope;
using core::Place;
using core::Table;

namespace {

template <typename Record>
std::optional<Record> read(const core::StateView& view, Table table, std::string_view key) {
  std::string value;
  if (!view.get(table, key, value)) return std::nullopt;
  return core::decode<Record>(value);
}

}  // namespace

void Audit::wrong(const std::string& what) {
  if (!problem_) problem_ = what;
}

void Audit::look_at(const core::StateView& before, const core::Batch& batch) {
  before_ = &before;
  // A freeze counts from the batch after the one that began it, up to the batch before the one that ends it.
  freeze_ =
      read<core::FreezeRecord>(before, Table::meta, core::keys::freeze_row).value_or(core::FreezeRecord{});
  batch.for_each([&](Table table, std::string_view key, Value value) {
    if (table != Table::meta || key != core::keys::freeze_row || !value) return;
    const auto now = core::decode<core::FreezeRecord>(*value);
    if (!now) return wrong("the freeze row cannot be read");
    if (now->number < freeze_.number) wrong("the freeze's number goes backwards");
    if (now->number != freeze_.number || !now->frozen()) freeze_ = {};
  });
  const bool whole = batch.for_each([&](Table table, std::string_view key, Value value) {
    if (freeze_.frozen()) check_frozen_row(table, key, value);
    if (table == Table::life && value) check_life(key, *value);
    if (table == Table::chronicle && value) check_event(*value);
  });
  if (!whole) wrong("the rows of the batch are damaged");
  if (config_.guards.outage_messages != 0) breaker_.look_at(before, batch);
  if (breaker_.problem()) wrong(*breaker_.problem());
  before_ = nullptr;
}

bool Audit::is_message(std::string_view key) const {
  std::string row;
  return before_->get(Table::home, key, row);
}

// Guarantee 6: no write outside the scope's exceptions.
void Audit::check_frozen_row(Table table, std::string_view key, Value value) {
  const std::string where = "under a freeze of " + std::string(core::freeze_scope_name(freeze_.scope)) + " ";
  if (table == Table::meta && key == core::keys::head_row && value) return check_frozen_head(*value);
  if (table == Table::home && value && !is_message(key)) return wrong(where + "a message comes in");
  if (table == Table::life && value) {
    const auto old = read<core::LifeRecord>(*before_, Table::life, key);
    const auto now = core::decode<core::LifeRecord>(*value);
    if (old && now && old->place == Place::dead && now->place != Place::dead) {
      return wrong(where + "a dead letter is replayed");
    }
  }
  if (freeze_.scope == FreezeScope::intake) return;
  if (table == Table::claimed && value) return wrong(where + "a claim is granted");
  if (freeze_.scope == FreezeScope::claims) return;
  // Counts and marks ride along with what passes: a role that is paused, a window that a reader had filled.
  if (table == Table::count && value) {
    const auto old = read<core::RoleCounts>(*before_, Table::count, key);
    const auto now = core::decode<core::RoleCounts>(*value);
    if (now && (old ? old->depth : decltype(now->depth){}) != now->depth) {
      return wrong(where + "a role's depth changes");
    }
    return;
  }
  // What is left of a role that was dropped before goes once its last batch is durable.
  const auto role = table == Table::role ? read<core::RoleRecord>(*before_, table, key) : std::nullopt;
  if (role && !value && !role->dropped) return wrong(where + "a role goes");
  constexpr Table passing[] = {Table::meta,      Table::role,  Table::count, Table::mark,
                               Table::chronicle, Table::guard, Table::deploy};
  if (std::find(std::begin(passing), std::end(passing), table) != std::end(passing)) return;
  wrong(where + "a row of table " + std::string(core::table_name(table)) + " is " +
        (value ? "written" : "erased"));
}

void Audit::check_frozen_head(std::string_view value) {
  const auto old = read<core::HeadRecord>(*before_, Table::meta, core::keys::head_row);
  const auto now = core::decode<core::HeadRecord>(value);
  if (!old || !now) return wrong("the head row cannot be read");
  if (now->next_sequence != old->next_sequence) return wrong("a push commits under a freeze");
  if (freeze_.scope == FreezeScope::intake) return;
  if (now->next_token != old->next_token) return wrong("a token is given out under a freeze");
  if (freeze_.scope == FreezeScope::claims) return;
  if (now->lease_ms != old->lease_ms) wrong("lease time goes on under a freeze");
  if (now->next_dead != old->next_dead) wrong("a message dies under a freeze");
}

// Guarantee 8: of refusals the first one, then one summary a guard, scope and minute.
void Audit::check_event(std::string_view value) {
  constexpr int64_t minute_ms = 60'000;
  const auto event = core::decode<core::EventRecord>(value);
  if (!event) return wrong("an entry of the chronicle cannot be read");
  std::string kind = event->kind;
  if (!kind.starts_with("guard.refuse") && !kind.starts_with("guard.would_refuse")) return;
  if (kind.ends_with(".summary")) kind.resize(kind.size() - std::string_view(".summary").size());
  std::map<std::string, std::string> fields(event->fields.begin(), event->fields.end());
  const auto [at, first] = refusals_.try_emplace({kind, fields["guard"], fields["scope"]}, event->bus_ms);
  if (!first && event->bus_ms < at->second + minute_ms) {
    wrong(event->kind + " of " + fields["guard"] + " for " + fields["scope"] + " is told twice within " +
          std::to_string(event->bus_ms - at->second) + " ms");
  }
  at->second = event->bus_ms;
}

void Audit::check_life(std::string_view key, std::string_view value) {
  const auto now = core::decode<core::LifeRecord>(value);
  if (!now) return wrong("a life row cannot be read");
  const auto role = read<core::RoleRecord>(*before_, Table::role, core::keys::role(now->role));
  const auto home = read<core::HomeRecord>(*before_, Table::home, key);
  if (!role || !home) return;  // made in this very batch
  const uint32_t max = home->max_attempts != 0 ? home->max_attempts : config_.role(role->name).max_attempts;
  const auto old = read<core::LifeRecord>(*before_, Table::life, key);
  if (!old) return;
  // A move may take it to a role that allows less than it has spent already; the next failure is its last.
  const bool still_there = now->role == old->role && now->place != Place::dead;
  if (now->spent > old->spent && now->spent >= max && still_there) {
    wrong("a message goes on that has spent its attempts");
  }
}

}  // namespace pawl::sim
