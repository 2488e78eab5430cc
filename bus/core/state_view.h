// What the core reads through: committed rows, or those overlaid with the rows
// of batches that are not committed yet. Reads are synchronous and the caller
// bounds them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "bus/core/table.h"

namespace pawl::core {

// Called with each row in key order; the views live until it returns. False ends the scan.
using RowSink = std::function<bool(std::string_view key, std::string_view value)>;

// Thread: any one at a time, the owner's. A read that the disk fails answers
// "nothing" and makes failed() true for good: the owner then throws away
// everything built on this view (design: a failed commit is not an error answer).
class StateView {
 public:
  StateView() = default;
  StateView(const StateView&) = delete;
  StateView& operator=(const StateView&) = delete;
  virtual ~StateView() = default;

  // True and the value, or false.
  virtual bool get(Table table, std::string_view key, std::string& value) const = 0;
  // Rows with from <= key < to; an empty `to` means the end of the table.
  virtual void scan(Table table, std::string_view from, std::string_view to, const RowSink& sink) const = 0;
  virtual bool failed() const = 0;
};

}  // namespace pawl::core
