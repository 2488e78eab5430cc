// The committed rows under the rows of batches that are not committed yet: one
// sealed and in flight at most, and the open one.
#pragma once

#include <array>
#include <map>
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

  void put(Table table, std::string key, std::string value);
  void erase(Table table, std::string key);

  bool open_empty() const { return open_.bytes == 0; }
  size_t open_bytes() const { return open_.bytes; }
  // Encodes the open rows (batch.h) and makes them the ones in flight.
  std::string seal(size_t& row_count);
  // The rows in flight are in the committed view now.
  void drop_sealed();
  bool in_flight() const { return in_flight_; }

 private:
  using Rows = std::map<std::string, std::optional<std::string>, std::less<>>;
  struct Layer {
    std::array<Rows, table_count> tables;
    size_t bytes = 0;
    void clear();
  };

  const StateView& committed_;
  Layer sealed_;
  Layer open_;
  bool in_flight_ = false;
};

}  // namespace pawl::core
