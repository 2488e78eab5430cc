// The kill switch's flag files, DIR/KILL and DIR/KILL_HARD (contract, section 5), from outside the bus: for
// when none answers, and for workers beside one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bus/base/result.h"
#include "bus/client/url.h"
#include "bus/core/freeze.h"

namespace pawl::cli {

// What the files of `folder` say; nothing: no freeze. A flag that cannot be read counts as set, one of the
// bus's own whose time is over does not: the bus is about to remove it. `now_ms`: wall time.
std::optional<core::FreezeRecord> read_kill_flags(const std::string& folder, int64_t now_ms);

// Writes DIR/KILL, for a hard freeze DIR/KILL_HARD too; durable once it returns. On a full disk the flag may
// stay empty: then it is one of scope all without a time limit.
Status write_kill_flags(const std::string& folder, const core::FreezeRecord& freeze);

enum class Removed : uint8_t { soft, none, hard_stands };
// Removes DIR/KILL unless a hard freeze stands; durable once it returns.
Result<Removed> remove_kill_flag(const std::string& folder);

// The folder of the bus behind a socket, known when the socket is in it; "" when not.
std::string folder_of(const client::Endpoint& endpoint);

}  // namespace pawl::cli
