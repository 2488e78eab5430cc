#include "bus/ops/incidents.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bus/base/limits.h"
#include "bus/base/parse.h"
#include "bus/base/text.h"
#include "bus/core/keys.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/ops_config.h"

namespace pawl::ops {
namespace {

using core::Tier;

constexpr std::string_view open_rows = "incidents/o/";
constexpr std::string_view closed_rows = "incidents/c/";
constexpr std::string_view dead_row = "incidents/dead";

std::string row_of(std::string_view prefix, uint64_t number) {
  return std::string(prefix) + core::keys::number(number);
}

uint64_t number_in(std::string_view key, std::string_view prefix) {
  if (key.size() != prefix.size() + 8) throw std::runtime_error("an incident's key");
  return core::keys::read_be(key, prefix.size(), 8);
}

// True: something was new.
bool merge(std::vector<std::string>& into, const std::vector<std::string>& from) {
  bool grew = false;
  for (const std::string& one : from) {
    if (into.size() >= limits::incident_subjects_max) break;
    if (std::find(into.begin(), into.end(), one) != into.end()) continue;
    into.push_back(one);
    grew = true;
  }
  return grew;
}

}  // namespace

// ---- Rows -----------------------------------------------------------------------

void Incidents::open(core::OfficeDesk& desk) {
  open_.clear();
  by_fingerprint_.clear();
  broadcast_ms_.clear();
  looks_.clear();
  look_of_.clear();
  touched_.clear();
  classifier_.reset();
  dead_ = {};
  dead_changed_ = false;
  next_number_ = first_closed_ = 1;
  closed_ = 0;
  if (std::string bytes; desk.get(dead_row, bytes)) {
    auto groups = decode_dead_groups(bytes);
    if (!groups) throw std::runtime_error("the groups of dead letters");
    dead_ = std::move(*groups);
  }
  desk.scan(closed_rows, [&](std::string_view key, std::string_view) {
    next_number_ = number_in(key, closed_rows) + 1;
    if (closed_++ == 0) first_closed_ = next_number_ - 1;
    return true;
  });
  desk.scan(open_rows, [&](std::string_view key, std::string_view bytes) {
    const uint64_t number = number_in(key, open_rows);
    auto incident = Incident::decode(number, bytes);
    if (!incident) throw std::runtime_error("an incident");
    by_fingerprint_.emplace(incident->fingerprint, number);
    open_.emplace(number, std::move(*incident));
    next_number_ = std::max(next_number_, number + 1);
    return true;
  });
  for (const auto& [number, incident] : open_) {
    // Whoever listens now has not heard of it.
    if (incident.tier == Tier::ultra) broadcast_ms_[number] = desk.clocks().bus_ms;
    touched_.insert(number);
    expect(incident, desk);
  }
}

void Incidents::sealing(core::OfficeDesk& desk) {
  if (std::exchange(dead_changed_, false)) desk.put(dead_row, encode(dead_));
}

void Incidents::save(const Incident& incident, core::OfficeDesk& desk) {
  desk.put(row_of(open_rows, incident.number), incident.encode());
}

std::optional<Incident> Incidents::read(uint64_t number, const core::OfficeDesk& desk) {
  std::string bytes;
  if (!desk.get(row_of(open_rows, number), bytes) && !desk.get(row_of(closed_rows, number), bytes)) {
    return std::nullopt;
  }
  return Incident::decode(number, bytes);
}

std::vector<Incident> Incidents::newest_closed(uint64_t most, const core::OfficeDesk& desk) const {
  std::vector<Incident> newest;
  std::string bytes;
  for (uint64_t number = next_number_ - 1; closed_ > 0 && number >= first_closed_ && most > 0;
       --number, --most) {
    if (!desk.get(row_of(closed_rows, number), bytes)) continue;
    if (auto incident = Incident::decode(number, bytes)) newest.push_back(std::move(*incident));
  }
  return newest;
}

const Incident* Incidents::find(std::string_view fingerprint) const {
  const auto found = by_fingerprint_.find(fingerprint);
  return found == by_fingerprint_.end() ? nullptr : &open_.at(found->second);
}

// The oldest closed ones go.
void Incidents::forget_old(core::OfficeDesk& desk) {
  std::string unused;
  while (closed_ > limits::incidents_closed_max) {
    const std::string row = row_of(closed_rows, first_closed_++);
    if (!desk.get(row, unused)) continue;
    desk.erase(row);
    --closed_;
  }
}

// ---- Telling --------------------------------------------------------------------

void Incidents::publish(const Incident& incident, std::string_view what, core::OfficeDesk& desk) {
  desk.publish("pawl.incident." + incident.id(),
               "incident=" + incident.id() + " what=" + std::string(what) + " tier=" +
                   std::string(incident.tier_name()) + " state=" + (incident.is_open() ? "open" : "closed") +
                   " count=" + std::to_string(incident.count) + " title=" + incident.title);
}

void Incidents::tell(const Incident& incident, std::string_view what, core::Headers about,
                     core::OfficeDesk& desk) {
  core::Headers fields = {{"incident", incident.id()},
                          {"tier", std::string(incident.tier_name())},
                          {"class", std::string(core::class_name(incident.error_class))},
                          {"fingerprint", incident.fingerprint},
                          {"title", incident.title}};
  if (!incident.roles.empty()) fields.emplace_back("roles", joined(incident.roles, ","));
  if (!incident.daemons.empty()) fields.emplace_back("daemons", joined(incident.daemons, ","));
  std::move(about.begin(), about.end(), std::back_inserter(fields));
  desk.chronicle("incident." + std::string(what), std::move(fields));
  publish(incident, what, desk);
  for (const Listener& listener : listeners_) listener(incident, desk);
  if (!incident.is_open() || incident.tier != Tier::ultra) return;
  broadcast_ms_[incident.number] = desk.clocks().bus_ms + desk.config().incidents.broadcast_ms;
}

void Incidents::changed(Incident& incident, std::string_view change, core::Headers about,
                        core::OfficeDesk& desk) {
  about.insert(about.begin(), {"change", std::string(change)});
  save(incident, desk);
  tell(incident, "changed", std::move(about), desk);
  expect(incident, desk);
}

void Incidents::add_incidents(std::string_view daemon, const std::vector<std::string>& roles,
                              const core::OfficeDesk& desk,
                              std::vector<core::IncidentBrief>& incidents) const {
  std::string bytes;
  for (const auto& [number, incident] : open_) {
    const bool of_role = std::any_of(roles.begin(), roles.end(),
                                     [&](const std::string& role) { return incident.affects_role(role); });
    if (!incident.is_of_all() && !of_role && !incident.affects_daemon(daemon)) continue;
    // As it is durable: whoever is told acts on it.
    if (!desk.get_committed(row_of(open_rows, number), bytes)) continue;
    const auto durable = Incident::decode(number, bytes);
    if (durable) incidents.push_back({durable->id(), std::string(durable->tier_name()), durable->title});
  }
}

// ---- What happens to one ----------------------------------------------------------

std::string Incidents::saw(const Sighting& sighting, std::string_view by, core::OfficeDesk& desk) {
  if (const auto known = by_fingerprint_.find(sighting.fingerprint); known != by_fingerprint_.end()) {
    Incident& incident = open_.at(known->second);
    see_again(incident, sighting, desk);
    return incident.id();
  }
  if (open_.size() >= limits::incidents_open_max) return "";
  return begin(sighting, by, desk).id();
}

Incident& Incidents::begin(const Sighting& sighting, std::string_view by, core::OfficeDesk& desk) {
  Incident incident;
  incident.number = next_number_++;
  incident.tier = sighting.tier;
  incident.error_class = sighting.error_class;
  incident.quiet_ms = sighting.quiet_ms;
  incident.fingerprint = sighting.fingerprint;
  incident.title = sighting.title.substr(0, limits::incident_title_bytes_max);
  incident.detail = sighting.detail;
  incident.by = std::string(by);
  merge(incident.roles, sighting.roles);
  merge(incident.daemons, sighting.daemons);
  incident.count = 1;
  incident.opened_ms = incident.seen_ms = desk.clocks().wall_ms;
  incident.seen_bus_ms = desk.clocks().bus_ms;
  touched_.insert(incident.number);
  by_fingerprint_.emplace(incident.fingerprint, incident.number);
  Incident& kept = open_.emplace(incident.number, std::move(incident)).first->second;
  save(kept, desk);
  tell(kept, "opened", {{"by", kept.by}, {"detail", kept.detail}}, desk);
  expect(kept, desk);
  return kept;
}

void Incidents::see_again(Incident& incident, const Sighting& sighting, core::OfficeDesk& desk) {
  ++incident.count;
  incident.seen_ms = desk.clocks().wall_ms;
  incident.seen_bus_ms = desk.clocks().bus_ms;
  incident.cleared_ms = incident.cleared_bus_ms = 0;
  if (sighting.error_class != core::ErrorClass::unknown) incident.error_class = sighting.error_class;
  touched_.insert(incident.number);
  if (!sighting.detail.empty()) incident.detail = sighting.detail;
  const bool of_all = incident.is_of_all();
  const bool grew =
      !of_all && (merge(incident.roles, sighting.roles) | merge(incident.daemons, sighting.daemons));
  if (sighting.tier > incident.tier) {
    incident.title = sighting.title.substr(0, limits::incident_title_bytes_max);
    return escalate(incident, "it was seen as an ultra", desk);
  }
  if (const std::string why = escalation(incident, desk); !why.empty()) return escalate(incident, why, desk);
  if (grew) return changed(incident, "spread", {}, desk);
  save(incident, desk);
  expect(incident, desk);
  for (const Listener& listener : listeners_) listener(incident, desk);
}

std::string Incidents::escalation(const Incident& incident, const core::OfficeDesk& desk) const {
  const core::IncidentsConfig& rules = desk.config().incidents;
  if (incident.tier == Tier::ultra || incident.cleared_bus_ms != 0) return "";
  const int64_t age_ms = desk.clocks().wall_ms - incident.opened_ms;
  const uint64_t spread = incident.roles.size() + incident.daemons.size();
  if (rules.escalate_after_ms != 0 && incident.acknowledged_ms == 0 && age_ms >= rules.escalate_after_ms) {
    return "nobody has acknowledged it for " + format_duration(rules.escalate_after_ms);
  }
  if (rules.escalate_count != 0 && incident.count >= rules.escalate_count) {
    return "it was seen " + std::to_string(incident.count) + " times";
  }
  if (rules.escalate_spread != 0 && spread >= rules.escalate_spread) {
    return "it affects " + std::to_string(spread) + " roles and daemons";
  }
  return "";
}

void Incidents::escalate(Incident& incident, const std::string& why, core::OfficeDesk& desk) {
  incident.tier = Tier::ultra;
  incident.escalated_ms = desk.clocks().wall_ms;
  touched_.insert(incident.number);
  changed(incident, "escalated", {{"why", why}}, desk);
}

void Incidents::notify(uint64_t number, const std::string& why, core::OfficeDesk& desk) {
  changed(open_.at(number), "notify", {{"why", why}}, desk);
}

void Incidents::call(uint64_t number, const std::string& why, core::OfficeDesk& desk) {
  Incident& incident = open_.at(number);
  if (incident.tier == Tier::ultra) return notify(number, why, desk);
  escalate(incident, why, desk);
}

void Incidents::gone(std::string_view fingerprint, core::OfficeDesk& desk) {
  const auto known = by_fingerprint_.find(fingerprint);
  if (known == by_fingerprint_.end()) return;
  Incident& incident = open_.at(known->second);
  if (incident.by_person || incident.cleared_bus_ms != 0) return;
  incident.cleared_ms = desk.clocks().wall_ms;
  incident.cleared_bus_ms = desk.clocks().bus_ms;
  touched_.insert(incident.number);
  // Of a concern nobody need hear before it closes; who is up for an ultra wants to know.
  if (incident.tier == Tier::ultra) return changed(incident, "cleared", {}, desk);
  save(incident, desk);
  expect(incident, desk);
}

void Incidents::close(Open::iterator at, std::string_view by, std::string_view reason,
                      core::OfficeDesk& desk) {
  Incident incident = std::move(at->second);
  open_.erase(at);
  by_fingerprint_.erase(incident.fingerprint);
  broadcast_ms_.erase(incident.number);
  touched_.insert(incident.number);
  if (const auto look = look_of_.find(incident.number); look != look_of_.end()) {
    looks_.erase({look->second, look->first});
    look_of_.erase(look);
  }
  incident.closed_ms = desk.clocks().wall_ms;
  incident.closed_by = std::string(by);
  incident.close_reason = std::string(reason);
  desk.erase(row_of(open_rows, incident.number));
  desk.put(row_of(closed_rows, incident.number), incident.encode());
  if (closed_++ == 0 || incident.number < first_closed_) first_closed_ = incident.number;
  tell(incident, "closed",
       {{"by", incident.closed_by},
        {"reason", incident.close_reason},
        {"count", std::to_string(incident.count)},
        {"open_ms", std::to_string(incident.closed_ms - incident.opened_ms)}},
       desk);
  forget_old(desk);
}

// ---- News and time ------------------------------------------------------------------

namespace {

// What a guard that does not enforce has found holds nothing up.
class ModeOf final : public core::FactsSink {
 public:
  explicit ModeOf(std::string_view guard) : FactsSink(0), guard_(guard) {}
  void guard(const core::GuardFacts& guard) override {
    if (guard.name == guard_) enforces = guard.mode == core::GuardMode::enforce;
  }
  bool enforces = true;

 private:
  std::string_view guard_;
};

bool enforces(std::string_view guard, const core::OfficeDesk& desk) {
  ModeOf mode(guard);
  desk.report(mode);
  return mode.enforces;
}

}  // namespace

void Incidents::noted(const core::EventRecord& event, core::OfficeDesk& desk) {
  if (event.kind == "message.dead") return note_death(event, desk);
  if (event.kind == "breaker.open" && !enforces("breaker", desk)) return;
  auto sign = sign_of(event, &classifier(desk));
  if (!sign) return;
  if (sign->gone) return gone(sign->sighting.fingerprint, desk);
  sign->sighting.fingerprint = belongs_to(sign->sighting);
  saw(sign->sighting, "bus", desk);
}

// Where work that needs a daemon fails already, that the daemon is red as well is the same outage.
std::string Incidents::belongs_to(const Sighting& sighting) const {
  constexpr std::string_view of_daemon = "daemon:";
  const std::string& own = sighting.fingerprint;
  if (!own.starts_with(of_daemon) || find(own) != nullptr) return own;
  const Incident* circuit = find("breaker:needs:" + own.substr(of_daemon.size()));
  return circuit == nullptr || circuit->cleared_bus_ms != 0 ? own : circuit->fingerprint;
}

// One dead letter is looked at with DEAD LIST; a group of them, and one that kills, are an incident.
void Incidents::note_death(const core::EventRecord& event, core::OfficeDesk& desk) {
  const std::string fingerprint(field_of(event, "fingerprint"));
  if (fingerprint.empty()) return;
  const bool poison = field_of(event, "ruling").starts_with("poison");
  const uint64_t died = dead_.died(fingerprint, desk.clocks().bus_ms);
  dead_changed_ = true;
  if (!poison && died < DeadGroups::many && find(dead_fingerprint(fingerprint)) == nullptr) return;
  saw(sight_of_dead(event, poison, died, classifier(desk)), "bus", desk);
}

const Classifier& Incidents::classifier(const core::OfficeDesk& desk) {
  if (!classifier_) classifier_ = config_of(desk).classifier();
  return *classifier_;
}

void Incidents::expect(const Incident& incident, const core::OfficeDesk& desk) {
  const core::IncidentsConfig& rules = desk.config().incidents;
  const core::Clocks now = desk.clocks();
  int64_t look_ms = INT64_MAX;
  if (incident.quiet_ms != 0 && incident.cleared_bus_ms == 0)
    look_ms = incident.seen_bus_ms + incident.quiet_ms;
  if (incident.tier == Tier::ultra) {
    if (rules.broadcast_ms != 0) look_ms = std::min(look_ms, broadcast_ms_[incident.number]);
  } else if (incident.cleared_bus_ms != 0) {
    look_ms = incident.cleared_bus_ms + rules.settle_ms;
  } else if (incident.acknowledged_ms == 0 && rules.escalate_after_ms != 0) {
    look_ms = std::min(look_ms, now.bus_ms + (incident.opened_ms + rules.escalate_after_ms - now.wall_ms));
  }
  if (const auto old = look_of_.find(incident.number); old != look_of_.end()) {
    looks_.erase({old->second, old->first});
    look_of_.erase(old);
  }
  if (look_ms == INT64_MAX) return;
  looks_.emplace(look_ms, incident.number);
  look_of_[incident.number] = look_ms;
}

void Incidents::configured(core::OfficeDesk& desk) {
  classifier_.reset();
  for (auto& [number, next_ms] : broadcast_ms_) next_ms = desk.clocks().bus_ms;
  for (const auto& [number, incident] : open_) expect(incident, desk);
}

void Incidents::tick(core::OfficeDesk& desk) {
  const int64_t now_ms = desk.clocks().bus_ms;
  while (!looks_.empty() && looks_.begin()->first <= now_ms) {
    const auto at = open_.find(looks_.begin()->second);
    Incident& incident = at->second;
    const bool quiet = incident.quiet_ms != 0 && incident.cleared_bus_ms == 0 &&
                       now_ms >= incident.seen_bus_ms + incident.quiet_ms;
    if (quiet) {
      gone(incident.fingerprint, desk);
    } else if (incident.tier == Tier::ultra) {
      publish(incident, "open", desk);
      broadcast_ms_[incident.number] = now_ms + std::max<int64_t>(1, desk.config().incidents.broadcast_ms);
      expect(incident, desk);
    } else if (incident.cleared_bus_ms != 0) {
      close(at, "bus", "its cause has been gone for " + format_duration(desk.config().incidents.settle_ms),
            desk);
    } else if (const std::string why = escalation(incident, desk); !why.empty()) {
      escalate(incident, why, desk);
    } else {
      // The wall clock was set back meanwhile.
      looks_.erase(looks_.begin());
      look_of_[incident.number] = now_ms + 1000;
      looks_.emplace(now_ms + 1000, incident.number);
    }
  }
}

core::Wakeup Incidents::next_wakeup() const {
  core::Wakeup wakeup;
  if (!looks_.empty()) wakeup.bus_ms = looks_.begin()->first;
  return wakeup;
}

}  // namespace pawl::ops
