// Where committed rows live. One conformance suite (tests/store) holds every
// implementation to this page.
#pragma once

#include <memory>
#include <string>

#include "bus/base/result.h"
#include "bus/core/batch.h"
#include "bus/core/state_view.h"

namespace pawl::store {

// Threads: write() on one thread at a time, reads meanwhile on one other; a
// snapshot belongs to whoever took it.
class Store : public core::StateView {
 public:
  // Puts the batch, its chain row included, in place as a whole and durably: when it returns
  // success the rows survive a loss of power. After a failure nobody knows whether the rows are
  // there: throw the store away and open it again.
  virtual Status write(const core::Batch& batch) = 0;
  // A frozen view for a long read on another thread.
  virtual std::unique_ptr<core::StateView> snapshot() const = 0;
  // The newest batch in the store; sequence 0 when there is none.
  virtual core::ChainLink chain() const = 0;
};

}  // namespace pawl::store
