#include "bus/ops/cron_rows.h"

#include "bus/core/archive.h"

namespace pawl::ops {
namespace {

constexpr uint64_t version_now = 1;

uint64_t coded(int64_t value) {
  return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
}
int64_t decoded(uint64_t value) { return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1)); }

}  // namespace

std::string CronRow::encode() const {
  std::string bytes;
  core::RecordWriter out(bytes);
  out.number(version_now);
  for (const std::string* text : {&spec.schedule, &spec.role, &spec.payload, &spec.zone}) out.bytes(*text);
  out.number(static_cast<uint64_t>(spec.catch_up));
  out.number(of_file ? 1 : 0);
  out.bytes(by);
  out.number(static_cast<uint64_t>(set_ms));
  return bytes;
}

std::optional<CronRow> CronRow::decode(std::string_view bytes) {
  core::RecordReader in(bytes);
  if (in.number() != version_now) return std::nullopt;
  CronRow row;
  for (std::string* text : {&row.spec.schedule, &row.spec.role, &row.spec.payload, &row.spec.zone}) {
    *text = std::string(in.bytes());
  }
  const uint64_t catch_up = in.number();
  row.of_file = in.number() != 0;
  row.by = std::string(in.bytes());
  row.set_ms = static_cast<int64_t>(in.number());
  if (!in.whole() || catch_up >= core::catch_up_names.size()) return std::nullopt;
  row.spec.catch_up = static_cast<core::CatchUp>(catch_up);
  return row;
}

std::string CronProgress::encode() const {
  std::string bytes;
  core::RecordWriter out(bytes);
  out.number(version_now);
  for (const int64_t time : {decided_ms, last_slot_ms, last_fired_ms, last_missed_ms}) {
    out.number(static_cast<uint64_t>(time));
  }
  out.bytes(last_id);
  out.number(fired);
  out.number(missed);
  return bytes;
}

std::optional<CronProgress> CronProgress::decode(std::string_view bytes) {
  core::RecordReader in(bytes);
  if (in.number() != version_now) return std::nullopt;
  CronProgress row;
  for (int64_t* time : {&row.decided_ms, &row.last_slot_ms, &row.last_fired_ms, &row.last_missed_ms}) {
    *time = static_cast<int64_t>(in.number());
  }
  row.last_id = std::string(in.bytes());
  row.fired = in.number();
  row.missed = in.number();
  if (!in.whole()) return std::nullopt;
  return row;
}

std::string encode_zone(const core::ZoneRules& rules) {
  std::string bytes;
  core::RecordWriter out(bytes);
  out.number(version_now);
  out.number(rules.changes.size());
  for (const core::ZoneChange& change : rules.changes) {
    out.number(coded(change.from_s));
    out.number(coded(change.offset_s));
  }
  return bytes;
}

std::optional<core::ZoneRules> decode_zone(std::string_view name, std::string_view bytes) {
  core::RecordReader in(bytes);
  if (in.number() != version_now) return std::nullopt;
  core::ZoneRules rules;
  rules.name = std::string(name);
  const uint64_t count = in.number();
  if (count > in.left()) return std::nullopt;
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t from_s = decoded(in.number());
    rules.changes.push_back({from_s, static_cast<int32_t>(decoded(in.number()))});
  }
  if (!in.whole()) return std::nullopt;
  return rules;
}

}  // namespace pawl::ops
