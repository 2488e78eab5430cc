#include "bus/ops/cron.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <stdexcept>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "bus/ops/caller.h"
#include "bus/ops/ops_config.h"

namespace pawl::ops {
namespace {

constexpr std::string_view schedule_rows = "cron/s/";
constexpr std::string_view progress_rows = "cron/n/";
constexpr std::string_view zone_rows = "cron/z/";

constexpr size_t slots_per_tick = 50'000;  // counted, of all schedules: the first turn after a long silence
constexpr int64_t retry_ms_min = 1'000;
constexpr int64_t retry_ms_max = 30'000;

std::string row_of(std::string_view prefix, std::string_view name) { return std::string(prefix) += name; }

// A refusal that passes by itself.
bool passes(const Error& error) { return error.retry_after_ms || error.code == Code::frozen; }

}  // namespace

// The slots of a schedule that are due.
struct Cron::Due {
  size_t count = 0;
  int64_t first_ms = 0;
  int64_t newest_ms = 0;
  std::deque<int64_t> newest;  // of them at most cron_catch_up_max
};

// ---- Rows -----------------------------------------------------------------------

void Cron::open(core::OfficeDesk& desk) {
  schedules_.clear();
  zones_.clear();
  looks_.clear();
  payload_bytes_ = 0;
  frozen_ = false;
  file_due_ = just_opened_ = true;
  desk.scan(zone_rows, [&](std::string_view key, std::string_view bytes) {
    auto rules = decode_zone(key.substr(zone_rows.size()), bytes);
    if (!rules) throw std::runtime_error("a time zone");
    zones_.emplace(rules->name, std::move(*rules));
    return true;
  });
  desk.scan(schedule_rows, [&](std::string_view key, std::string_view bytes) {
    auto row = CronRow::decode(bytes);
    auto expression = row ? CronExpression::parse(row->spec.schedule) : make_error(Code::err, "");
    std::string value;
    const std::string name(key.substr(schedule_rows.size()));
    const bool has_progress = desk.get(row_of(progress_rows, name), value);
    auto progress = has_progress ? CronProgress::decode(value) : std::nullopt;
    if (!expression.ok() || !progress) throw std::runtime_error("a schedule");
    payload_bytes_ += row->spec.payload.size();
    schedules_.emplace(name, Schedule{std::move(*row), std::move(*progress), *expression, 0, 0, {}});
    return true;
  });
  for (auto& [name, schedule] : schedules_) plan(name, schedule);
}

void Cron::save(const std::string& name, const Schedule& schedule, core::OfficeDesk& desk) const {
  desk.put(row_of(progress_rows, name), schedule.progress.encode());
}

void Cron::configured(core::OfficeDesk& /*desk*/) { file_due_ = true; }

// What the file says, against what is there. Not while opening: its changes belong to a turn.
void Cron::take_file(core::OfficeDesk& desk) {
  if (!std::exchange(file_due_, false)) return;
  const auto& wanted = desk.config().crons;
  for (auto at = schedules_.begin(); at != schedules_.end();) {
    const auto next = std::next(at);
    if (at->second.row.of_file && !wanted.contains(at->first)) remove(at, "file", desk);
    at = next;
  }
  for (const auto& [name, spec] : wanted) {
    const auto known = schedules_.find(name);
    if (known != schedules_.end() && known->second.row.of_file && known->second.row.spec == spec) continue;
    const auto expression = CronExpression::parse(spec.schedule);
    if (!expression.ok()) throw std::runtime_error("[cron." + name + "]: " + expression.error().text);
    put(name, {spec, true, "file", desk.clocks().wall_ms}, *expression, desk);
  }
}

Cron::Schedule& Cron::put(const std::string& name, CronRow row, const CronExpression& expression,
                          core::OfficeDesk& desk) {
  Schedule& schedule = schedules_[name];
  const int64_t now_ms = desk.clocks().wall_ms;
  const bool same = schedule.row.spec == row.spec;
  // Setting what is there again begins no period anew.
  if (schedule.row.spec.schedule == row.spec.schedule) row.set_ms = schedule.row.set_ms;
  payload_bytes_ += row.spec.payload.size();
  payload_bytes_ -= schedule.row.spec.payload.size();
  schedule.row = std::move(row);
  schedule.expression = expression;
  if (!same) {
    schedule.progress.decided_ms = now_ms;
    schedule.hindrance.clear();
  }
  desk.put(row_of(schedule_rows, name), schedule.row.encode());
  save(name, schedule, desk);
  plan(name, schedule);
  const core::CronConfig& spec = schedule.row.spec;
  desk.chronicle("cron.set",
                 {{"cron", name},
                  {"schedule", spec.schedule},
                  {"role", spec.role},
                  {"zone", spec.zone.empty() ? "UTC" : spec.zone},
                  {"catch_up", std::string(core::catch_up_names[static_cast<size_t>(spec.catch_up)])},
                  {"by", schedule.row.by}});
  return schedule;
}

void Cron::remove(Schedules::iterator schedule, std::string_view by, core::OfficeDesk& desk) {
  const std::string& name = schedule->first;
  desk.erase(row_of(schedule_rows, name));
  desk.erase(row_of(progress_rows, name));
  desk.chronicle("cron.drop", {{"cron", name}, {"by", std::string(by)}});
  payload_bytes_ -= schedule->second.row.spec.payload.size();
  looks_.erase({schedule->second.look_ms, name});
  schedules_.erase(schedule);
}

// ---- Planning ---------------------------------------------------------------------

const core::ZoneRules* Cron::rules_of(const Schedule& schedule) const {
  const auto found = zones_.find(schedule.row.spec.zone);
  return found == zones_.end() ? nullptr : &found->second;
}

void Cron::look_at(const std::string& name, Schedule& schedule, int64_t look_ms) {
  if (schedule.look_ms != 0) looks_.erase({schedule.look_ms, name});
  schedule.look_ms = look_ms;
  if (look_ms != 0) looks_.emplace(look_ms, name);
}

void Cron::plan(const std::string& name, Schedule& schedule) {
  const core::ZoneRules* rules = rules_of(schedule);
  const bool waits = rules == nullptr && !schedule.row.spec.zone.empty();
  schedule.next_ms =
      waits ? 0 : schedule.expression.next(schedule.progress.decided_ms, rules, schedule.row.set_ms);
  look_at(name, schedule, schedule.next_ms);
}

void Cron::add_zones(const core::OfficeDesk& desk, std::vector<std::string>& zones) const {
  for (const auto& [name, schedule] : schedules_) {
    if (!schedule.row.spec.zone.empty()) zones.push_back(schedule.row.spec.zone);
  }
  for (const auto& [name, spec] : desk.config().crons) {
    if (!spec.zone.empty()) zones.push_back(spec.zone);
  }
}

void Cron::take_rules(const core::ZoneRules& rules, core::OfficeDesk& desk) {
  core::ZoneRules& known = zones_[rules.name];
  if (known == rules) return;
  known = rules;
  desk.put(row_of(zone_rows, rules.name), encode_zone(rules));
  for (auto& [name, schedule] : schedules_) {
    if (schedule.row.spec.zone == rules.name) plan(name, schedule);
  }
}

// ---- Firing -----------------------------------------------------------------------

Cron::Due Cron::collect(const Schedule& schedule, int64_t now_ms) const {
  const core::ZoneRules* rules = rules_of(schedule);
  const auto next = [&](int64_t after_ms) {
    return schedule.expression.next(after_ms, rules, schedule.row.set_ms);
  };
  Due due;
  int64_t slot_ms = schedule.next_ms;
  if (slot_ms < now_ms - limits::cron_look_back_ms) slot_ms = next(now_ms - limits::cron_look_back_ms);
  const int64_t every_ms = schedule.expression.every_ms();
  if (every_ms != 0 && slot_ms <= now_ms) {
    // So many that counting them one by one would take its time.
    const auto all = (now_ms - slot_ms) / every_ms + 1;
    const auto skipped = std::max<int64_t>(0, all - static_cast<int64_t>(limits::cron_catch_up_max));
    due.first_ms = slot_ms;
    due.count = static_cast<size_t>(skipped);
    slot_ms += skipped * every_ms;
  }
  for (; slot_ms <= now_ms; slot_ms = next(slot_ms)) {
    if (due.count++ == 0) due.first_ms = slot_ms;
    due.newest.push_back(due.newest_ms = slot_ms);
    if (due.newest.size() > limits::cron_catch_up_max) due.newest.pop_front();
  }
  return due;
}

// The refusal, if it is one.
std::optional<Error> Cron::push(const std::string& name, Schedule& schedule, int64_t slot_ms, uint64_t missed,
                                core::OfficeDesk& desk) {
  const core::CronConfig& spec = schedule.row.spec;
  const std::string slot = std::to_string(slot_ms);
  const std::string others = std::to_string(missed);
  core::op::Push push;
  push.role = spec.role;
  push.payload = spec.payload;
  push.headers = {{"cron", name}, {"cron_slot", slot}};
  if (missed > 0) push.headers.emplace_back("cron_missed", others);
  const MonitorConfig& monitor = config_of(desk).monitor;
  if (monitor.on && name == monitor_name && schedule.row.of_file) {
    // Sweeps that nobody makes do not pile up: one waits, until the next one comes.
    push.unique = monitor_name;
    push.expire_ms = monitor.every_ms - std::min<int64_t>(1000, monitor.every_ms / 2);
  }
  Result<std::string> id = desk.push(push, "cron:" + name);
  if (!id.ok()) return id.error();
  const int64_t now_ms = desk.clocks().wall_ms;
  CronProgress& progress = schedule.progress;
  progress.last_id = std::move(*id);
  progress.last_slot_ms = slot_ms;
  progress.last_fired_ms = now_ms;
  ++progress.fired;
  if (now_ms - slot_ms > limits::cron_grace_ms) {
    desk.chronicle("cron.late", {{"cron", name},
                                 {"role", spec.role},
                                 {"slot", slot},
                                 {"late_ms", std::to_string(now_ms - slot_ms)},
                                 {"message", progress.last_id}});
  }
  return std::nullopt;
}

void Cron::chronicle_missed(const std::string& name, const Schedule& schedule, const Due& due,
                            const std::string& why, core::OfficeDesk& desk) {
  const core::CronConfig& spec = schedule.row.spec;
  desk.chronicle("cron.missed",
                 {{"cron", name},
                  {"role", spec.role},
                  {"slots", std::to_string(due.count)},
                  {"first", std::to_string(due.first_ms)},
                  {"last", std::to_string(due.newest_ms)},
                  {"catch_up", std::string(core::catch_up_names[static_cast<size_t>(spec.catch_up)])},
                  {"why", why}});
}

// Decides what is due of one schedule; how many slots that were.
size_t Cron::fire_due(const std::string& name, Schedule& schedule, core::OfficeDesk& desk) {
  const int64_t now_ms = desk.clocks().wall_ms;
  Due due = collect(schedule, now_ms);
  if (due.count == 0) return plan(name, schedule), 0;
  const size_t counted = due.count;
  std::string why = schedule.hindrance.empty()
                        ? just_opened_ ? "the bus was down" : "the bus or its clock was late"
                        : schedule.hindrance;
  std::deque<int64_t> firing;
  const core::CatchUp catch_up = schedule.row.spec.catch_up;
  if (catch_up == core::CatchUp::all) {
    firing = due.newest;
  } else if (catch_up == core::CatchUp::once || now_ms - due.newest_ms <= limits::cron_grace_ms) {
    firing.push_back(due.newest_ms);
  }
  // What fires is decided first; the others were missed for certain only then.
  size_t fired = 0;
  for (const int64_t slot_ms : firing) {
    const uint64_t others = catch_up == core::CatchUp::all ? 0 : due.count - 1;
    const auto refusal = push(name, schedule, slot_ms, others, desk);
    if (!refusal) {
      ++fired;
      schedule.progress.decided_ms = slot_ms;
      continue;
    }
    why = std::string(code_name(refusal->code)) + " " + refusal->text;
    if (!passes(*refusal)) break;
    schedule.hindrance = why;
    if (fired > 0) save(name, schedule, desk);
    if (fired > 0) schedule.next_ms = slot_ms;
    look_at(name, schedule,
            now_ms + std::clamp(refusal->retry_after_ms.value_or(retry_ms_min), retry_ms_min, retry_ms_max));
    return counted;
  }
  schedule.hindrance.clear();
  schedule.progress.decided_ms = due.newest_ms;
  due.count -= fired;
  if (due.count > 0) {
    schedule.progress.missed += due.count;
    schedule.progress.last_missed_ms = due.newest_ms;
    chronicle_missed(name, schedule, due, why, desk);
  }
  save(name, schedule, desk);
  plan(name, schedule);
  return counted;
}

void Cron::tick(core::OfficeDesk& desk) {
  if (file_due_) take_file(desk);
  frozen_ = desk.freeze().frozen();
  const int64_t now_ms = desk.clocks().wall_ms;
  if (frozen_) {
    for (auto at = looks_.begin(); at != looks_.end() && at->first <= now_ms; ++at) {
      std::string& hindrance = schedules_.find(at->second)->second.hindrance;
      if (hindrance.empty()) hindrance = "FROZEN " + desk.freeze().reason;
    }
    return;
  }
  size_t slots = 0;
  while (!looks_.empty() && looks_.begin()->first <= now_ms && slots < slots_per_tick) {
    const std::string name = looks_.begin()->second;
    slots += fire_due(name, schedules_.find(name)->second, desk);
  }
  just_opened_ = just_opened_ && !looks_.empty() && looks_.begin()->first <= now_ms;
}

core::Wakeup Cron::next_wakeup() const {
  core::Wakeup wakeup;
  if (!frozen_ && !looks_.empty()) wakeup.wall_ms = looks_.begin()->first;
  return wakeup;
}

// ---- Commands ---------------------------------------------------------------------

bool Cron::command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
                   core::ReplyWriter& writer) {
  if (const auto* given = std::get_if<core::op::ZoneRulesGiven>(&operation)) {
    for (const core::ZoneRules& rules : given->zones) take_rules(rules, desk);
    writer.simple("OK");
    return true;
  }
  const auto* wanted = std::get_if<core::op::CronSet>(&operation);
  const auto* gone = std::get_if<core::op::CronDrop>(&operation);
  if (wanted == nullptr && gone == nullptr && !std::holds_alternative<core::op::CronList>(operation)) {
    return false;
  }
  if (file_due_) take_file(desk);
  if (wanted != nullptr) {
    set(*wanted, caller, desk, writer);
  } else if (gone != nullptr) {
    drop(gone->name, caller, desk, writer);
  } else {
    list(caller, writer);
  }
  return true;
}

namespace {

// Why this caller may not change that schedule.
std::optional<Error> not_his(std::string_view name, const CronRow& row, const core::Caller& caller) {
  if (row.of_file) {
    const std::string section =
        name == monitor_name ? "[monitor] or [cron.monitor]" : "[cron." + std::string(name) + "]";
    return make_error(Code::state, "cron '" + std::string(name) + "' belongs to pawl.toml; change " +
                                       section + " there and RELOAD");
  }
  if (sees(caller, row.spec.role)) return std::nullopt;
  return make_error(Code::denied, "user " + caller.user->name + ": cron '" + std::string(name) +
                                      "' pushes to role " + row.spec.role + ", which is not among its roles");
}

}  // namespace

void Cron::set(const core::op::CronSet& set, const core::Caller& caller, core::OfficeDesk& desk,
               core::ReplyWriter& writer) {
  const auto expression = CronExpression::parse(set.expression);
  if (!expression.ok()) return writer.error(expression.error());
  const std::string name(set.name);
  const auto known = schedules_.find(name);
  size_t others = payload_bytes_;
  if (known != schedules_.end()) {
    if (const auto error = not_his(name, known->second.row, caller)) return writer.error(*error);
    others -= known->second.row.spec.payload.size();
  } else if (schedules_.size() >= limits::crons_max) {
    return writer.error(make_error(Code::state, "there are " + std::to_string(limits::crons_max) +
                                                    " schedules, which is all there may be; CRON DROP one"));
  }
  if (set.payload.size() > limits::cron_payload_bytes_max ||
      others + set.payload.size() > limits::cron_payload_bytes_total_max) {
    return writer.error(make_error(Code::toobig, "payload: a schedule's has at most " +
                                                     std::to_string(limits::cron_payload_bytes_max) +
                                                     " bytes, all of them together " +
                                                     std::to_string(limits::cron_payload_bytes_total_max) +
                                                     "; let the handler fetch what is larger"));
  }
  if (desk.config().strict_roles && !desk.role(set.role)) {
    return writer.error(make_error(
        Code::notfound,
        "role '" + std::string(set.role) + "' is not in pawl.toml, and strict_roles allows no others"));
  }
  core::CronConfig spec;
  spec.schedule = std::string(set.expression);
  spec.role = std::string(set.role);
  spec.payload = std::string(set.payload);
  spec.catch_up = set.catch_up;
  if (set.zone != "UTC") spec.zone = std::string(set.zone);
  if (!spec.zone.empty() && expression->every_ms() != 0) {
    return writer.error(make_error(Code::badarg, "@every has no use of TZ: it counts time, not the clock"));
  }
  if (set.rules != nullptr && !spec.zone.empty()) take_rules(*set.rules, desk);
  if (!spec.zone.empty() && !zones_.contains(spec.zone)) {
    return writer.error(make_error(Code::badarg, "time zone '" + spec.zone + "' is not known"));
  }
  const Schedule& made =
      put(name, {std::move(spec), false, name_of(caller), desk.clocks().wall_ms}, *expression, desk);
  write(name, made, writer);
}

void Cron::drop(std::string_view name, const core::Caller& caller, core::OfficeDesk& desk,
                core::ReplyWriter& writer) {
  const auto known = schedules_.find(name);
  if (known == schedules_.end()) {
    return writer.error(
        make_error(Code::notfound, "no cron '" + std::string(name) + "'; CRON LIST shows those there are"));
  }
  if (const auto error = not_his(name, known->second.row, caller)) return writer.error(*error);
  remove(known, name_of(caller), desk);
  writer.simple("OK");
}

void Cron::list(const core::Caller& caller, core::ReplyWriter& writer) const {
  const auto shown = [&](const auto& one) { return sees(caller, one.second.row.spec.role); };
  writer.array(static_cast<size_t>(std::count_if(schedules_.begin(), schedules_.end(), shown)));
  for (const auto& [name, schedule] : schedules_) {
    if (sees(caller, schedule.row.spec.role)) write(name, schedule, writer);
  }
}

void Cron::write(const std::string& name, const Schedule& schedule, core::ReplyWriter& writer) const {
  const core::CronConfig& spec = schedule.row.spec;
  const CronProgress& progress = schedule.progress;
  core::Fields fields;
  fields.text("name", name);
  fields.text("schedule", spec.schedule);
  fields.text("role", spec.role);
  fields.text("payload", spec.payload);
  fields.text("zone", spec.zone.empty() ? "UTC" : spec.zone);
  fields.text("catch_up", std::string(core::catch_up_names[static_cast<size_t>(spec.catch_up)]));
  fields.text("owner", schedule.row.of_file ? "file" : "bus");
  fields.text("by", schedule.row.by);
  fields.number("since", schedule.row.set_ms);
  if (schedule.next_ms != 0) fields.number("next", schedule.next_ms);
  if (!schedule.hindrance.empty()) fields.text("held", schedule.hindrance);
  if (progress.last_fired_ms != 0) {
    fields.number("last", progress.last_fired_ms);
    fields.number("last_slot", progress.last_slot_ms);
    fields.text("last_id", progress.last_id);
  }
  fields.number("fired", static_cast<int64_t>(progress.fired));
  fields.number("missed", static_cast<int64_t>(progress.missed));
  if (progress.last_missed_ms != 0) fields.number("last_missed", progress.last_missed_ms);
  writer.map(fields.size());
  fields.write(writer);
}

}  // namespace pawl::ops
