#include "bus/core/lanes.h"

#include <algorithm>

namespace pawl::core {
namespace {

bool before(const LaneEntry& entry, uint64_t sequence) { return entry.sequence < sequence; }

}  // namespace

int Lane::offer(const LaneEntry& entry, size_t window_max) {
  if (entry.sequence > loaded_through_) return 0;
  const auto first = window_.begin() + static_cast<std::ptrdiff_t>(begin_);
  if (empty() || window_.back().sequence < entry.sequence) {
    if (size() >= window_max) {
      loaded_through_ = window_.back().sequence;
      return 0;
    }
    window_.push_back(entry);
    return 1;
  }
  window_.insert(std::lower_bound(first, window_.end(), entry.sequence, before), entry);
  if (size() <= window_max) return 1;
  window_.pop_back();
  loaded_through_ = window_.back().sequence;
  return 0;
}

void Lane::pop_front() {
  ++begin_;
  if (begin_ == window_.size()) {
    window_.clear();
    begin_ = 0;
  } else if (begin_ >= 1024 && begin_ * 2 >= window_.size()) {
    // Moving what is left costs less than what was taken since the last time.
    window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
}

bool Lane::remove(uint64_t sequence) {
  const auto first = window_.begin() + static_cast<std::ptrdiff_t>(begin_);
  const auto at = std::lower_bound(first, window_.end(), sequence, before);
  if (at == window_.end() || at->sequence != sequence) return false;
  if (at == first) {
    pop_front();
  } else {
    window_.erase(at);
  }
  return true;
}

size_t Lane::shrink(size_t keep) {
  if (size() <= keep || keep == 0) return 0;
  const size_t gone = size() - keep;
  window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(begin_));
  begin_ = 0;
  window_.resize(keep);
  window_.shrink_to_fit();
  loaded_through_ = window_.back().sequence;
  return gone;
}

}  // namespace pawl::core
