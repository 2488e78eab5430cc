// The journal of a single machine: the store's own write-ahead log, fsynced.
#pragma once

#include <optional>

#include "bus/journal/journal.h"
#include "bus/store/store.h"

namespace pawl::journal {

class LocalJournal : public Journal {
 public:
  // The store is not owned and outlives the journal; nobody else writes to it meanwhile.
  explicit LocalJournal(store::Store& store) : store_(store), newest_(store.chain()) {}

  // A batch that does not continue the store's chain, or whose hash is not that of its rows, is a
  // broken invariant: it would make the log unreadable. After a failure every commit fails with the
  // same error; go on with a new journal over a store that was opened again.
  Status commit(const core::Batch& batch) override;

 private:
  store::Store& store_;
  core::ChainLink newest_;
  std::optional<Error> failure_;
};

}  // namespace pawl::journal
