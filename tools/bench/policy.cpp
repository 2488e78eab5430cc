// What learning is worth: a simulated fleet whose incidents have causes that nobody sees. Each fingerprint
// has hidden rates and times for each action; the policy sees only whether an action helped and how long it
// took. The same incidents are handled with the fixed table and with measured order; same seed, same numbers.
//
// usage: bench_policy [seeds] [incidents] [first seed]
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "bus/ops/policy.h"
#include "bus/ops/policy_memory.h"

namespace {

using namespace pawl::ops;
using pawl::core::ErrorClass;

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // low to high, both included
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1));
  }

 private:
  uint64_t state_;
};

constexpr int64_t minute_ms = 60'000;
constexpr int64_t person_ms = 45 * minute_ms;  // until somebody who was called has mended it
constexpr size_t fingerprints = 12;

struct Hidden {
  int64_t rate_ppm = 0;
  int64_t mean_ms = 0;  // when it helps; when not, it is given as long as the action may take
};

struct Cause {
  uint64_t fingerprint = 0;
  ErrorClass error_class = ErrorClass::unknown;
  std::array<Hidden, action_count> actions;
  std::vector<Action> in_table;  // those that recover, in the order of the table
};

// The classes of the shipped table that have at least three actions which recover.
constexpr std::array<ErrorClass, 6> classes = {ErrorClass::dependency_down, ErrorClass::crash,
                                               ErrorClass::out_of_memory,   ErrorClass::rate_limited,
                                               ErrorClass::timeout,         ErrorClass::transient};

// How an action takes effect when it does, before its own cause makes it faster or slower.
int64_t usual_ms(Action action) { return facts_of(action).given_ms / 2; }

enum class Fleet { mixed, default_best, default_good };

std::vector<Action> recovering(const PolicyTable& table, ErrorClass error_class) {
  Situation situation;
  situation.error_class = error_class;
  situation.role = situation.daemon = "x";
  std::vector<Action> out;
  for (const Candidate& one : decide(table, situation).candidates) {
    if (facts_of(one.action).recovers) out.push_back(one.action);
  }
  return out;
}

// mixed: one action of the table, any of them, is what mostly helps; the others seldom do.
// default_best: the order of the table is the best one: success in so much time falls from each to the next.
// default_good: the first helps most, the others nearly as well: the hardest to tell from noise.
Cause make_cause(const PolicyTable& table, Fleet fleet, size_t number, Random& random) {
  Cause cause;
  cause.fingerprint = number + 1;
  cause.error_class = classes[number % classes.size()];
  cause.in_table = recovering(table, cause.error_class);
  const std::vector<Action>& actions = cause.in_table;
  const auto cure = static_cast<size_t>(random.between(0, static_cast<int64_t>(actions.size()) - 1));
  int64_t rate = random.between(650'000, 900'000);
  for (size_t i = 0; i < actions.size(); ++i) {
    Hidden& hidden = cause.actions[static_cast<size_t>(actions[i])];
    hidden.mean_ms = usual_ms(actions[i]) * random.between(70, 130) / 100;
    switch (fleet) {
      case Fleet::mixed:
        hidden.rate_ppm = i == cure ? random.between(800'000, 950'000) : random.between(20'000, 350'000);
        break;
      case Fleet::default_best:
        hidden.rate_ppm = rate;
        hidden.mean_ms = 2 * minute_ms;
        rate = rate * random.between(50, 80) / 100;
        break;
      case Fleet::default_good:
        hidden.rate_ppm = rate;
        hidden.mean_ms = 2 * minute_ms;
        rate = rate * random.between(88, 97) / 100;
        break;
    }
  }
  return cause;
}

// What one action does to one incident: the same whatever was tried before, so that both ways meet the same
// luck.
struct Effect {
  bool helps = false;
  int64_t ms = 0;
};
Effect effect_of(const Cause& cause, Action action, uint64_t incident_seed) {
  Random luck(incident_seed ^ (0x51ed270b0f3a5a1dULL * (static_cast<uint64_t>(action) + 1)));
  const Hidden& hidden = cause.actions[static_cast<size_t>(action)];
  Effect effect;
  effect.helps = luck.between(1, 1'000'000) <= hidden.rate_ppm;
  effect.ms = effect.helps ? hidden.mean_ms * luck.between(50, 150) / 100 : 2 * hidden.mean_ms;
  return effect;
}

// Handles one incident by asking the policy again and again; the time until it is over.
int64_t handle(const PolicyTable& table, const Cause& cause, uint64_t incident_seed, bool learn,
               int64_t now_ms, PolicyMemory& memory) {
  Situation situation;
  situation.incident = incident_seed;
  situation.fingerprint = cause.fingerprint;
  situation.error_class = cause.error_class;
  situation.role = "role-" + std::to_string(cause.fingerprint);
  situation.daemon = "daemon-" + std::to_string(cause.fingerprint);
  int64_t spent_ms = 0;
  while (true) {
    situation.now_ms = now_ms + spent_ms;
    memory.complete(table, situation);
    if (!learn) situation.measures.clear();
    const Decision decision = decide(table, situation);
    if (!decision.chosen || *decision.chosen == Action::escalate) return spent_ms + person_ms;
    const Effect effect = effect_of(cause, *decision.chosen, incident_seed);
    memory.acted(table, *decision.chosen, decision.subject, situation.now_ms);
    memory.learned(cause.fingerprint, *decision.chosen, effect.helps, effect.ms, situation.now_ms);
    spent_ms += effect.ms;
    if (effect.helps) return spent_ms;
    situation.tried.push_back(*decision.chosen);
  }
}

// What could be had by one who knows the hidden rates: the most success in the least time first.
int64_t best_possible_ms(const Cause& cause, uint64_t incident_seed) {
  std::vector<Action> order = cause.in_table;
  const auto price = [&](Action action) {  // of a success, in time
    const Hidden& hidden = cause.actions[static_cast<size_t>(action)];
    const int64_t try_ms = hidden.mean_ms * (2'000'000 - hidden.rate_ppm) / 1'000'000;
    return try_ms * 1'000'000 / hidden.rate_ppm;
  };
  std::stable_sort(order.begin(), order.end(), [&](Action a, Action b) { return price(a) < price(b); });
  int64_t spent_ms = 0;
  for (const Action action : order) {
    const Effect effect = effect_of(cause, action, incident_seed);
    spent_ms += effect.ms;
    if (effect.helps) return spent_ms;
  }
  return spent_ms + person_ms;
}

struct Totals {
  int64_t fixed_ms = 0;
  int64_t learned_ms = 0;
  int64_t best_ms = 0;
  int64_t late_fixed_ms = 0;  // the second half of the incidents, when something was learned
  int64_t late_learned_ms = 0;
  int64_t worst_percent = -1000;  // of one seed
};

void run_seed(const PolicyTable& table, Fleet fleet, uint64_t seed, int64_t incidents, Totals& totals) {
  Random random(seed * 0x2545f4914f6cdd1dULL + static_cast<uint64_t>(fleet));
  std::vector<Cause> causes;
  for (size_t i = 0; i < fingerprints; ++i) causes.push_back(make_cause(table, fleet, i, random));
  PolicyMemory fixed_memory;
  PolicyMemory learned_memory;
  int64_t fixed_ms = 0;
  int64_t learned_ms = 0;
  for (int64_t i = 0; i < incidents; ++i) {
    // Some causes come often, others seldom.
    const auto which = static_cast<size_t>(
        std::min(random.between(0, fingerprints - 1), random.between(0, fingerprints - 1)));
    const uint64_t incident_seed = random.next();
    const int64_t now_ms = i * 60 * minute_ms;
    const int64_t a = handle(table, causes[which], incident_seed, false, now_ms, fixed_memory);
    const int64_t b = handle(table, causes[which], incident_seed, true, now_ms, learned_memory);
    fixed_ms += a;
    learned_ms += b;
    totals.best_ms += best_possible_ms(causes[which], incident_seed);
    if (2 * i >= incidents) {
      totals.late_fixed_ms += a;
      totals.late_learned_ms += b;
    }
  }
  totals.fixed_ms += fixed_ms;
  totals.learned_ms += learned_ms;
  totals.worst_percent = std::max(totals.worst_percent, (learned_ms - fixed_ms) * 100 / fixed_ms);
}

double change_percent(int64_t from, int64_t to) {
  return 100.0 * static_cast<double>(to - from) / static_cast<double>(from);
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t seeds = argc > 1 ? std::atoll(argv[1]) : 100;
  const int64_t incidents = argc > 2 ? std::atoll(argv[2]) : 500;
  const int64_t first = argc > 3 ? std::atoll(argv[3]) : 1;
  if (seeds < 1 || incidents < 1) {
    std::cerr << "usage: bench_policy [seeds] [incidents] [first seed], each at least 1\n";
    return 2;
  }
  const PolicyTable table;
  constexpr std::array<std::pair<Fleet, const char*>, 3> fleets = {{{Fleet::mixed, "mixed"},
                                                                    {Fleet::default_best, "default_best"},
                                                                    {Fleet::default_good, "default_good"}}};
  std::cout << std::fixed << std::setprecision(1);
  for (const auto& [fleet, name] : fleets) {
    Totals totals;
    for (int64_t i = 0; i < seeds; ++i)
      run_seed(table, fleet, static_cast<uint64_t>(first + i), incidents, totals);
    const double all = static_cast<double>(seeds * incidents) * 1000;
    std::cout << name << " fixed_s=" << static_cast<double>(totals.fixed_ms) / all
              << " learned_s=" << static_cast<double>(totals.learned_ms) / all
              << " change_percent=" << change_percent(totals.fixed_ms, totals.learned_ms)
              << " possible_percent=" << change_percent(totals.fixed_ms, totals.best_ms)
              << " second_half_percent=" << change_percent(totals.late_fixed_ms, totals.late_learned_ms)
              << " worst_seed_percent=" << totals.worst_percent << "\n";
  }
  return 0;
}
