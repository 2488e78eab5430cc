#include "bus/protocol/decode.h"

#include <utility>

#include "bus/protocol/command_table.h"
#include "bus/protocol/decode_support.h"

namespace pawl::protocol {

Decoded decode(const Command& command, Args args) {
  const auto words = static_cast<int>(args.size());
  if (words < command.arity_min || (command.arity_max != arity_unbounded && words > command.arity_max)) {
    return wrong_arity(command);
  }
  return command.decode(command, args);
}

Decoded decode(Args args) {
  const Command* command = find_command(args);
  if (command == nullptr) return unknown_command(args);
  return decode(*command, args);
}

Result<core::op::TransactionItem> decode_transaction_item(Args args) {
  const Command* command = find_command(args);
  if (command == nullptr) return unknown_command(args);
  if (!command->has(flag_multi)) {
    return make_error(Code::err, command->name() + " cannot stand in MULTI; use PUSH, ACK and FAIL there");
  }
  Decoded decoded = decode(*command, args);
  if (auto* fault = std::get_if<Error>(&decoded)) return std::move(*fault);
  auto* operation = std::get_if<core::Operation>(&decoded);
  PAWL_CHECK(operation != nullptr);
  if (auto* push = std::get_if<core::op::Push>(operation)) return core::op::TransactionItem(std::move(*push));
  if (auto* fail = std::get_if<core::op::Fail>(operation)) return core::op::TransactionItem(std::move(*fail));
  auto* ack = std::get_if<core::op::Ack>(operation);
  PAWL_CHECK(ack != nullptr);
  if (ack->next) return badarg("ACK in MULTI takes no NEXT; claim after EXEC");
  return core::op::TransactionItem(std::move(*ack));
}

}  // namespace pawl::protocol
