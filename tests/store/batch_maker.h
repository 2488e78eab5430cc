// Batches with a sound chain, as the core makes them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "bus/core/batch.h"

namespace pawl::test {

class BatchMaker {
 public:
  BatchMaker() = default;
  explicit BatchMaker(const core::ChainLink& newest) : newest_(newest) {}

  BatchMaker& put(core::Table table, std::string key, std::string value) {
    rows_[{table, std::move(key)}] = std::move(value);
    return *this;
  }
  BatchMaker& erase(core::Table table, std::string key) {
    rows_[{table, std::move(key)}] = std::nullopt;
    return *this;
  }
  // Closes the batch; the next one follows it.
  core::Batch make() {
    core::Batch batch;
    for (const auto& [place, value] : rows_) {
      core::append_row(batch.rows, place.first, place.second,
                       value ? std::optional<std::string_view>(*value) : std::nullopt);
      ++batch.row_count;
    }
    rows_.clear();
    batch.link = {
        .sequence = newest_.sequence + 1, .term = newest_.term, .previous = newest_.hash, .hash = {}};
    batch.link.hash = core::hash_batch(batch.link.previous, batch.link.sequence, batch.link.term, batch.rows);
    newest_ = batch.link;
    return batch;
  }

 private:
  core::ChainLink newest_;
  std::map<std::pair<core::Table, std::string>, std::optional<std::string>> rows_;
};

}  // namespace pawl::test
