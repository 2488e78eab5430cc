// What the mirror posts, and where to: [[notify]] of pawl.toml as plain data, and the choice among the
// entries of the chronicle. Pure: the same entry and the same rules give the same post.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/client/json.h"
#include "bus/client/reply.h"

namespace pawl::runner {

enum class NotifyTo : uint8_t { slack, discord, webhook, command, file };
constexpr std::array<std::string_view, 5> notify_to_names = {"slack", "discord", "webhook", "command",
                                                             "file"};
constexpr std::string_view name_of(NotifyTo to) { return notify_to_names[static_cast<size_t>(to)]; }

constexpr std::array<std::string_view, 2> notify_tier_names = {"ultra", "concern"};

// Durations are milliseconds.
struct NotifyChannel {
  std::string name;  // unique in the file; its position is kept under it
  NotifyTo to = NotifyTo::slack;
  std::string url;                   // slack, discord, webhook; a secret by itself
  std::string secret;                // webhook: signs; empty: unsigned
  std::vector<std::string> command;  // command: an argument vector
  std::string path;                  // file: absolute
  std::vector<std::string> tiers;    // of which the bus's gate sends it notices: words of notify_tier_names
  std::vector<std::string> kinds;    // "daemon.red", "daemon.*", "*"
  int64_t timeout_ms = 10'000;       // of one try
  int64_t backoff_base_ms = 1'000;   // between tries; doubles
  int64_t backoff_max_ms = 60'000;   // up to this; random(0, base) comes on top
  uint32_t tries = 5;                // command: then the post has failed; the others try for good
  std::string place;                 // "pawl.toml:12", for messages

  bool uses_url() const { return to <= NotifyTo::webhook; }
  friend bool operator==(const NotifyChannel&, const NotifyChannel&) = default;
};

// One entry of the chronicle. A gap (what retention dropped before anybody read it) has no seq and no time.
struct NotifyEntry {
  client::Json json;  // as the bus gave it: seq, at, kind, then its fields
  std::string kind;
  int64_t seq = 0;    // 0: none
  int64_t at_ms = 0;  // wall time; 0: none
  int64_t ends = 0;   // who has dealt with it has dealt with all up to this seq

  // A field as text; empty where it is missing.
  std::string text_of(std::string_view name) const;
};

// Out of an element of what EVENTS answers; nothing for what is no entry.
std::optional<NotifyEntry> notify_entry(const client::Reply& map);
// What stands in for entries that can no longer be told apart: the bus's chronicle ends at `end`, before
// `position`, so it is not the one that was followed.
NotifyEntry another_chronicle(int64_t position, int64_t end);
// For `pawl mirror --test`; `from` says who sends it.
NotifyEntry test_notice(int64_t wall_ms, std::string_view from);

// Whether the pattern of `kinds` covers the kind.
bool kind_matches(std::string_view pattern, std::string_view kind);
// Whether this channel posts this entry: a notice of the bus's gate (notify.sent) where its `to` is the
// channel's name, a gap always, anything else when its kind is selected. Tiers are the gate's matter.
bool selects(const NotifyChannel& channel, const NotifyEntry& entry);

// The same for each try at the same entry in the same channel, and for no other: 32 hex digits.
std::string delivery_id(const NotifyChannel& channel, const NotifyEntry& entry);

constexpr std::string_view gate_kind = "notify.sent";
constexpr std::string_view gap_kind = "gap";

}  // namespace pawl::runner
