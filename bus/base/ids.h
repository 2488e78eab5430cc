// Birth keys, public ids and claim tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pawl {

// Where a message was born: fixed for life, and the key of its home row.
// `lane` is (9 - priority) * 2, plus 1 for a message that could not be claimed
// at once (delayed, or behind a group head): those never stand in the lane that
// claims are filled from, so no claim ever steps over them.
struct BirthKey {
  uint32_t role = 0;  // role number, 1 to 2^24-1, never reused
  uint8_t lane = 0;
  uint64_t sequence = 0;  // bus-wide, from 1, below 2^51

  bool operator==(const BirthKey&) const = default;
};

constexpr uint8_t lane_of(int priority, bool parked) {
  return static_cast<uint8_t>((9 - priority) * 2 + (parked ? 1 : 0));
}
constexpr int priority_of_lane(uint8_t lane) { return 9 - lane / 2; }
constexpr bool lane_is_parked(uint8_t lane) { return (lane & 1) != 0; }

// A public id is 16 characters of lower-case base 32 (0-9a-v): 51 bits of
// sequence, 24 of role, 5 of lane. Ids sort by push.
std::string encode_id(const BirthKey& key);
constexpr size_t id_bytes = 16;
void write_id(const BirthKey& key, char* to);            // id_bytes of them
std::optional<BirthKey> decode_id(std::string_view id);  // nothing: no id of ours

// A token is a bus-wide counter in base 32 without leading zeros.
std::string encode_token(uint64_t token);
std::optional<uint64_t> decode_token(std::string_view token);

// Contract: ids and tokens are [0-9a-z]{1,32}; anything else is BADARG. A well-formed one that
// decodes to nothing is merely unknown.
bool well_formed_id(std::string_view text);
// Contract: names match [A-Za-z0-9._:-]{1,128}.
bool well_formed_name(std::string_view text);
// A daemon: `name` or `name@boot`, both parts names.
bool well_formed_daemon(std::string_view text);

}  // namespace pawl
