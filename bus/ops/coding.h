// Values of this layer as bytes: the archive of the core's records, with what it lacks. A value begins with
// its version byte; a reader of version N reads all older ones and refuses newer ones. The same value
// always gives the same bytes: maps are ordered.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bus/core/archive.h"

namespace pawl::ops {

// An enum as a number below `count`.
template <typename Archive, typename E>
void code_word(Archive& ar, E& value, size_t count) {
  auto number = static_cast<uint8_t>(value);
  ar(number);
  if constexpr (Archive::reading) {
    if (number >= count) {
      ar.damage();
      number = 0;
    }
    value = static_cast<E>(number);
  }
}

template <typename Archive>
void code_flag(Archive& ar, bool& value) {
  code_word(ar, value, 2);
}

// A vector of what each(item) codes.
template <typename Archive, typename Item, typename Each>
void code_items(Archive& ar, std::vector<Item>& items, const Each& each) {
  auto size = static_cast<uint32_t>(items.size());
  ar(size);
  if constexpr (Archive::reading) {
    if (size > ar.left()) return ar.damage();
    items.assign(size, {});
  }
  for (Item& item : items) each(item);
}

template <typename Archive, typename E>
void code_words(Archive& ar, std::vector<E>& values, size_t count) {
  code_items(ar, values, [&](E& value) { code_word(ar, value, count); });
}

// A map whose keys the archive knows; each(value) codes the values.
template <typename Archive, typename Map, typename Each>
void code_map(Archive& ar, Map& map, const Each& each) {
  auto size = static_cast<uint32_t>(map.size());
  ar(size);
  if constexpr (Archive::reading) {
    if (size > ar.left()) return ar.damage();
    map.clear();
    for (uint32_t i = 0; i < size && !ar.damaged(); ++i) {
      typename Map::key_type key{};
      typename Map::mapped_type value{};
      ar(key);
      each(value);
      map.emplace_hint(map.end(), std::move(key), std::move(value));
    }
    if (map.size() != size) ar.damage();
  } else {
    for (auto& [key, value] : map) {
      ar(key);
      each(value);
    }
  }
}

template <typename Archive, typename Map>
void code_map(Archive& ar, Map& map) {
  code_map(ar, map, [&](auto& value) { ar(value); });
}

// Value has `static constexpr uint8_t version_now`, and `template <typename Archive> void code(Archive&,
// uint8_t version)`.
template <typename Value>
std::string encode_value(const Value& value) {
  std::string out(1, static_cast<char>(Value::version_now));
  core::RecordWriter writer(out);
  const_cast<Value&>(value).code(writer, Value::version_now);  // NOLINT: a writer only reads
  return out;
}

template <typename Value>
std::optional<Value> decode_value(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto version = static_cast<uint8_t>(bytes.front());
  if (version == 0 || version > Value::version_now) return std::nullopt;
  core::RecordReader reader(bytes.substr(1));
  Value value;
  value.code(reader, version);
  if (!reader.whole()) return std::nullopt;
  return value;
}

}  // namespace pawl::ops
