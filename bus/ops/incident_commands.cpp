// INCIDENT OPEN, LIST, GET, ACK, NOTE, CLOSE.
#include <algorithm>
#include <utility>

#include "bus/base/limits.h"
#include "bus/base/text.h"
#include "bus/core/fields.h"
#include "bus/core/fingerprint.h"
#include "bus/ops/caller.h"
#include "bus/ops/incidents.h"

namespace pawl::ops {
namespace {

namespace op = core::op;

Error unknown(std::string_view id) {
  return make_error(Code::notfound,
                    "no incident '" + std::string(id) + "'; INCIDENT LIST shows those that are open");
}

core::Fields fields_of(const Incident& incident) {
  core::Fields fields;
  fields.text("id", incident.id());
  fields.text("tier", std::string(incident.tier_name()));
  fields.text("class", std::string(core::class_name(incident.error_class)));
  fields.text("state", incident.is_open() ? "open" : "closed");
  fields.text("title", incident.title);
  fields.text("fingerprint", incident.fingerprint);
  fields.number("count", static_cast<int64_t>(incident.count));
  fields.number("opened_at", incident.opened_ms);
  fields.number("seen_at", incident.seen_ms);
  fields.text("by", incident.by);
  if (!incident.detail.empty()) fields.text("detail", incident.detail);
  if (!incident.roles.empty()) fields.text("roles", joined(incident.roles, ","));
  if (!incident.daemons.empty()) fields.text("daemons", joined(incident.daemons, ","));
  if (!incident.owner.empty()) fields.text("owner", incident.owner);
  if (incident.acknowledged_ms != 0) {
    fields.number("acknowledged_at", incident.acknowledged_ms);
    fields.text("acknowledged_by", incident.acknowledged_by);
  }
  if (incident.escalated_ms != 0) fields.number("escalated_at", incident.escalated_ms);
  if (incident.cleared_ms != 0) fields.number("cleared_at", incident.cleared_ms);
  if (!incident.is_open()) {
    fields.number("closed_at", incident.closed_ms);
    fields.text("closed_by", incident.closed_by);
    if (!incident.close_reason.empty()) fields.text("reason", incident.close_reason);
  }
  return fields;
}

void write(const Incident& incident, core::ReplyWriter& writer) {
  const core::Fields fields = fields_of(incident);
  writer.map(fields.size());
  fields.write(writer);
}

void write_whole(const Incident& incident, core::ReplyWriter& writer) {
  const core::Fields fields = fields_of(incident);
  writer.map(fields.size() + 1);
  fields.write(writer);
  writer.bulk("notes");
  writer.array(incident.notes.size());
  for (const IncidentRemark& note : incident.notes) {
    writer.map(3);
    writer.bulk("at");
    writer.integer(note.at_ms);
    writer.bulk("by");
    writer.bulk(note.by);
    writer.bulk("text");
    writer.bulk(note.text);
  }
}

void add_note(Incident& incident, int64_t at_ms, std::string by, std::string_view text) {
  if (incident.notes.size() >= limits::incident_notes_max) incident.notes.erase(incident.notes.begin());
  incident.notes.push_back({at_ms, std::move(by), std::string(text)});
}

}  // namespace

bool Incidents::command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& desk,
                        core::ReplyWriter& writer) {
  if (const auto* wanted = std::get_if<op::IncidentOpen>(&operation)) {
    open_by_hand(*wanted, caller, desk, writer);
  } else if (const auto* which = std::get_if<op::IncidentList>(&operation)) {
    list(*which, caller, desk, writer);
  } else if (const auto* one = std::get_if<op::IncidentGet>(&operation)) {
    get(one->id, caller, desk, writer);
  } else if (const auto* ack = std::get_if<op::IncidentAck>(&operation)) {
    acknowledge(*ack, caller, desk, writer);
  } else if (const auto* note = std::get_if<op::IncidentNote>(&operation)) {
    Incident* incident = changeable(note->id, caller, desk, writer);
    if (incident == nullptr) return true;
    add_note(*incident, desk.clocks().wall_ms, name_of(caller), note->text);
    changed(*incident, "noted", {{"by", name_of(caller)}, {"text", std::string(note->text)}}, desk);
    writer.simple("OK");
  } else if (const auto* end = std::get_if<op::IncidentClose>(&operation)) {
    const Incident* incident = changeable(end->id, caller, desk, writer);
    if (incident == nullptr) return true;
    close(open_.find(incident->number), name_of(caller), end->reason, desk);
    writer.simple("OK");
  } else {
    return false;
  }
  return true;
}

void Incidents::open_by_hand(const op::IncidentOpen& wanted, const core::Caller& caller,
                             core::OfficeDesk& desk, core::ReplyWriter& writer) {
  Sighting sighting;
  sighting.tier = wanted.tier;
  sighting.title = std::string(wanted.title);
  sighting.fingerprint =
      wanted.fingerprint.empty()
          ? "reported:" + core::fingerprint_text(core::fingerprint(core::ErrorClass::unknown, wanted.title))
          : std::string(wanted.fingerprint);
  sighting.roles.assign(wanted.roles.begin(), wanted.roles.end());
  sighting.daemons.assign(wanted.daemons.begin(), wanted.daemons.end());
  const Incident* known = find(sighting.fingerprint);
  if (known != nullptr && !sees(caller, known->roles)) {
    return writer.error(make_error(Code::denied,
                                   "the open incident of that fingerprint is not about your roles; "
                                   "give yours another fingerprint, or leave it out"));
  }
  const std::string by = name_of(caller);
  const std::string id = saw(sighting, by, desk);
  if (id.empty()) {
    return writer.error(make_error(Code::state, "there are " + std::to_string(limits::incidents_open_max) +
                                                    " open incidents already; close some"));
  }
  Incident& incident = open_.at(*incident_number(id));
  if (known == nullptr) incident.by_person = true;
  if (!wanted.owner.empty()) incident.owner = std::string(wanted.owner);
  if (!wanted.note.empty()) add_note(incident, desk.clocks().wall_ms, by, wanted.note);
  save(incident, desk);
  write_whole(incident, writer);
}

void Incidents::acknowledge(const op::IncidentAck& ack, const core::Caller& caller, core::OfficeDesk& desk,
                            core::ReplyWriter& writer) {
  Incident* incident = changeable(ack.id, caller, desk, writer);
  if (incident == nullptr) return;
  incident->acknowledged_ms = desk.clocks().wall_ms;
  incident->acknowledged_by = name_of(caller);
  incident->owner = ack.owner.empty() ? incident->acknowledged_by : std::string(ack.owner);
  changed(*incident, "acknowledged", {{"by", incident->acknowledged_by}, {"owner", incident->owner}}, desk);
  writer.simple("OK");
}

Incident* Incidents::changeable(std::string_view id, const core::Caller& caller, const core::OfficeDesk& desk,
                                core::ReplyWriter& writer) {
  const auto number = incident_number(id);
  const auto found = number ? open_.find(*number) : open_.end();
  if (found != open_.end() && sees(caller, found->second.roles)) return &found->second;
  const auto closed = number ? read(*number, desk) : std::nullopt;
  if (closed && !closed->is_open() && sees(caller, closed->roles)) {
    writer.error(make_error(Code::state, "incident " + closed->id() + " is closed, by " + closed->closed_by +
                                             "; INCIDENT OPEN reports it anew"));
  } else {
    writer.error(unknown(id));
  }
  return nullptr;
}

void Incidents::get(std::string_view id, const core::Caller& caller, const core::OfficeDesk& desk,
                    core::ReplyWriter& writer) {
  const auto number = incident_number(id);
  const auto incident = number ? read(*number, desk) : std::nullopt;
  if (!incident || !sees(caller, incident->roles)) return writer.nil();
  write_whole(*incident, writer);
}

// Open ones oldest first, closed ones newest first; the cursor is the number that comes next.
void Incidents::list(const op::IncidentList& list, const core::Caller& caller, const core::OfficeDesk& desk,
                     core::ReplyWriter& writer) {
  std::vector<Incident> found;
  uint64_t next = 0;
  const auto wanted = [&](const Incident& incident) {
    if (list.tier && incident.tier != *list.tier) return false;
    if (!list.role.empty() && !incident.affects_role(list.role)) return false;
    return sees(caller, incident.roles);
  };
  const auto full = [&] { return found.size() >= list.count; };
  if (!list.closed) {
    for (auto at = open_.lower_bound(list.cursor); at != open_.end(); ++at) {
      if (full() && (next = at->first) != 0) break;
      if (wanted(at->second)) found.push_back(at->second);
    }
  } else if (closed_ > 0) {
    uint64_t number = list.cursor == 0 ? next_number_ - 1 : std::min(list.cursor, next_number_ - 1);
    for (; number >= first_closed_ && number > 0; --number) {
      if (full() && (next = number) != 0) break;
      if (open_.contains(number)) continue;
      auto incident = read(number, desk);
      if (incident && wanted(*incident)) found.push_back(std::move(*incident));
    }
  }
  writer.array(2);
  writer.bulk(std::to_string(next));
  writer.array(found.size());
  for (const Incident& incident : found) write(incident, writer);
}

}  // namespace pawl::ops
