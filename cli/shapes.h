// Answers of the bus as JSON. RESP2 has no maps: what is one, the command says.
// Fields that this version does not know are passed on as they are.
#pragma once

#include "bus/client/reply.h"
#include "cli/json.h"

namespace pawl::cli {

// As it comes: arrays stay arrays.
Json to_json(const client::Reply& reply);
// A flat array of name, value as an object; known nested maps and lists of maps too.
Json map_to_json(const client::Reply& reply);
// An array of maps.
Json maps_to_json(const client::Reply& reply);

}  // namespace pawl::cli
