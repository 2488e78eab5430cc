#include "bus/journal/local_journal.h"

namespace pawl::journal {

Status LocalJournal::commit(const core::Batch& batch) {
  if (failure_) return *failure_;
  const core::ChainLink& link = batch.link;
  PAWL_CHECK(link.sequence == newest_.sequence + 1);
  PAWL_CHECK(link.previous == newest_.hash);
  PAWL_CHECK(link.term >= newest_.term);
  PAWL_CHECK(link.hash == core::hash_batch(link.previous, link.sequence, link.term, batch.rows));
  const Status written = store_.write(batch);
  if (!written.ok()) {
    failure_ = written.error();
    return written;
  }
  newest_ = link;
  return {};
}

}  // namespace pawl::journal
