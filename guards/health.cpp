#include "guards/health.h"

#include <stdexcept>

#include "bus/base/ids.h"
#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "bus/base/text.h"

namespace pawl::guards {
namespace {

namespace op = core::op;

constexpr std::string_view rows = "health/";
constexpr int64_t save_every_ms = 300'000;  // baselines that change slowly
constexpr int64_t save_together_ms = 10'000;
constexpr int64_t hang_ms = 1'000;  // later than this for a look means that nobody was heard meanwhile

std::string row_of(std::string_view name) { return std::string(rows) += name; }

bool is_well(const DaemonHealth& daemon) { return daemon.colour != Colour::red && !daemon.stopping; }

std::string_view colour_of(const DaemonHealth& daemon) {
  return colour_names[static_cast<size_t>(daemon.colour)];
}

std::string with_boot(const std::string& name, const DaemonHealth& daemon) {
  return daemon.boot.empty() ? name : name + "@" + daemon.boot;
}

}  // namespace

void Health::open(core::Desk& desk) {
  daemons_.clear();
  red_.clear();
  roles_.clear();
  unserved_.clear();
  touched_.clear();
  looks_.clear();
  saves_.clear();
  const int64_t now_ms = desk.clocks().bus_ms;
  desk.scan(rows, [&](std::string_view key, std::string_view value) {
    auto daemon = DaemonHealth::decode(value, now_ms);
    const std::string_view name = key.substr(rows.size());
    if (!daemon || !well_formed_name(name)) {
      throw std::runtime_error("the row of a daemon is damaged or from a newer pawl");
    }
    daemons_.emplace(name, std::move(*daemon));
    return true;
  });
  for (auto& [name, daemon] : daemons_) {
    if (daemon.colour == Colour::red) red_.insert(name);
    join_roles(daemon);
    expect(name, daemon, now_ms);
  }
  for (const auto& [role, serving] : roles_) {
    if (serving.well == 0) unserved_.insert(role);
  }
  touched_.clear();
  set_idle(red_.empty());
}

Answer Health::admit_daemon(std::string_view daemon, const core::Desk& /*desk*/) const {
  if (red_.empty()) [[likely]]
    return allow();
  const size_t at = daemon.find('@');
  const std::string_view name = daemon.substr(0, at);
  if (!red_.contains(name)) return allow();
  const DaemonHealth& known = daemons_.find(name)->second;
  // Another process of that name has not shown what it is like.
  if (at != std::string_view::npos && daemon.substr(at + 1) != known.boot) return allow();
  core::Verdict verdict =
      refuse(Code::open, core::Scope::fleet,
             "daemon " + std::string(name) + " is red (" + known.reason +
                 ") and gets no claims until it is well; DAEMON " + std::string(name) + " shows the numbers");
  verdict.subject = "daemon:" + std::string(name);
  return verdict;
}

bool Health::command(const core::Operation& operation, const core::Caller& caller, core::Desk& desk,
                     core::ReplyWriter& writer) {
  if (const auto* said = std::get_if<op::Beat>(&operation)) return beat(*said, desk, writer), true;
  if (std::holds_alternative<op::Daemons>(operation)) return list(desk, writer), true;
  if (const auto* info = std::get_if<op::DaemonInfo>(&operation)) {
    return show(info->daemon, desk, writer), true;
  }
  if (const auto* gone = std::get_if<op::DaemonForget>(&operation)) {
    return forget(gone->daemon, caller, desk, writer), true;
  }
  return false;
}

// ---- Beats ----------------------------------------------------------------------

void Health::beat(const op::Beat& beat, core::Desk& desk, core::ReplyWriter& writer) {
  const core::Clocks now = desk.clocks();
  auto found = daemons_.find(beat.daemon);
  const bool registers = found == daemons_.end();
  if (registers) {
    if (daemons_.size() >= limits::daemons_max) {
      return writer.error(make_error(Code::busy, "there are " + std::to_string(limits::daemons_max) +
                                                     " daemons already; DAEMON FORGET name makes room"));
    }
    found = daemons_.emplace(std::string(beat.daemon), DaemonHealth()).first;
  }
  const std::string& name = found->first;
  DaemonHealth& daemon = found->second;
  const bool was_stopping = daemon.stopping;
  // Most beats change nothing about who serves what.
  const bool moves = registers || was_stopping || beat.state == "stopping" || !daemon.serves(beat.roles);
  if (moves && !registers) leave_roles(daemon);
  const bool fresh = daemon.beat(beat, now.bus_ms, now.wall_ms);
  if (moves) join_roles(daemon);
  if (fresh) {
    desk.chronicle(registers ? "daemon.register" : "daemon.boot",
                   {{"daemon", name},
                    {"boot", daemon.boot},
                    {"interval_ms", std::to_string(daemon.interval_ms)},
                    {"roles", joined(daemon.roles, ",")},
                    {"needs", joined(daemon.needs, ",")}});
  }
  if (daemon.stopping && !was_stopping)
    desk.chronicle("daemon.stopping", {{"daemon", name}, {"boot", daemon.boot}});
  look(name, daemon, desk);
  note_drift(name, daemon, desk);
  daemon.told_ms = daemon.wanted_interval_ms();
  expect(name, daemon, now.bus_ms);
  if (fresh || daemon.stopping != was_stopping) {
    save(name, daemon, desk);
  } else if (now.bus_ms - daemon.saved_ms >= save_every_ms && !daemon.save_waits) {
    daemon.save_waits = true;
    if (saves_.empty()) saves_at_ms_ = now.bus_ms + save_together_ms;
    saves_.push_back(name);
  }
  tell_served(desk);
  write_reply(name, daemon, desk, writer);
}

void Health::write_reply(const std::string& name, const DaemonHealth& daemon, const core::Desk& desk,
                         core::ReplyWriter& writer) const {
  const bool errs = daemon.errs(desk.clocks().bus_ms);
  writer.map(6);
  writer.bulk("interval");
  writer.integer(daemon.told_ms);
  writer.bulk("verbose");
  writer.integer(errs ? 1 : 0);
  writer.bulk("reduce");
  writer.integer(errs ? 1 : 0);
  writer.bulk("freeze");
  writer.bulk(core::freeze_kind_name(desk.freeze().kind));
  writer.bulk("colour");
  writer.bulk(colour_of(daemon));
  writer.bulk("incidents");
  core::write_incidents(desk.incidents_of(name, daemon.roles), writer);
}

// ---- Colours --------------------------------------------------------------------

void Health::look(const std::string& name, DaemonHealth& daemon, core::Desk& desk) {
  const core::Clocks now = desk.clocks();
  Judgement judgement = daemon.judge(now.bus_ms);
  const Colour before = daemon.colour;
  daemon.reason = std::move(judgement.reason);
  if (judgement.colour == before) {
    if (before == Colour::red && !daemon.escalated &&
        now.bus_ms - daemon.red_ms >= HealthLimits::persistent_ms) {
      escalate(name, daemon, desk);
    }
    return;
  }
  leave_roles(daemon);
  daemon.colour = judgement.colour;
  join_roles(daemon);
  daemon.since_wall_ms = now.wall_ms;
  desk.chronicle("daemon." + std::string(colour_of(daemon)),
                 {{"daemon", name},
                  {"boot", daemon.boot},
                  {"from", std::string(colour_names[static_cast<size_t>(before)])},
                  {"reason", daemon.reason},
                  {"jitter_ms", std::to_string(daemon.jitter_ms())},
                  {"jitter_baseline_ms", std::to_string(daemon.jitter_baseline_ms())},
                  {"errors_per_minute", std::to_string(daemon.errors_per_minute(now.bus_ms))},
                  {"errors_baseline", std::to_string(daemon.errors_baseline())},
                  {"missed", std::to_string(daemon.missed(now.bus_ms))}});
  if (daemon.colour == Colour::red) {
    daemon.red_ms = now.bus_ms;
    daemon.escalated = false;
    red_.insert(name);
    set_idle(false);
    breaker_.open_dependency(name, "daemon " + name + " is red: " + daemon.reason, desk);
  } else if (before == Colour::red) {
    red_.erase(name);
    set_idle(red_.empty());
    desk.wake("");
  }
  save(name, daemon, desk);
}

void Health::note_drift(const std::string& name, DaemonHealth& daemon, core::Desk& desk) const {
  const bool drifts = daemon.drifts();
  if (drifts && !daemon.drift_said && daemon.colour == Colour::green) {
    desk.chronicle("daemon.drift", {{"daemon", name},
                                    {"boot", daemon.boot},
                                    {"jitter_ms", std::to_string(daemon.jitter_ms())},
                                    {"jitter_baseline_ms", std::to_string(daemon.jitter_baseline_ms())}});
  }
  daemon.drift_said = drifts;
}

// Restarts have not helped, or nobody restarts it.
void Health::escalate(const std::string& name, DaemonHealth& daemon, core::Desk& desk) {
  daemon.escalated = true;
  desk.chronicle("daemon.escalate", {{"tier", "ultra"},
                                     {"daemon", with_boot(name, daemon)},
                                     {"reason", daemon.reason},
                                     {"red_ms", std::to_string(desk.clocks().bus_ms - daemon.red_ms)},
                                     {"command", "pawl ops relaunch " + name}});
  save(name, daemon, desk);
}

void Health::save(const std::string& name, DaemonHealth& daemon, core::Desk& desk) {
  daemon.saved_ms = desk.clocks().bus_ms;
  daemon.save_waits = false;
  desk.put(row_of(name), daemon.encode());
}

// ---- Roles ----------------------------------------------------------------------

void Health::leave_roles(const DaemonHealth& daemon) {
  for (const std::string& role : daemon.roles) {
    const auto serving = roles_.find(role);
    if (serving == roles_.end()) continue;
    --serving->second.daemons;
    if (is_well(daemon)) --serving->second.well;
    touched_.insert(role);
  }
}

void Health::join_roles(const DaemonHealth& daemon) {
  for (const std::string& role : daemon.roles) {
    Serving& serving = roles_[role];
    ++serving.daemons;
    if (is_well(daemon)) ++serving.well;
    touched_.insert(role);
  }
}

void Health::tell_served(core::Desk& desk) {
  for (const std::string& role : touched_) {
    const auto serving = roles_.find(role);
    if (serving->second.daemons == 0) {
      roles_.erase(serving);
      unserved_.erase(role);
    } else if (serving->second.well == 0) {
      if (unserved_.insert(role).second) {
        desk.chronicle("role.unserved",
                       {{"role", role}, {"daemons", std::to_string(serving->second.daemons)}});
      }
    } else if (unserved_.erase(role) != 0) {
      desk.chronicle("role.served", {{"role", role}, {"well", std::to_string(serving->second.well)}});
    }
  }
  touched_.clear();
}

void Health::describe(const core::RoleFacts& role, const core::Desk& /*desk*/, core::Fields& fields) const {
  const auto serving = roles_.find(role.name);
  if (serving == roles_.end()) return;
  fields.number("runners", static_cast<int64_t>(serving->second.well));
  if (serving->second.well == 0) fields.number("unserved", 1);
}

void Health::report(core::FactsSink& sink, const core::Desk& /*desk*/) const {
  if (!sink.wants(core::FactsSink::daemons)) return;
  const auto tell = [&](const std::string& name, const DaemonHealth& daemon) {
    sink.daemon({name, daemon.boot, colour_of(daemon), daemon.reason, daemon.stopping, daemon.since_wall_ms,
                 daemon.last_wall_ms, &daemon.roles, &daemon.needs});
  };
  if (const auto* named = sink.named_daemons()) {
    for (const std::string& name : *named) {
      if (const auto found = daemons_.find(name); found != daemons_.end()) tell(name, found->second);
    }
    return;
  }
  for (const auto& [name, daemon] : daemons_) tell(name, daemon);
}

// ---- Time -----------------------------------------------------------------------

void Health::expect(const std::string& name, DaemonHealth& daemon, int64_t now_ms) {
  const auto next_ms = daemon.next_look_ms(now_ms);
  // One that comes too early looks again: cheaper than moving it with every beat.
  if (next_ms && daemon.look_ms != 0 && daemon.look_ms <= *next_ms) return;
  forget_look(name, daemon);
  if (!next_ms) return;
  looks_.emplace(*next_ms, name);
  daemon.look_ms = *next_ms;
}

void Health::forget_look(const std::string& name, DaemonHealth& daemon) {
  if (daemon.look_ms != 0) looks_.erase({daemon.look_ms, name});
  daemon.look_ms = 0;
}

// Baselines that change slowly, many in one batch.
void Health::save_waiting(core::Desk& desk) {
  for (const std::string& name : std::exchange(saves_, {})) {
    const auto found = daemons_.find(name);
    if (found != daemons_.end() && found->second.save_waits) save(name, found->second, desk);
  }
}

void Health::tick(core::Desk& desk) {
  const int64_t now_ms = desk.clocks().bus_ms;
  if (!saves_.empty() && saves_at_ms_ <= now_ms) save_waiting(desk);
  if (looks_.empty() || looks_.begin()->first > now_ms) return;
  const int64_t late_ms = now_ms - looks_.begin()->first;
  while (!looks_.empty() && looks_.begin()->first <= now_ms) {
    const std::string name = looks_.begin()->second;
    looks_.erase(looks_.begin());
    DaemonHealth& daemon = daemons_.find(name)->second;
    daemon.look_ms = 0;
    if (const auto next_ms = daemon.next_look_ms(now_ms); next_ms && *next_ms > now_ms) {
      expect(name, daemon, now_ms);
      continue;
    }
    if (late_ms > hang_ms && daemon.colour != Colour::red) {
      daemon.forgive(late_ms + daemon.interval_ms);
    } else {
      look(name, daemon, desk);
    }
    expect(name, daemon, now_ms);
  }
  tell_served(desk);
}

std::optional<int64_t> Health::next_wakeup_ms() const {
  std::optional<int64_t> next_ms;
  if (!looks_.empty()) next_ms = looks_.begin()->first;
  if (!saves_.empty()) next_ms = std::min(next_ms.value_or(saves_at_ms_), saves_at_ms_);
  return next_ms;
}

// ---- DAEMONS --------------------------------------------------------------------

void Health::write_daemon(const std::string& name, const DaemonHealth& daemon, const core::Desk& desk,
                          core::ReplyWriter& writer) const {
  const int64_t now_ms = desk.clocks().bus_ms;
  core::Fields fields;
  fields.text("daemon", name);
  if (!daemon.boot.empty()) fields.text("boot", daemon.boot);
  fields.text("colour", std::string(colour_of(daemon)));
  if (!daemon.reason.empty()) fields.text("reason", daemon.reason);
  fields.text("state", daemon.stopping ? "stopping" : daemon.state.empty() ? "running" : daemon.state);
  fields.number("since", daemon.since_wall_ms);
  fields.number("started", daemon.boot_wall_ms);
  fields.number("last_beat", daemon.last_wall_ms);
  fields.number("interval", std::max(daemon.told_ms, daemon.interval_ms));
  fields.number("missed", daemon.stopping ? 0 : daemon.missed(now_ms));
  fields.number("jitter", daemon.jitter_ms());
  fields.number("jitter_baseline", daemon.jitter_baseline_ms());
  fields.number("errors_per_minute", daemon.errors_per_minute(now_ms));
  fields.number("errors_baseline", daemon.errors_baseline());
  fields.text("roles", joined(daemon.roles, ","));
  fields.text("needs", joined(daemon.needs, ","));
  // The health of what it needs, where that beats as well.
  std::string ill;
  for (const std::string& need : daemon.needs) {
    if (red_.contains(need)) (ill += ill.empty() ? "" : ",") += need;
  }
  if (!ill.empty()) fields.text("needs_red", ill);
  writer.map(fields.size() + 1);
  fields.write(writer);
  writer.bulk("values");
  writer.map(daemon.values.size());
  for (const auto& [key, value] : daemon.values) {
    writer.bulk(key);
    writer.bulk(value);
  }
}

void Health::list(const core::Desk& desk, core::ReplyWriter& writer) const {
  writer.array(daemons_.size());
  for (const auto& [name, daemon] : daemons_) write_daemon(name, daemon, desk, writer);
}

void Health::show(std::string_view name, const core::Desk& desk, core::ReplyWriter& writer) const {
  const auto found = daemons_.find(name);
  if (found == daemons_.end()) {
    return writer.error(
        make_error(Code::notfound, "no daemon '" + std::string(name) + "'; its first BEAT registers it"));
  }
  write_daemon(found->first, found->second, desk, writer);
}

void Health::forget(std::string_view name, const core::Caller& caller, core::Desk& desk,
                    core::ReplyWriter& writer) {
  const auto found = daemons_.find(name);
  if (found == daemons_.end()) {
    return writer.error(
        make_error(Code::notfound, "no daemon '" + std::string(name) + "'; DAEMONS lists those there are"));
  }
  leave_roles(found->second);
  forget_look(found->first, found->second);
  const bool was_red = red_.erase(found->first) != 0;
  set_idle(red_.empty());
  desk.erase(row_of(name));
  desk.chronicle("daemon.forget", {{"daemon", found->first}, {"by", std::string(caller.name)}});
  daemons_.erase(found);
  tell_served(desk);
  if (was_red) desk.wake("");
  writer.simple("OK");
}

}  // namespace pawl::guards
