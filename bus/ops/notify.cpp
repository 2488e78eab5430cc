#include "bus/ops/notify.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bus/core/fields.h"
#include "bus/ops/entry_fields.h"
#include "bus/ops/ops_config.h"

namespace pawl::ops {
namespace {

constexpr std::string_view gate_row = "notify/gate";

Phase phase_of(const Incident& incident) {
  if (!incident.is_open()) return Phase::closed;
  return incident.acknowledged_ms != 0 ? Phase::acknowledged : Phase::open;
}

}  // namespace

Notify::Notify(Incidents& incidents) : incidents_(incidents) {
  incidents.listen([this](const Incident& incident, core::OfficeDesk& desk) { raised(incident, desk); });
}

void Notify::open(core::OfficeDesk& desk) {
  gate_ = {};
  wall_ms_ = 0;
  changed_ = raised_ = false;
  std::string bytes;
  if (desk.get(gate_row, bytes)) {
    auto gate = decode_notify_gate(bytes);
    if (!gate) throw std::runtime_error("the notify gate");
    gate_ = std::move(*gate);
  }
  configured(desk);
}

void Notify::configured(core::OfficeDesk& desk) {
  channels_ = config_of(desk).notify;
  changed_ = gate_.forget_gone(channels_) || changed_;
  new_channels_.clear();
  for (const NotifyChannel& channel : channels_) {
    if (!gate_.knows(channel.name)) new_channels_.push_back(channel);
  }
  wall_ms(desk);
  look_ahead();
}

int64_t Notify::wall_ms(const core::OfficeDesk& desk) {
  wall_ms_ = std::max(wall_ms_, desk.clocks().wall_ms);
  return wall_ms_;
}

void Notify::look_ahead() { due_ms_ = gate_.next_due(channels_, wall_ms_); }

void Notify::raised(const Incident& incident, core::OfficeDesk& desk) {
  if (!channels_.empty()) raise(incident, channels_, desk);
}

void Notify::raise(const Incident& incident, const std::vector<NotifyChannel>& channels,
                   core::OfficeDesk& desk) {
  Raise said;
  said.incident = incident.number;
  said.fingerprint = incident_fingerprint(incident.fingerprint).value_or(incident.number);
  said.tier = incident.tier;
  said.phase = phase_of(incident);
  said.roles = incident.roles;
  said.title = incident.title;
  const auto notices = gate_.raise(channels, said, wall_ms(desk));
  changed_ = changed_ || !notices.empty();
  chronicle(notices, desk);
  raised_ = true;
}

void Notify::tick(core::OfficeDesk& desk) {
  if (!new_channels_.empty()) {
    const auto channels = std::exchange(new_channels_, {});
    for (const auto& [number, incident] : incidents_.all_open()) {
      if (incident.tier == Tier::ultra) raise(incident, channels, desk);
    }
  }
  if (!due_ms_ || desk.clocks().wall_ms < *due_ms_) return;
  const auto notices = gate_.tick(channels_, wall_ms(desk));
  changed_ = true;
  chronicle(notices, desk);
  look_ahead();
}

core::Wakeup Notify::next_wakeup() const {
  core::Wakeup wakeup;
  wakeup.wall_ms = due_ms_;
  return wakeup;
}

void Notify::sealing(core::OfficeDesk& desk) {
  if (std::exchange(raised_, false)) look_ahead();
  if (std::exchange(changed_, false)) desk.put(gate_row, encode(gate_));
}

void Notify::chronicle(const std::vector<Notice>& notices, core::OfficeDesk& desk) const {
  for (const Notice& notice : notices) {
    const bool sent = notice.fate == Fate::sent;
    core::Headers fields = {{"to", notice.channel}};
    if (!sent) fields.emplace_back("rule", notice.rule);
    fields.emplace_back("notice", std::string(name_of(notice.kind, notice_kind_names)));
    fields.emplace_back("tier", std::string(tier_name(notice.tier)));
    const size_t end = std::min(notice.text.find('\n'), notice.text.size());
    std::string text = notice.text.substr(std::min(end + 1, notice.text.size()));
    if (notice.incident != 0) {
      const std::string id = "i" + std::to_string(notice.incident);
      fields.emplace_back("incident", id);
      const auto open = incidents_.all_open().find(notice.incident);
      if (sent)
        text = (open == incidents_.all_open().end() || open->second.detail.empty()
                    ? ""
                    : open->second.detail + "\n") +
               "pawl incident show " + id;
    }
    fields.emplace_back("title", notice.text.substr(0, end));
    if (!text.empty()) fields.emplace_back("text", text);
    if (notice.suppressed != 0) fields.emplace_back("suppressed", std::to_string(notice.suppressed));
    desk.chronicle(sent ? "notify.sent" : "notify.held", std::move(fields));
  }
}

bool Notify::command(const core::Operation& operation, const core::Caller& caller, core::OfficeDesk& /*desk*/,
                     core::ReplyWriter& writer) {
  const auto* study = std::get_if<core::op::IncidentStudy>(&operation);
  if (study == nullptr || study->what != core::op::Study::notices) return false;
  if (caller.user != nullptr && !caller.user->roles.empty()) {
    writer.error(make_error(Code::denied, "notices are about every role, and you have to do with some"));
    return true;
  }
  std::map<std::string, NotifyCounts> counts = gate_.counts();
  for (const NotifyChannel& channel : channels_) counts.try_emplace(channel.name);
  writer.array(counts.size());
  for (const auto& [channel, count] : counts) {
    core::Fields fields;
    fields.text("channel", channel);
    fields.number("raised", static_cast<int64_t>(count.raised));
    fields.number("sent", static_cast<int64_t>(count.sent));
    fields.number("suppressed", static_cast<int64_t>(count.suppressed()));
    fields.number("later", static_cast<int64_t>(count.later));
    fields.number("folded", static_cast<int64_t>(count.folded));
    writer.map(fields.size() + 1);
    fields.write(writer);
    writer.bulk("held");
    writer.map(count.held.size());
    for (const auto& [rule, held] : count.held) {
      writer.bulk(rule);
      writer.integer(static_cast<int64_t>(held));
    }
  }
  return true;
}

}  // namespace pawl::ops
