#include "bus/ops/notify_gate.h"

#include <catch2/catch.hpp>

namespace pawl::ops {
namespace {

constexpr int64_t minute = 60'000;
constexpr int64_t hour = 60 * minute;
constexpr int64_t day = 24 * hour;
constexpr int64_t start = 20'000 * day;  // a midnight, UTC

struct Rig {
  std::vector<NotifyChannel> channels{NotifyChannel{}};
  NotifyGate gate;
  int64_t now = start + 12 * hour;
  std::vector<Notice> sent;  // all that went out
  std::vector<std::string> rules;

  Rig() { channel().name = "slack"; }
  NotifyChannel& channel() { return channels.front(); }
  void keep(const std::vector<Notice>& notices) {
    for (const Notice& one : notices) {
      if (one.fate == Fate::sent) {
        sent.push_back(one);
        CHECK(one.rule.empty());
      } else {
        CHECK_FALSE(one.rule.empty());
      }
    }
  }
  // The rule that held it, "sent", or "" where no channel is about it.
  std::string raise(uint64_t number, Tier tier = Tier::concern, Phase phase = Phase::open) {
    const auto notices =
        gate.raise(channels, {number, number, tier, phase, {"mail"}, "thing " + std::to_string(number)}, now);
    keep(notices);
    if (notices.empty()) return "";
    return notices[0].fate == Fate::sent ? "sent" : notices[0].rule;
  }
  // Lets time pass as the bus would: from one due time to the next.
  void pass(int64_t ms) {
    const int64_t end = now + ms;
    for (int steps = 0; steps < 10'000; ++steps) {
      const auto due = gate.next_due(channels, now);
      if (!due || *due > end) break;
      now = std::max(*due, now);
      const std::string before = encode(gate);
      keep(gate.tick(channels, now));
      if (encode(gate) == before) break;
    }
    now = end;
    keep(gate.tick(channels, now));
  }
  std::string kinds() const {
    std::string out;
    for (const Notice& one : sent)
      out += std::string(out.empty() ? "" : " ") + std::string(name_of(one.kind, notice_kind_names));
    return out;
  }
  void add_up() const {
    const NotifyCounts& counts = gate.counts().at("slack");
    CHECK(counts.raised == counts.sent + counts.suppressed());
    CHECK(counts.sent + counts.later == sent.size());
  }
};

TEST_CASE("gate: one notice for each incident and state") {
  Rig rig;
  CHECK(rig.raise(1) == "sent");
  for (int i = 0; i < 20; ++i) CHECK(rig.raise(1) == "unchanged");
  CHECK(rig.raise(2) == "sent");
  rig.pass(10 * minute);
  CHECK(rig.raise(1, Tier::ultra) == "sent");
  CHECK(rig.raise(1, Tier::ultra) == "folded");
  CHECK(rig.raise(1, Tier::ultra, Phase::acknowledged) == "sent");
  CHECK(rig.raise(1, Tier::ultra, Phase::acknowledged) == "folded");
  CHECK(rig.raise(1, Tier::ultra, Phase::closed) == "sent");
  CHECK(rig.kinds() == "opened opened escalated acknowledged closed");
  CHECK(rig.sent[2].text == "ultra escalated: thing 1 (raised 20 more times since the last notice)");
  CHECK(rig.sent[2].suppressed == 20);
  rig.add_up();
}

TEST_CASE("gate: channels are about tiers and roles") {
  Rig rig;
  rig.channel().tiers = {Tier::ultra};
  CHECK(rig.raise(1) == "");
  CHECK(rig.raise(1, Tier::ultra) == "sent");
  CHECK(rig.raise(1, Tier::concern) == "sent");  // who heard of an ultra hears that it is none any more
  rig.channel().role = "web*";
  CHECK(rig.raise(2, Tier::ultra) == "");
}

TEST_CASE("gate: an incident speaks half as often each time") {
  Rig rig;
  rig.channel().flap_changes = 16;
  rig.channel().settle_ms = 0;
  CHECK(rig.raise(1) == "sent");
  CHECK(rig.raise(1, Tier::concern, Phase::closed) == "interval");
  CHECK(rig.raise(1) == "unchanged");  // back where it was told to be
  CHECK(rig.raise(1, Tier::concern, Phase::closed) == "interval");
  rig.pass(5 * minute - 1);
  CHECK(rig.sent.size() == 1);
  rig.pass(1);
  CHECK(rig.kinds() == "opened closed");
  CHECK(rig.raise(1) == "interval");
  rig.pass(10 * minute - 1);
  CHECK(rig.sent.size() == 2);
  rig.pass(1);
  CHECK(rig.sent.size() == 3);
  // A day after it was closed it is forgotten, and speaks at once.
  rig.raise(1, Tier::concern, Phase::closed);
  rig.pass(3 * day);
  CHECK(rig.raise(1) == "sent");
  CHECK(rig.raise(1, Tier::concern, Phase::closed) == "interval");
  rig.pass(5 * minute);
  CHECK(rig.kinds() == "opened closed opened closed opened closed");
  rig.add_up();
}

TEST_CASE("gate: quiet hours end with a digest, and wake for an ultra") {
  struct Row {
    int from;
    int to;
    int offset;
    int64_t at;
    bool quiet;
  };
  const Row rows[] = {{1320, 420, 0, 22 * hour, true},    {1320, 420, 0, 22 * hour - 1, false},
                      {1320, 420, 0, 7 * hour - 1, true}, {1320, 420, 0, 7 * hour, false},
                      {1320, 420, 120, 20 * hour, true},  {1320, 420, 120, 19 * hour, false},
                      {1320, 420, -300, 3 * hour, true},  {600, 660, 0, 10 * hour, true},
                      {600, 660, 0, 11 * hour, false}};
  for (const Row& row : rows) {
    Rig rig;
    rig.channel().quiet = {row.from, row.to};
    rig.channel().utc_offset_minutes = row.offset;
    rig.now = start + row.at;
    INFO(row.from << "-" << row.to << " " << row.offset << " at " << row.at / minute);
    CHECK(rig.raise(1) == (row.quiet ? "quiet" : "sent"));
  }
  Rig rig;
  rig.channel().quiet = {22 * 60, 7 * 60};
  rig.now = start + 23 * hour;
  for (uint64_t i = 1; i <= 30; ++i) CHECK(rig.raise(i) == "quiet");
  CHECK(rig.raise(30, Tier::concern, Phase::closed) == "unchanged");  // nobody heard that it was open
  CHECK(rig.raise(99, Tier::ultra) == "sent");
  rig.raise(99, Tier::ultra, Phase::acknowledged);
  rig.pass(8 * hour - 1);
  CHECK(rig.sent.size() == 2);
  rig.pass(1);
  REQUIRE(rig.sent.size() == 3);
  const Notice& digest = rig.sent[2];
  CHECK(digest.kind == NoticeKind::digest);
  CHECK(digest.text.starts_with("30 incidents in quiet hours:\nconcern 1 open: thing 1\n"));
  CHECK(digest.text.ends_with("\nand 10 more"));
  CHECK(rig.raise(5) == "unchanged");
  rig.pass(2 * hour);
  CHECK(rig.sent.size() == 3);
  rig.add_up();
}

TEST_CASE("gate: a storm is one notice at its end, and ultras go through it") {
  Rig rig;
  for (uint64_t i = 1; i <= 10; ++i) CHECK(rig.raise(i) == "sent");
  for (uint64_t i = 11; i <= 51; ++i) CHECK(rig.raise(i) == "storm");
  for (uint64_t i = 100; i < 120; ++i) CHECK(rig.raise(i, Tier::ultra) == "sent");
  for (uint64_t i = 100; i < 120; ++i) rig.raise(i, Tier::ultra, Phase::acknowledged);
  rig.pass(10 * minute - 1);
  CHECK(rig.sent.size() == 50);
  rig.pass(1);
  REQUIRE(rig.sent.size() == 51);
  CHECK(rig.sent.back().kind == NoticeKind::storm);
  CHECK(rig.sent.back().text.starts_with("41 similar suppressed:\nconcern 11 open: thing 11\n"));
  rig.pass(10 * minute);
  CHECK(rig.raise(200) == "sent");
  rig.add_up();
}

TEST_CASE("gate: an ultra is reminded of until somebody acknowledges it") {
  Rig rig;
  rig.raise(1, Tier::ultra);
  for (int i = 0; i < 7; ++i) CHECK(rig.raise(1, Tier::ultra) == "folded");
  rig.pass(95 * minute);
  CHECK(rig.kinds() == "opened reminder reminder reminder");
  CHECK(rig.sent[1].text ==
        "ultra nobody has acknowledged: thing 1 (raised 7 more times since the last notice)");
  CHECK(rig.sent[2].suppressed == 0);
  rig.raise(1, Tier::ultra, Phase::acknowledged);
  rig.pass(day);
  CHECK(rig.sent.size() == 5);
  rig.add_up();
}

TEST_CASE("gate: a daemon that flaps for a week is 3 notices of 500") {
  Rig rig;
  for (int i = 0; i < 500; ++i) {
    rig.raise(1, Tier::concern, i % 2 == 0 ? Phase::open : Phase::closed);
    rig.pass(20 * minute);
  }
  rig.pass(day);
  CHECK(rig.kinds() == "opened flapping settled");
  CHECK(rig.sent.back().text.find("closed now") != std::string::npos);
  const NotifyCounts& counts = rig.gate.counts().at("slack");
  CHECK(counts.raised == 500);
  CHECK(counts.held.at("flap") > 490);
  rig.add_up();
}

TEST_CASE("gate: irregular flapping over a week still says little") {
  // Nights and breaks in between settle it; the interval keeps what follows apart.
  Rig rig;
  uint64_t luck = 7;
  for (int i = 0; i < 500; ++i) {
    luck = luck * 6364136223846793005ULL + 1442695040888963407ULL;
    rig.raise(1, Tier::concern, i % 2 == 0 ? Phase::open : Phase::closed);
    rig.pass(static_cast<int64_t>((luck >> 33) % 40) * minute + (i % 50 == 49 ? 3 * hour : 0));
  }
  CHECK(rig.sent.size() <= 18);
  rig.add_up();
}

TEST_CASE("gate: a dependency's outage, a slow leak and a monitor that died, over a week") {
  Rig rig;
  rig.channel().quiet = {22 * 60, 7 * 60};
  const int64_t begin = rig.now;
  for (int64_t at = 0; at < 7 * day; at += 10 * minute) {
    rig.pass(begin + at - rig.now);
    // Day 1, 3 h: forty roles fail, then one ultra for the dependency, acknowledged after 50 minutes.
    if (at >= day && at < day + 3 * hour) {
      for (uint64_t role = 1; role <= 40; ++role) rig.raise(role);
      rig.raise(50, Tier::ultra, at < day + 50 * minute ? Phase::open : Phase::acknowledged);
    }
    if (at == day + 3 * hour) {
      for (uint64_t role = 1; role <= 40; ++role) rig.raise(role, Tier::concern, Phase::closed);
      rig.raise(50, Tier::ultra, Phase::closed);
    }
    if (at % (2 * hour) == 0) rig.raise(60);  // the leak: an error every two hours
    if (at >= 5 * day) rig.raise(70, Tier::ultra, at < 5 * day + hour ? Phase::open : Phase::acknowledged);
  }
  std::map<uint64_t, int> ultras;
  for (const Notice& one : rig.sent) ultras[one.incident] += one.tier == Tier::ultra ? 1 : 0;
  CHECK(ultras[50] == 4);  // opened, one reminder, acknowledged, closed
  CHECK(ultras[70] == 4);  // opened, two reminders, acknowledged
  CHECK(rig.sent.size() <= 45);
  rig.add_up();
}

TEST_CASE("gate: its state is bytes, damage is seen, and the same log twice gives the same") {
  const auto run = [](bool through_bytes) {
    Rig rig;
    rig.channel().quiet = {22 * 60, 7 * 60};
    std::string out;
    uint64_t luck = 3;
    for (int i = 0; i < 3000; ++i) {
      luck = luck * 6364136223846793005ULL + 1442695040888963407ULL;
      const auto tier = (luck >> 50) % 10 == 0 ? Tier::ultra : Tier::concern;
      out += rig.raise(1 + (luck >> 33) % 40, tier, static_cast<Phase>((luck >> 40) % 3));
      rig.pass(static_cast<int64_t>((luck >> 20) % 5) * minute);
      if (through_bytes) rig.gate = *decode_notify_gate(encode(rig.gate));
    }
    for (const Notice& one : rig.sent) out += one.text;
    rig.add_up();
    return out + encode(rig.gate);
  };
  const std::string once = run(false);
  CHECK(once == run(false));
  CHECK(once == run(true));
  Rig rig;
  rig.raise(1);
  rig.raise(1);
  const std::string bytes = encode(rig.gate);
  for (size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(decode_notify_gate(bytes.substr(0, cut)));
}

TEST_CASE("gate: it stays within its bounds, and keeps open ultras") {
  Rig rig;
  rig.channel().remind_every_ms = 0;
  rig.raise(1, Tier::ultra);
  for (uint64_t i = 2; i < NotifyGate::incidents_max + 100; ++i) {
    rig.gate.raise(rig.channels, {i, i, Tier::concern, Phase::open, {"mail"}, "x"}, rig.now);
  }
  CHECK(rig.raise(1, Tier::ultra) == "folded");
}

TEST_CASE("gate: channels that make no sense are refused") {
  struct Row {
    void (*change)(NotifyChannel&);
    const char* says;
  };
  const Row rows[] = {
      {[](NotifyChannel& c) { c.min_interval_ms = c.max_interval_ms + 1; },
       "the least interval is above the most"},
      {[](NotifyChannel& c) { c.flap_changes = 1; }, "flapping is 2 to 16 changes, not 1"},
      {[](NotifyChannel& c) { c.storm_max = 0; }, "a storm is more than at least 1"},
      {[](NotifyChannel& c) {
         c.quiet = {60, 60};
       },
       "quiet hours from a time to the same time are empty"},
      {[](NotifyChannel& c) { c.utc_offset_minutes = 900; }, "no place is more than 14 hours"}};
  CHECK(check_notify_channel({}).empty());
  for (const Row& row : rows) {
    NotifyChannel channel;
    row.change(channel);
    const auto wrong = check_notify_channel(channel);
    REQUIRE(wrong.size() == 1);
    CHECK(wrong[0].starts_with(row.says));
  }
}

}  // namespace
TEST_CASE("gate: a storm that runs into quiet hours waits for their end without looking") {
  Rig rig;
  rig.channel().storm_max = 1;
  rig.channel().quiet = {22 * 60, 7 * 60};
  rig.now = start + 22 * hour - 5 * minute;
  for (uint64_t i = 1; i <= 4; ++i) rig.raise(i);
  CHECK(rig.sent.size() == 1);
  rig.now = start + 22 * hour + 30 * minute;
  rig.keep(rig.gate.tick(rig.channels, rig.now));
  CHECK(rig.gate.next_due(rig.channels, rig.now) == start + day + 7 * hour);
  rig.pass(9 * hour);
  CHECK(rig.kinds() == "opened storm");
}

TEST_CASE("gate: what was told to a channel that is gone is forgotten") {
  Rig rig;
  rig.raise(1, Tier::ultra);
  std::vector<NotifyChannel> none;
  CHECK(rig.gate.forget_gone(none));
  CHECK_FALSE(rig.gate.forget_gone(none));
  rig.now += day;
  CHECK(rig.gate.tick(rig.channels, rig.now).empty());
  // Who heard of it hears its end, whatever the channel is about by then.
  rig.raise(2, Tier::ultra);
  rig.channel().role = "web*";
  CHECK(rig.raise(2, Tier::ultra, Phase::closed) == "sent");
}

}  // namespace pawl::ops
