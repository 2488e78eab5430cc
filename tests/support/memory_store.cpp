#include "tests/support/memory_store.h"

namespace pawl::test {

class MemoryStore::Snapshot : public core::StateView {
 public:
  explicit Snapshot(State state) : state_(std::move(state)) {}
  bool get(core::Table table, std::string_view key, std::string& value) const override {
    return find(state_, table, key, value);
  }
  void scan(core::Table table, std::string_view from, std::string_view to,
            const core::RowSink& sink) const override {
    walk(state_, table, from, to, sink);
  }
  bool failed() const override { return false; }

 private:
  const State state_;
};

bool MemoryStore::find(const State& state, core::Table table, std::string_view key, std::string& value) {
  const Rows& rows = state.tables[static_cast<size_t>(table)];
  const auto row = rows.find(key);
  if (row == rows.end()) return false;
  value = row->second;
  return true;
}

void MemoryStore::walk(const State& state, core::Table table, std::string_view from, std::string_view to,
                       const core::RowSink& sink) {
  const Rows& rows = state.tables[static_cast<size_t>(table)];
  for (auto row = rows.lower_bound(from); row != rows.end(); ++row) {
    if (!to.empty() && row->first >= to) return;
    if (!sink(row->first, row->second)) return;
  }
}

bool MemoryStore::get(core::Table table, std::string_view key, std::string& value) const {
  const std::lock_guard guard(mutex_);
  return !reads_fail_ && find(state_, table, key, value);
}

void MemoryStore::scan(core::Table table, std::string_view from, std::string_view to,
                       const core::RowSink& sink) const {
  const std::lock_guard guard(mutex_);
  if (!reads_fail_) walk(state_, table, from, to, sink);
}

bool MemoryStore::failed() const {
  const std::lock_guard guard(mutex_);
  return reads_fail_;
}

Status MemoryStore::write(const core::Batch& batch) {
  const std::lock_guard guard(mutex_);
  if (write_failed_) return make_error(Code::readonly, "the store failed a write; open it again");
  if (writes_until_failure_ && --*writes_until_failure_ == 0) {
    write_failed_ = true;
    if (fate_ == FailedWrite::kept) apply(batch);
    return make_error(Code::readonly, "injected failure of a write");
  }
  apply(batch);
  ++writes_;
  return {};
}

void MemoryStore::apply(const core::Batch& batch) {
  const bool whole =
      batch.for_each([this](core::Table table, std::string_view key, std::optional<std::string_view> value) {
        Rows& rows = state_.tables[static_cast<size_t>(table)];
        if (value) {
          rows.insert_or_assign(std::string(key), std::string(*value));
        } else if (const auto row = rows.find(key); row != rows.end()) {
          rows.erase(row);
        }
      });
  PAWL_CHECK(whole);
  state_.chain = batch.link;
}

std::unique_ptr<core::StateView> MemoryStore::snapshot() const {
  const std::lock_guard guard(mutex_);
  return std::make_unique<Snapshot>(state_);
}

core::ChainLink MemoryStore::chain() const {
  const std::lock_guard guard(mutex_);
  return state_.chain;
}

void MemoryStore::fail_write(size_t n, FailedWrite fate) {
  const std::lock_guard guard(mutex_);
  PAWL_CHECK(n >= 1);
  writes_until_failure_ = n;
  fate_ = fate;
}

void MemoryStore::fail_reads() {
  const std::lock_guard guard(mutex_);
  reads_fail_ = true;
}

std::unique_ptr<MemoryStore> MemoryStore::clone() const {
  const std::lock_guard guard(mutex_);
  auto copy = std::make_unique<MemoryStore>();
  copy->state_ = state_;
  return copy;
}

size_t MemoryStore::writes() const {
  const std::lock_guard guard(mutex_);
  return writes_;
}

size_t MemoryStore::rows() const {
  const std::lock_guard guard(mutex_);
  size_t count = 0;
  for (const Rows& rows : state_.tables) count += rows.size();
  return count;
}

}  // namespace pawl::test
