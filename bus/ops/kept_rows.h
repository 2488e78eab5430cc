// Rows that retention has taken from the core but an open incident refers to: they stand here until it is
// closed. Bounded; beyond that the oldest go into the insights all the same.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "bus/core/office.h"
#include "bus/ops/distiller.h"

namespace pawl::ops {

// Rows PREFIX + number (8), in the order of their coming. Thread: the bus's.
class KeptRows {
 public:
  static constexpr size_t rows_max = 10'000;
  static constexpr size_t bytes_max = size_t{16} << 20;

  explicit KeptRows(std::string prefix, size_t most_rows = rows_max, size_t most_bytes = bytes_max)
      : prefix_(std::move(prefix)), rows_max_(most_rows), bytes_max_(most_bytes) {}

  // Reads the rows; throws std::runtime_error where a key is damaged.
  void open(const core::Desk& desk);
  // Takes one in; for what there is no room any more, `overflow` is told.
  void add(const PastRow& row, core::Desk& desk, const std::function<void(const PastRow&)>& overflow);
  // Tells of every row that need not stay, and forgets it. Throws where a row is damaged.
  void release(const Keep& keep, core::Desk& desk, const std::function<void(const PastRow&)>& gone);
  size_t size() const { return rows_.size(); }
  size_t bytes() const { return bytes_; }
  void each(const core::Desk& desk, const std::function<void(const PastRow&)>& visit) const;

 private:
  struct Row {
    uint64_t number;
    size_t bytes;
  };
  std::string key_of(uint64_t number) const;
  static PastRow read(std::string_view bytes);

  std::string prefix_;
  size_t rows_max_;
  size_t bytes_max_;
  std::deque<Row> rows_;
  size_t bytes_ = 0;
  uint64_t next_ = 1;
};

}  // namespace pawl::ops
