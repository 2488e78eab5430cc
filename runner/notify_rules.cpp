#include "runner/notify_rules.h"

#include <algorithm>

#include "runner/signature.h"

namespace pawl::runner {
namespace {

using client::Json;
using client::Reply;

Json json_of(const Reply& value) {
  if (value.kind == Reply::Kind::integer) return Json(value.number);
  if (!value.is_array()) return Json(value.bytes);
  Json::Array items;
  for (const Reply& item : value.items) items.push_back(json_of(item));
  return Json(std::move(items));
}

}  // namespace

std::string NotifyEntry::text_of(std::string_view name) const {
  const Json* value = json.field(name);
  if (!value || value->is_null()) return "";
  return value->as_string() ? *value->as_string() : client::dump(*value);
}

std::optional<NotifyEntry> notify_entry(const Reply& map) {
  if (!map.is_array() || map.items.empty() || map.items.size() % 2 != 0) return std::nullopt;
  NotifyEntry entry;
  entry.kind = map.text_of("kind");
  entry.seq = map.int_of("seq").value_or(0);
  entry.at_ms = map.int_of("at").value_or(0);
  entry.ends = entry.kind == gap_kind ? map.int_of("to").value_or(0) : entry.seq;
  if (entry.kind.empty() || entry.ends <= 0) return std::nullopt;
  Json::Object fields;
  for (size_t i = 0; i < map.items.size(); i += 2) {
    fields.emplace_back(map.items[i].as_text(), json_of(map.items[i + 1]));
  }
  entry.json = Json(std::move(fields));
  return entry;
}

NotifyEntry another_chronicle(int64_t position, int64_t end) {
  NotifyEntry entry;
  entry.kind = std::string(gap_kind);
  entry.ends = end;
  entry.json.set("kind", entry.kind);
  entry.json.set("from", end + 1);
  entry.json.set("to", position);
  entry.json.set("reason",
                 "the bus has another chronicle than the one followed so far: a restored or a new one");
  return entry;
}

NotifyEntry test_notice(int64_t wall_ms, std::string_view from) {
  NotifyEntry entry;
  entry.kind = "notify.test";
  entry.at_ms = wall_ms;
  entry.json.set("at", wall_ms);
  entry.json.set("kind", entry.kind);
  entry.json.set("title", "A test of this channel");
  entry.json.set("text", "Sent by pawl mirror --test on " + std::string(from) + ". Nothing has happened.");
  return entry;
}

bool kind_matches(std::string_view pattern, std::string_view kind) {
  if (!pattern.ends_with('*')) return pattern == kind;
  pattern.remove_suffix(1);
  return kind.starts_with(pattern);
}

bool selects(const NotifyChannel& channel, const NotifyEntry& entry) {
  if (entry.kind == gap_kind) return true;
  if (entry.kind == gate_kind) return entry.text_of("to") == channel.name;
  return std::any_of(channel.kinds.begin(), channel.kinds.end(),
                     [&](const std::string& pattern) { return kind_matches(pattern, entry.kind); });
}

std::string delivery_id(const NotifyChannel& channel, const NotifyEntry& entry) {
  constexpr size_t digits = 32;
  // A gap grows while it is not told; where it begins stays.
  const std::string from = entry.kind == gap_kind ? entry.text_of("from") : std::to_string(entry.seq);
  const std::string all = channel.name + "\n" + entry.kind + "\n" + from + "\n" + std::to_string(entry.at_ms);
  return sha256_hex(all).substr(0, digits);
}

}  // namespace pawl::runner
