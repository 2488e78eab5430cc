// Restarts that the recovery policy asks for, in the chronicle of the bus: once each, from the start of this
// launcher on.
#include <set>

#include "runner/launcher_core.h"

namespace pawl::runner {
namespace {

constexpr int64_t look_every_ms = 1000;
constexpr int64_t refused_again_ms = 60'000;
constexpr const char* kind = "policy.restart";

}  // namespace

void Launcher::follow_policy(int64_t now_ms) {
  if (policy_asked_ || stopping_ || now_ms < policy_at_ms_ || !bus_ready()) return;
  policy_asked_ = true;
  if (policy_after_.empty()) {
    desk_->ask(policy_tag, {"EVENTS", "$", "COUNT", "1", "KIND", kind});
  } else {
    desk_->ask(policy_tag, {"EVENTS", policy_after_, "COUNT", "100", "KIND", kind});
  }
}

void Launcher::take_policy_answer(const BusDesk::Answer& answer, int64_t now_ms) {
  policy_asked_ = false;
  policy_at_ms_ = now_ms + look_every_ms;
  if (!answer.reached) return;
  const client::Reply& reply = answer.reply;
  if (reply.is_error() || reply.items.size() != 2) {
    policy_at_ms_ = now_ms + refused_again_ms;
    const std::string why = reply.is_error() ? reply.bytes : "an answer of another shape";
    if (why != policy_refused_)
      options_.say("the restarts that the policy asks for are not followed: " + why);
    policy_refused_ = why;
    return;
  }
  policy_refused_.clear();
  policy_after_ = reply.items[0].as_text();
  for (const client::Reply& entry : reply.items[1].items) obey_policy(entry);
}

// As `pawl ops restart`, but for what is on its way again already, which this launcher restarts by itself,
// and for what was given up: that comes back when a person says so. Those that it does not keep are another
// launcher's.
void Launcher::obey_policy(const client::Reply& entry) {
  const std::string name = entry.text_of("daemon");
  Daemon* daemon = find(name);
  if (daemon == nullptr || daemon->retired || stopping_ || name == bus_daemon_name) return;
  const int64_t asked_at = entry.int_of("at").value_or(0);
  const bool stands = daemon->state == LifeState::ready || daemon->state == LifeState::starting;
  if (!stands || daemon->run.started_at > asked_at) {
    options_.say(name + ": the policy asked for a restart, but " +
                 (daemon->state == LifeState::failed ? "only a person brings it back"
                                                     : "it is on its way again already"));
    return;
  }
  const std::string why = "restarted by the policy, for incident " + entry.text_of("incident");
  std::set<size_t> chain = {index_of(*daemon)};
  if (entry.text_of("chain") == "1") {
    // In the order of their start, so what comes after a member stands behind it.
    for (const Daemon& one : daemons_) {
      if (!chain.contains(index_of(one))) continue;
      chain.insert(one.dependents.begin(), one.dependents.end());
    }
  }
  for (const size_t index : chain) {
    Daemon& one = daemons_[index];
    if (&one == daemon || has_process(one.state)) apply(one, LifeEvent::restart, why);
  }
}

}  // namespace pawl::runner
