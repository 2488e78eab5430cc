// Words of a command in, what to do out: the decoder checks everything that can
// be checked without state (operation.h says what it leaves to the core).
//
// Nothing here throws or keeps anything; results are views of the words passed in.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "bus/base/result.h"
#include "bus/core/operation.h"

namespace pawl::protocol {

struct Command;

using Args = std::span<const std::string_view>;

// What the connection or the server answers without the core.
enum class SessionKind : uint8_t {
  ping,
  echo,
  hello,
  auth,
  select,
  client_setname,
  client_getname,
  client_setinfo,
  client_id,
  command,
  config_get,
  reset,
  quit,
  multi,
  exec,
  discard,
  subscribe,
  unsubscribe,
  psubscribe,
  punsubscribe,
  publish,
  commitseq,
  reload,
  verify,
  shutdown,
};

struct SessionCommand {
  SessionKind kind = SessionKind::ping;
  Args args;  // behind the verb, and behind the second word of CLIENT and CONFIG
};

using Decoded = std::variant<SessionCommand, core::Operation, Error>;

// `args` has at least one word. The second form skips the lookup and is for who
// needs the command's flags first: command must be find_command(args).
Decoded decode(Args args);
Decoded decode(const Command& command, Args args);

// A command queued after MULTI: PUSH, ACK without NEXT, FAIL.
Result<core::op::TransactionItem> decode_transaction_item(Args args);

// HELLO [2|3 [AUTH user password] [SETNAME name]]; `args` are those behind the verb.
struct Hello {
  std::optional<int> version;  // 2 or 3; nothing: as it is
  std::optional<std::pair<std::string_view, std::string_view>> auth;
  std::optional<std::string_view> client_name;
};
Result<Hello> decode_hello(Args args);

}  // namespace pawl::protocol
