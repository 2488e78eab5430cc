// Keys of the tables: numbers big-endian, so that byte order is order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/base/ids.h"

namespace pawl::core::keys {

inline void write_be(char* to, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) *to++ = static_cast<char>((value >> (8 * i)) & 0xff);
}
inline void append_be(std::string& out, uint64_t value, int bytes) {
  char digits[8];
  write_be(digits, value, bytes);
  out.append(digits, static_cast<size_t>(bytes));
}
inline uint64_t read_be(std::string_view bytes, size_t at, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i)
    value = (value << 8) | static_cast<uint8_t>(bytes[at + static_cast<size_t>(i)]);
  return value;
}

constexpr size_t birth_bytes = 13;
// home, life, blob: role (4) lane (1) sequence (8)
inline std::string birth(const BirthKey& key) {
  char bytes[birth_bytes];
  write_be(bytes, key.role, 4);
  write_be(bytes + 4, key.lane, 1);
  write_be(bytes + 5, key.sequence, 8);
  return std::string(bytes, birth_bytes);
}
inline BirthKey read_birth(std::string_view bytes, size_t at = 0) {
  return BirthKey{static_cast<uint32_t>(read_be(bytes, at, 4)),
                  static_cast<uint8_t>(read_be(bytes, at + 4, 1)), read_be(bytes, at + 5, 8)};
}

// role, count: role (4)
inline std::string role(uint32_t number) {
  std::string out;
  append_be(out, number, 4);
  return out;
}
// mark, and the prefix of home and back lanes: role (4) lane (1)
inline std::string lane(uint32_t number, uint8_t lane) {
  std::string out;
  append_be(out, number, 4);
  append_be(out, lane, 1);
  return out;
}
// back: role (4) 9-priority (1) sequence (8); value: birth key
inline std::string back(uint32_t number, int priority, uint64_t sequence) {
  std::string out;
  append_be(out, number, 4);
  append_be(out, static_cast<uint64_t>(9 - priority), 1);
  append_be(out, sequence, 8);
  return out;
}
// due_bus: bus time (8) sequence (8); value: birth key
inline std::string due_bus(int64_t at_ms, uint64_t sequence) {
  std::string out;
  append_be(out, static_cast<uint64_t>(at_ms), 8);
  append_be(out, sequence, 8);
  return out;
}
// due_wall: wall time (8) kind (1) sequence (8); value: birth key
enum class WallKind : uint8_t { due = 0, expire = 1, unique = 2 };
inline std::string due_wall(int64_t at_ms, WallKind kind, uint64_t sequence) {
  std::string out;
  append_be(out, static_cast<uint64_t>(at_ms), 8);
  append_be(out, static_cast<uint64_t>(kind), 1);
  append_be(out, sequence, 8);
  return out;
}
// head: role (4) group key; group: the same with length (2) before it and sequence (8) after; unique: role
// (4) key
inline std::string named(uint32_t number, std::string_view name) {
  std::string out;
  append_be(out, number, 4);
  out.append(name);
  return out;
}
inline std::string group(uint32_t number, std::string_view name, uint64_t sequence) {
  std::string out;
  append_be(out, number, 4);
  append_be(out, name.size(), 2);
  out.append(name);
  append_be(out, sequence, 8);
  return out;
}
// The value of a head row: birth key (13), and the sequence (8) below which no member waits any more, so that
// a promotion does not step over those that were promoted before.
inline std::string head_value(const BirthKey& key, uint64_t members_from) {
  std::string out = birth(key);
  append_be(out, members_from, 8);
  return out;
}
inline uint64_t members_from(std::string_view head_value) {
  return head_value.size() < birth_bytes + 8 ? 0 : read_be(head_value, birth_bytes, 8);
}
// claimed, dead, chronicle: number (8)
inline std::string number(uint64_t value) {
  std::string out;
  append_be(out, value, 8);
  return out;
}
// ended: bus time (8) batch (8)
inline std::string ended(int64_t at_ms, uint64_t batch) {
  std::string out;
  append_be(out, static_cast<uint64_t>(at_ms), 8);
  append_be(out, batch, 8);
  return out;
}
// invocation: birth key (13) delivery (4)
inline std::string invocation(const BirthKey& key, uint32_t delivery) {
  std::string out = birth(key);
  append_be(out, delivery, 4);
  return out;
}

// deploy: role (4) version (8), and one byte more for its prompt
inline std::string deploy(uint32_t role, uint64_t version) {
  std::string out;
  append_be(out, role, 4);
  append_be(out, version, 8);
  return out;
}
inline std::string deploy_prompt(uint32_t role, uint64_t version) { return deploy(role, version) + 'p'; }

// The smallest key greater than every key that begins with `prefix`; empty: the end of the table.
inline std::string after_prefix(std::string prefix) {
  while (!prefix.empty()) {
    if (static_cast<uint8_t>(prefix.back()) != 0xff) {
      prefix.back() = static_cast<char>(prefix.back() + 1);
      return prefix;
    }
    prefix.pop_back();
  }
  return prefix;
}

constexpr std::string_view head_row = "head";
constexpr std::string_view freeze_row = "freeze";
constexpr std::string_view chronicle_row = "chronicle";
// Behind it name@boot: claims of that process are still to be ended as crashes.
constexpr std::string_view reap_prefix = "reap/";
// Behind it who has numbered his entries of the chronicle; the value: his last number (8), its entry (8).
constexpr std::string_view source_prefix = "source/";

}  // namespace pawl::core::keys
