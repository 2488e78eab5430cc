// Tables to RocksDB column families. Tables that live and die alike share a
// family, because every family costs a memtable and can pin the log. In a
// shared family the key is prefixed by the table's number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bus/core/table.h"

namespace pawl::store {

enum class Family : uint8_t { meta, home, life, blob, index, invocation, chronicle };
constexpr size_t family_count = 7;

// Stored in the database's manifest: never rename one.
constexpr std::array<std::string_view, family_count> family_names = {
    "meta", "home", "life", "blob", "index", "invocation", "chronicle"};

constexpr std::string_view family_name(Family family) { return family_names[static_cast<size_t>(family)]; }

constexpr Family family_of(core::Table table) {
  switch (table) {
    case core::Table::meta:
    case core::Table::role:
    case core::Table::count:
    case core::Table::mark:
    case core::Table::daemon:
    case core::Table::guard:
    case core::Table::deploy:
    case core::Table::ops:
      return Family::meta;
    case core::Table::home:
      return Family::home;
    case core::Table::life:
      return Family::life;
    case core::Table::blob:
      return Family::blob;
    case core::Table::back:
    case core::Table::due_bus:
    case core::Table::due_wall:
    case core::Table::group:
    case core::Table::head:
    case core::Table::unique:
    case core::Table::claimed:
    case core::Table::ended:
    case core::Table::dead:
      return Family::index;
    case core::Table::invocation:
      return Family::invocation;
    case core::Table::chronicle:
      return Family::chronicle;
  }
  return Family::meta;
}

constexpr bool is_shared(Family family) { return family == Family::meta || family == Family::index; }

// The key inside the family. `out` is overwritten; reuse it to save the allocation.
inline void family_key(core::Table table, std::string_view key, std::string& out) {
  out.clear();
  if (is_shared(family_of(table))) out += static_cast<char>(table);
  out.append(key);
}

struct TableKey {
  core::Table table;
  std::string_view key;
};

// The way back; nothing when the key cannot be ours.
inline std::optional<TableKey> table_key(Family family, std::string_view stored) {
  if (!is_shared(family)) {
    for (size_t i = 0; i < core::table_count; ++i) {
      const auto table = static_cast<core::Table>(i);
      if (family_of(table) == family) return TableKey{table, stored};
    }
    return std::nullopt;
  }
  if (stored.empty() || static_cast<uint8_t>(stored[0]) >= core::table_count) return std::nullopt;
  const auto table = static_cast<core::Table>(stored[0]);
  if (family_of(table) != family) return std::nullopt;
  return TableKey{table, stored.substr(1)};
}

}  // namespace pawl::store
