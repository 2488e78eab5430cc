// Looks at a data directory before anything in it is opened for writing. Internal to bus/store.
#pragma once

#include <string>
#include <string_view>

#include "bus/base/result.h"
#include "bus/store/rocks_store.h"
#include "bus/store/wal_repair.h"

namespace pawl::store {

enum class Shape {
  fresh,     // nothing there yet, or a creation that was interrupted
  complete,  // a database with our families
};

// Makes DIR, or says why it cannot be one.
Status prepare_directory(const RocksOptions& options);
// Whose database is in DIR/db; strange ones stay as they were.
Result<Shape> look(const RocksOptions& options);

LogRepair repair_of(const RocksOptions& options);

// The format row of the meta table: its key in the family, its value, and the check of one found.
std::string format_row_key();
std::string format_row();
Status check_format(const std::string& path, std::string_view row);

}  // namespace pawl::store
