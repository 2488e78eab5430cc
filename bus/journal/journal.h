// Where a committed batch becomes durable: here the local store with fsync; a
// replicated log later, which publishes the very same bytes first.
#pragma once

#include "bus/base/result.h"
#include "bus/core/batch.h"

namespace pawl::journal {

class Journal {
 public:
  Journal() = default;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  virtual ~Journal() = default;

  // Blocks until the batch is durable and readable. Batches come in order, each
  // the successor of the one before (sequence and previous hash). Called on one
  // thread at a time. A failure is final: what the batch held is unknown until
  // the store has been opened again.
  virtual Status commit(const core::Batch& batch) = 0;
};

}  // namespace pawl::journal
