// JSON values, as the command line says them.
#pragma once

#include "bus/client/json.h"

namespace pawl::cli {

using client::bytes_of;
using client::decode_base64;
using client::dump;
using client::encode_base64;
using client::is_utf8;
using client::Json;
using client::parse_json;

}  // namespace pawl::cli
