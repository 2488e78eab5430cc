#include "bus/ops/kept_rows.h"

#include <stdexcept>

#include "bus/core/keys.h"

namespace pawl::ops {

std::string KeptRows::key_of(uint64_t number) const { return prefix_ + core::keys::number(number); }

PastRow KeptRows::read(std::string_view bytes) {
  auto row = PastRow::decode(bytes);
  if (!row) throw std::runtime_error("a row that an incident keeps");
  return std::move(*row);
}

void KeptRows::open(const core::Desk& desk) {
  rows_.clear();
  bytes_ = 0;
  next_ = 1;
  desk.scan(prefix_, [&](std::string_view key, std::string_view value) {
    if (key.size() != prefix_.size() + 8) throw std::runtime_error("the key of a row that an incident keeps");
    const uint64_t number = core::keys::read_be(key, prefix_.size(), 8);
    rows_.push_back({number, value.size()});
    bytes_ += value.size();
    next_ = number + 1;
    return true;
  });
}

void KeptRows::add(const PastRow& row, core::Desk& desk,
                   const std::function<void(const PastRow&)>& overflow) {
  const std::string bytes = row.encode();
  std::string value;
  while (!rows_.empty() && (rows_.size() >= rows_max_ || bytes_ + bytes.size() > bytes_max_)) {
    const std::string key = key_of(rows_.front().number);
    if (desk.get(key, value)) overflow(read(value));
    desk.erase(key);
    bytes_ -= rows_.front().bytes;
    rows_.pop_front();
  }
  if (bytes.size() > bytes_max_) return overflow(row);
  desk.put(key_of(next_), bytes);
  rows_.push_back({next_++, bytes.size()});
  bytes_ += bytes.size();
}

void KeptRows::release(const Keep& keep, core::Desk& desk, const std::function<void(const PastRow&)>& gone) {
  std::deque<Row> left;
  std::string value;
  for (const Row& one : rows_) {
    const std::string key = key_of(one.number);
    if (desk.get(key, value)) {
      const PastRow row = read(value);
      if (keep.refers(row)) {
        left.push_back(one);
        continue;
      }
      gone(row);
    }
    desk.erase(key);
    bytes_ -= one.bytes;
  }
  rows_ = std::move(left);
}

void KeptRows::each(const core::Desk& desk, const std::function<void(const PastRow&)>& visit) const {
  desk.scan(prefix_, [&](std::string_view, std::string_view value) {
    visit(read(value));
    return true;
  });
}

}  // namespace pawl::ops
