// The command table for people and for clients that ask for it.
#pragma once

#include <string>
#include <string_view>

#include "bus/core/reply.h"
#include "bus/protocol/command_table.h"

namespace pawl::protocol {

// The one reply to COMMAND; `args` are the words behind it: none, COUNT, LIST,
// INFO [name …], DOCS [name …]. Shapes are those of redis.
void write_command_reply(core::ReplyWriter& out, Args args);

// All commands by group, usage and help, for a terminal.
std::string help_text();
// One verb's rows, or an empty text when there is no such verb.
std::string help_for(std::string_view verb);

}  // namespace pawl::protocol
