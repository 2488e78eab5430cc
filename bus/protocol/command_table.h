// The commands as a table of data, shared by decoder, help, docs and server.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "bus/base/result.h"
#include "bus/protocol/decode.h"

namespace pawl::protocol {

enum CommandFlag : uint16_t {
  flag_write = 1 << 0,             // may change rows of the bus
  flag_status = 1 << 1,            // answers at once from committed values
  flag_session = 1 << 2,           // decoded to a SessionCommand
  flag_parkable = 1 << 3,          // may wait; holds back its own connection
  flag_multi = 1 << 4,             // may stand between MULTI and EXEC
  flag_admin = 1 << 5,             // an operator's
  flag_before_auth = 1 << 6,       // allowed before AUTH
  flag_while_subscribed = 1 << 7,  // allowed on a RESP2 connection with subscriptions
};

enum class CommandGroup : uint8_t {
  work,
  reading,
  dead_letters,
  roles,
  guards,
  daemons,
  schedules,
  incidents,
  broadcast,
  connection,
  operations
};
constexpr size_t command_group_count = 11;
std::string_view group_name(CommandGroup group);

using Decoder = Decoded (*)(const Command& command, Args args);

constexpr int arity_unbounded = -1;

struct Command {
  std::string_view verb;    // upper case
  std::string_view second;  // second word, as in DEAD LIST; empty: the verb alone
  int arity_min;            // words, verb included
  int arity_max;            // or arity_unbounded
  uint16_t flags;
  CommandGroup group;
  std::string_view usage;  // on one line
  std::string_view help;   // one sentence
  Decoder decode;

  bool has(CommandFlag flag) const { return (flags & flag) != 0; }
  std::string name() const;  // "DEAD LIST"
};

// Every command; those of one verb stand together, the one without a second word last.
std::span<const Command> all_commands();

// The row that `args` ask for, or null: no such verb, or a verb that needs a second word
// and has another one. Case-insensitive; one hash and one comparison.
const Command* find_command(Args args);
// The error that a failed find_command() deserves.
Error unknown_command(Args args);

}  // namespace pawl::protocol
