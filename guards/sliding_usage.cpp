#include "guards/sliding_usage.h"

#include <algorithm>

#include "bus/core/faults.h"

namespace pawl::guards {

int64_t SlidingUsage::start_of(int64_t bucket) const {
  return (bucket * per_ms_ + limits::quota_buckets - 1) / limits::quota_buckets;
}

int64_t SlidingUsage::oldest(int64_t now_ms) const {
  return std::max<int64_t>(0, std::max(newest_, bucket_of(now_ms)) - limits::quota_buckets +
                                  (PAWL_FAULT(quota_window_too_short) ? 1 : 0));
}

void SlidingUsage::add_up() {
  total_ = 0;
  for (const uint64_t amount : amounts_) total_ = plus(total_, amount);
}

void SlidingUsage::advance(int64_t bucket) {
  if (bucket - newest_ >= slots) {
    amounts_.fill(0);
  } else {
    for (int64_t fresh = newest_ + 1; fresh <= bucket; ++fresh) slot(fresh) = 0;
  }
  newest_ = bucket;
  add_up();
}

void SlidingUsage::add(int64_t at_ms, uint64_t amount) {
  const int64_t bucket = bucket_of(at_ms);
  if (bucket > newest_) advance(bucket);
  if (bucket <= newest_ - slots) return;
  slot(bucket) = plus(slot(bucket), amount);
  total_ = plus(total_, amount);
}

uint64_t SlidingUsage::used(int64_t now_ms) const {
  if (bucket_of(now_ms) <= newest_ && !PAWL_FAULT(quota_window_too_short)) return total_;
  uint64_t sum = 0;
  for (int64_t bucket = oldest(now_ms); bucket <= newest_; ++bucket) sum = plus(sum, amount(bucket));
  return sum;
}

int64_t SlidingUsage::fits_at_ms(int64_t now_ms, uint64_t room) const {
  const int64_t first = oldest(now_ms);
  Wide left = 0;
  for (int64_t bucket = first; bucket <= newest_; ++bucket) left += amount(bucket);
  int64_t at_ms = now_ms;
  for (int64_t bucket = first; bucket <= newest_ && left > room; ++bucket) {
    if (amount(bucket) == 0) continue;
    left -= amount(bucket);
    at_ms = start_of(bucket + slots);
  }
  return at_ms;
}

std::optional<int64_t> SlidingUsage::frees_at_ms(int64_t now_ms) const {
  for (int64_t bucket = oldest(now_ms); bucket <= newest_; ++bucket) {
    if (amount(bucket) != 0) return start_of(bucket + slots);
  }
  return std::nullopt;
}

void SlidingUsage::learn(const SlidingUsage& other, int64_t now_ms) {
  for (int64_t bucket = other.oldest(now_ms); bucket <= other.newest_; ++bucket) {
    if (other.amount(bucket) == 0) continue;
    add(std::min(now_ms, other.start_of(bucket + 1) - 1), other.amount(bucket));
  }
}

void SlidingUsage::write(core::RecordWriter& row) const {
  const auto used = static_cast<uint64_t>(
      std::count_if(amounts_.begin(), amounts_.end(), [](uint64_t amount) { return amount != 0; }));
  row(newest_);
  row.number(used);
  for (int64_t back = 0; back < slots && back <= newest_; ++back) {
    if (amount(newest_ - back) == 0) continue;
    row(static_cast<uint8_t>(back), amount(newest_ - back));
  }
}

void SlidingUsage::read(core::RecordReader& row) {
  row(newest_);
  if (newest_ < 0) row.damage();
  const uint64_t used = row.number();
  int64_t last = -1;
  for (uint64_t i = 0; i < used && !row.damaged(); ++i) {
    uint8_t back = 0;
    uint64_t amount = 0;
    row(back, amount);
    if (back <= last || back >= slots || back > newest_ || amount > amount_max) return row.damage();
    last = back;
    slot(newest_ - back) = amount;
  }
  add_up();
}

}  // namespace pawl::guards
