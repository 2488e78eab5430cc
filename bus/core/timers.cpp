// What time does: due messages, expiries, lapses, retention.
#include <algorithm>
#include <utility>

#include "bus/core/ops_desk.h"

namespace pawl::core {
namespace {

constexpr int64_t history_step_ms = 10'000;
constexpr int64_t full_batch_wait_ms = 10;  // the end of the commit comes sooner, mostly
constexpr size_t history_steps = 6;
constexpr uint8_t alarm_dead = 1;

}  // namespace

// The time that the first row at or after `from` begins with; INT64_MAX: there is none.
int64_t Machine::first_time(Table table, std::string_view from) const {
  int64_t at_ms = INT64_MAX;
  view_.scan(table, from, "", [&](std::string_view key, std::string_view) {
    at_ms = static_cast<int64_t>(keys::read_be(key, 0, 8));
    return false;
  });
  return at_ms;
}

void Machine::find_next_due() {
  next_due_bus_ms_ = first_time(Table::due_bus, keys::due_bus(head_.due_bus_low, 0));
  next_due_wall_ms_ = first_time(Table::due_wall, keys::due_wall(head_.due_wall_low, keys::WallKind::due, 0));
  next_ended_ms_ = early_ended_.empty() ? first_time(Table::ended, keys::ended(ended_from_, 0))
                                        : early_ended_.begin()->first;
}

void Machine::tick(Outbox& outbox) {
  tick_rows(outbox);
  if (!ops_) return;
  ops_->settle(outbox);
  if (!readied_.empty()) serve_ready(outbox);
}

void Machine::tick_rows(Outbox& outbox) {
  more_work_ = false;
  // Turns come and go while a commit runs; the next batch must not grow with each. Its end is a turn as well.
  batch_is_full_ = view_.in_flight() && view_.open_bytes() > limits::background_bytes_max;
  tick_freeze(outbox);
  gate_.tick(*desk_);
  if (ops_ && !batch_is_full_) ops_->tick();
  if (batch_is_full_ || freeze_.all()) {
    if (PAWL_FAULT(freeze_retention_goes_on)) retain_done();
    if (PAWL_FAULT(freeze_fires_due)) fire_due_bus();
    if (PAWL_FAULT(freeze_expires)) fire_due_wall();
    end_waits(outbox);
    if (!batch_is_full_) {
      run_jobs(outbox);
      turn_history();
    }
    serve_ready(outbox);
    return;
  }
  end_holds();
  if (fire_due_wall() >= limits::due_rows_per_tick) more_work_ = true;
  if (fire_due_bus() >= limits::due_rows_per_tick) more_work_ = true;
  tick_reaps();
  if (sweep_lapses() >= limits::lapses_per_tick) more_work_ = true;
  serve_ready(outbox);
  end_waits(outbox);
  run_jobs(outbox);
  load_windows(outbox);
  if (retain_done() >= limits::retention_rows_per_tick) more_work_ = true;
  if (turn_history() && retain_dead() + retain_chronicle() > 0) history_mono_ms_ -= history_step_ms;
  serve_ready(outbox);
}

std::optional<int64_t> Machine::next_wakeup_ms() const {
  constexpr int64_t wall_check_ms = 1000;  // the wall clock may be set at any time
  int64_t after_ms = std::max<int64_t>(0, history_mono_ms_ + history_step_ms - mono_ms_);
  const auto sooner = [&](int64_t ms) { after_ms = std::min(after_ms, std::max<int64_t>(0, ms)); };
  if (!wait_deadlines_.empty()) sooner(wait_deadlines_.begin()->first - mono_ms_);
  if (freeze_.until_ms != 0) sooner(std::min(freeze_.until_ms - head_.wall_ms, wall_check_ms));
  if (const auto guards = gate_.next_wakeup_ms()) sooner(*guards - head_.bus_ms);
  if (more_work_) after_ms = 0;
  if (ops_) {
    const Wakeup wakeup = ops_->next_wakeup();
    if (wakeup.bus_ms) sooner(*wakeup.bus_ms - head_.bus_ms);
    if (wakeup.wall_ms) sooner(std::min(*wakeup.wall_ms - head_.wall_ms, wall_check_ms));
  }
  if (freeze_.all()) return mono_ms_ + after_ms;
  if (!hold_ends_.empty() && !role_waits_.empty()) sooner(hold_ends_.begin()->first - head_.bus_ms);
  if (next_due_bus_ms_ != INT64_MAX) sooner(next_due_bus_ms_ - head_.bus_ms);
  if (next_ended_ms_ != INT64_MAX) sooner(next_ended_ms_ - head_.bus_ms);
  if (next_due_wall_ms_ != INT64_MAX) sooner(std::min(next_due_wall_ms_ - head_.wall_ms, wall_check_ms));
  if (!leases_.empty()) sooner(leases_.begin()->first - head_.lease_ms);
  if (batch_is_full_) after_ms = std::max(after_ms, full_batch_wait_ms);
  return mono_ms_ + after_ms;
}

size_t Machine::fire_due_bus() {
  if (next_due_bus_ms_ > head_.bus_ms) return 0;
  std::vector<std::pair<std::string, BirthKey>> rows;
  view_.scan(Table::due_bus, keys::due_bus(head_.due_bus_low, 0), keys::due_bus(head_.bus_ms + 1, 0),
             [&](std::string_view key, std::string_view value) {
               rows.emplace_back(key, keys::read_birth(value));
               return rows.size() < limits::due_rows_per_tick;
             });
  for (const auto& [row, key] : rows) {
    view_.erase(Table::due_bus, row);
    fire_due(key);
  }
  if (rows.size() < limits::due_rows_per_tick) {
    head_.due_bus_low = head_.bus_ms;
  } else {
    head_.due_bus_low = static_cast<int64_t>(keys::read_be(rows.back().first, 0, 8));
  }
  find_next_due();
  return rows.size();
}

size_t Machine::fire_due_wall() {
  if (next_due_wall_ms_ > head_.wall_ms) return 0;
  std::vector<std::pair<std::string, std::string>> rows;
  view_.scan(Table::due_wall, keys::due_wall(head_.due_wall_low, keys::WallKind::due, 0),
             keys::due_wall(head_.wall_ms + 1, keys::WallKind::due, 0),
             [&](std::string_view key, std::string_view value) {
               rows.emplace_back(key, value);
               return rows.size() < limits::due_rows_per_tick;
             });
  std::string standing;
  for (const auto& [row, value] : rows) {
    // An expiry ends its message, and with it the message's own time further down this list.
    if (!view_.get(Table::due_wall, row, standing)) continue;
    view_.erase(Table::due_wall, row);
    const auto kind = static_cast<keys::WallKind>(row[8]);
    if (kind == keys::WallKind::due) {
      fire_due(keys::read_birth(value));
    } else if (kind == keys::WallKind::expire) {
      if (auto message = load(keys::read_birth(value))) expire_message(*message);
    } else {
      std::string holder;
      const uint64_t sequence = keys::read_be(row, 9, 8);
      if (view_.get(Table::unique, value, holder) && keys::read_birth(holder).sequence == sequence) {
        view_.erase(Table::unique, value);
      }
    }
  }
  if (rows.size() < limits::due_rows_per_tick) {
    head_.due_wall_low = head_.wall_ms;
  } else {
    head_.due_wall_low = static_cast<int64_t>(keys::read_be(rows.back().first, 0, 8));
  }
  find_next_due();
  return rows.size();
}

void Machine::fire_due(const BirthKey& key) {
  auto message = load(key);
  if (!message || message->life.due_ms == 0) {
    damage("a due message");
    return;
  }
  LifeRecord& life = message->life;
  RoleState& role = role_by_number(life.role);
  erase_due(key, life);
  shift(role, MessageState::scheduled, MessageState::ready);
  if (life.place == Place::waiting) {
    put_life(key, life);
  } else {
    place_back(role, key, life);
  }
}

size_t Machine::sweep_lapses() {
  size_t lapsed = 0;
  while (lapsed < limits::lapses_per_tick && !leases_.empty() && leases_.begin()->first <= head_.lease_ms) {
    lapse(claims_.at(leases_.begin()->second));
    ++lapsed;
  }
  return lapsed;
}

// The first row of `ended`, without a step over those that are gone.
bool Machine::first_ended(std::string& row, std::string& value) const {
  if (!early_ended_.empty()) {
    row = keys::ended(early_ended_.begin()->first, early_ended_.begin()->second);
    return view_.get(Table::ended, row, value);
  }
  row.clear();
  view_.scan(Table::ended, keys::ended(ended_from_, 0), "",
             [&](std::string_view key, std::string_view bytes) {
               row = std::string(key);
               value = std::string(bytes);
               return false;
             });
  return !row.empty();
}

size_t Machine::retain_done() {
  size_t taken = 0;
  std::string row;
  std::string value;
  while (taken < limits::retention_rows_per_tick &&
         (next_ended_ms_ <= head_.bus_ms || head_.done_bytes > config_.done_bytes_max)) {
    if (!first_ended(row, value)) {
      if (!early_ended_.empty()) damage("a row of ended messages");
      // What ended in the open batch counts from its seal on.
      next_ended_ms_ = INT64_MAX;
      break;
    }
    auto record = decode<EndedRecord>(value);
    if (!record) {
      damage("a row of ended messages");
      break;
    }
    const auto at_ms = static_cast<int64_t>(keys::read_be(row, 0, 8));
    const uint64_t batch = keys::read_be(row, 8, 8);
    next_ended_ms_ = at_ms;
    if (at_ms > head_.bus_ms && head_.done_bytes <= config_.done_bytes_max) break;
    view_.erase(Table::ended, row);
    if (early_ended_.erase({at_ms, batch}) == 0) ended_from_ = at_ms;
    if (batch == open_sequence()) {
      // Put early for a reader: the list may have grown since, and the seal must not put it again.
      if (auto open = ended_.extract(at_ms)) record = std::move(open.mapped());
    }
    for (const EndedItem& item : record->items) purge(item);
    taken += record->items.size();
  }
  return taken;
}

void Machine::alarm(uint8_t bit, bool near, std::string_view what) {
  if (!near) {
    head_.alarms = static_cast<uint8_t>(head_.alarms & ~bit);
  } else if ((head_.alarms & bit) == 0) {
    head_.alarms = static_cast<uint8_t>(head_.alarms | bit);
    chronicle("retention.alarm", {{"what", std::string(what)},
                                  {"text", "nine tenths of the space for " + std::string(what) +
                                               " are used; the oldest go when it is full"}});
  }
}

size_t Machine::retain_dead() {
  alarm(alarm_dead, head_.dead_bytes > config_.dead_bytes_max / 10 * 9, "dead letters");
  size_t dropped = 0;
  while (dropped < limits::retention_rows_per_tick) {
    std::optional<DeadRecord> oldest;
    uint64_t number = head_.dead_low;
    scan_dead(number, 1, [&](uint64_t, const DeadRecord& record) {
      oldest = record;
      return false;
    });
    if (!oldest) break;
    const bool old = head_.bus_ms - oldest->bus_ms > config_.keep_dead_ms;
    if (!old && head_.dead_bytes <= config_.dead_bytes_max) break;
    auto message = load(oldest->key);
    if (!message) {
      damage("the oldest dead letter");
      break;
    }
    head_.dead_low = message->life.dead_number + 1;
    drop_dead(*message);
    ++dropped;
  }
  if (dropped > 0) chronicle("retention.dead", {{"dropped", std::to_string(dropped)}});
  return dropped;
}

// Whether it was time for it.
bool Machine::turn_history() {
  if (mono_ms_ - history_mono_ms_ < history_step_ms) return false;
  history_mono_ms_ = mono_ms_;
  for (auto& [number, role] : roles_) {
    role->history.push_back(role->committed);
    if (role->history.size() > history_steps) role->history.pop_front();
  }
  return true;
}

}  // namespace pawl::core
