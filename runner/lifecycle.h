// The life of one daemon under the launcher, as a pure table: next(state, event).
//
// The launcher turns what it sees into events, looks the step up, and does what the
// step says. Nothing else decides what becomes of a daemon, so the table can be read
// and tested whole. No clock, no process, no memory in here.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace pawl::runner {

enum class LifeState : uint8_t {
  stopped,     // not wanted; no process
  waiting,     // wanted; what it comes after is not ready yet
  starting,    // the process runs and is not ready
  ready,       // the process runs and is ready
  stopping,    // told to end, and to stay away
  restarting,  // told to end, and to come back at once
  ending,      // ended by itself, or is ended for a fault; its tree is not proven empty yet
  backoff,     // ended; comes back when its time has come
  failed,      // ended too often; comes back when a person says so
};
constexpr size_t life_state_count = 9;

enum class LifeEvent : uint8_t {
  want,          // shall run: the launcher starts, or an operator relaunches it
  unwant,        // shall not run: the launcher stops
  restart,       // an operator wants a fresh process, or what it needs has been lost
  cleared,       // everything it comes after is ready
  readied,       // it says, or shows, that it is ready
  late,          // it was not ready in time
  unwell,        // it runs, but the bus sees it red
  died,          // its main process has ended
  emptied,       // nothing of its tree is left; a restart is within bounds
  exhausted,     // nothing of its tree is left; its restarts are used up
  due,           // its back-off is over
  found,         // a launcher before this one left it running, not ready
  found_up,      // the same, and ready
  found_failed,  // a launcher before this one had given it up
};
constexpr size_t life_event_count = 14;

enum class LifeAction : uint8_t {
  none,
  spawn,     // start a process with a fresh boot id
  stop,      // TERM, then KILL, then proof that nothing is left
  arm,       // wait for the back-off
  escalate,  // tell people what to type
};

struct LifeStep {
  LifeState state;
  LifeAction action = LifeAction::none;

  bool operator==(const LifeStep&) const = default;
};

// An event that means nothing in a state leaves it as it is, with no action.
LifeStep next(LifeState state, LifeEvent event);

std::string_view life_state_name(LifeState state);
std::string_view life_event_name(LifeEvent event);

// A process of it may exist.
constexpr bool has_process(LifeState state) {
  return state == LifeState::starting || state == LifeState::ready || state == LifeState::stopping ||
         state == LifeState::restarting || state == LifeState::ending;
}

}  // namespace pawl::runner
