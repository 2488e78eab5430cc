// The circuit as a pure function: what each event does in each state, and what never happens.
#include <catch2/catch.hpp>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "bus/core/archive.h"
#include "guards/circuit.h"

namespace pawl::guards {
namespace {

using Event = CircuitEvent;
using State = CircuitState;

constexpr std::array all_events = {Event::trip,   Event::cooled, Event::probe, Event::passed,
                                   Event::failed, Event::unsure, Event::freed};
constexpr std::array<const char*, 7> event_names = {"trip",   "cooled", "probe", "passed",
                                                    "failed", "unsure", "freed"};

core::GuardsConfig times(int64_t cooldown_ms = 1000, int64_t max_ms = 5000) {
  core::GuardsConfig config;
  config.cooldown_ms = cooldown_ms;
  config.cooldown_max_ms = max_ms;
  return config;
}

Circuit open_circuit() {
  Circuit circuit;
  circuit.state = State::open;
  circuit.since_ms = 10'000;
  circuit.cooldown_ms = 1000;
  circuit.failures = 5;
  circuit.reason = "five failed";
  circuit.suspects = {7};
  return circuit;
}

Circuit half_open_circuit(int64_t probe_ms, uint32_t unsure = 0) {
  Circuit circuit = open_circuit();
  circuit.state = State::half_open;
  circuit.since_ms = 11'000;
  circuit.probe_ms = probe_ms;
  circuit.unsure = unsure;
  return circuit;
}

TEST_CASE("circuit: what each event does in each state") {
  const Circuit closed;
  const Circuit open = open_circuit();
  const Circuit waiting = half_open_circuit(0, 1);
  const Circuit trying = half_open_circuit(11'500, 1);
  const Circuit doubted = half_open_circuit(11'500, Circuit::unsure_max - 1);
  struct Row {
    const char* what;
    const Circuit* from;
    Event event;
    int64_t now_ms;
    bool moves;
    State to = State::closed;
    int64_t cooldown_ms = 0;
    int64_t probe_ms = 0;
    uint32_t unsure = 0;
  };
  const std::vector<Row> rows = {
      {"closed", &closed, Event::trip, 12'000, true, State::open, 1000},
      {"closed", &closed, Event::cooled, 12'000, false},
      {"closed", &closed, Event::probe, 12'000, false},
      {"closed", &closed, Event::passed, 12'000, false},
      {"closed", &closed, Event::failed, 12'000, false},
      {"closed", &closed, Event::unsure, 12'000, false},
      {"closed", &closed, Event::freed, 12'000, false},
      {"open", &open, Event::trip, 12'000, false},
      {"open, a millisecond early", &open, Event::cooled, 10'999, false},
      {"open, just in time", &open, Event::cooled, 11'000, true, State::half_open, 1000},
      {"open, late", &open, Event::cooled, 99'000, true, State::half_open, 1000},
      {"open", &open, Event::probe, 12'000, false},
      {"open", &open, Event::passed, 12'000, false},
      {"open", &open, Event::failed, 12'000, false},
      {"open", &open, Event::unsure, 12'000, false},
      {"open", &open, Event::freed, 12'000, false},
      {"half open, no probe", &waiting, Event::trip, 12'000, true, State::open, 2000},
      {"half open, no probe", &waiting, Event::cooled, 12'000, false},
      {"half open, no probe", &waiting, Event::probe, 12'000, true, State::half_open, 1000, 12'000, 1},
      {"half open, no probe", &waiting, Event::passed, 12'000, true, State::closed},
      {"half open, no probe", &waiting, Event::failed, 12'000, false},
      {"half open, no probe", &waiting, Event::unsure, 12'000, false},
      {"half open, no probe", &waiting, Event::freed, 12'000, false},
      {"half open, probe out", &trying, Event::trip, 12'000, true, State::open, 2000},
      {"half open, probe out", &trying, Event::cooled, 12'000, false},
      {"half open, probe out", &trying, Event::probe, 12'000, false},
      {"half open, probe out", &trying, Event::passed, 12'000, true, State::closed},
      {"half open, probe out", &trying, Event::failed, 12'000, true, State::open, 2000},
      {"half open, probe out", &trying, Event::unsure, 12'000, true, State::half_open, 1000, 0, 2},
      {"half open, probe out", &trying, Event::freed, 12'000, true, State::half_open, 1000, 0, 1},
      {"half open, doubted long enough", &doubted, Event::unsure, 12'000, true, State::open, 2000},
      {"half open, doubted long enough", &doubted, Event::freed, 12'000, true, State::half_open, 1000, 0,
       Circuit::unsure_max - 1},
  };
  for (const Row& row : rows) {
    INFO(row.what << ": " << event_names[static_cast<size_t>(row.event)] << " at " << row.now_ms);
    Circuit circuit = *row.from;
    CHECK(step(circuit, row.event, row.now_ms, times()) == row.moves);
    if (!row.moves) {
      CHECK(circuit == *row.from);
      continue;
    }
    CHECK(circuit.state == row.to);
    CHECK(circuit.cooldown_ms == row.cooldown_ms);
    CHECK(circuit.probe_ms == row.probe_ms);
    CHECK(circuit.unsure == row.unsure);
    if (row.to == State::open) CHECK(circuit.cooled_at_ms() == row.now_ms + row.cooldown_ms);
    // A closed circuit knows nothing of the past; any other one all of it.
    if (row.to == State::closed) CHECK(circuit == Circuit());
    if (row.to != State::closed) CHECK(circuit.suspects == row.from->suspects);
  }
}

TEST_CASE("circuit: the cooldown doubles to its cap and begins anew when closed") {
  struct Row {
    int64_t first_ms;
    int64_t max_ms;
    std::vector<int64_t> expected;
  };
  const std::vector<Row> rows = {
      {1000, 5000, {1000, 2000, 4000, 5000, 5000}},
      {1000, 1000, {1000, 1000}},
      {1000, 1999, {1000, 1999, 1999}},
      {1000, 2000, {1000, 2000, 2000}},
      {3, 7, {3, 6, 7, 7}},
      {5000, 1000, {1000, 1000}},  // contradictory: the cap wins
      {0, 0, {1, 1}},
      {-5, -5, {1, 1}},
      {INT64_MAX / 2, INT64_MAX, {INT64_MAX / 2, INT64_MAX - 1, INT64_MAX}},
  };
  for (const Row& row : rows) {
    const core::GuardsConfig config = times(row.first_ms, row.max_ms);
    Circuit circuit;
    for (int round = 0; round < 2; ++round) {
      INFO(row.first_ms << " to " << row.max_ms << ", round " << round);
      REQUIRE(step(circuit, Event::trip, 5, config));
      for (size_t i = 0; i < row.expected.size(); ++i) {
        CHECK(circuit.cooldown_ms == row.expected[i]);
        circuit.since_ms = 0;  // no overflow in cooled_at_ms()
        REQUIRE(step(circuit, Event::cooled, row.expected[i], config));
        REQUIRE(step(circuit, Event::probe, row.expected[i], config));
        if (i + 1 < row.expected.size()) {
          REQUIRE(step(circuit, Event::failed, 5, config));
        }
      }
      REQUIRE(step(circuit, Event::passed, 5, config));
    }
  }
}

TEST_CASE("circuit: wants a probe when its cooldown is over and none is out") {
  CHECK_FALSE(Circuit().wants_probe(1'000'000));
  CHECK_FALSE(open_circuit().wants_probe(10'999));
  CHECK(open_circuit().wants_probe(11'000));
  CHECK(half_open_circuit(0).wants_probe(11'000));
  CHECK_FALSE(half_open_circuit(11'000).wants_probe(99'000));
}

// Seeded walks; a failure names the seed and the step.
TEST_CASE("circuit: whatever comes, only legal moves, one probe, growing cooldowns") {
  const core::GuardsConfig config = times(100, 1500);
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    Circuit circuit;
    int64_t now_ms = 1;
    uint32_t unsure = 0;
    for (int i = 0; i < 500; ++i) {
      const Circuit before = circuit;
      now_ms += random() % 120;
      const Event event = all_events[random() % all_events.size()];
      INFO("seed " << seed << ", step " << i << ": " << event_names[static_cast<size_t>(event)]);
      const bool moved = step(circuit, event, now_ms, config);
      REQUIRE(moved == (circuit != before));
      const auto edge = std::pair(before.state, circuit.state);
      const bool legal = before.state == circuit.state || edge == std::pair(State::closed, State::open) ||
                         edge == std::pair(State::open, State::half_open) ||
                         edge == std::pair(State::half_open, State::open) ||
                         edge == std::pair(State::half_open, State::closed);
      REQUIRE(legal);
      if (edge == std::pair(State::closed, State::open)) REQUIRE(circuit.cooldown_ms == 100);
      if (edge == std::pair(State::open, State::half_open)) {
        REQUIRE(now_ms >= before.cooled_at_ms());
        unsure = 0;
      }
      if (edge == std::pair(State::half_open, State::open)) {
        REQUIRE(circuit.cooldown_ms == std::min<int64_t>(1500, before.cooldown_ms * 2));
      }
      REQUIRE((!circuit.probe_is_out() || circuit.state == State::half_open));
      if (before.probe_is_out() && circuit.probe_is_out()) REQUIRE(before.probe_ms == circuit.probe_ms);
      if (event == Event::unsure && moved) {
        ++unsure;
        REQUIRE((circuit.state == State::open) == (unsure == Circuit::unsure_max));
      }
      if (circuit.state == State::closed) continue;
      const auto copy = decode_circuit(encode_circuit(circuit));
      REQUIRE(copy.has_value());
      REQUIRE(*copy == circuit);
    }
  }
}

TEST_CASE("circuit: a damaged row is no circuit") {
  Circuit circuit = half_open_circuit(11'500, 2);
  circuit.crashes = true;
  circuit.opened_ms = circuit.since_ms;
  const std::string row = encode_circuit(circuit);
  CHECK(decode_circuit(row) == circuit);
  for (size_t length = 0; length < row.size(); ++length) CHECK_FALSE(decode_circuit(row.substr(0, length)));
  CHECK_FALSE(decode_circuit(row + "x"));
  // As version 2 wrote it: when it was opened is not known. As version 1 did: nor who had it opened.
  std::string by;
  core::RecordWriter{by}(circuit.by);
  std::string tail = by;
  core::RecordWriter{tail}(circuit.opened_ms);
  std::string oldest = row.substr(0, row.size() - tail.size());
  oldest[0] = 1;
  CHECK(decode_circuit(oldest) == circuit);
  std::string older = oldest + by;
  older[0] = 2;
  CHECK(decode_circuit(older) == circuit);
  const auto with = [&](size_t at, char byte) {
    std::string damaged = row;
    damaged[at] = byte;
    return decode_circuit(damaged);
  };
  CHECK_FALSE(with(0, 0));
  CHECK_FALSE(with(0, Circuit::version_now + 1));
  CHECK_FALSE(with(1, 0));  // closed ones have no row
  CHECK_FALSE(with(1, 3));
  CHECK_FALSE(with(2, 2));
  const auto of = [](const std::function<void(Circuit&)>& change) {
    Circuit damaged = half_open_circuit(11'500, 2);
    change(damaged);
    return decode_circuit(encode_circuit(damaged)).has_value();
  };
  CHECK(of([](Circuit&) {}));
  CHECK_FALSE(of([](Circuit& c) { c.state = State::open; }));  // with a probe out
  CHECK_FALSE(of([](Circuit& c) { c.since_ms = -1; }));
  CHECK_FALSE(of([](Circuit& c) { c.opened_ms = c.since_ms + 1; }));
  CHECK_FALSE(of([](Circuit& c) { c.opened_ms = -1; }));
  CHECK_FALSE(of([](Circuit& c) { c.cooldown_ms = 0; }));
  CHECK_FALSE(of([](Circuit& c) { c.cooldown_ms = limits::duration_ms_max + 1; }));
  CHECK_FALSE(of([](Circuit& c) { c.probe_ms = -1; }));
  CHECK_FALSE(of([](Circuit& c) { c.unsure = Circuit::unsure_max; }));
  CHECK_FALSE(of([](Circuit& c) { c.suspects.resize(Circuit::suspects_max + 1); }));
}

}  // namespace
}  // namespace pawl::guards
