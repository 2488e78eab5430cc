// The tables of the bus. A batch is a list of (table, put or erase, key, value);
// the store maps tables to column families, the core knows only these names.
// Keys are big-endian, so that their byte order is their order; see keys.h.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace pawl::core {

// The numbers are part of the stored format and of the batch hash: append only.
enum class Table : uint8_t {
  meta = 0,         // head, chain, format
  role = 1,         // role number → RoleRecord
  count = 2,        // role number → RoleCounts
  mark = 3,         // lane → low-water mark of its home rows
  daemon = 4,       // daemon name → the role it was last served (turns over several roles)
  home = 5,         // birth key → HomeRecord: what was pushed
  life = 6,         // birth key → LifeRecord: what became of it; none while untouched
  blob = 7,         // birth key → a payload over 4 KiB
  back = 8,         // return lane: role, priority, sequence → birth key
  due_bus = 9,      // bus time, sequence → birth key
  due_wall = 10,    // wall time, kind, sequence → birth key
  group = 11,       // role, group key, sequence → birth key of a waiting member
  head = 12,        // role, group key → birth key of the head
  unique = 13,      // role, unique key → holder
  claimed = 14,     // batch → birth keys claimed in it; erased when none is left
  ended = 15,       // bus time, batch → messages that retention may take then
  dead = 16,        // number of the death → DeadRecord
  invocation = 17,  // birth key, delivery → InvocationRecord
  chronicle = 18,   // event number → EventRecord
  guard = 19,       // a guard's name, a slash, its own key → its own row
  deploy = 20,      // role → DeployLog; role, version → DeployRecord; with a mark behind it its prompt
  ops = 21,         // the same of the ops layer's parts
};
constexpr size_t table_count = 22;

constexpr std::array<std::string_view, table_count> table_names = {
    "meta", "role",       "count",     "mark",  "daemon", "home",   "life",    "blob",
    "back", "due_bus",    "due_wall",  "group", "head",   "unique", "claimed", "ended",
    "dead", "invocation", "chronicle", "guard", "deploy", "ops"};

constexpr std::string_view table_name(Table table) { return table_names[static_cast<size_t>(table)]; }

}  // namespace pawl::core
