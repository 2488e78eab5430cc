// What the world of a seed is like: most have no limits, so that every reply is foretold; others have some.
#pragma once

#include "bus/core/config.h"
#include "tests/sim/rng.h"

namespace pawl::sim {

struct World {
  explicit World(Rng& rng);

  // What goes wrong.
  bool wall_jumps, hangs, crashes, failing_commits, clients_die, slow_commits;
  // What guards have to guard. The model foretells these.
  bool freezes;
  bool caps;     // concurrency and rates of roles
  bool backlog;  // caps on what waits
  bool disk;     // runs full now and then
  bool poison;   // other than three in a row
  bool modes;    // somebody changes them
  bool users;    // with rights, some for some roles only
  bool sizes;    // small payloads only
  // The model cannot know whether these hold a role; it checks that they may, and what must never be.
  bool quota;
  bool learned;   // some caps without an estimate
  bool velocity;  // enforced
  bool outage;
  bool limping;  // an outage of a dependency that roles can go on without

  // Roles may be held by what the model does not foretell.
  bool guesses() const { return quota || velocity || outage; }
};

core::BusConfig make_config(Rng& rng, const World& world);

}  // namespace pawl::sim
