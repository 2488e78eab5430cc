// What colour a daemon has, from its beats alone, in virtual time.
#include <catch2/catch.hpp>
#include <string>

#include "guards/daemon_health.h"

namespace pawl::guards {
namespace {

// A daemon as the guard leads it: judged after each beat, told the interval that it asks for.
struct Rig {
  explicit Rig(int64_t interval_ms = 1000) { beat_at(now_ms, interval_ms); }

  void beat_at(int64_t at_ms, std::optional<int64_t> interval_ms = std::nullopt,
               std::optional<int64_t> errors = std::nullopt, std::string_view boot = "b1") {
    now_ms = at_ms;
    core::op::Beat beat;
    beat.daemon = "d";
    beat.boot = boot;
    beat.interval_ms = interval_ms;
    beat.errors = errors;
    daemon.beat(beat, now_ms, 1'000'000 + now_ms);
    settle();
  }
  void settle() {
    Judgement judged = daemon.judge(now_ms);
    if (judged.colour == Colour::red && daemon.colour != Colour::red) daemon.red_ms = now_ms;
    daemon.colour = judged.colour;
    daemon.reason = judged.reason;
    daemon.told_ms = daemon.wanted_interval_ms();
  }
  // `count` beats, each off by `late_ms`, in turns too late and too early so that the clock keeps pace.
  void beats(int count, int64_t late_ms) {
    for (int i = 0; i < count; ++i) beat_at(now_ms + daemon.told_ms + (i % 2 == 0 ? late_ms : -late_ms));
  }
  void silent(int64_t ms) {
    now_ms += ms;
    settle();
  }
  std::string colour() const { return std::string(colour_names[static_cast<size_t>(daemon.colour)]); }

  DaemonHealth daemon;
  int64_t now_ms = 10'000;
};

TEST_CASE("daemon health: what is unusual does not become usual") {
  Rig rig;
  rig.beats(16, 8);
  rig.beats(60, 120);
  CHECK(rig.colour() == "yellow");
  CHECK(rig.daemon.jitter_baseline_ms() == 8);
}

TEST_CASE("daemon health: a few milliseconds are no drift, whatever is usual") {
  Rig rig;
  rig.beats(2, 0);
  rig.beats(2, 40);  // too early to compare
  CHECK_FALSE(rig.daemon.drifts());
  Rig steady;
  steady.beats(16, 1);
  steady.beats(3, 10);
  CHECK_FALSE(steady.daemon.drifts());
  steady.beats(3, 11);
  CHECK(steady.daemon.drifts());
}

TEST_CASE("daemon health: the seed's numbers: 8 ms usual, 45 a drift, 120 yellow, silence red") {
  Rig rig;
  rig.beats(16, 8);
  CHECK(rig.daemon.jitter_baseline_ms() == 8);
  CHECK(rig.colour() == "green");
  CHECK_FALSE(rig.daemon.drifts());

  rig.beats(2, 45);
  CHECK(rig.daemon.drifts());
  CHECK(rig.daemon.jitter_ms() == 45);
  CHECK(rig.colour() == "green");

  rig.beats(2, 120);
  CHECK(rig.colour() == "yellow");
  CHECK(rig.daemon.reason == "its beats are off by 120 ms, 8 ms are usual");
  CHECK(rig.daemon.told_ms == 2000);
  CHECK(rig.daemon.jitter_baseline_ms() == 8);

  rig.silent(3 * 2000);
  CHECK(rig.colour() == "yellow");
  rig.silent(1);
  CHECK(rig.colour() == "red");
  CHECK(rig.daemon.reason == "no beat for more than 3 intervals of 2s");

  rig.beat_at(rig.now_ms + 1);
  CHECK(rig.colour() == "green");
  CHECK(rig.daemon.told_ms == 1000);
}

TEST_CASE("daemon health: the jitter's floor and factor") {
  struct Row {
    int64_t usual, now;
    const char* colour;
  };
  for (const Row& row :
       {Row{0, 50, "green"}, Row{0, 51, "yellow"}, Row{20, 50, "green"}, Row{20, 51, "yellow"},
        Row{25, 50, "green"}, Row{40, 80, "green"}, Row{40, 81, "yellow"}}) {
    INFO(row.usual << " " << row.now);
    Rig rig;
    rig.beats(16, row.usual);
    rig.beats(3, row.now);
    CHECK(rig.colour() == row.colour);
  }
}

TEST_CASE("daemon health: one outlier moves neither colour nor baseline") {
  Rig rig;
  rig.beats(10, 8);
  rig.beat_at(rig.now_ms + 1900);
  CHECK(rig.colour() == "green");
  CHECK(rig.daemon.jitter_baseline_ms() == 8);
  rig.beats(1, 8);
  CHECK(rig.colour() == "green");
}

TEST_CASE("daemon health: errors a minute against the usual") {
  struct Row {
    int64_t usual, now;
    const char* colour;
  };
  for (const Row& row :
       {Row{0, 3, "green"}, Row{0, 4, "yellow"}, Row{0, 10, "yellow"}, Row{0, 11, "red"}, Row{6, 18, "green"},
        Row{6, 19, "yellow"}, Row{6, 60, "yellow"}, Row{6, 61, "red"}}) {
    INFO(row.usual << " " << row.now);
    Rig rig(10'000);
    int64_t total = 0;
    rig.beat_at(rig.now_ms + 10'000, std::nullopt, total);
    for (int i = 0; i < 36; ++i) rig.beat_at(rig.now_ms + 10'000, std::nullopt, total += row.usual / 6);
    CHECK(rig.daemon.errors_baseline() == row.usual);
    // The minute that they slide through forgets what was before.
    for (int i = 0; i < 5; ++i) rig.beat_at(rig.now_ms + 10'000, std::nullopt, total);
    rig.beat_at(rig.now_ms + 10'000, std::nullopt, total += row.now);
    CHECK(rig.daemon.errors_per_minute(rig.now_ms) == row.now);
    CHECK(rig.colour() == row.colour);
    for (int i = 0; i < 6; ++i) rig.beat_at(rig.now_ms + 10'000, std::nullopt, total);
    CHECK(rig.colour() == "green");
  }
}

TEST_CASE("daemon health: a total that falls is a counter begun anew") {
  Rig rig;
  rig.beat_at(rig.now_ms + 1000, std::nullopt, 500);
  CHECK(rig.daemon.errors_per_minute(rig.now_ms) == 0);
  rig.beat_at(rig.now_ms + 1000, std::nullopt, 2);
  CHECK(rig.daemon.errors_per_minute(rig.now_ms) == 2);
  rig.beat_at(rig.now_ms + 1000, std::nullopt, 900, "b2");
  CHECK(rig.daemon.errors_per_minute(rig.now_ms) == 0);
}

TEST_CASE("daemon health: stopping ends the expectation") {
  Rig rig;
  core::op::Beat beat;
  beat.boot = "b1";
  beat.state = "stopping";
  rig.daemon.beat(beat, rig.now_ms, 1);
  CHECK_FALSE(rig.daemon.next_look_ms(rig.now_ms).has_value());
  rig.silent(3'600'000);
  CHECK(rig.colour() == "green");
  rig.beat_at(rig.now_ms + 1);
  CHECK(rig.daemon.next_look_ms(rig.now_ms) == rig.now_ms + 3001);
}

TEST_CASE("daemon health: the row keeps baselines and colour, and silence begins anew") {
  Rig rig;
  rig.beats(16, 8);
  rig.silent(4000);
  CHECK(rig.colour() == "red");
  auto copy = DaemonHealth::decode(rig.daemon.encode(), 77'000);
  REQUIRE(copy.has_value());
  CHECK(copy->jitter_baseline_ms() == 8);
  CHECK(copy->boot == "b1");
  // Nothing was heard yet that would make it better.
  CHECK(copy->judge(77'001).colour == Colour::red);
  CHECK(copy->next_look_ms(77'001) == 77'000 + 3001);
  const std::string row = rig.daemon.encode();
  for (size_t cut = 0; cut < row.size(); ++cut)
    CHECK_FALSE(DaemonHealth::decode(row.substr(0, cut), 1).has_value());
  CHECK_FALSE(DaemonHealth::decode(row + "x", 1).has_value());
}

}  // namespace
}  // namespace pawl::guards
