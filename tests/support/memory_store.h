// A store in memory for unit tests and simulation, with the failures that the contract of Store allows.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "bus/store/store.h"

namespace pawl::test {

// What became of the rows of a write that answered failure.
enum class FailedWrite { lost, kept };

class MemoryStore : public store::Store {
 public:
  MemoryStore() = default;

  bool get(core::Table table, std::string_view key, std::string& value) const override;
  void scan(core::Table table, std::string_view from, std::string_view to,
            const core::RowSink& sink) const override;
  bool failed() const override;
  Status write(const core::Batch& batch) override;
  std::unique_ptr<core::StateView> snapshot() const override;
  core::ChainLink chain() const override;

  // The n-th write from now (1: the next) answers failure; `fate` says whether its rows are there
  // all the same. Every later write fails and changes nothing, as after a real failure, until the
  // store is "opened again": clone().
  void fail_write(size_t n, FailedWrite fate);
  // From now on reads find nothing and failed() is true.
  void fail_reads();
  // A healthy store with the same rows and chain: what reopening would give.
  std::unique_ptr<MemoryStore> clone() const;

  size_t writes() const;  // successful ones
  size_t rows() const;    // over all tables

 private:
  using Rows = std::map<std::string, std::string, std::less<>>;
  struct State {
    std::array<Rows, core::table_count> tables;
    core::ChainLink chain;
  };
  class Snapshot;

  static bool find(const State& state, core::Table table, std::string_view key, std::string& value);
  static void walk(const State& state, core::Table table, std::string_view from, std::string_view to,
                   const core::RowSink& sink);
  void apply(const core::Batch& batch);

  // Recursive: a sink may read again.
  mutable std::recursive_mutex mutex_;
  State state_;
  std::optional<size_t> writes_until_failure_;
  FailedWrite fate_ = FailedWrite::lost;
  bool write_failed_ = false;
  bool reads_fail_ = false;
  size_t writes_ = 0;
};

}  // namespace pawl::test
