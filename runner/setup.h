// What the messages of a role are run with. Made once, then never changed: a running handler keeps what it
// began with, the next message gets what is current.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runner/outcome.h"
#include "runner/words.h"

namespace pawl::runner {

class PromptCopy;

struct Setup {
  std::vector<std::string> command;  // an argument vector; not empty
  std::optional<int64_t> timeout_ms;
  std::optional<int64_t> lease_ms;  // nothing: the message's or the role's
  OnFreeze on_freeze = OnFreeze::pause;
  EndingRules rules;
  std::shared_ptr<const PromptCopy> prompt;  // null: the role has none
  std::string version;                       // a name of all of the above; "": not recorded
  std::shared_ptr<const Setup> limp;         // for a claim that goes on without something; null: the same
};
using SetupPtr = std::shared_ptr<const Setup>;

}  // namespace pawl::runner
