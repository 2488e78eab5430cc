// The committed rows under the rows of batches that are not committed yet: one
// sealed and in flight at most, and the open one.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>

#include "bus/core/state_view.h"

namespace pawl::core {

class Overlay final : public StateView {
 public:
  explicit Overlay(const StateView& committed) : committed_(committed) {}

  bool get(Table table, std::string_view key, std::string& value) const override;
  void scan(Table table, std::string_view from, std::string_view to, const RowSink& sink) const override;
  bool failed() const override { return committed_.failed(); }
  const StateView& committed() const { return committed_; }

  // Both copy what they are given.
  void put(Table table, std::string_view key, std::string_view value) { open_->set(table, key, value); }
  void erase(Table table, std::string_view key) { open_->set(table, key, std::nullopt); }

  bool open_empty() const { return open_->bytes == 0; }
  size_t open_bytes() const { return open_->bytes; }
  // Encodes the open rows (batch.h) and makes them the ones in flight.
  std::string seal(size_t& row_count);
  // The rows in flight are in the committed view now.
  void drop_sealed();
  bool in_flight() const { return in_flight_; }

 private:
  using Value = std::optional<std::string_view>;  // nothing: erased
  using Rows = std::pmr::map<std::string_view, Value>;
  // The rows of one batch, in memory that is given back as a whole: no allocation a row. What a later put
  // of the same key replaces stays until then, and counts in `bytes`.
  class Layer {
   public:
    Layer();
    const Rows& rows(Table table) const { return (*tables_)[static_cast<size_t>(table)]; }
    void set(Table table, std::string_view key, Value value);
    void clear();
    size_t bytes = 0;

   private:
    std::string_view keep(std::string_view text);
    std::unique_ptr<std::byte[]> first_;  // used again by every batch
    std::pmr::monotonic_buffer_resource memory_;
    std::optional<std::array<Rows, table_count>> tables_;
  };

  const StateView& committed_;
  Layer layers_[2];
  Layer* sealed_ = &layers_[0];
  Layer* open_ = &layers_[1];
  bool in_flight_ = false;
};

}  // namespace pawl::core
