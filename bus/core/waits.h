// What stands in line: parked commands, ends that somebody waits for, work over many rows. Private to the
// core.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bus/base/ids.h"
#include "bus/core/chronicle.h"
#include "bus/core/reply.h"
#include "bus/core/words.h"

namespace pawl::core {

enum class WaitKind : uint8_t { claim, result, events };
struct Wait {
  uint64_t number = 0;  // order of arrival
  ClientId client = 0;
  WaitKind kind = WaitKind::claim;
  int64_t deadline_mono_ms = 0;
  bool until_loaded = false;  // a claim without WAIT that met a window being filled
  std::string daemon;
  std::vector<std::string> roles;
  size_t count = 1;
  std::optional<int64_t> lease_ms;
  std::string version;
  BirthKey key;  // result
  EventsAsk events;
};

// An end that a RESULT WAIT is told of; the message itself may be gone by then.
struct EndedResult {
  uint64_t sequence = 0;
  MessageState state = MessageState::done;
  std::string result;
};

// Work over many rows, a slice a tick. True when it has replied.
using Job = std::function<bool(Outbox&)>;
struct JobEntry {
  ClientId client = 0;
  bool reads_only = false;  // may be dropped with its client
  Job step;
};

}  // namespace pawl::core
