// The table, every state with every event.
#include "runner/lifecycle.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

using namespace pawl::runner;

namespace {

using S = LifeState;
using E = LifeEvent;
using A = LifeAction;

struct Step {
  S from;
  E event;
  S to;
  A action;
};

// Everything that is a step. Whatever is not here must change nothing.
const std::vector<Step> steps = {
    {S::stopped, E::want, S::waiting, A::none},
    {S::stopped, E::restart, S::waiting, A::none},
    {S::stopped, E::found, S::starting, A::none},
    {S::stopped, E::found_up, S::ready, A::none},
    {S::stopped, E::found_failed, S::failed, A::escalate},

    {S::waiting, E::unwant, S::stopped, A::none},
    {S::waiting, E::cleared, S::starting, A::spawn},

    {S::starting, E::unwant, S::stopping, A::stop},
    {S::starting, E::restart, S::restarting, A::stop},
    {S::starting, E::readied, S::ready, A::none},
    {S::starting, E::late, S::ending, A::stop},
    {S::starting, E::died, S::ending, A::none},

    {S::ready, E::unwant, S::stopping, A::stop},
    {S::ready, E::restart, S::restarting, A::stop},
    {S::ready, E::unwell, S::ending, A::stop},
    {S::ready, E::died, S::ending, A::none},

    {S::stopping, E::want, S::restarting, A::none},
    {S::stopping, E::restart, S::restarting, A::none},
    {S::stopping, E::emptied, S::stopped, A::none},
    {S::stopping, E::exhausted, S::stopped, A::none},

    {S::restarting, E::unwant, S::stopping, A::none},
    {S::restarting, E::emptied, S::waiting, A::none},
    {S::restarting, E::exhausted, S::waiting, A::none},

    {S::ending, E::unwant, S::stopping, A::none},
    {S::ending, E::restart, S::restarting, A::none},
    {S::ending, E::emptied, S::backoff, A::arm},
    {S::ending, E::exhausted, S::failed, A::escalate},

    {S::backoff, E::want, S::waiting, A::none},
    {S::backoff, E::unwant, S::stopped, A::none},
    {S::backoff, E::restart, S::waiting, A::none},
    {S::backoff, E::due, S::waiting, A::none},

    {S::failed, E::want, S::waiting, A::none},
    {S::failed, E::unwant, S::stopped, A::none},
    {S::failed, E::restart, S::waiting, A::none},
};

template <typename Visit>
void each(Visit visit) {
  for (size_t s = 0; s < life_state_count; ++s) {
    for (size_t e = 0; e < life_event_count; ++e) visit(static_cast<S>(s), static_cast<E>(e));
  }
}

}  // namespace

TEST_CASE("lifecycle: every state with every event") {
  each([](S state, E event) {
    LifeStep expected{state, A::none};
    for (const Step& step : steps) {
      if (step.from == state && step.event == event) expected = {step.to, step.action};
    }
    INFO(life_state_name(state) << " + " << life_event_name(event));
    CHECK(life_state_name(next(state, event).state) == life_state_name(expected.state));
    CHECK(next(state, event).action == expected.action);
  });
}

TEST_CASE("lifecycle: a process begins in one step, and is left only when nothing of it is left") {
  each([](S state, E event) {
    const LifeStep step = next(state, event);
    INFO(life_state_name(state) << " + " << life_event_name(event));
    const bool adopts = event == E::found || event == E::found_up;
    if (!has_process(state) && has_process(step.state)) CHECK((step.action == A::spawn || adopts));
    if (step.action == A::spawn) CHECK(!has_process(state));
    if (step.action == A::stop) CHECK(has_process(state));
    if (has_process(state) && !has_process(step.state)) {
      CHECK((event == E::emptied || event == E::exhausted));
    }
  });
}

TEST_CASE("lifecycle: from everywhere a stop ends in stopped, and a start comes up again") {
  for (size_t s = 0; s < life_state_count; ++s) {
    const S state = static_cast<S>(s);
    INFO(life_state_name(state));
    CHECK(next(next(state, E::unwant).state, E::emptied).state == S::stopped);
    // restart, the old one gone, what it comes after ready: a fresh process.
    const S wanted = next(next(state, E::restart).state, E::emptied).state;
    CHECK(wanted == S::waiting);
    CHECK(next(wanted, E::cleared) == LifeStep{S::starting, A::spawn});
  }
}

TEST_CASE("lifecycle: names are distinct and there is one for each") {
  std::set<std::string> names;
  for (size_t s = 0; s < life_state_count; ++s) names.emplace(life_state_name(static_cast<S>(s)));
  CHECK(names.size() == life_state_count);
  names.clear();
  for (size_t e = 0; e < life_event_count; ++e) names.emplace(life_event_name(static_cast<E>(e)));
  CHECK(names.size() == life_event_count);
  CHECK(names.count("") == 0);
}
