#include "runner/lifecycle.h"

namespace pawl::runner {
namespace {

using S = LifeState;
using A = LifeAction;

// One row a state, in the order of LifeEvent:
//   want, unwant, restart, cleared, readied, late, unwell, died, emptied, exhausted, due, found, found_up,
//   found_failed
using Row = std::array<LifeStep, life_event_count>;

// clang-format off
constexpr std::array<Row, life_state_count> table = {{
    // stopped
    {{{S::waiting}, {S::stopped}, {S::waiting}, {S::stopped}, {S::stopped}, {S::stopped}, {S::stopped},
      {S::stopped}, {S::stopped}, {S::stopped}, {S::stopped}, {S::starting}, {S::ready}, {S::failed, A::escalate}}},
    // waiting
    {{{S::waiting}, {S::stopped}, {S::waiting}, {S::starting, A::spawn}, {S::waiting}, {S::waiting}, {S::waiting},
      {S::waiting}, {S::waiting}, {S::waiting}, {S::waiting}, {S::waiting}, {S::waiting}, {S::waiting}}},
    // starting
    {{{S::starting}, {S::stopping, A::stop}, {S::restarting, A::stop}, {S::starting}, {S::ready}, {S::ending, A::stop}, {S::starting},
      {S::ending}, {S::starting}, {S::starting}, {S::starting}, {S::starting}, {S::starting}, {S::starting}}},
    // ready
    {{{S::ready}, {S::stopping, A::stop}, {S::restarting, A::stop}, {S::ready}, {S::ready}, {S::ready}, {S::ending, A::stop},
      {S::ending}, {S::ready}, {S::ready}, {S::ready}, {S::ready}, {S::ready}, {S::ready}}},
    // stopping
    {{{S::restarting}, {S::stopping}, {S::restarting}, {S::stopping}, {S::stopping}, {S::stopping}, {S::stopping},
      {S::stopping}, {S::stopped}, {S::stopped}, {S::stopping}, {S::stopping}, {S::stopping}, {S::stopping}}},
    // restarting
    {{{S::restarting}, {S::stopping}, {S::restarting}, {S::restarting}, {S::restarting}, {S::restarting}, {S::restarting},
      {S::restarting}, {S::waiting}, {S::waiting}, {S::restarting}, {S::restarting}, {S::restarting}, {S::restarting}}},
    // ending
    {{{S::ending}, {S::stopping}, {S::restarting}, {S::ending}, {S::ending}, {S::ending}, {S::ending},
      {S::ending}, {S::backoff, A::arm}, {S::failed, A::escalate}, {S::ending}, {S::ending}, {S::ending}, {S::ending}}},
    // backoff
    {{{S::waiting}, {S::stopped}, {S::waiting}, {S::backoff}, {S::backoff}, {S::backoff}, {S::backoff},
      {S::backoff}, {S::backoff}, {S::backoff}, {S::waiting}, {S::backoff}, {S::backoff}, {S::backoff}}},
    // failed
    {{{S::waiting}, {S::stopped}, {S::waiting}, {S::failed}, {S::failed}, {S::failed}, {S::failed},
      {S::failed}, {S::failed}, {S::failed}, {S::failed}, {S::failed}, {S::failed}, {S::failed}}},
}};
// clang-format on

constexpr std::array<std::string_view, life_state_count> state_names = {
    "stopped", "waiting", "starting", "ready", "stopping", "restarting", "ending", "backoff", "failed"};

constexpr std::array<std::string_view, life_event_count> event_names = {
    "want", "unwant",  "restart",   "cleared", "readied", "late",     "unwell",
    "died", "emptied", "exhausted", "due",     "found",   "found_up", "found_failed"};

}  // namespace

LifeStep next(LifeState state, LifeEvent event) {
  return table[static_cast<size_t>(state)][static_cast<size_t>(event)];
}

std::string_view life_state_name(LifeState state) { return state_names[static_cast<size_t>(state)]; }

std::string_view life_event_name(LifeEvent event) { return event_names[static_cast<size_t>(event)]; }

}  // namespace pawl::runner
