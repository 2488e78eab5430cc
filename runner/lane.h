// Roles that a worker claims for together, how many of their messages at a time, and how that stands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runner/link.h"
#include "runner/setup.h"

namespace pawl::runner {

struct Lane {
  Lane(const client::Endpoint& endpoint, const client::Timeouts& timeouts) : link(endpoint, timeouts) {}

  std::vector<std::string> roles;
  size_t capacity = 1;   // messages in hand
  SetupPtr setup;        // what is begun next gets it
  bool retired = false;  // nothing more is claimed; gone once what runs has ended

  // Below is the loop's.
  Link link;  // claims, and may be parked in CLAIM … WAIT
  size_t jobs = 0;
  bool claim_in_flight = false;
  bool has_begun = false;     // a message, since this process started
  bool came_empty = false;    // the last claim, with nothing of ours run since
  int64_t claim_at_ms = 0;    // not before
  int64_t claim_wait_ms = 0;  // of the next one, where the end of the work is looked for
  int64_t pause_ms = 0;       // between messages whose command does not start
  std::string held_by;        // the refusal said last, so that it is said once
  std::string limp;           // what the newest claim goes on without, likewise
};

}  // namespace pawl::runner
