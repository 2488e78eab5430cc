// The options of `pawl push` as words of PUSH.
#pragma once

#include "bus/client/client.h"
#include "cli/arguments.h"

namespace pawl::cli {

client::Command push_options(const Arguments& arguments);

}  // namespace pawl::cli
