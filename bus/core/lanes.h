// Windows over lanes. The backlog is on disk; a lane keeps only the next few
// keys in memory and knows how far its window covers the rows on disk.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "bus/base/ids.h"

namespace pawl::core {

struct LaneEntry {
  uint64_t sequence = 0;
  BirthKey key;
};

// One lane: home rows or return rows of one role and priority. Every claimable
// row with a sequence at or below loaded_through() stands in the window.
class Lane {
 public:
  static constexpr uint64_t everything = std::numeric_limits<uint64_t>::max();

  bool empty() const { return begin_ == window_.size(); }
  size_t size() const { return window_.size() - begin_; }
  const LaneEntry& front() const { return window_[begin_]; }
  uint64_t loaded_through() const { return loaded_through_; }
  bool complete() const { return loaded_through_ == everything; }
  // Nothing to claim in memory, but there may be rows on disk.
  bool needs_refill() const { return empty() && !complete(); }

  // A row became claimable. Returns the change in window size (0 or 1; 0 also when it went to disk only).
  int offer(const LaneEntry& entry, size_t window_max);
  void pop_front();
  // A row stopped being claimable. Returns whether it stood in the window.
  bool remove(uint64_t sequence);
  // Refill: rows come in order, behind everything in the window.
  void append(const LaneEntry& entry) { window_.push_back(entry); }
  void set_loaded_through(uint64_t sequence) { loaded_through_ = sequence; }
  // Keeps the first `keep` entries; returns how many went.
  size_t shrink(size_t keep);

  uint64_t last_used = 0;  // turn

 private:
  // Ascending by sequence; the first begin_ are taken. A lane that was never used allocates nothing.
  std::vector<LaneEntry> window_;
  size_t begin_ = 0;
  uint64_t loaded_through_ = 0;
};

}  // namespace pawl::core
