// The chronicle's chain. The hash of an entry covers the entry and the hash of the one before it, so that no
// entry can be changed, put in or taken out without every later hash telling, the newest included.
//
// SHA-256 (FIPS 180-4) over these netstrings ("LENGTH:BYTES,", cr.yp.to/proto/netstrings.txt) in a row: the
// hash before (64 lower-case hex digits; empty before the first), the number, the wall time in ms, the kind,
// then name and value of each field in order; numbers in decimal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bus/core/records.h"

namespace pawl::core {

// What EVENTS asks for.
struct EventsAsk {
  uint64_t after = 0;
  size_t count = 0;
  std::string kind;     // empty: all
  bool hashes = false;  // the chain too
};

// The hash in hex digits. `before`: of entry number - 1, in hex digits too.
std::string chronicle_hash(std::string_view before, uint64_t number, int64_t at_ms, std::string_view kind,
                           const Headers& fields);

// Entry `number` goes: if it was the last of a source of EVENT ADD, so does what is known of its numbers.
class Overlay;
void forget_source(Overlay& view, const EventRecord& event, uint64_t number);

}  // namespace pawl::core
