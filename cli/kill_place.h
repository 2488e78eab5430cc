// What kill, clear and check have in common: whose flag files count, and how a freeze is told.
#pragma once

#include <optional>
#include <string>

#include "bus/core/freeze.h"
#include "cli/json.h"
#include "cli/session.h"

namespace pawl::cli {

// The session's time-outs, shorter ones where --timeout did not say otherwise.
client::Timeouts quick(const Session& session, int64_t connect_ms, int64_t reply_ms);

// What is wrong with --data, if it was given and is no folder: flags that cannot be there are no "clear".
std::optional<std::string> bad_data(const Session& session);
// The folder of the bus that the session is about, where that is certain; "" when not.
std::string folder_of_bus(const Session& session);
// The folder whose flags count while no bus answers: without --url and PAWL_URL also ./pawl-data.
std::string folder_at_hand(const Session& session);

// The answer of KILL STATUS, and back.
core::FreezeRecord freeze_from(const client::Reply& status);
void append_freeze(Json* document, const core::FreezeRecord& freeze);

}  // namespace pawl::cli
