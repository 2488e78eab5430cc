#include "bus/ops/incident_rows.h"

#include <algorithm>

#include "bus/base/parse.h"
#include "bus/core/archive.h"

namespace pawl::ops {
namespace {

constexpr uint64_t version_now = 2;  // since 2: class, quiet_ms, seen_bus_ms

template <typename Incident, typename Visit>
void each_text(Incident& one, const Visit& visit) {
  for (auto* text : {&one.fingerprint, &one.title, &one.detail, &one.by, &one.owner, &one.acknowledged_by,
                     &one.closed_by, &one.close_reason}) {
    visit(*text);
  }
}

template <typename Incident, typename Visit>
void each_time(Incident& one, const Visit& visit) {
  for (auto* time : {&one.opened_ms, &one.seen_ms, &one.acknowledged_ms, &one.escalated_ms, &one.cleared_ms,
                     &one.cleared_bus_ms, &one.closed_ms}) {
    visit(*time);
  }
}

bool covers(std::string_view pattern, std::string_view role) {
  if (!pattern.ends_with('*')) return pattern == role;
  return role.starts_with(pattern.substr(0, pattern.size() - 1));
}

}  // namespace

bool Incident::affects_role(std::string_view role) const {
  return std::any_of(roles.begin(), roles.end(), [&](const std::string& one) { return covers(one, role); });
}

bool Incident::affects_daemon(std::string_view daemon) const {
  return std::find(daemons.begin(), daemons.end(), daemon) != daemons.end();
}

std::string Incident::encode() const {
  std::string bytes;
  core::RecordWriter out(bytes);
  out.number(version_now);
  out.number(static_cast<uint64_t>(tier));
  out.number(by_person ? 1 : 0);
  each_text(*this, [&](const std::string& text) { out.bytes(text); });
  each_time(*this, [&](int64_t time) { out.number(static_cast<uint64_t>(time)); });
  for (const auto* names : {&roles, &daemons}) {
    out.number(names->size());
    for (const std::string& name : *names) out.bytes(name);
  }
  out.number(count);
  out.number(notes.size());
  for (const IncidentRemark& note : notes) {
    out.number(static_cast<uint64_t>(note.at_ms));
    out.bytes(note.by);
    out.bytes(note.text);
  }
  out.number(static_cast<uint64_t>(error_class));
  out.number(static_cast<uint64_t>(quiet_ms));
  out.number(static_cast<uint64_t>(seen_bus_ms));
  return bytes;
}

std::optional<Incident> Incident::decode(uint64_t number, std::string_view bytes) {
  core::RecordReader in(bytes);
  const uint64_t version = in.number();
  if (version == 0 || version > version_now) return std::nullopt;
  Incident one;
  one.number = number;
  const uint64_t tier = in.number();
  one.by_person = in.number() != 0;
  each_text(one, [&](std::string& text) { text = std::string(in.bytes()); });
  each_time(one, [&](int64_t& time) { time = static_cast<int64_t>(in.number()); });
  for (auto* names : {&one.roles, &one.daemons}) {
    const uint64_t count = in.number();
    if (count > in.left()) return std::nullopt;
    for (uint64_t i = 0; i < count; ++i) names->emplace_back(in.bytes());
  }
  one.count = in.number();
  const uint64_t notes = in.number();
  if (notes > in.left()) return std::nullopt;
  for (uint64_t i = 0; i < notes; ++i) {
    IncidentRemark note;
    note.at_ms = static_cast<int64_t>(in.number());
    note.by = std::string(in.bytes());
    note.text = std::string(in.bytes());
    one.notes.push_back(std::move(note));
  }
  uint64_t error_class = static_cast<uint64_t>(core::ErrorClass::unknown);
  if (version >= 2) {
    error_class = in.number();
    one.quiet_ms = static_cast<int64_t>(in.number());
    one.seen_bus_ms = static_cast<int64_t>(in.number());
  }
  if (error_class >= core::class_count) return std::nullopt;
  one.error_class = static_cast<core::ErrorClass>(error_class);
  if (!in.whole() || tier >= core::tier_names.size()) return std::nullopt;
  one.tier = static_cast<core::Tier>(tier);
  return one;
}

std::optional<uint64_t> incident_number(std::string_view id) {
  if (id.size() < 2 || id.size() > 20 || id[0] != 'i' || id[1] < '1' || id[1] > '9') return std::nullopt;
  const auto number = parse_int(id.substr(1));
  return number ? std::optional(static_cast<uint64_t>(*number)) : std::nullopt;
}

}  // namespace pawl::ops
