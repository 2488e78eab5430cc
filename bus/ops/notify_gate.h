// Whom to wake. What incidents raise comes in; notices for channels come out, and for everything that is held
// back, by which rule. A state machine over values: the same state, input and time give the same outputs.
//
// An ultra is never held: the first notice of each of its states goes out at once, and what repeats that
// state is folded into it. The other rules, in the order in which they are asked, are for concerns:
//   unchanged  the incident was told to be in this state already
//   flap       it opens and closes again and again: told once, and once more when it has settled
//   settle     it closed: told when it has stayed closed for a while
//   interval   an incident speaks at most so often, each time half as often as before
//   quiet      quiet hours: it waits for the digest at their end
//   storm      too much at once: one notice says how many were held
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/ops/words.h"

namespace pawl::ops {

// One channel: a [[notify]] of pawl.toml. Times in milliseconds.
struct NotifyChannel {
  std::string name;
  std::vector<Tier> tiers;                   // empty: all
  std::string role;                          // a glob; empty: all
  int64_t min_interval_ms = 5 * 60'000;      // between two notices of an incident; doubles with each
  int64_t max_interval_ms = 24 * 3'600'000;  // up to this
  int64_t settle_ms = 60 * 60'000;           // so long in one state is settled
  uint32_t flap_changes = 3;                 // so many openings and closings
  int64_t flap_window_ms = 6 * 3'600'000;    // within so long flap; at most 16
  uint32_t storm_max = 10;                   // notices of concerns
  int64_t storm_window_ms = 10 * 60'000;     // within so long; what is more is a storm
  int64_t remind_every_ms = 30 * 60'000;     // of an ultra that nobody acknowledged; 0: never
  std::optional<std::pair<int, int>>
      quiet;                   // minutes of the local day: from, to (not included); may pass midnight
  int utc_offset_minutes = 0;  // of the channel's local time
};

// One text a mistake; empty: all is well.
std::vector<std::string> check_notify_channel(const NotifyChannel& channel);

enum class Phase : uint8_t { open, acknowledged, closed };
constexpr std::array<std::string_view, 3> phase_names = {"open", "acknowledged", "closed"};

// What an incident says of itself: at its opening, at each failure that falls into it, at each change.
struct Raise {
  uint64_t incident = 0;
  uint64_t fingerprint = 0;
  Tier tier = Tier::concern;
  Phase phase = Phase::open;
  std::vector<std::string> roles;  // that it affects; none: everything
  std::string title;
};

enum class Fate : uint8_t { sent, held, folded };
constexpr std::array<std::string_view, 3> fate_names = {"sent", "held", "folded"};
enum class NoticeKind : uint8_t {
  opened,
  escalated,
  changed,
  acknowledged,
  closed,
  reminder,
  flapping,
  settled,
  digest,
  storm
};
constexpr std::array<std::string_view, 10> notice_kind_names = {
    "opened",   "escalated", "changed", "acknowledged", "closed",
    "reminder", "flapping",  "settled", "digest",       "storm"};

struct Notice {
  Fate fate = Fate::sent;
  NoticeKind kind = NoticeKind::opened;
  std::string channel;
  uint64_t incident = 0;  // 0: a digest or a storm, of several
  Tier tier = Tier::concern;
  std::string text;         // for people; of a digest several lines
  std::string rule;         // by which it is held or folded; else empty
  uint64_t suppressed = 0;  // raised since the last notice, and not sent
};

struct NotifyCounts {
  uint64_t raised = 0;
  uint64_t sent = 0;                     // on being raised
  uint64_t later = 0;                    // sent by the clock: reminders, digests, what was held and came due
  uint64_t folded = 0;                   // of an ultra, into its own incident
  std::map<std::string, uint64_t> held;  // by rule

  uint64_t suppressed() const;  // raised == sent + suppressed()
  template <typename Archive>
  void serialize(Archive& ar);
};

class NotifyGate {
 public:
  static constexpr uint8_t version_now = 1;
  static constexpr size_t incidents_max = 10'000;  // a channel; closed ones are forgotten first
  static constexpr size_t digest_lines_max = 20;

  // One notice for each channel that is about such an incident. `wall_ms` never goes backwards.
  std::vector<Notice> raise(const std::vector<NotifyChannel>& channels, const Raise& raised, int64_t wall_ms);
  // What channels that are gone were to hear of, nobody is. True: there was something.
  bool forget_gone(const std::vector<NotifyChannel>& channels);
  // What is due by now. Call it at next_due(), or every few seconds.
  std::vector<Notice> tick(const std::vector<NotifyChannel>& channels, int64_t wall_ms);
  // When tick() may have something next; nothing: not before something is raised.
  std::optional<int64_t> next_due(const std::vector<NotifyChannel>& channels, int64_t wall_ms) const;
  // Whether something has been raised since the channel is there.
  bool knows(const std::string& channel) const { return lanes_.contains(channel); }
  const std::map<std::string, NotifyCounts>& counts() const { return counts_; }  // by channel

  template <typename Archive>
  void code(Archive& ar, uint8_t version);

 private:
  struct Tracked {
    uint64_t incident = 0;
    Tier tier = Tier::concern;
    Phase phase = Phase::closed;
    std::string title;
    int64_t changed_ms = 0;      // of phase or tier
    std::vector<int64_t> flips;  // times of opening and closing within the flap window
    bool flapping = false;       // and that was raised as such
    bool flap_told = false;
    bool told = false;  // something was sent; then:
    uint64_t told_incident = 0;
    Tier told_tier = Tier::concern;
    Phase told_phase = Phase::closed;
    int64_t told_ms = 0;
    uint32_t notices = 0;  // in a row, for the interval
    bool quiet = false;    // waits for the digest
    bool storm = false;    // waits for the storm's notice
    uint64_t held = 0;     // since the last notice

    template <typename Archive>
    void serialize(Archive& ar);
    bool news() const {
      return !told || told_phase != phase || told_tier != tier || told_incident != incident;
    }
  };
  struct Lane {                           // of a channel
    std::map<uint64_t, Tracked> tracked;  // by fingerprint
    std::vector<int64_t> sends;           // of concerns, within the storm's window
    uint64_t storm_held = 0;
    int64_t storm_since_ms = 0;

    template <typename Archive>
    void serialize(Archive& ar);
  };
  class Step;

  std::map<std::string, Lane> lanes_;
  std::map<std::string, NotifyCounts> counts_;
};

std::string encode(const NotifyGate& gate);
// Nothing for damage or a newer version.
std::optional<NotifyGate> decode_notify_gate(std::string_view bytes);

}  // namespace pawl::ops
